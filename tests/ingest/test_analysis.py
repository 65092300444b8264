"""The queue of analysis: a result that can't be stored is kept until it can, and small files are collected together."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from pathlib import Path

import pytest
from program import make_site

from base.fsio import DiskError
from ingest import analysis
from ingest.analysis import Analyst, tasks_open
from ledger.layout import StoreLayout
from ledger.recovery import start
from ledger.seal import seal
from vault.local import LocalStore


def test_a_result_that_the_disk_refuses_is_offered_again_and_recorded_once(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.put("single", b"no footage")
    site.watch_once()
    layout, staging = StoreLayout(site.store), tmp_path / "staging-that-comes-back"
    with start(layout) as recorder:
        (task,) = tasks_open(recorder, again=True)
        before = recorder.end()[0]
        vault, derived = LocalStore(layout.vault, layout.staging), LocalStore(layout.derived, staging)
        with Analyst(recorder, vault, derived, require="require-seccomp") as analyst:
            analyst.offer([task])
            analyst.start()
            analyst.wait(60)
            for _ in range(2):
                with pytest.raises(DiskError):
                    analyst.collect()
                assert (analyst.open_tasks, recorder.end()[0]) == (1, before)
            staging.mkdir()
            (analysed,) = analyst.collect()
            assert analysed.task == task
            assert (analyst.open_tasks, analyst.collect()) == (0, [])
        assert recorder.end()[0] == before + 1
        seal(recorder)
    assert site.run("verify").code == 0


@pytest.mark.parametrize(("together_s", "sizes"), [(60.0, [3]), (0.0, [1, 1, 1])])
def test_small_files_are_recorded_together_for_some_time_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together_s: float, sizes: list[int]
) -> None:
    monkeypatch.setattr(analysis, "TOGETHER_S", together_s)
    site = make_site(tmp_path)
    site.drop("card", {"a": b"first", "b": b"second"})
    site.watch_once()
    layout = StoreLayout(site.store)
    with start(layout) as recorder:
        tasks = list(tasks_open(recorder, again=True))
        vault, derived = (LocalStore(root, layout.staging) for root in (layout.vault, layout.derived))
        with Analyst(recorder, vault, derived, require="require-seccomp") as analyst:
            analyst.offer(tasks)
            collected = []
            while analyst.open_tasks:
                analyst.start()
                analyst.wait(60)
                collected.append(analyst.collect())
        assert [len(batch) for batch in collected] == sizes
        assert [analysed.task for batch in collected for analysed in batch] == tasks
        seal(recorder)
    assert site.run("verify").code == 0


def _processes_below(pid: int) -> set[int]:
    """Return the processes that descend from ``pid``, those that ended and were not waited for too."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(") ")[2].split()[1])
    below: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *below}} - below:
        below |= more
    return below


def _analysis_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("analysis")]


def test_closing_with_many_files_queued_leaves_no_process_and_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "TOGETHER_S", 60.0)  # so that the thread goes from file to file
    site = make_site(tmp_path)
    site.drop("card", {f"{n:02}": b"no footage %d" % n for n in range(60)})
    assert site.watch_once("--no-analysis").code == 0
    layout = StoreLayout(site.store)
    with start(layout) as recorder:
        vault, derived = (LocalStore(root, layout.staging) for root in (layout.vault, layout.derived))
        before = _processes_below(os.getpid())
        for _ in range(3):
            analyst = Analyst(recorder, vault, derived, require="require-seccomp")
            analyst.offer(tasks_open(recorder))
            analyst.start()
            begun_s = time.monotonic()
            while not _processes_below(os.getpid()) - before:
                assert time.monotonic() - begun_s < 20, "no sandbox was started"
                select.select([], [], [], 0.001)
            assert (analyst.open_tasks, _analysis_threads()) == (61, ["analysis_0"])
            closed_s = time.monotonic()
            analyst.close()
            assert time.monotonic() - closed_s < 10
            assert _analysis_threads() == []
            assert _processes_below(os.getpid()) == before
        assert len(list(tasks_open(recorder))) == 61, "all of it is still to be done"
