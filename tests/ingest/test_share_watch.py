"""A share in trouble: what can be taken from it is taken."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from program import make_site

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
