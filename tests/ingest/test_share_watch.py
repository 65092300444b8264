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
from ingest.share import ShareReader
from ingest.share_facts import Found, ScanOutcome
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
