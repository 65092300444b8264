"""The two databases of the log: `log.db` (entries, heads of subjects, every checkpoint ever signed) and `openings.db`.

Both are opened together, `log.db` as main and `openings.db` attached, so that one commit covers both. Rollback journal
TRUNCATE with full sync, temporary data in memory, deleted content overwritten: WAL has a corruption race with two
connections (fixed only in SQLite 3.51.3), and PERSIST keeps what was erased. Source: docs/reference/custody-log.md,
sections 3 and 6.

On failure: BUSY is not a failed commit and is tried again; a failed sync ends the process; a corrupt file stops
everything until a person decides. Nothing here repairs.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from base import fsio
from base.errors import (
    BusyError,
    EvidenceError,
    LedgerError,
    NewerDataError,
    RefusedError,
    SurroundingsError,
    SyncFailedError,
)
from ledger.layout import StoreLayout


class LogDiskError(SurroundingsError):
    """The disk gave an error when the log was read or written. Whoever records ends: going on would hide it."""

    next_step = (
        "Have the disk of the store checked, then start the recorder again: it checks the log first. What was told as "
        "sealed is sealed; the rest is still in the shares."
    )


class SuccessionUnderWayError(BusyError):
    """The log is being closed, and its successor opened; or that was cut off."""

    next_step = "If no `strongroom key rotate` runs, start `strongroom watch --once`: it brings the change to its end."


SCHEMA_VERSION = 1
# What may be looked up by type and member: masters are found by their entry, and would be most of the index. A query
# has to say it in these very words, or it reads every opening.
LISTED_BY_TYPE = "(o.type <> 'master.defined' OR o.member = 'actor')"
BUSY_WAIT_S = 30.0

_LOG_SCHEMA = """
CREATE TABLE main.entry (
    seq    INTEGER PRIMARY KEY,  -- position in the log, from 0
    event  TEXT NOT NULL UNIQUE, -- event_<32 hex>
    type   TEXT NOT NULL,        -- event type, as inside the entry
    digest BLOB NOT NULL,        -- SHA-256 of raw
    raw    BLOB NOT NULL         -- the exact bytes of the entry
) STRICT;
CREATE TABLE main.subject (
    name TEXT NOT NULL,          -- identifier, or 'log'
    seq  INTEGER NOT NULL,       -- an entry that has it as subject
    PRIMARY KEY (name, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE main.head (
    name   TEXT PRIMARY KEY,     -- identifier, or 'log'
    count  INTEGER NOT NULL,     -- entries of this log with this subject
    digest BLOB NOT NULL         -- SHA-256 of the last of them
) STRICT, WITHOUT ROWID;
CREATE TABLE main.checkpoint (
    size INTEGER PRIMARY KEY,    -- entries covered
    root BLOB NOT NULL,          -- Merkle root, 32 bytes
    note BLOB NOT NULL           -- the signed note, as published
) STRICT;
CREATE TABLE main.fact (
    name  TEXT PRIMARY KEY,      -- origin, machine
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_OPENINGS_SCHEMA = """
CREATE TABLE openings.opening (
    seq        INTEGER NOT NULL, -- the entry it belongs to
    member     TEXT NOT NULL,    -- name, or name/<n> in a list
    type       TEXT NOT NULL,    -- event type of that entry
    class      TEXT NOT NULL,    -- internal, sensitive, personal or text
    commitment BLOB NOT NULL,    -- SHA-256 of text
    text       TEXT NOT NULL,    -- the opening, exactly as made
    PRIMARY KEY (seq, member)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX openings.opening_by_commitment ON opening (commitment);
CREATE INDEX openings.opening_by_type ON opening (type, member, seq)
    WHERE (type <> 'master.defined' OR member = 'actor');
CREATE TABLE openings.arrival (
    drop_id    TEXT NOT NULL,
    path       BLOB NOT NULL,    -- raw path relative to the drop
    generation INTEGER NOT NULL, -- earlier arrivals of this path in this drop
    seq        INTEGER NOT NULL, -- its master.defined
    item       TEXT NOT NULL,
    sha256     BLOB NOT NULL,
    PRIMARY KEY (drop_id, path, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX openings.arrival_by_content ON arrival (sha256, drop_id);
CREATE UNIQUE INDEX openings.arrival_by_entry ON arrival (seq);
"""


def create(layout: StoreLayout) -> sqlite3.Connection:
    """Make both databases, empty, and return the connection."""
    connection = _connect(layout, mode="rwc")
    with transaction(connection):
        _create_tables(connection)
        connection.execute(f"PRAGMA main.user_version = {SCHEMA_VERSION}")
        connection.execute(f"PRAGMA openings.user_version = {SCHEMA_VERSION}")
    return connection


def _create_tables(connection: sqlite3.Connection) -> None:
    for statement in filter(str.strip, f"{_LOG_SCHEMA}{_OPENINGS_SCHEMA}".split(";")):
        connection.execute(statement)


def has_our_schema(connection: sqlite3.Connection, database: str) -> bool:
    """Return whether a database has the tables and indexes of ``database`` ("main" or "openings"), and nothing else.

    A table without STRICT, a trigger or a view would let rows say something else than we read.
    """
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        fresh.execute("ATTACH DATABASE ':memory:' AS openings")
        _create_tables(fresh)
        return _schema(connection, "main") == _schema(fresh, database)


def _schema(connection: sqlite3.Connection, database: str) -> set[tuple[str, str, str]]:
    """Return what a database has, in words: comments and white space may change from version to version."""
    rows = connection.execute(f"SELECT type, name, coalesce(sql, '') FROM {database}.sqlite_master")
    return {(kind, name, " ".join(re.sub(r"--.*", "", sql).split())) for kind, name, sql in rows}


def connect(layout: StoreLayout) -> sqlite3.Connection:
    """Open both databases for writing.

    Raises: RefusedError when others may enter private/, LedgerError for one that is missing or damaged, NewerDataError.
    """
    check_private(layout)
    return _checked(_connect(layout, mode="rw"))


def connect_read_only(layout: StoreLayout) -> sqlite3.Connection:
    """Open both databases for reading; on read-only media too."""
    return _checked(_connect(layout, mode="ro"))


def connect_alone(path: Path) -> sqlite3.Connection:
    """Open one of the two databases by itself, for a check that goes on without the other. Raises as `connect`."""
    _check_presence(path)
    with declared_errors(path.name):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        with declared_errors(path.name):
            _set_up(connection, "main", writing=False)
        _check_version(connection, "main", path.name)
    except BaseException:
        connection.close()
        raise
    return connection


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        for name, file in (("main", "log.db"), ("openings", "openings.db")):
            _check_version(connection, name, file)
    except BaseException:
        connection.close()
        raise
    return connection


def check_private(layout: StoreLayout) -> None:
    """Raise RefusedError when others than the owner may enter the private directories."""
    for path in (layout.private, layout.keys):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise RefusedError(
                f"{path.relative_to(layout.root)}/ is open to others (mode {mode:04o}): names and keys are in it.",
                next_step="Run `chmod 700` on it, and consider what others may have read.",
            )


def _connect(layout: StoreLayout, *, mode: str) -> sqlite3.Connection:
    if layout.is_open and layout.succession.exists():
        raise SuccessionUnderWayError("the log of this store is just being closed, and its successor opened.")
    if mode != "rwc":
        for path in (layout.log_db, layout.openings_db):
            _check_presence(path)
    with declared_errors(layout.log_db.name):
        connection = sqlite3.connect(
            f"{layout.log_db.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, cached_statements=64
        )
    try:
        with declared_errors(layout.log_db.name):
            _set_up(connection, "main", writing=mode != "ro")
        with declared_errors(layout.openings_db.name):
            uri = f"{layout.openings_db.absolute().as_uri()}?mode={mode}"
            connection.execute("ATTACH DATABASE ? AS openings", (uri,))
            _set_up(connection, "openings", writing=mode != "ro")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_presence(path: Path) -> None:
    # An empty or missing log never means "start a new one".
    if not path.exists():
        raise LedgerError(f"{path.name} is missing from private/: this store has no log to go on with.")


def _set_up(connection: sqlite3.Connection, name: str, *, writing: bool) -> None:
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA busy_timeout = 5000")
    if writing:
        connection.execute(f"PRAGMA {name}.journal_mode = TRUNCATE")
    connection.execute(f"PRAGMA {name}.synchronous = FULL")
    connection.execute(f"PRAGMA {name}.secure_delete = ON")
    if writing:
        # A transaction of a thousand entries has 6 MB; what does not fit is written twice, and synced in between.
        connection.execute(f"PRAGMA {name}.cache_size = -32000")


def _check_version(connection: sqlite3.Connection, name: str, file: str) -> None:
    with declared_errors(file):
        (version,) = connection.execute(f"PRAGMA {name}.user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerDataError(f"{file} is of version {version}; this program knows {SCHEMA_VERSION}.")
    if version < SCHEMA_VERSION:
        raise LedgerError(f"{file} holds no log: it is empty or was never finished.")


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Read inside a with block as at one moment. Writers wait for its end: keep it short."""
    with declared_errors():
        connection.execute("BEGIN")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a with block as one write transaction over both databases, durable when it ends. Waits at most 30 s."""
    deadline = time.monotonic() + BUSY_WAIT_S
    with declared_errors():
        _execute_patiently(connection, "BEGIN IMMEDIATE", deadline)
    try:
        with declared_errors():
            yield
            # A reader holds up a commit too; SQLite keeps the transaction, and the commit may be tried again.
            _execute_patiently(connection, "COMMIT", deadline)
    except BaseException:
        # After some errors SQLite has rolled back by itself; a rollback that fails must not hide why.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _execute_patiently(connection: sqlite3.Connection, statement: str, deadline: float) -> None:
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        else:
            return


@contextlib.contextmanager
def declared_errors(what: str = "the log database") -> Iterator[None]:
    """Turn what SQLite raises into the declared error with its meaning for the log; ``what`` is named in it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _declared(error, what) from error


_SYNC_CODES = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})


def _declared(error: sqlite3.Error, what: str) -> EvidenceError:
    text = str(error)
    if getattr(error, "sqlite_errorcode", None) in _SYNC_CODES:
        return SyncFailedError(f"a sync of {what} failed: {text}. What was written last may be lost.")
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_ROLLBACK:
        return SurroundingsError(
            f"{what} was cut off in the middle of a write, which whoever only reads can't take back.",
            next_step="Run `strongroom watch --once`, which takes it back; then try again. Nothing recorded is lost.",
        )
    match _primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError(f"{what} is busy for more than {BUSY_WAIT_S:.0f} s.")
        case sqlite3.SQLITE_FULL:
            return SurroundingsError(f"the disk of {what} is full.", next_step="Free space; nothing recorded is lost.")
        case sqlite3.SQLITE_IOERR:
            return LogDiskError(f"the disk gave an error for {what}: {text}.")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return SurroundingsError(f"{what} can't be read or written: {text}.")
        case sqlite3.SQLITE_CONSTRAINT:
            return LedgerError(f"the log refuses a second entry for the same event: {text}.")
        case _:
            return LedgerError(f"{what} is damaged: {text}.")


def _primary_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def drop_cached_pages(path: Path) -> None:
    """Let the next read of a database come from the disk and not from memory; a missing one is left to `connect`."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        fsio.drop_cache(file.fileno())
