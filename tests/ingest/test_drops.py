"""A drop as the recorder sees it: one look that misses something decides nothing."""

from __future__ import annotations

from ingest.drops import Drop
from ingest.intake_db import DropRow, FileRow
from ingest.settle import Settled, Waiting
from ingest.share_facts import Found, Kind
from ledger.events.item import SourceStat

STAT = SourceStat(size_bytes=1, mtime_ns=1, ctime_ns=1, inode=1, device=1, mode=0o100644)
FOLDER, A, B = (
    Found(path=path, kind=kind, stat=STAT)
    for path, kind in [(b"n", Kind.DIRECTORY), (b"n/a", Kind.FILE), (b"n/b", Kind.FILE)]
)


def sealed(found: Found) -> FileRow:
    return FileRow(path=found.path_in_drop, outcome="sealed", kind="file", stat=STAT, item="item_0")


def new_drop() -> Drop:
    return Drop(row=DropRow(drop_id="drop_0", root=b"/r", name=b"n"))


def test_a_file_that_one_look_misses_is_looked_for_again_before_the_drop_is_complete() -> None:
    """Also where nobody waits for anything to be quiet: `settle_seconds = 0`."""
    drop = new_drop()
    drop.observe([FOLDER, A, B], 0.0)
    drop.deal([A], [sealed(A)], 0.0)
    drop.observe([FOLDER, A], 1.0)
    assert isinstance(drop.settled(0.0), Waiting)
    assert drop.wants_second_look
    drop.observe([FOLDER, A, B], 2.0)
    assert isinstance(drop.settled(0.0), Settled)
    assert drop.to_take(2.0) == [B]


def test_a_file_that_two_looks_miss_is_gone() -> None:
    drop = new_drop()
    drop.observe([FOLDER, A, B], 0.0)
    drop.observe([FOLDER, A], 1.0)
    drop.observe([FOLDER, A], 2.0)
    assert not drop.wants_second_look
    assert isinstance(drop.settled(0.0), Settled)
    assert drop.to_take(2.0) == [A]


def test_what_is_sealed_and_then_taken_away_needs_no_second_look() -> None:
    drop = new_drop()
    drop.observe([FOLDER, A, B], 0.0)
    drop.deal([A, B], [sealed(A), sealed(B)], 0.0)
    drop.observe([FOLDER, A], 1.0)
    assert not drop.wants_second_look
