"""A share in trouble: what can be taken from it is taken."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from program import make_site
from turns import Turns

from base.config import read_settings
from ingest.drops import HANG_RETRY_S, Drop
from ingest.intake_db import DropRow
from ingest.share import ShareReader
from ingest.share_facts import Copied, Found, NotCopied, ScanOutcome
from ingest.share_process import ShareUnreachableError
from ingest.share_watch import ShareWatch
from ingest.watcher import Watcher
from ledger.layout import StoreLayout

PATIENCE_S = 20.0
_look = ShareWatch._look


def _sorted_look(share: ShareWatch) -> tuple[list[Found], ScanOutcome]:
    found, outcome = _look(share)
    return sorted(found, key=lambda entry: entry.path), outcome


def test_a_drop_on_which_every_reader_hangs_does_not_starve_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(tmp_path)
    site.drop("bad", {"hangs": b"x"})
    site.drop("good", {"a": b"a", "b": b"b"})
    real = ShareReader.begin_copy
    failed: list[Sequence[Found]] = []
    told: list[Mapping[str, object]] = []

    def begin_copy(self: ShareReader, found: Sequence[Found]) -> None:
        if found[0].drop_name == b"bad":
            failed.append(found)
            error = ShareUnreachableError("silent", cause="silent")
            self._give_up(error)
            raise error
        real(self, found)

    def held() -> bool:
        return any(line.get("name") == "good" and line.get("state") == "held" for line in told)

    monkeypatch.setattr(ShareReader, "begin_copy", begin_copy)
    # So that the drop that hangs comes first, whatever the order of the file system.
    monkeypatch.setattr(ShareWatch, "_look", _sorted_look)
    end_s = time.monotonic() + PATIENCE_S
    layout = StoreLayout(site.store)
    settings = read_settings(layout.settings)
    with Watcher(layout, settings, tell=told.append, stop=lambda: held() or time.monotonic() > end_s) as watcher:
        watcher.run()
    assert failed, "the fault must have fired"
    assert held()


def test_a_drop_renamed_before_it_was_taken_goes_on_under_its_new_name(tmp_path: Path) -> None:
    site = make_site(tmp_path, settle_s=10)
    (site.share / "New folder").mkdir()
    told: list[Mapping[str, object]] = []
    now_s = [0.0]
    layout = StoreLayout(site.store)
    with Watcher(layout, read_settings(layout.settings), tell=told.append, clock=lambda: now_s[0]) as watcher:

        def turns() -> None:
            now_s[0] += 5.0
            while watcher._turn():
                pass

        turns()
        assert site.receipts("New folder") == ["1-COPYING  DO-NOT-WIPE.html", "1-COPYING  DO-NOT-WIPE.txt"]
        (site.share / "New folder").rename(site.share / "card-7")
        turns()
        assert site.receipts("New folder") == []
        assert site.receipts("card-7") == ["1-COPYING  DO-NOT-WIPE.html", "1-COPYING  DO-NOT-WIPE.txt"]
        site.drop("card-7", {"a": b"a"})
        for _ in range(4):
            turns()
    assert site.receipts("card-7")[1] == "2-HELD  DO-NOT-WIPE.html"
    assert [line["state"] for line in told if line.get("name") == "New folder"] == ["received"]
    assert site.run("status").code == 0


@pytest.fixture
def misses(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Paths in the share, and below them, that no listing shows: as when it races a rename."""
    hidden: set[bytes] = set()

    def look(share: ShareWatch) -> tuple[list[Found], ScanOutcome]:
        found, outcome = _look(share)
        return [one for one in found if one.path not in hidden and one.drop_name not in hidden], outcome

    monkeypatch.setattr(ShareWatch, "_look", look)
    return hidden


def test_a_drop_that_one_listing_misses_is_looked_for_again_before_it_counts_as_gone(
    tmp_path: Path, misses: set[bytes]
) -> None:
    site = make_site(tmp_path, settle_s=10)
    site.drop("card", {"a": b"a"})
    site.put("other", b"keeps the share from being empty")
    turns = Turns(site)
    with turns.watcher:
        turns.after(1)
        misses.add(b"card")
        turns.after(3)
        assert turns.states("card") == ["received"]
        misses.clear()
        for _ in range(6):
            turns.after(6)
        assert turns.states("card") == ["received", "copying", "held"]
        misses.add(b"card")
        turns.after(31)
        turns.after(3)
        assert site.run("drop", "status", "card").stdout.count("no longer in it") == 1
    assert len({line["drop"] for line in turns.told if line.get("name") == "card"}) == 1


def test_a_drop_that_two_listings_miss_before_it_was_sealed_is_a_problem(tmp_path: Path, misses: set[bytes]) -> None:
    site = make_site(tmp_path, settle_s=10)
    site.drop("card", {"a": b"a"})
    site.put("other", b"keeps the share from being empty")
    turns = Turns(site)
    with turns.watcher:
        turns.after(1)
        misses.add(b"card")
        turns.after(3)
        assert turns.states("card") == ["received"]
        turns.after(3)
        assert turns.states("card") == ["received", "problem"]


