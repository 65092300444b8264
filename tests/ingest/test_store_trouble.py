"""A recorder whose own log is in trouble: a full disk is waited for, an error of the disk ends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from program import make_site
from turns import Turns

from base.errors import EvidenceError
from ingest.watcher import RETRY_STORE_S
from ledger import log_db
from ledger.record import Proposal, Recorded, Recorder


class BadDisk:
    """Makes each write into the log fail with one code of SQLite, while ``code`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code: int | None = None
        self.fired = 0
        real = Recorder.record

        def record(recorder: Recorder, proposals: Sequence[Proposal]) -> list[Recorded]:
            if self.code is None:
                return real(recorder, proposals)
            self.fired += 1
            error = sqlite3.OperationalError("as SQLite says it")
            error.sqlite_errorcode = self.code
            with log_db.declared_errors():
                raise error

        monkeypatch.setattr(Recorder, "record", record)


def test_a_full_disk_is_waited_for_and_then_everything_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, disk = make_site(tmp_path, settle_s=1), BadDisk(monkeypatch)
    site.drop("card", {"a": b"a"})
    turns = Turns(site)
    with turns.watcher:
        disk.code = sqlite3.SQLITE_FULL
        for _ in range(3):
            turns.after(1)
        assert disk.fired == 1
        assert site.run("status").code == 8
        disk.code = None
        for _ in range(3):
            turns.after(RETRY_STORE_S)
        assert turns.states("card") == ["received", "copying", "held"]
    assert site.run("status").code == 0


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, 8),
        (sqlite3.SQLITE_IOERR_READ, 8),
        (sqlite3.SQLITE_IOERR_FSYNC, 10),
        (sqlite3.SQLITE_CORRUPT, 21),
        (sqlite3.SQLITE_NOTADB, 21),
    ],
)
def test_an_error_of_the_disk_under_the_log_ends_the_recorder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, exit_code: int
) -> None:
    site, disk = make_site(tmp_path, settle_s=1), BadDisk(monkeypatch)
    site.drop("card", {"a": b"a"})

    def record_on_a_bad_disk() -> None:
        turns = Turns(site)
        with turns.watcher:
            disk.code = code
            for _ in range(3):
                turns.after(1)

    with pytest.raises(EvidenceError) as caught:
        record_on_a_bad_disk()
    assert (disk.fired, caught.value.exit_code) == (1, exit_code)
    assert caught.value.next_step
    disk.code = None
    assert site.watch_once().code == 0
