"""``private/log.db`` and ``private/openings.db`` as they stand on the disk (custody-log sections 3 and 6).

Both are read from a copy that holds their rollback journals too, so a store whose recorder was killed is seen as SQLite
would recover it, and nothing in the store is touched.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from checker_findings import Findings

ROLLBACK_JOURNAL = b"\x01\x01"  # file header, bytes 18 and 19; WAL would be 2


@dataclass(frozen=True, slots=True)
class EntryRow:
    seq: int
    event: str
    type: str
    digest: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class OpeningRow:
    commitment: bytes
    seq: int
    type: str
    member: str
    text: str


@contextmanager
def copy_of(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of the database and its journal, as SQLite recovers it."""
    with tempfile.TemporaryDirectory() as scratch:
        for suffix in ("", "-journal"):
            file = database.with_name(database.name + suffix)
            if file.exists():
                shutil.copyfile(file, Path(scratch) / file.name)
        with closing(sqlite3.connect(Path(scratch) / database.name)) as connection:
            yield connection


def _rows(database: Path, queries: tuple[str, ...], findings: Findings) -> list[list[tuple[object, ...]]]:
    """Return the rows of each query, or empty lists with a problem where the database cannot be read."""
    name = database.name
    try:
        header = database.read_bytes()[:100]
        if header[18:20] != ROLLBACK_JOURNAL:
            findings.bad("db.journal", name, f"write and read version {header[18:20].hex()}: not a rollback journal")
        with copy_of(database) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchall()
            if verdict != [("ok",)]:
                findings.bad("db.damaged", name, str(verdict[:3]))
            return [connection.execute(query).fetchall() for query in queries]
    except (OSError, sqlite3.DatabaseError) as err:
        findings.bad("db.unreadable", name, f"{type(err).__name__}: {err}")
        return [[] for _ in queries]


def read_log_db(database: Path, findings: Findings) -> tuple[list[EntryRow], list[CheckpointRow]]:
    """Return all recorded entries by position and all signed checkpoints by size."""
    entries, checkpoints = _rows(
        database,
        (
            "SELECT seq, event, type, digest, raw FROM entry ORDER BY seq",
            "SELECT size, root, note FROM checkpoint ORDER BY size",
        ),
        findings,
    )
    found = [
        EntryRow(seq, event, kind, digest, raw)
        for seq, event, kind, digest, raw in entries
        if isinstance(seq, int) and isinstance(event, str) and isinstance(kind, str)
        if isinstance(digest, bytes) and isinstance(raw, bytes)
    ]
    signed = [
        CheckpointRow(size, root, _as_bytes(note))
        for size, root, note in checkpoints
        if isinstance(size, int) and isinstance(root, bytes) and isinstance(note, bytes | str)
    ]
    _say_left_out(database, len(entries) - len(found) + len(checkpoints) - len(signed), findings)
    return found, signed


def read_openings_db(database: Path, findings: Findings) -> list[OpeningRow]:
    """Return all openings."""
    (rows,) = _rows(
        database, ("SELECT commitment, seq, type, member, text FROM opening ORDER BY seq, member",), findings
    )
    found = [
        OpeningRow(commitment, seq, kind, member, _as_bytes(text).decode("ascii", "replace"))
        for commitment, seq, kind, member, text in rows
        if isinstance(commitment, bytes) and isinstance(seq, int) and isinstance(kind, str)
        if isinstance(member, str) and isinstance(text, bytes | str)
    ]
    _say_left_out(database, len(rows) - len(found), findings)
    return found


def _as_bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _say_left_out(database: Path, count: int, findings: Findings) -> None:
    if count:
        findings.bad("db.types", database.name, f"{count} rows hold values of another type")
