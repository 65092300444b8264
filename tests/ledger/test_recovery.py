"""What `start` finishes, makes again, and refuses to go on from."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from log_oracles import problems_of
from other_process import run_killed
from store_of_log import arrive, copied, receive

from base.errors import BusyError, LedgerError, NewerDataError, NotFoundError, RefusedError
from base.fsio import Lock
from ledger import recovery
from ledger.check import check_log
from ledger.layout import StoreLayout
from ledger.machine import MovedError
from ledger.published import ForkedError, RolledBackError
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.recovery import start
from ledger.seal import seal


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    """A store whose log has 300 entries, sealed in three steps."""
    layout = copied(tmp_path / "store")
    with start(layout) as recorder:
        drop = receive(recorder)
        for first, last in ((0, 100), (100, 258), (258, 297)):
            arrive(recorder, drop, [b"%d.mp4" % n for n in range(first, last)])
            seal(recorder)
    return layout


def change(path: Path, *, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def assert_good(layout: StoreLayout, size: int = 300) -> None:
    with LogReader(layout) as log:
        assert log.sealed().size == log.recorded() == size
    assert problems_of(layout.root) == []
    assert check_log(layout).findings == []


def assert_stops(layout: StoreLayout, error: type[Exception], match: str | None, exit_code: int = 21) -> None:
    """Assert that `start` refuses, says why, and has changed nothing in the log."""
    before = {path: path.read_bytes() for path in layout.log.rglob("*") if path.is_file()}
    with pytest.raises(error, match=match) as raised:
        start(layout)
    assert raised.value.exit_code == exit_code  # type: ignore[attr-defined]
    assert {path: path.read_bytes() for path in layout.log.rglob("*") if path.is_file()} == before


# ------------------------------------------------------------------------------------------------ nothing to do


def test_a_store_that_was_left_well_starts_and_nothing_changes(layout: StoreLayout) -> None:
    before = {path: path.read_bytes() for path in layout.log.rglob("*") if path.is_file()}
    with start(layout) as recorder:
        assert recorder.end()[0] == 300
    assert {path: path.read_bytes() for path in layout.log.rglob("*") if path.is_file()} == before
    assert_good(layout)


def test_what_was_recorded_and_not_sealed_is_sealed(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))
    with start(layout):
        assert_good(layout, 301)


# --------------------------------------------------------------------------------------- what is made again


@pytest.mark.parametrize(
    "lost",
    [
        ["checkpoint"],
        ["tile/0/001.p/44"],
        ["tile/entries/001.p/44"],
        ["tile/1/000.p/1"],
        ["tile/0/000"],
        ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"],
        ["tile"],
        ["."],
    ],
    ids=lambda lost: " ".join(lost),
)
def test_lost_files_of_the_log_are_made_again_from_the_entries(layout: StoreLayout, lost: list[str]) -> None:
    before = {path: path.read_bytes() for path in layout.log.rglob("*") if path.is_file()}
    for name in lost:
        path = layout.log / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with start(layout):
        assert_good(layout)
    assert {path: path.read_bytes() for path in layout.log.rglob("*") if path.is_file()} == before


def test_an_older_published_checkpoint_is_replaced(layout: StoreLayout) -> None:
    newest = layout.checkpoint.read_bytes()
    with closing(sqlite3.connect(layout.log_db)) as connection:
        (note,) = connection.execute("SELECT note FROM checkpoint ORDER BY size LIMIT 1").fetchone()
    layout.checkpoint.unlink()
    layout.checkpoint.write_bytes(note)
    with start(layout):
        assert layout.checkpoint.read_bytes() == newest


@pytest.mark.parametrize("where", ["log", "log/tile/0", "private/keys"])
def test_half_written_files_of_a_crash_are_removed(layout: StoreLayout, where: str) -> None:
    left = layout.root / where / ".tmp-0123456789abcdef"
    left.write_bytes(b"half")
    with start(layout):
        assert not left.exists()
    assert_good(layout)


def test_a_foreign_file_is_left_for_a_person_to_look_at(layout: StoreLayout) -> None:
    foreign = layout.log / ".tmp-not-ours"
    foreign.write_bytes(b"?")
    with start(layout):
        assert foreign.exists()
    (finding,) = check_log(layout).findings
    assert (finding.code, finding.object) == ("stray-file", "log/.tmp-not-ours")


RECORD = """
import sys
from pathlib import Path
from ledger.layout import StoreLayout
from ledger.record import Recorder
from store_of_log import receive
with Recorder.open(StoreLayout(Path(sys.argv[1]))) as recorder:
    receive(recorder, arrival_key=bytes(32))
