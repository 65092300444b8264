"""Is the catalogue what the log says? Compared with a fresh projection, table by table, row by row.

A copy of the catalogue is compared, page for page the same, so that nobody waits for it. Every difference is listed,
none is mended: `catalog rebuild` makes the catalogue again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from base import fsio
from base.errors import CatalogueError, Finding, SurroundingsError
from catalog import database
from catalog.bring_forward import check_meets
from catalog.cursor import Cursor
from catalog.rebuild import project_fresh, workbench
from catalog.sqlite import MIGRATIONS_TABLE, Catalogue
from ledger.layout import StoreLayout
from ledger.store_reader import StoreReader

_MEMORY = Path("/dev/shm")
MOST_LISTED = 1000  # rows of one table; that there are more is said
_MEANING = "The catalogue shows something else than the log says. The log and the vault are not touched by it."
_NOT_COMPARED = frozenset({MIGRATIONS_TABLE, "cursor"})


def check_catalogue(layout: StoreLayout) -> list[Finding]:
    """Return every difference between the catalogue and a fresh projection of the log, as far as the catalogue goes.

    That it lags behind the log is no difference. Raises NewerDataError for a catalogue of a newer version, BusyError
    while a rebuild runs, SurroundingsError where nothing can be written, not even in memory, LedgerError when the log
    can't be read.
    """
    with _bench(layout) as new_path:
        try:
            return list(_findings(layout, copy=new_path(), fresh=new_path()))
        except CatalogueError as error:
            return [_finding("unusable", "catalogue.db", "a sound catalogue of this log", str(error))]


@contextlib.contextmanager
def _bench(layout: StoreLayout) -> Iterator[Callable[[], Path]]:
    """Yield a function that names new files: in the store, or in memory where the store is read-only.

    They hold names, so on a disk they lie in the store and nowhere else.
    """
    if os.access(layout.private, os.W_OK, effective_ids=True):
        with workbench(layout) as new_path:
            yield new_path
        return
    if not _MEMORY.is_dir() or not fsio.is_memory(_MEMORY):
        raise SurroundingsError(f"the store is read-only, and {_MEMORY} is no memory to work in.")
    folder = _MEMORY / f"strongroom-{secrets.token_hex(8)}"
    with fsio.declared_errors("no working file can be made in memory"):
        fsio.make_directory(folder)
        try:
            yield lambda: folder / secrets.token_hex(8)
        finally:
            for path in folder.iterdir():
                fsio.remove(path)
            fsio.remove_directory(folder)


def _findings(layout: StoreLayout, *, copy: Path, fresh: Path) -> Iterator[Finding]:
    _copy(layout.catalogue, copy)
    with StoreReader(layout) as log, Catalogue.open(copy) as catalogue:
        cursor = catalogue.cursor
        check_meets(cursor, log.parts())
    with contextlib.closing(database.connect(copy)) as connection, database.declared_errors():
        yield from _damage(connection)
        yield from _cursor_difference(cursor, project_fresh(layout, fresh, stop=cursor.size))
        connection.execute("ATTACH DATABASE ? AS fresh", (str(fresh),))
        yield from _differences(connection)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it stands between two commits, page for page: damage is copied too."""
    with database.declared_errors(), contextlib.closing(database.connect_to_read(source)) as old:
        os.close(fsio.create(str(target)))
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as new:
            old.backup(new)


def _damage(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Yield what SQLite itself finds wrong with the file, and with the index of words."""
    for (text,) in connection.execute("PRAGMA integrity_check"):
        if text != "ok":
            yield _finding("damaged", "catalogue.db", "a sound database", str(text))
    try:
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    except sqlite3.DatabaseError as error:
        yield _finding("damaged", "catalogue.db words", "an index of exactly the words in it", str(error))


def _cursor_difference(found: Cursor, expected: Cursor) -> Iterator[Finding]:
    if (found.size, found.last_entry) != (expected.size, expected.last_entry):
        yield _finding(
            "changed-row",
            "catalogue.db cursor",
            f"{expected.size} entries, the last {expected.last_entry}",
            f"{found.size} entries, the last {found.last_entry}",
        )


def _differences(connection: sqlite3.Connection) -> Iterator[Finding]:
    for table in _tables(connection):
        keys, columns = _columns(connection, table)
        for number, (code, key) in enumerate(_different_rows(connection, table, keys, columns)):
            if number == MOST_LISTED:
                yield _finding("more-rows", f"catalogue.db {table}", "no difference", f"more than {MOST_LISTED} rows")
                break
            expected = "no such row" if code == "extra-row" else "the row that the log gives"
            found = {"extra-row": "a row", "missing-row": "no row", "changed-row": "a row with other values"}[code]
            yield _finding(code, f"catalogue.db {table} {'/'.join(map(str, key))}", expected, found)


def _tables(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that hold something of their own: not SQLite's, nor those behind the index of words."""
    rows = connection.execute(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'fresh' AND type IN ('table', 'virtual') "
        "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
    ).fetchall()
    return [name for name, _ in rows if name not in _NOT_COMPARED]


def _columns(connection: sqlite3.Connection, table: str) -> tuple[list[str], list[str]]:
    """Return the columns of the primary key, and all columns."""
    rows = connection.execute("SELECT name, pk FROM pragma_table_info(?, 'fresh')", (table,)).fetchall()
    return [name for name, pk in rows if pk] or ["rowid"], [name for name, _ in rows]


def _different_rows(
    connection: sqlite3.Connection, table: str, keys: list[str], columns: list[str]
) -> Iterator[tuple[str, tuple[object, ...]]]:
    # Joined by key, not by EXCEPT: nothing is sorted, and no name is written into a temporary file.
    same_key = " AND ".join(f'here."{key}" = there."{key}"' for key in keys)
    here, there = (", ".join(f'{side}."{column}"' for column in columns) for side in ("here", "there"))
    for first, second, absent in (("main", "fresh", "extra-row"), ("fresh", "main", "missing-row")):
        changed = f"OR ({here}) IS NOT ({there})" if first == "main" else ""
        rows = connection.execute(
            f'SELECT there."{keys[0]}" IS NULL, {", ".join(f"here.{chr(34)}{key}{chr(34)}" for key in keys)} '
            f'FROM {first}."{table}" AS here LEFT JOIN {second}."{table}" AS there ON {same_key} '
            f'WHERE there."{keys[0]}" IS NULL {changed}'
        )
        for is_absent, *key in rows:
            yield absent if is_absent else "changed-row", tuple(key)


def _finding(code: str, thing: str, expected: str, found: str) -> Finding:
    return Finding(
        code=f"catalogue-{code}", object=thing, expected=expected, found=found, meaning=_MEANING, exit_code=22
    )
