"""Recording: one chain, whoever records, and nothing that is half there."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from log_oracles import problems_of
from msgspec.structs import replace
from other_process import run_killed, start_python
from store_of_log import ORIGIN, arrive, copied, receive

from base.clock import now
from base.errors import BusyError, LedgerError, NewerDataError, NotFoundError, SurroundingsError, SyncFailedError
from ledger import log_db
from ledger.check import check_log
from ledger.entry import Software
from ledger.events.access import consulted_view
from ledger.events.log import config_changed
from ledger.identifiers import new_event_id, new_identifier
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def recorder(layout: StoreLayout) -> Iterator[Recorder]:
    with Recorder.open(layout) as recorder:
        yield recorder


def types_of(layout: StoreLayout, first: int = 2) -> list[str]:
    with LogReader(layout) as log:
        return [log.entry(seq).type for seq in range(first, log.recorded())]


def setting(name: str = "settle_seconds", *, event: str | None = None) -> object:
    changed = config_changed(ORIGIN, setting=name, before="5", after="6")
    return replace(changed, event=event or changed.event)


BESIDE = """
import sys
from pathlib import Path
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from store_of_log import arrive, receive

with Recorder.open(StoreLayout(Path(sys.argv[1]))) as recorder:
    drop = receive(recorder, name=sys.argv[2].encode())
    for n in range(6):
        arrive(recorder, drop, [b"%s/%d/%d" % (sys.argv[2].encode(), n, k) for k in range(5)])
        seal(recorder)
"""


def test_several_processes_recording_and_sealing_at_once_keep_one_chain(layout: StoreLayout) -> None:
    processes = [start_python(BESIDE, layout.root, f"process-{n}") for n in range(3)]
    for process in processes:
        with process:
            _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with LogReader(layout) as log:
        assert log.recorded() == log.sealed().size == 2 + 3 * (1 + 6 * 5)
    assert problems_of(layout.root) == []
    assert check_log(layout).findings == []


def test_a_log_is_checked_without_false_alarm_while_others_write_into_it(layout: StoreLayout) -> None:
    with start_python(BESIDE, layout.root, "writer") as process:
        findings = []
        while process.poll() is None:
            findings += check_log(layout).findings
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert findings == []


KILLED = """
import sys
from pathlib import Path
from ledger.layout import StoreLayout
from ledger.record import Recorder
from store_of_log import arrive, receive

with Recorder.open(StoreLayout(Path(sys.argv[1]))) as recorder:
    drop = receive(recorder)
    arrive(recorder, drop, [b"%d" % n for n in range(50)])