def test_a_refused_link_that_one_listing_misses_stays_refused(tmp_path: Path, misses: set[bytes]) -> None:
    site = make_site(tmp_path, settle_s=1)
    site.drop("card", {"a": b"a"})
    (site.share / "card" / "link").symlink_to("a")
    turns = Turns(site)
    with turns.watcher:
        for _ in range(4):
            turns.after(1)
        assert turns.states("card") == ["received", "copying", "problem"]
        misses.add(b"card/link")
        turns.after(31)
        misses.clear()
        turns.after(31)
        assert turns.states("card") == ["received", "copying", "problem"]
        (site.share / "card" / "link").unlink()
        for _ in range(4):
            turns.after(31)
        assert turns.states("card") == ["received", "copying", "problem", "held"]


def test_a_single_run_waits_for_the_second_look_at_what_is_gone(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    for name in ("card", "other"):
        site.drop(name, {"a": b"a"})
    assert site.watch_once().code == 0
    shutil.rmtree(site.share / "card")
    assert site.watch_once().code == 0
    assert "no longer in it" in site.run("drop", "status", "card").stdout


def test_a_drop_renamed_while_no_recorder_ran_goes_on_under_its_new_name(tmp_path: Path) -> None:
    site = make_site(tmp_path, settle_s=10)
    (site.share / "New folder").mkdir()
    before = Turns(site)
    with before.watcher:
        before.after(1)
    assert before.states("New folder") == ["received"]
    (site.share / "New folder").rename(site.share / "card-7")
    site.drop("card-7", {"a": b"a"})
    after = Turns(site)
    with after.watcher:
        for _ in range(6):
            after.after(6)
    assert after.states("New folder") == []
    assert site.receipts("New folder") == []
    assert site.receipts("card-7")[1] == "2-HELD  DO-NOT-WIPE.html"
    assert site.run("status").code == 0


class Hanging:
    """A share on which readers are lost at certain files, as on a card with a bad place, without waiting for each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *paths: bytes) -> None:
        self.paths = set(paths)
        self.fired = 0
        real = ShareReader.end_copy

        def end_copy(reader: ShareReader) -> list[Copied | NotCopied]:
            batch = reader._batch
            assert batch is not None
            for order in batch.orders:
                if order.path in self.paths:
                    self.fired += 1
                    error = ShareUnreachableError("silent", cause="silent")
                    error.path = order.path
                    reader.cancel_copy()
                    reader._give_up(error)
                    raise error
            return real(reader)

        monkeypatch.setattr(ShareReader, "end_copy", end_copy)


def test_a_file_on_which_readers_hang_goes_last_and_the_others_of_its_drop_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, hanging = make_site(tmp_path, settle_s=1), Hanging(monkeypatch, b"card/b")
    site.drop("card", {name: name.encode() for name in "abc"})
    turns = Turns(site)
    with turns.watcher:
        turns.after(1)
        turns.after(1)
        assert hanging.fired == 1
        turns.after(2)
        assert len([line for line in turns.told if line["event"] == "item.sealed"]) == 3, "a, c and DONE"
        assert turns.states("card") == ["received", "copying"], "it is not complete, and nobody is told that it is"
        status = site.run("status", "--json")
        assert status.code == 8
        assert '"state": "waiting"' in status.stdout
        assert "every reader hangs on card/b" in status.stdout
        turns.after(30)
        assert hanging.fired == 1, "each try costs a reader"
        hanging.paths.clear()
        for _ in range(2):
            turns.after(HANG_RETRY_S)
        assert turns.states("card") == ["received", "copying", "held"]
    assert [line["event"] for line in turns.told if line["event"] == "share.waiting"] == ["share.waiting"]
    assert site.run("status").code == 0


def test_a_file_that_hangs_again_is_tried_less_and_less_often(tmp_path: Path) -> None:
    drop = Drop(row=DropRow(drop_id="drop_0", root=b"/r", name=b"n"))
    pauses = []
    for _ in range(12):
        drop.hang(b"a", 0.0)
        pauses.append(drop.hangs[b"a"].retry_at_s)
    assert pauses[:3] == [60.0, 120.0, 240.0]
    assert pauses[-1] == 3600.0


def test_a_share_that_died_in_the_middle_of_a_file_does_not_make_that_file_suspect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, hanging = make_site(tmp_path, settle_s=1), Hanging(monkeypatch, b"card/b")
    site.drop("card", {name: name.encode() for name in "abc"})
    turns = Turns(site)
    with turns.watcher:
        (share,) = turns.watcher._shares
        turns.after(1)
        turns.after(1)
        assert hanging.fired == 1
        hanging.paths.clear()
        away = site.share.rename(tmp_path / "away")
        turns.after(2)
        assert share.unreachable is not None
        away.rename(site.share)
        turns.after(2)
        turns.after(2)
        assert turns.states("card") == ["received", "copying", "held"], "the file need not wait for its time"


def test_a_single_run_takes_what_it_can_beside_a_file_on_which_readers_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, hanging = make_site(tmp_path), Hanging(monkeypatch, b"card/b")
    site.drop("card", {name: name.encode() for name in "abc"})
    layout = StoreLayout(site.store)
    with Watcher(layout, read_settings(layout.settings), tell=lambda _line: None) as watcher:
        summary = watcher.run_once()
    assert hanging.fired == 1
    assert (summary.items_sealed, summary.items_waiting, summary.drops_waiting) == (3, 1, 1)
    assert site.run("status").code == 8
