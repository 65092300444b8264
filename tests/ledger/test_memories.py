"""A store that was put back, forked or shown in two ways is in order inside; whoever remembers it tells, by name."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from log_oracles import problems_of
from store_of_log import ORIGIN, arrive, copied, receive

from base.errors import LedgerError
from hashing.merkle import leaf_hash, root
from ledger.check import check_log
from ledger.kept import KeptNote, KeptVerdict
from ledger.layout import StoreLayout
from ledger.memories import (
    LogRoots,
    RememberedError,
    RememberedForkError,
    SplitViewError,
    hold_against,
    hold_against_all,
    lodged_name,
    notes_at,
    remember,
)
from ledger.proofs import prove
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.recovery import start
from ledger.seal import seal
from ledger.succession import succeed


def grow(layout: StoreLayout, count: int) -> bytes:
    """Record ``count`` entries more, seal them, and return the note."""
    with Recorder.open(layout) as recorder:
        drop = receive(recorder, arrival_key=os.urandom(32))
        arrive(recorder, drop, [b"%d.mp4" % n for n in range(count - 1)])
        seal(recorder)
    return layout.checkpoint.read_bytes()


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    """A store of 12 entries."""
    made = copied(tmp_path / "store")
    grow(made, 10)
    return made


def put_back(layout: StoreLayout, before: Path) -> None:
    """Put the whole store back as it was: databases, tiles, checkpoint, everything."""
    shutil.rmtree(layout.root)
    shutil.copytree(before, layout.root)


@pytest.fixture
def before(layout: StoreLayout, tmp_path: Path) -> Path:
    """The store as it was at 12 entries, copied whole."""
    return Path(shutil.copytree(layout.root, tmp_path / "before"))


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def assert_nothing_inside_shows_it(layout: StoreLayout) -> None:
    assert check_log(layout).findings == []
    assert problems_of(layout.root) == []
    with start(layout):
        pass


def test_a_store_put_back_whole_is_told_by_whoever_remembers_more(
    layout: StoreLayout, before: Path, stick: Path
) -> None:
    (stick / "kept.checkpoint").write_bytes(grow(layout, 5))
    put_back(layout, before)
    assert_nothing_inside_shows_it(layout)
    with pytest.raises(
        RememberedError, match=r"ROLLED BACK: .*kept.checkpoint remembers 17 .* has 12 entries"
    ) as raised:
        start(layout, memories=[stick])
    assert (raised.value.exit_code, "successor" in raised.value.next_step) == (21, True)


def test_a_store_put_back_and_written_on_is_a_fork(layout: StoreLayout, before: Path, stick: Path) -> None:
    (stick / "kept.checkpoint").write_bytes(grow(layout, 5))
    put_back(layout, before)
    grow(layout, 9)
    assert_nothing_inside_shows_it(layout)
    with pytest.raises(RememberedForkError, match=r"FORK: .*remembers 17 entries"):
        start(layout, memories=[stick])


def test_two_logs_of_one_size_are_a_split_view(layout: StoreLayout, before: Path, stick: Path) -> None:
    (stick / "kept.checkpoint").write_bytes(grow(layout, 5))
    put_back(layout, before)
    grow(layout, 5)
    assert_nothing_inside_shows_it(layout)
    with pytest.raises(SplitViewError, match=r"SPLIT VIEW: .*remembers 17 entries"):
        start(layout, memories=[stick])


def test_a_lodged_note_in_the_store_tells_of_databases_that_were_put_back(layout: StoreLayout, before: Path) -> None:
    note = grow(layout, 5)
    for name in ("log", "private"):
        shutil.rmtree(layout.root / name)
        shutil.copytree(before / name, layout.root / name)
    (layout.lodged / "17").mkdir()
    (layout.lodged / "17" / lodged_name(ORIGIN)).write_bytes(note)
    assert [finding.code for finding in check_log(layout).findings] == ["log-rolled-back"]
    with pytest.raises(RememberedError):
        start(layout)


def test_a_receipt_that_somebody_has_tells_too(layout: StoreLayout, before: Path, stick: Path) -> None:
    grow(layout, 5)
    (stick / "NAME.tlog-proof").write_bytes(prove(layout, 16).encode())
    put_back(layout, before)
    with pytest.raises(RememberedError, match="tlog-proof"):
        start(layout, memories=[stick])


def test_a_refused_start_changes_nothing(layout: StoreLayout, before: Path, stick: Path) -> None:
    (stick / "kept.checkpoint").write_bytes(grow(layout, 5))
    put_back(layout, before)
    files = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    with pytest.raises(RememberedError):
        start(layout, memories=[stick])
    after = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    assert {path for path in after if files.get(path) != after[path]} <= {layout.seal_lock}


@pytest.mark.parametrize("entries", [0, 1, 300])
def test_a_log_that_only_grew_starts_whoever_remembers_it(layout: StoreLayout, stick: Path, entries: int) -> None:
    """All sizes that were ever signed, over the edge of a tile."""
    sizes = [1, 6, 240, 3][: 1 + entries]
    for number, count in enumerate(sizes):
        (stick / f"{number}.checkpoint").write_bytes(grow(layout, count))
    with start(layout, memories=[stick]) as recorder:
        assert recorder.end()[0] == 12 + sum(sizes)


# ------------------------------------------------------------------------------------------------- unanchored


def types(layout: StoreLayout, first: int) -> list[str]:
    with LogReader(layout) as log:
        return [entry.entry.type for entry in log.opened(first, log.recorded())]


@pytest.mark.parametrize(
    "fill",
    [
        lambda stick: None,
        lambda stick: stick.rmdir(),
        lambda stick: (stick / "kept.checkpoint").mkdir(),
        lambda stick: (stick / "kept.checkpoint").write_bytes(b"garbage"),
        lambda stick: os.mkfifo(stick / "kept.checkpoint"),
        lambda stick: (stick / "kept.checkpoint").symlink_to("/dev/zero"),
    ],
    ids=["empty", "no stick", "directory", "garbage", "fifo", "link"],
)
def test_with_nobody_who_answers_the_next_entry_says_so(
    layout: StoreLayout, stick: Path, fill: Callable[[Path], object]
) -> None:
    fill(stick)
    with start(layout, memories=[stick, stick / "other"]):
        pass
    with LogReader(layout) as log:
        entry = log.entry(12)
        assert (entry.type, entry.facts["size"], entry.facts["places"]) == ("start.unanchored", 12, 2)
        assert log.sealed().size == 13


def test_one_place_of_several_is_enough(layout: StoreLayout, stick: Path) -> None:
    shutil.copy(layout.checkpoint, stick / "kept.checkpoint")
    with start(layout, memories=[stick / "nowhere", stick]):
        pass
    assert types(layout, 12) == []


def test_without_a_place_that_is_set_nothing_is_said(layout: StoreLayout) -> None:
    with start(layout):
        pass
    assert types(layout, 12) == []


def test_a_note_of_another_store_is_no_memory_of_this_one(layout: StoreLayout, stick: Path, tmp_path: Path) -> None:
    """Nor does it stop anybody: one stick serves several stores."""
    foreign = b"strongroom/ANOTHERSTORE0\n99\n" + layout.checkpoint.read_bytes().split(b"\n", 2)[2]
    (stick / "foreign.checkpoint").write_bytes(foreign)
    with start(layout, memories=[stick]):
        pass
    assert types(layout, 12) == ["start.unanchored"]


def test_a_note_that_this_log_never_signed_stops_nobody(
    layout: StoreLayout, stick: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (stick / "x.checkpoint").write_bytes(layout.checkpoint.read_bytes().replace(b"\n12\n", b"\n99\n"))
    with caplog.at_level(logging.WARNING), start(layout, memories=[stick]):
        pass
    assert "memory.invalid" in caplog.text
    assert types(layout, 12) == ["start.unanchored"]


# --------------------------------------------------------------------------------------------------------- parts


def test_a_damaged_tile_is_not_taken_for_a_fork(layout: StoreLayout) -> None:
    """The tile below the size of the note is another: the note is right, and the log is damaged, not forked."""
    note = layout.checkpoint.read_bytes()
    grow(layout, 5)
    with LogReader(layout) as log:
        newest, key = log.sealed(), log.trust.log_key
    tile = layout.log / "tile/0/000.p/17"
    data = bytearray(tile.read_bytes())
    data[0] ^= 1
    tile.chmod(0o644)
    tile.write_bytes(data)
    with pytest.raises(LedgerError, match="tiles do not give the root") as raised:
        hold_against(layout.log, newest, key, [KeptNote(file="kept", note=note)])
    assert not isinstance(raised.value, RememberedForkError)


def test_every_earlier_root_is_what_the_entries_give(layout: StoreLayout) -> None:
    grow(layout, 290)
    with LogReader(layout) as log:
        newest = log.sealed()
        leaves = [leaf_hash(log.entry(seq).raw) for seq in range(newest.size)]
    roots = LogRoots(layout.log, newest)
    for size in (0, 1, 2, 12, 255, 256, 257, 301, 302):
        assert roots.at(size).raw == root(leaves[:size])


def test_a_single_file_is_a_place(layout: StoreLayout) -> None:
    with LogReader(layout) as log:
        key, newest = log.trust.log_key, log.sealed()
    memories = remember(layout, key, [layout.checkpoint])
    assert (memories.places, memories.reached, memories.is_unanchored) == (1, 1, False)
    ((_, answer),) = hold_against(layout.log, newest, key, memories.notes)
    assert answer.verdict is KeptVerdict.SAME


def test_a_place_that_is_not_there_has_no_notes(tmp_path: Path) -> None:
    assert notes_at(tmp_path / "nowhere") == []


# ------------------------------------------------------------------------------------------- logs that were closed


def test_a_note_of_a_log_that_was_closed_is_held_against_that_log(layout: StoreLayout, stick: Path) -> None:
    shutil.copy(layout.checkpoint, stick / "kept.checkpoint")
    fork = copied(stick.parent / "twin")
    (stick / "fork.checkpoint").write_bytes(grow(fork, 5))
    succeed(
        layout,
        origin="strongroom/TESTSTORE0001",
        ended="closed",
        reason=None,
        by="actor_0123456789ABC",
        role="custodian",
    )
    with LogReader(layout) as log:
        newest, key = log.sealed(), log.trust.log_key
    answers = hold_against_all(layout, newest, key, [*notes_at(stick), *notes_at(layout.checkpoint)])
    assert [(Path(note.file).name, answer.verdict) for note, answer in answers] == [
        ("fork.checkpoint", KeptVerdict.FORK),
        ("kept.checkpoint", KeptVerdict.EXTENSION),
        ("checkpoint", KeptVerdict.SAME),
    ]
    with pytest.raises(RememberedForkError):
        start(layout, memories=[stick])
    (stick / "fork.checkpoint").unlink()
    with start(layout, memories=[stick, layout.checkpoint]):
        pass
