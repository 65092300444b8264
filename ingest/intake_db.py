"""What the recorder remembers of the shares between two starts: `private/intake.db`.

It may be lost: whatever it says can be found again by looking at the shares and the log, at the price of reading every
file once more. So it is never evidence, and a damaged one is set aside and begun anew.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

from base import fsio
from base.errors import NewerDataError, SurroundingsError
from hashing.digest import Digest
from ingest.share_facts import ReceiptFile
from ledger.events.item import SourceStat

_VERSION = 3
CATALOGUE = b"catalogue"  # the subject of its condition: no root of a share, which begin with a slash
_SCHEMA = """
CREATE TABLE drop_ (
    drop_id    TEXT PRIMARY KEY,   -- drop_..., drawn when the drop was first seen
    root       BLOB NOT NULL,      -- root of the share
    name       BLOB NOT NULL,      -- top-level name in it
    state      TEXT NOT NULL,      -- received, copying, held, safe, problem
    settled_by TEXT,               -- marker, manifest, quiet; NULL until settled
    received   INTEGER NOT NULL,   -- 1: drop.received is recorded
    gone       INTEGER NOT NULL,   -- 1: a complete scan no longer found it
    seen_files INTEGER NOT NULL,
    seen_bytes TEXT NOT NULL,      -- a number
    manifest   TEXT NOT NULL,      -- none, matched, mismatch, not-checked
    device TEXT, inode TEXT        -- of the top-level entry as it was last seen: numbers; NULL where lstat gave none
) STRICT;
CREATE UNIQUE INDEX drop_by_name ON drop_ (root, name) WHERE gone = 0;
CREATE TABLE file (
    drop_id    TEXT NOT NULL,
    path       BLOB NOT NULL,      -- raw path relative to the drop
    outcome    TEXT NOT NULL,      -- sealed, refused
    reason     TEXT,               -- of a refusal
    kind       TEXT NOT NULL,
    size_bytes INTEGER, mtime_ns TEXT, ctime_ns TEXT, inode TEXT, device TEXT, mode INTEGER,
    item       TEXT,
    sha256     BLOB,
    PRIMARY KEY (drop_id, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE condition (
    subject    BLOB PRIMARY KEY,   -- root of a share; empty: the store; 'catalogue'
    code       TEXT NOT NULL,      -- watched, unreachable, waiting
    detail     TEXT NOT NULL       -- for people: how it is watched, or what is wrong
) STRICT, WITHOUT ROWID;
CREATE TABLE receipt (
    root       BLOB NOT NULL,
    temporary  BLOB NOT NULL,      -- unguessable name under which it is written
    drop_id    TEXT NOT NULL,
    name       BLOB,               -- NULL while it is being written
    size_bytes INTEGER, mtime_ns TEXT, ctime_ns TEXT, inode TEXT, device TEXT, mode INTEGER,
    sha256     BLOB NOT NULL,      -- of its content
    PRIMARY KEY (root, temporary)
) STRICT, WITHOUT ROWID;
"""
_FROM_2 = "ALTER TABLE drop_ ADD COLUMN device TEXT; ALTER TABLE drop_ ADD COLUMN inode TEXT;"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRow:
    """One drop, as it was last known."""

    drop_id: str
    root: bytes
    name: bytes
    state: str = "received"
    settled_by: str | None = None
    received: bool = False
    gone: bool = False
    seen_files: int = 0
    seen_bytes: int = 0
    manifest: str = "none"
    identity: tuple[int, int] | None = None  # device and inode of the top-level entry: by them a renamed one is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a share is, or the store (an empty ``subject``), or its catalogue: what `status` shows of them."""

    subject: bytes
    code: str
    detail: str

    @property
    def is_of_share(self) -> bool:
        return self.subject not in (b"", CATALOGUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One entry of a drop that was dealt with."""

    path: bytes
    outcome: str  # sealed, refused
    kind: str
    stat: SourceStat | None
    reason: str | None = None
    item: str | None = None
    sha256: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """One file of ours in a share, or one that was about to be written."""

    root: bytes
    temporary: bytes
    drop_id: str
    sha256: Digest
    file: ReceiptFile | None  # None: not known to have its final name


class IntakeDb:
    """The open database. ``lost`` says that it was missing or damaged while the log already had drops."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, lost: bool) -> None:
        self._path = path
        self._connection = connection
        self.lost = lost

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the database, or begin a new one where it is missing; set a damaged one aside."""
        existed = path.exists()
        try:
            return cls(path, _connect(path, read_only=read_only), lost=not existed)
        except sqlite3.DatabaseError as error:
            if read_only or isinstance(error, sqlite3.OperationalError):
                raise SurroundingsError(f"{path.name} can't be opened: {error}.") from error
            with fsio.directory(path.parent) as parent:
                fsio.rename(path.name, f"{path.name}.damaged", source_fd=parent, target_fd=parent)
            return cls(path, _connect(path, read_only=False), lost=True)

    def close(self) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a with block as one transaction. Raises SurroundingsError when the disk refuses."""
        try:
            with self._connection:
                yield
        except sqlite3.OperationalError as error:
            raise SurroundingsError(f"{self._path.name} can't be written: {error}.") from error

    # ------------------------------------------------------------------------------------------------- drops

    def drops(self, *, gone: bool = False) -> list[DropRow]:
        """Return every drop that is still in its share (or, with ``gone``, every one that is not), oldest first."""
        rows = self._connection.execute(
            "SELECT drop_id, root, name, state, settled_by, received, gone, seen_files, seen_bytes, manifest, "
            "device, inode FROM drop_ WHERE gone = ? ORDER BY rowid",
            (int(gone),),
        )
        return [_drop_row(row) for row in rows]

    def put_drop(self, row: DropRow) -> None:
        """Write what is known of a drop now."""
        with self.transaction():
            self._connection.execute(
                "INSERT INTO drop_ VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (drop_id) DO UPDATE SET "
                "state = excluded.state, settled_by = excluded.settled_by, received = excluded.received, "
                "gone = excluded.gone, seen_files = excluded.seen_files, seen_bytes = excluded.seen_bytes, "
                "manifest = excluded.manifest, device = excluded.device, inode = excluded.inode",
                (
                    row.drop_id,
                    row.root,
                    row.name,
                    row.state,
                    row.settled_by,
                    int(row.received),
                    int(row.gone),
                    row.seen_files,
                    str(row.seen_bytes),
                    row.manifest,
                    *((None, None) if row.identity is None else map(str, row.identity)),
                ),
            )

    # --------------------------------------------------------------------------------------------- conditions

    def conditions(self) -> list[Condition]:
        """Return the condition of each share, and of the store, as the recorder last saw it."""
        rows = self._connection.execute("SELECT subject, code, detail FROM condition ORDER BY subject")
        return [Condition(subject=subject, code=code, detail=detail) for subject, code, detail in rows]

    def put_condition(self, condition: Condition) -> None:
        """Write how a share, or the store, is now."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO condition VALUES (?, ?, ?)",
                (condition.subject, condition.code, condition.detail),
            )

    # ------------------------------------------------------------------------------------------------- files

    def files(self, drop_id: str) -> dict[bytes, FileRow]:
        """Return what was dealt with of a drop, by raw path."""
        rows = self._connection.execute(
            "SELECT path, outcome, kind, reason, item, sha256, size_bytes, mtime_ns, ctime_ns, inode, device, mode "
            "FROM file WHERE drop_id = ?",
            (drop_id,),
        )
        return {
            path: FileRow(
                path=path,
                outcome=outcome,
                kind=kind,
                reason=reason,
                item=item,
                sha256=None if sha256 is None else Digest(sha256),
                stat=_stat(stat),
            )
            for path, outcome, kind, reason, item, sha256, *stat in rows
        }

    def put_files(self, drop_id: str, rows: Iterable[FileRow]) -> None:
        """Write what became of entries of a drop."""
        with self.transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        drop_id,
                        row.path,
                        row.outcome,
                        row.reason,
                        row.kind,
                        *_columns(row.stat),
                        row.item,
                        _raw(row.sha256),
                    )
                    for row in rows
                ],
            )

    # ----------------------------------------------------------------------------------------------- receipts

    def receipts(self) -> list[ReceiptRow]:
        """Return every receipt that was written or begun."""
        rows = self._connection.execute(
            "SELECT root, temporary, drop_id, name, sha256, size_bytes, mtime_ns, ctime_ns, inode, device, mode "
            "FROM receipt"
        )
        return [_receipt_row(row) for row in rows]

    def put_receipt(self, row: ReceiptRow) -> None:
        """Note a receipt: before it is written, and again when its identity is known."""
        file = row.file
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row.root,
                    row.temporary,
                    row.drop_id,
                    None if file is None else file.name,
                    *_columns(None if file is None else file.stat),
                    row.sha256.raw,
                ),
            )

    def forget_receipt(self, row: ReceiptRow) -> None:
        """Forget a receipt that is no longer in the share."""
        with self.transaction():
            self._connection.execute("DELETE FROM receipt WHERE root = ? AND temporary = ?", (row.root, row.temporary))


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and not read_only:
        # May be lost, so it need not survive a power cut; the openings it repeats are overwritten when deleted.
        connection.executescript(
            f"PRAGMA secure_delete = ON; BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
        )
    elif version == 2 and not read_only:
        connection.executescript(f"BEGIN; {_FROM_2} PRAGMA user_version = {_VERSION}; COMMIT;")
    elif version > _VERSION:
        connection.close()
        raise NewerDataError(f"{path.name} is of version {version}; this program knows {_VERSION}.")
    elif version != _VERSION:
        connection.close()
        raise sqlite3.DatabaseError(f"version {version}")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        connection.close()
        raise sqlite3.DatabaseError(answer)
    return connection


_Columns: TypeAlias = tuple[
    str, bytes, bytes, str, str | None, int, int, int, str, str, str | None, str | None
]  # of drop_


def _drop_row(row: _Columns) -> DropRow:
    drop_id, root, name, state, settled_by, received, gone, seen_files, seen_bytes, manifest, device, inode = row
    return DropRow(
        drop_id=drop_id,
        root=root,
        name=name,
        state=state,
        settled_by=settled_by,
        received=bool(received),
        gone=bool(gone),
        seen_files=seen_files,
        seen_bytes=int(seen_bytes),
        manifest=manifest,
        identity=None if device is None or inode is None else (int(device), int(inode)),
    )


def _receipt_row(row: tuple[bytes, bytes, str, bytes | None, bytes, int, str, str, str, str, int]) -> ReceiptRow:
    root, temporary, drop_id, name, sha256, *stat = row
    known = _stat(stat)
    file = None if name is None or known is None else ReceiptFile(name=name, stat=known, sha256=Digest(sha256))
    return ReceiptRow(root=root, temporary=temporary, drop_id=drop_id, sha256=Digest(sha256), file=file)


def _columns(stat: SourceStat | None) -> tuple[int | str | None, ...]:
    if stat is None:
        return (None,) * 6
    # Inode and device are unsigned 64-bit numbers, and so is a stamp after 2262: SQLite's integers are signed.
    stamps = (str(stat.mtime_ns), str(stat.ctime_ns))
    return (stat.size_bytes, *stamps, str(stat.inode), str(stat.device), stat.mode)


def _stat(columns: list[object]) -> SourceStat | None:
    if columns[0] is None:
        return None
    size_bytes, mtime_ns, ctime_ns, inode, device, mode = (int(str(column)) for column in columns)
    return SourceStat(
        size_bytes=size_bytes, mtime_ns=mtime_ns, ctime_ns=ctime_ns, inode=inode, device=device, mode=mode
    )


def _raw(digest: Digest | None) -> bytes | None:
    return None if digest is None else digest.raw