"""


def test_a_super_journal_that_nobody_needs_is_removed(layout: StoreLayout) -> None:
    stale = layout.private / "log.db-mj0123ABCD"
    stale.write_bytes(b"openings.db-journal\0")
    with start(layout):
        assert not stale.exists()
    assert_good(layout)


def test_a_super_journal_stays_while_another_process_writes(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = layout.private / "log.db-mj0123ABCD"
    stale.write_bytes(b"")
    with Recorder.open(layout) as recorder, closing(sqlite3.connect(layout.log_db, isolation_level=None)) as other:
        recorder.connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError):
            recovery._remove_stale_super_journals(recorder)
        other.execute("ROLLBACK")
    assert stale.exists()


def test_a_journal_left_by_a_killed_process_is_rolled_back(layout: StoreLayout, tmp_path: Path) -> None:
    run_killed(RECORD, layout.root, failpoint="record.commit", fired=tmp_path / "fired")
    with start(layout) as recorder:
        assert recorder.end()[0] == 300
    assert_good(layout)


# ------------------------------------------------------------------------------------------- what stops it


def test_log_db_put_back_alone_stops(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copyfile(layout.log_db, tmp_path / "log.db")
    with start(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))  # recorded, never published
    shutil.copyfile(tmp_path / "log.db", layout.log_db)
    assert_stops(layout, RolledBackError, "openings belong to entries that are not in log.db")


def test_both_databases_put_back_stop(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copytree(layout.private, tmp_path / "kept")
    with start(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))
        seal(recorder)
    for name in ("log.db", "openings.db"):
        shutil.copyfile(tmp_path / "kept" / name, layout.private / name)
    assert_stops(layout, RolledBackError, "published checkpoint covers 301 entries")


def test_log_put_back_alone_is_brought_forward_again(layout: StoreLayout, tmp_path: Path) -> None:
    """Older tiles and an older checkpoint are what a crash before publishing would leave, too."""
    shutil.copytree(layout.log, tmp_path / "log")
    with start(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))
        seal(recorder)
    shutil.rmtree(layout.log)
    shutil.copytree(tmp_path / "log", layout.log)
    with start(layout):
        assert_good(layout, 301)


def test_another_history_of_the_same_size_stops(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copytree(layout.root, tmp_path / "clone")
    clone = StoreLayout(tmp_path / "clone")
    for place, name in ((layout, b"a"), (clone, b"b")):
        with Recorder.open(place) as recorder:
            receive(recorder, name=name, arrival_key=bytes(32))
            seal(recorder)
    layout.checkpoint.unlink()
    shutil.copyfile(clone.checkpoint, layout.checkpoint)
    assert_stops(layout, ForkedError, "two different checkpoints of size 301")


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("tile/0/001.p/44", 3),
        ("tile/1/000.p/1", 3),
        ("tile/entries/001.p/44", 40),  # the next seal would widen it and publish the change
        ("tile/0/000", 40),  # the first entry is proved through its neighbour
    ],
)
def test_a_tile_with_other_bytes_stops(layout: StoreLayout, name: str, at: int) -> None:
    change(layout.log / name, at=at)
    assert_stops(layout, LedgerError, None)


def test_a_torn_tile_stops(layout: StoreLayout) -> None:
    tile = layout.log / "tile/0/001.p/44"
    tile.chmod(0o644)
    tile.write_bytes(tile.read_bytes()[:-32])
    assert_stops(layout, LedgerError, "1408 bytes")


def test_a_first_entry_that_was_replaced_stops(layout: StoreLayout, tmp_path: Path) -> None:
    """It names the keys: a forger who replaces it in the database would have his own keys believed."""
    with LogReader(layout) as log:
        raw = log.entry(1).raw
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("UPDATE entry SET raw = ? WHERE seq = 0", (raw,))
    assert_stops(layout, LedgerError, "first entry")


def test_lost_tiles_are_not_made_from_entries_that_were_changed(layout: StoreLayout) -> None:
    shutil.rmtree(layout.log / "tile")
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("UPDATE entry SET raw = (SELECT raw FROM entry WHERE seq = 7) WHERE seq = 8")
    assert_stops(layout, LedgerError, "do not give the root")


def test_a_checkpoint_in_the_database_that_is_not_signed_by_the_log_stops(layout: StoreLayout) -> None:
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("UPDATE checkpoint SET note = CAST(replace(note, 'TESTSTORE', 'TASTSTORE') AS BLOB)")
    assert_stops(layout, LedgerError, "checkpoint")


def test_a_published_checkpoint_that_nobody_can_read_stops(layout: StoreLayout) -> None:
    change(layout.checkpoint)
    assert_stops(layout, LedgerError, None)


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_a_damaged_database_stops(layout: StoreLayout, name: str) -> None:
    path = layout.private / name
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)
    with pytest.raises(LedgerError) as raised:
        start(layout)
    assert raised.value.exit_code == 21


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_a_missing_database_stops(layout: StoreLayout, name: str) -> None:
    (layout.private / name).unlink()
    assert_stops(layout, LedgerError, "missing")


def test_a_newer_store_is_left_alone(layout: StoreLayout) -> None:
    with closing(sqlite3.connect(layout.log_db)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert_stops(layout, NewerDataError, "version 99", exit_code=9)


@pytest.mark.parametrize("name", ["log.pem", "recorder.pem"])
def test_a_missing_key_stops_and_what_is_sealed_stays_good(layout: StoreLayout, name: str) -> None:
    (layout.keys / name).unlink()
    assert_stops(layout, NotFoundError, name, exit_code=3)
    assert check_log(layout).findings == []


@pytest.mark.parametrize(("name", "mode"), [("private", 0o750), ("private", 0o701), ("private/keys", 0o755)])
def test_a_private_directory_that_others_may_enter_stops(layout: StoreLayout, name: str, mode: int) -> None:
    (layout.root / name).chmod(mode)
    assert_stops(layout, RefusedError, "open to others", exit_code=4)


def test_a_key_that_others_may_read_stops(layout: StoreLayout) -> None:
    (layout.keys / "recorder.pem").chmod(0o644)
    assert_stops(layout, RefusedError, "read by others", exit_code=4)


def test_a_store_that_was_never_finished_is_none(layout: StoreLayout) -> None:
    layout.settings.unlink()
    assert_stops(layout, NotFoundError, "never finished", exit_code=3)


def test_while_another_process_seals_start_waits(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_LOCK_WAIT_S", 0.05)
    lock = Lock(layout.seal_lock)
    lock.acquire(holder="somebody else")
    assert_stops(layout, BusyError, "somebody else", exit_code=7)
    lock.release()
    start(layout).close()


# --------------------------------------------------------------------------------------------------- moved


def test_a_moved_store_stops_until_the_move_is_recorded_on_request(layout: StoreLayout, tmp_path: Path) -> None:
    moved = StoreLayout(tmp_path / "moved")
    shutil.move(layout.root, moved.root)
    assert_stops(moved, MovedError, "another machine, disk or path", exit_code=4)
    with start(moved, accept_move=True):
        assert_good(moved, 301)
    with LogReader(moved) as log:
        (opened,) = log.opened_at([300])
        assert opened.entry.facts["setting"] == "store.location"
        assert opened.values["before"] != opened.values["after"]
    start(moved).close()


def test_accepting_a_move_that_did_not_happen_records_nothing(layout: StoreLayout) -> None:
    with start(layout, accept_move=True) as recorder:
        assert recorder.end()[0] == 300


def test_the_same_disk_on_another_machine_is_another_place(
    layout: StoreLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "machine-id"
    other.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr("ledger.machine._MACHINE_ID", other)
    assert_stops(layout, MovedError, "another machine", exit_code=4)
