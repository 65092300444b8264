"""Analysis on request, without the recorder: what `strongroom analyse` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from base import fsio
from base.config import read_settings
from catalog.bring_forward import bring_forward
from ingest.analysis import Analysed, Analyst, Task, tasks_open
from ingest.leftovers import clear_leftovers
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.recovery import start
from ledger.seal import seal
from ledger.store_reader import StoreReader
from vault.local import LocalStore

_LOOK_S = 1.0


def analyse_store(
    layout: StoreLayout, identifier: str | None, *, again: bool, progress: Callable[[int, int], None]
) -> Iterator[Analysed]:
    """Analyse the items that ``identifier`` names, or all that are open, and yield each when it is sealed.

    Holds the recorder's lock, because only one process may write into staging (BusyError).
    """
    name = None if identifier is None else _full_name(layout, identifier)
    lock = fsio.Lock(layout.recorder_lock)
    lock.acquire(holder=f"`strongroom analyse` (process {os.getpid()})")
    try:
        with start(layout) as recorder:
            clear_leftovers(layout)
            tasks = [task for task in tasks_open(recorder, again=again or name is not None) if _wanted(task, name)]
            yield from _analyse(layout, recorder, tasks, progress)
    finally:
        lock.release()


def _analyse(
    layout: StoreLayout, recorder: Recorder, tasks: list[Task], progress: Callable[[int, int], None]
) -> Iterator[Analysed]:
    vault, derived = (LocalStore(root, layout.staging) for root in (layout.vault, layout.derived))
    require = read_settings(layout.settings).sandbox
    with Analyst(recorder, vault, derived, require=require) as analyst:
        analyst.offer(tasks)
        while analyst.open_tasks:
            analyst.start()
            analyst.wait(_LOOK_S)
            done = analyst.collect()
            if analyst.waiting_for is not None:
                raise analyst.waiting_for
            if done:
                seal(recorder)
                bring_forward(layout)
                progress(len(tasks) - analyst.open_tasks, len(tasks))
            yield from done


def _full_name(layout: StoreLayout, identifier: str) -> str:
    with StoreReader(layout) as log:
        return log.full_name(identifier)


def _wanted(task: Task, name: str | None) -> bool:
    return name is None or name in (task.item, task.drop)
