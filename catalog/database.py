"""The catalogue file, opened for reading with the standard library only: a query must not wait for imports.

Whatever is wrong with the file becomes a declared error with `catalog rebuild` as its next step: the catalogue is never
repaired, it is made again from the log.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from base.errors import BusyError, CatalogueError, EvidenceError, NewerDataError, SurroundingsError, SyncFailedError
from catalog.cursor import APPLICATION_ID, BUSY_TIMEOUT_S, READ_CURSOR, SCHEMA_VERSION, Cursor, cursor_of

_SYNC_CODES = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})


class NewerCatalogueError(NewerDataError):
    """The catalogue was written by a newer version of the program."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the catalogue has schema {version}; this program knows {SCHEMA_VERSION}.")


class CatalogueReplacedError(BusyError):
    """The catalogue was made again by another process while this one had it open: what is there now must be opened."""

    def __init__(self) -> None:
        super().__init__("the catalogue was made again by another process meanwhile.")


@contextlib.contextmanager
def declared_errors() -> Iterator[None]:
    """Turn what SQLite raises into the declared error with its meaning for the catalogue."""
    try:
        yield
    except sqlite3.Error as error:
        raise _declared(error) from error


def _declared(error: sqlite3.Error) -> EvidenceError:
    text = str(error)
    extended = int(getattr(error, "sqlite_errorcode", None) or 0)
    if extended in _SYNC_CODES:
        return SyncFailedError(f"a sync of the catalogue failed: {text}. The log is not touched by it.")
    if extended == sqlite3.SQLITE_READONLY_DBMOVED:  # SQLite looks before it writes a journal, which goes by name
        return CatalogueReplacedError()
    match extended & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError(f"the catalogue is busy for more than {BUSY_TIMEOUT_S:.0f} s.")
        case sqlite3.SQLITE_FULL:
            return SurroundingsError("the disk of the catalogue is full.", next_step="Free space, then try again.")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return SurroundingsError(f"the catalogue can't be read or written: {text}.")
        case _:
            return CatalogueError(f"the catalogue is damaged: {text}. The log is not touched by it.")


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to an existing catalogue, checked for kind and version. Raises CatalogueError if missing.

    Opened for writing even to read: a crash may have left a journal, which only a writer can roll back.
    """
    if not path.is_file():
        raise CatalogueError("the catalogue is missing from the store. The log is not touched by it.")
    with declared_errors():
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
        )
        try:
            _check_kind(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """As `connect`, but nothing can be changed through it."""
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _check_kind(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise CatalogueError("catalogue.db is not a catalogue: it is empty, unfinished or something else.")
    if version > SCHEMA_VERSION:
        raise NewerCatalogueError(version)
    if version < SCHEMA_VERSION:
        raise CatalogueError(f"the catalogue has the old schema {version}; this program writes {SCHEMA_VERSION}.")


def read_cursor(connection: sqlite3.Connection) -> Cursor:
    """Return where the catalogue stands. Raises CatalogueError when it does not say."""
    with declared_errors():
        row = connection.execute(READ_CURSOR).fetchone()
    if row is None:
        raise CatalogueError("the catalogue does not say where it stands in the log.")
    return cursor_of(row)
