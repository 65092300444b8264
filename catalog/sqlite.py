"""The catalogue as it is written: created, checked, and brought forward entry by entry. All SQL that writes is here.

Entries are applied in one IMMEDIATE transaction that reads the cursor inside: two processes that come by at the same
time can't both apply an entry, and neither leaves a gap. Rows of one kind are written together.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Self

from msgspec.structs import replace
from sqlite_utils import Database

from base import fsio
from base.errors import CatalogueError
from base.failpoints import reach
from catalog import database
from catalog.cursor import APPLICATION_ID, BUSY_TIMEOUT_S, SCHEMA_VERSION, Cursor
from catalog.migrations import CATALOGUE
from catalog.projections import changes
from catalog.projections.rows import (
    ITEM_ANALYSED,
    ITEM_MEDIA_TYPE,
    ORDER,
    WORDS,
    WORDS_DETAILS,
    Change,
    Effect,
    Results,
    RowChange,
    Value,
)
from hashing.checkpoint import Checkpoint
from hashing.digest import ZERO_DIGEST
from ledger.events.log import LOG_OPENED, Predecessor
from ledger.openings import OpenedEntry

MIGRATIONS_TABLE = CATALOGUE.migrations_table


class CursorError(CatalogueError):
    """The catalogue and the log do not meet: a gap, another log, or a catalogue that is ahead of the log."""


class Catalogue:
    """One catalogue, open for writing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Plugins are other people's code: none runs in here.
        self._db = Database(connection, execute_plugins=False)
        with database.declared_errors():
            connection.execute("PRAGMA journal_mode = DELETE")
            # The worst that a power cut can do is to cost a rebuild, so one sync less: NORMAL, not FULL.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA trusted_schema = OFF")

    @classmethod
    def create(cls, path: Path, origin: str) -> Self:
        """Make an empty catalogue for the log ``origin`` in a new file that only its owner can read."""
        os.close(fsio.create(str(path)))
        with database.declared_errors():
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        catalogue = cls(connection)
        with database.declared_errors():
            CATALOGUE.apply(catalogue._db)
            with catalogue._transaction():
                connection.execute(
                    "INSERT INTO cursor (one, origin, size, last_entry) VALUES (1, ?, 0, ?)", (origin, ZERO_DIGEST.raw)
                )
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                # Last: a file without it is a catalogue that was never finished.
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        return catalogue

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing catalogue. Raises CatalogueError unless it has exactly the schema of this version."""
        connection = database.connect(path)
        try:
            catalogue = cls(connection)
            catalogue._check_schema()
        except BaseException:
            connection.close()
            raise
        return catalogue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def cursor(self) -> Cursor:
        """Where the catalogue stands."""
        return database.read_cursor(self._connection)

    def apply(self, entries: Sequence[OpenedEntry], results: Results, *, sealed: Checkpoint, first: int = 0) -> Cursor:
        """Project ``entries``, which follow each other, below the checkpoint ``sealed``; return the new cursor.

        They are of one log, whose first entry has the place ``first``.

        What is projected already is skipped. Raises CursorError for a gap, for another log, and for entries that are
        not sealed: the catalogue may lag behind the log and never lead.
        """
        with database.declared_errors(), self._transaction():
            cursor = self.cursor
            fresh = [opened for opened in entries if opened.place >= cursor.size]
            if fresh and _continues(cursor, fresh[0], first):
                cursor = replace(cursor, origin=sealed.origin, last_entry=ZERO_DIGEST, root=None)
            check_cursor(cursor, sealed, first=first)
            if fresh:
                _check_chain(cursor, fresh, first + sealed.size)
                self._write([row for opened in fresh for row in changes(opened, results)])
                cursor = self._move(fresh[-1], sealed)
            reach("catalogue.commit")
        return cursor

    def _write(self, rows: Sequence[RowChange]) -> None:
        by_change: dict[Change, list[tuple[Value, ...]]] = {}
        for change, values in rows:
            by_change.setdefault(change, []).append(values)
        with self._db.atomic():
            for change in ORDER:
                if change in by_change:
                    self._db.conn.executemany(_statement(change), by_change[change])

    def _move(self, last: OpenedEntry, sealed: Checkpoint) -> Cursor:
        size = last.place + 1
        root = sealed.root if last.entry.seq + 1 == sealed.size else None
        self._connection.execute(
            "UPDATE cursor SET origin = ?, size = ?, last_entry = ?, root = ?",
            (sealed.origin, size, last.entry.digest.raw, root.raw if root else None),
        )
        return Cursor(origin=sealed.origin, size=size, last_entry=last.entry.digest, root=root)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        # IMMEDIATE: `Database.atomic` alone begins deferred, and two writers that have read could then both be refused.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _check_schema(self) -> None:
        with database.declared_errors():
            found = schema_of(self._connection)
        expected = expected_schema()
        wrong = sorted({name for name, _ in found ^ expected})
        if wrong:
            raise CatalogueError(f"the catalogue has another schema than this version makes: {', '.join(wrong)[:200]}.")


def check_cursor(cursor: Cursor, sealed: Checkpoint, *, first: int = 0) -> None:
    """Raise CursorError unless the catalogue stands in the log of ``sealed``, and not beyond it.

    The first entry of that log has the place ``first``.
    """
    if cursor.origin != sealed.origin:
        raise CursorError(f"the catalogue is that of the log {cursor.origin}; this store's log is {sealed.origin}.")
    size = cursor.size - first
    if not 0 <= size <= sealed.size:
        raise CursorError(f"the catalogue holds {size} entries, the sealed log {sealed.size}: it is ahead.")
    if size == sealed.size and cursor.root is not None and cursor.root != sealed.root:
        raise CursorError(f"the catalogue was made from another log: at size {size} the roots differ.")


def _continues(cursor: Cursor, opened: OpenedEntry, first: int) -> bool:
    """Return whether ``opened`` begins the successor of the log in which the catalogue stands, at its very end."""
    stated = Predecessor.of(opened.entry.facts.get("predecessor")) if opened.entry.type == LOG_OPENED.name else None
    return (
        stated is not None
        and opened.entry.seq == 0
        and cursor.size == opened.place == first
        and (stated.origin, stated.root) == (cursor.origin, cursor.root)
    )


def _check_chain(cursor: Cursor, fresh: Sequence[OpenedEntry], end: int) -> None:
    size, last = cursor.size, cursor.last_entry
    for opened in fresh:
        entry = opened.entry
        if opened.place != size or entry.log != cursor.origin:
            raise CursorError(f"the catalogue stands at {size} and was given entry {opened.place}: there is a gap.")
        if entry.prev != last:
            raise CursorError(f"entry {entry.seq} does not follow the entry that the catalogue has before it.")
        size, last = size + 1, entry.digest
    if size > end:
        raise CursorError(f"entry {size - 1} is not sealed: the checkpoint covers {end} entries.")


# ----------------------------------------------------------------------------------------------------- statements

_OWN_STATEMENTS: dict[Change, str] = {
    # A tier that looked less deeply never overwrites what a deeper one found.
    ITEM_ANALYSED: (
        "UPDATE item SET state = 'analysed', activity = ?1, analysis_id = ?2, media_type = coalesce(?3, media_type), "
        "device_start_us = ?4, device_end_us = ?5, device_time_source = ?6, device_time_zone = ?7, duration_us = ?8 "
        "WHERE item = ?10 AND "
        "coalesce((SELECT tier FROM analysis WHERE analysis.analysis_id = item.analysis_id), 0) <= ?9"
    ),
    ITEM_MEDIA_TYPE: "UPDATE item SET media_type = coalesce(media_type, ?1) WHERE item = ?2",
    WORDS: (
        "INSERT INTO words (rowid, name, notes, details) VALUES "
        "(?1, coalesce((SELECT name_text FROM \"drop\" WHERE \"drop\" = ?2), '') || ' ' || ?3, '', '')"
    ),
    WORDS_DETAILS: (
        "UPDATE words SET details = iif(?1, ?2, details || char(10) || ?2) "
        "WHERE rowid = (SELECT item_id FROM item WHERE item = ?3)"
    ),
}


@cache
def _statement(change: Change) -> str:
    """Return the SQL of a change. Names come from `projections.rows` only, never from data."""
    if change in _OWN_STATEMENTS:
        return _OWN_STATEMENTS[change]
    if change.effect is Effect.UPDATE:
        settings = ", ".join(f'"{column}" = ?' for column in change.columns)
        return f'UPDATE "{change.table}" SET {settings} WHERE "{change.key}" = ?'
    verb = "INSERT OR IGNORE" if change.effect is Effect.KEEP_FIRST else "INSERT"
    columns = ", ".join(f'"{column}"' for column in change.columns)
    values = ", ".join(_value(change, column) for column in change.columns)
    return f'{verb} INTO "{change.table}" ({columns}) VALUES ({values})'


def _value(change: Change, column: str) -> str:
    if column not in change.refers:
        return "?"
    table, identifier, key = change.refers[column]
    return f'(SELECT "{key}" FROM "{table}" WHERE "{identifier}" = ?)'


# --------------------------------------------------------------------------------------------------------- schema


def schema_of(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Return the name and definition of everything in a database but its record of migrations."""
    rows = connection.execute(
        "SELECT name, coalesce(sql, '') FROM sqlite_master WHERE tbl_name <> ?", (MIGRATIONS_TABLE,)
    )
    return frozenset((str(name), str(sql)) for name, sql in rows)


@cache
def expected_schema() -> frozenset[tuple[str, str]]:
    """Return the schema that this version makes."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        CATALOGUE.apply(Database(connection, execute_plugins=False))
        return schema_of(connection)