"""


@pytest.mark.parametrize(("passage", "recorded"), [(1, 2), (2, 3)])
def test_a_process_killed_before_its_commit_has_recorded_nothing(
    layout: StoreLayout, tmp_path: Path, passage: int, recorded: int
) -> None:
    run_killed(KILLED, layout.root, failpoint=f"record.commit@{passage}", fired=tmp_path / "fired")
    with Recorder.open(layout) as recorder:  # rolls the journal back
        assert recorder.end()[0] == recorded
        seal(recorder)
    assert problems_of(layout.root) == []


KILLED_IN_A_LARGE_BATCH = KILLED.replace("range(50)", "range(16000)")  # more than the page cache of the database


def test_after_a_kill_within_a_large_write_a_reader_is_told_what_to_do(layout: StoreLayout, tmp_path: Path) -> None:
    """The half-written pages are in the file already: only who may write can take them back."""
    run_killed(KILLED_IN_A_LARGE_BATCH, layout.root, failpoint="record.commit@2", fired=tmp_path / "fired")
    with pytest.raises(SurroundingsError, match="cut off") as raised:
        LogReader(layout)
    assert raised.value.exit_code == 8
    assert "watch --once" in raised.value.next_step
    Recorder.open(layout).close()
    with LogReader(layout) as log:
        assert log.recorded() == 3


def test_an_event_stands_once_in_the_log(recorder: Recorder) -> None:
    event = new_event_id()
    recorder.record([setting(event=event)])  # type: ignore[list-item]
    end = recorder.end()
    with pytest.raises(LedgerError, match="second entry"):
        recorder.record([setting("batch_ms"), setting(event=event)])  # type: ignore[list-item]
    assert recorder.end() == end, "the first of the two must not stand alone"


def test_events_of_one_call_are_consecutive_and_in_order(layout: StoreLayout, recorder: Recorder) -> None:
    recorded = recorder.record([setting(f"setting-{n}") for n in range(5)])  # type: ignore[misc]
    assert [one.seq for one in recorded] == [2, 3, 4, 5, 6]
    with LogReader(layout) as log:
        assert [log.entry(one.seq).facts["setting"] for one in recorded] == [f"setting-{n}" for n in range(5)]
        assert [log.entry(one.seq).subject_prev["log"].count for one in recorded] == [1, 2, 3, 4, 5]


def test_a_view_of_many_items_becomes_parts_that_stand_together(layout: StoreLayout, recorder: Recorder) -> None:
    drop = receive(recorder)
    items = arrive(recorder, drop, [b"%d" % n for n in range(150)])
    with LogReader(layout) as log:
        digests = {item: log.digest_of(item) for item in items}
    actor = new_identifier("actor")
    view = consulted_view(ORIGIN, command="sheet", actor=actor, role="investigator", items=digests)
    (recorded,) = recorder.record([view])
    assert types_of(layout, recorded.seq) == ["consulted.view"] * 2
    seal(recorder)
    assert problems_of(layout.root) == []


# --------------------------------------------------------------------------------------------------- said before


def test_another_version_of_the_program_says_so_first(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Software(name="strongroom", version="9.9.9", build="ab" * 32)
    with Recorder.open(layout) as recorder:
        monkeypatch.setattr("ledger.record.this_software", lambda: other)
        recorder.record([setting()])  # type: ignore[list-item]
        recorder.record([setting()])  # type: ignore[list-item]
    assert types_of(layout) == ["software.updated", "config.changed", "config.changed"]
    with LogReader(layout) as log:
        facts = log.entry(2).facts
        assert (facts["version_after"], facts["build_after"]) == ("9.9.9", "ab" * 32)
        assert log.entry(2).software == other.as_json()


def test_a_clock_that_went_back_is_said_first_and_order_stays(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder.open(layout) as recorder:
        monkeypatch.setattr("ledger.record.now", lambda: now() - timedelta(hours=1))
        recorder.record([setting()])  # type: ignore[list-item]
        recorder.record([setting()])  # type: ignore[list-item]
        seal(recorder)
    assert types_of(layout) == ["clock.anomaly", "config.changed", "config.changed"]
    with LogReader(layout) as log:
        (opened,) = log.opened_at([2])
        assert str(opened.values["after"]) < str(opened.values["before"])
    assert problems_of(layout.root) == []


# ------------------------------------------------------------------------------------------------------ busy, disk


def test_a_log_held_by_another_writer_is_busy_in_the_end(
    layout: StoreLayout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_db, "BUSY_WAIT_S", 0.1)
    recorder.connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(layout.log_db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError) as raised:
        recorder.record([setting()])  # type: ignore[list-item]
    other.execute("ROLLBACK")
    other.close()
    assert raised.value.exit_code == 7
    assert recorder.record([setting()])[0].seq == 2  # type: ignore[list-item]


def test_a_reader_holds_a_commit_up_and_does_not_break_it(layout: StoreLayout, recorder: Recorder) -> None:
    recorder.connection.execute("PRAGMA busy_timeout = 10")
    reader = sqlite3.connect(layout.log_db, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entry").fetchone()
    began = time.monotonic()
    release = threading.Timer(0.3, reader.execute, ["ROLLBACK"])
    release.start()
    (recorded,) = recorder.record([setting()])  # type: ignore[list-item]
    assert time.monotonic() - began > 0.2, "the reader was never in the way"
    release.join()
    reader.close()
    assert recorded.seq == 2


def test_a_reader_that_never_ends_makes_the_log_busy_and_nothing_is_recorded(
    layout: StoreLayout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_db, "BUSY_WAIT_S", 0.1)
    recorder.connection.execute("PRAGMA busy_timeout = 10")
    reader = sqlite3.connect(layout.log_db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entry").fetchone()
    with pytest.raises(BusyError):
        recorder.record([setting()])  # type: ignore[list-item]
    reader.execute("ROLLBACK")
    reader.close()
    assert recorder.end()[0] == 2


@pytest.mark.parametrize(
    ("code", "error", "exit_code"),
    [
        (sqlite3.SQLITE_BUSY, BusyError, 7),
        (sqlite3.SQLITE_LOCKED, BusyError, 7),
        (sqlite3.SQLITE_FULL, SurroundingsError, 8),
        (sqlite3.SQLITE_IOERR_READ, log_db.LogDiskError, 8),
        (sqlite3.SQLITE_CANTOPEN, SurroundingsError, 8),
        (sqlite3.SQLITE_IOERR_FSYNC, SyncFailedError, 10),
        (sqlite3.SQLITE_IOERR_DIR_FSYNC, SyncFailedError, 10),
        (sqlite3.SQLITE_CORRUPT, LedgerError, 21),
        (sqlite3.SQLITE_NOTADB, LedgerError, 21),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, LedgerError, 21),
    ],
)
def test_what_sqlite_says_becomes_the_declared_error(code: int, error: type[Exception], exit_code: int) -> None:
    raised = sqlite3.OperationalError("as SQLite says it")
    raised.sqlite_errorcode = code
    with pytest.raises(error) as caught, log_db.declared_errors():
        raise raised
    assert caught.value.exit_code == exit_code  # type: ignore[attr-defined]


def test_the_databases_are_set_as_the_design_demands(recorder: Recorder) -> None:
    """TRUNCATE, full sync, secure delete: WAL has a race, PERSIST keeps what was erased (custody log, section 3)."""
    for name in ("main", "openings"):
        for pragma, value in {"journal_mode": "truncate", "synchronous": 2, "secure_delete": 1}.items():
            assert recorder.connection.execute(f"PRAGMA {name}.{pragma}").fetchone() == (value,)
    assert recorder.connection.execute("PRAGMA temp_store").fetchone() == (2,)  # memory


# -------------------------------------------------------------------------------------------------------- opening


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_a_missing_database_never_means_a_new_log(layout: StoreLayout, name: str) -> None:
    (layout.private / name).unlink()
    for connect in (log_db.connect, log_db.connect_read_only):
        with pytest.raises(LedgerError, match="missing"):
            connect(layout)
    assert not (layout.private / name).exists()


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_an_empty_database_never_means_a_new_log(layout: StoreLayout, name: str) -> None:
    (layout.private / name).write_bytes(b"")
    with pytest.raises(LedgerError, match="empty"):
        log_db.connect(layout)


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_a_database_of_a_newer_version_is_left_alone(layout: StoreLayout, name: str) -> None:
    connection = sqlite3.connect(layout.private / name)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerDataError) as raised:
        Recorder.open(layout)
    assert raised.value.exit_code == 9


def test_a_file_that_is_no_database_is_damage(layout: StoreLayout) -> None:
    layout.log_db.write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError, match="damaged"):
        Recorder.open(layout)


def test_without_the_recorder_key_nothing_is_recorded(layout: StoreLayout) -> None:
    (layout.keys / "recorder.pem").unlink()
    with pytest.raises(NotFoundError, match=r"recorder\.pem"):
        Recorder.open(layout)
