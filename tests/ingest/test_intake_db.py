"""What the recorder remembers of the shares, where the numbers are as large as a hostile file system makes them."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from base.errors import NewerDataError
from hashing.digest import Digest
from ingest.intake_db import DropRow, FileRow, IntakeDb, ReceiptRow
from ingest.share_facts import ReceiptFile
from ledger.events.item import SourceStat

LARGEST_FILE = 2**63 - 1  # what st_size holds


def stat(*, size_bytes: int = 1, stamp_ns: int = 1, number: int = 1) -> SourceStat:
    return SourceStat(
        size_bytes=size_bytes, mtime_ns=stamp_ns, ctime_ns=stamp_ns, inode=number, device=number, mode=0o100644
    )


@pytest.mark.parametrize("stamp_ns", [2**63, 2**64 - 1, -(2**63)])
def test_extreme_stamps_sizes_and_inodes_come_back_as_they_were(tmp_path: Path, stamp_ns: int) -> None:
    seen = stat(size_bytes=LARGEST_FILE, stamp_ns=stamp_ns, number=2**64 - 1)
    row = FileRow(path=b"a\xff", outcome="refused", kind="file", stat=seen, reason="too-large")
    file = ReceiptFile(name=b"receipt", stat=seen, sha256=Digest.of(b""))
    receipt = ReceiptRow(root=b"/r", temporary=b".t", drop_id="drop_0", sha256=file.sha256, file=file)
    db = IntakeDb.open(tmp_path / "intake.db")
    db.put_files("drop_0", [row])
    db.put_receipt(receipt)
    db.close()
    again = IntakeDb.open(tmp_path / "intake.db")
    assert not again.lost
    assert again.files("drop_0") == {row.path: row}
    assert again.receipts() == [receipt]
    again.close()


def test_a_drop_of_several_largest_files_can_be_counted(tmp_path: Path) -> None:
    drop = DropRow(drop_id="drop_0", root=b"/r", name=b"n", seen_files=3, seen_bytes=3 * LARGEST_FILE)
    db = IntakeDb.open(tmp_path / "intake.db")
    db.put_drop(drop)
    assert db.drops() == [drop]
    db.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "intake.db"
    IntakeDb.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(NewerDataError, match="version 99"):
        IntakeDb.open(path, read_only=read_only)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


_DROPS_OF_VERSION_2 = """
DROP TABLE drop_;
CREATE TABLE drop_ (drop_id TEXT PRIMARY KEY, root BLOB NOT NULL, name BLOB NOT NULL, state TEXT NOT NULL,
    settled_by TEXT, received INTEGER NOT NULL, gone INTEGER NOT NULL, seen_files INTEGER NOT NULL,
    seen_bytes TEXT NOT NULL, manifest TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX drop_by_name ON drop_ (root, name) WHERE gone = 0;
INSERT INTO drop_ VALUES ('drop_0', x'2f72', x'6e', 'held', 'quiet', 1, 0, 2, '3', 'none');
PRAGMA user_version = 2;
"""


def test_a_database_of_the_version_before_is_brought_forward_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "intake.db"
    IntakeDb.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(_DROPS_OF_VERSION_2)
    db = IntakeDb.open(path)
    drop = DropRow(
        drop_id="drop_0", root=b"/r", name=b"n", state="held", settled_by="quiet", received=True, seen_files=2,
        seen_bytes=3,
    )  # fmt: skip
    assert (db.lost, db.drops()) == (False, [drop])
    seen = replace(drop, identity=(2**64 - 1, 2**64 - 1))
    db.put_drop(seen)
    assert db.drops() == [seen]
    db.close()
