"""Analysis of what is sealed: run the sandbox, keep what it gives, and record that it did.

Sealing never waits for it. What has not been looked at is found in the log itself (a master without an analysis), so
this queue cannot be lost. One file is analysed at a time, in a thread that holds nothing but a descriptor; everything
that writes is done by whoever calls `Analyst.collect`. Small files are collected together, because each collection
costs several syncs and a checkpoint. A hostile or broken file costs an event, never the intake.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from base.errors import SurroundingsError
from base.escape import code_of
from hashing.digest import Digest
from hashing.strict_json import Json, canonical_document
from ledger.events.analysis import analysis_completed, analysis_failed
from ledger.events.event import Event
from ledger.record import Recorder
from media.report import Failure, Report, Tool
from media.sandbox import Sandbox
from vault.local import LocalStore
from vault.store import ObjectChangedError

TOGETHER_S = 0.25  # after this no further file is begun before the results are stored
MOST_TOGETHER = 100  # files
_REMEMBERED = 256  # results of this run that serve again when the same bytes arrive once more


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One master to be looked at."""

    item: str
    sha256: Digest
    drop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """What is told of one analysis: how many pictures were kept, or why there are none."""

    task: Task
    outcome: str
    keyframes: int


def tasks_open(recorder: Recorder, *, items: Iterable[str] | None = None, again: bool = False) -> Iterator[Task]:
    """Yield every master that has had no analysis yet, oldest first; with ``again`` those that have had one too."""
    rows = recorder.stated(
        "SELECT s.name, a.sha256, a.drop_id FROM main.entry e JOIN main.subject s ON s.seq = e.seq "
        f"JOIN openings.arrival a ON a.seq = e.seq WHERE e.type = 'master.defined' AND ({int(again)} OR NOT EXISTS ("
        "SELECT 1 FROM main.subject s2 JOIN main.entry e2 ON e2.seq = s2.seq "
        "WHERE s2.name = s.name AND e2.type IN ('analysis.completed', 'analysis.failed'))) AND e.seq < ? ORDER BY e.seq"
    )
    analysed = set() if again else _analysed_later(recorder)
    wanted = None if items is None else set(items)
    for item, sha256, drop in rows:
        if (wanted is None or item in wanted) and item not in analysed:
            yield Task(item=item, sha256=Digest(sha256), drop=drop)


def _analysed_later(recorder: Recorder) -> set[str]:
    """Return the items with an analysis, where it may stand in a later log than the master."""
    if not recorder.earlier:
        return set()
    rows = recorder.stated(
        "SELECT s.name FROM main.entry e JOIN main.subject s ON s.seq = e.seq "
        "WHERE e.type IN ('analysis.completed', 'analysis.failed') AND e.seq < ?"
    )
    return {item for (item,) in rows}


class Analyst:
    """The queue of one process, and the sandbox it runs. Use as a context manager."""

    def __init__(self, recorder: Recorder, vault: LocalStore, derived: LocalStore, *, require: str) -> None:
        self._recorder = recorder
        self._vault = vault
        self._derived = derived
        self._sandbox = Sandbox(require=require)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="analysis")
        self._queue: deque[Task] = deque()
        self._running: tuple[Sequence[Task], Future[list[Report | Failure]]] | None = None
        self._known: OrderedDict[Digest, Report | Failure] = OrderedDict()
        self.waiting_for: SurroundingsError | None = None  # why analysis stands still, while sealing goes on

    def __enter__(self) -> Analyst:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox; what was in work is taken up again at the next start."""
        self._sandbox.close()
        self._thread.shutdown(cancel_futures=True)  # at once: without a sandbox whoever is at work there stops

    def offer(self, tasks: Iterable[Task]) -> None:
        """Queue masters to be looked at."""
        self._queue.extend(tasks)

    @property
    def open_tasks(self) -> int:
        """How many masters are queued or being looked at."""
        return len(self._queue) + (0 if self._running is None else len(self._running[0]))

    def start(self) -> None:
        """Start on the next tasks, unless some are being worked on or the sandbox is not to be had."""
        if self._running is not None or not self._queue or self.waiting_for is not None:
            return
        tasks = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_TOGETHER))]
        self._running = tasks, self._thread.submit(self._look_at, tasks)

    def retry(self) -> None:
        """Try again after the sandbox was not to be had."""
        self.waiting_for = None

    def wait(self, timeout_s: float) -> None:
        """Wait until what is in work is finished, at most ``timeout_s``."""
        if self._running is not None:
            future = self._running[1]
            try:
                future.exception(timeout_s)
            except TimeoutError:
                return

    def collect(self) -> list[Analysed]:
        """Store and record what is finished; the entries are recorded, and not yet sealed, when this returns.

        Raises: DiskError when the disk refuses the results; the next call tries again.
        """
        if self._running is None or not self._running[1].done():
            return []
        tasks, future = self._running
        try:
            results = future.result()
        except SurroundingsError as error:  # no sandbox of the strength that is asked for: analysis waits
            self.waiting_for = error
            results = []
        analysed = self._keep(tasks, results)
        self._running = None  # only now: a disk that refuses the results is asked again, with the same results
        self._queue.extendleft(reversed(tasks[len(results) :]))
        return analysed

    def _look_at(self, tasks: Sequence[Task]) -> list[Report | Failure]:
        """Return the results of the first of ``tasks``: as many as `TOGETHER_S` allows, at least one."""
        results: list[Report | Failure] = []
        until_s = time.monotonic() + TOGETHER_S
        for task in tasks:
            try:
                results.append(self._look(task))
            except SurroundingsError:
                if not results:
                    raise
                break  # what was found stays; the next call meets the same trouble, and tells
            if time.monotonic() >= until_s:
                break
        return results

    def _look(self, task: Task) -> Report | Failure:
        if task.sha256 in self._known:
            return self._known[task.sha256]
        try:
            descriptor = self._vault.open(task.sha256)
        except ObjectChangedError as error:
            return Failure(outcome="not-decodable", limits=("object-missing",), detail=str(error))
        try:
            result = self._sandbox.analyse(descriptor, size_bytes=os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        self._known[task.sha256] = result
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return result

    def _keep(self, tasks: Sequence[Task], results: Sequence[Report | Failure]) -> list[Analysed]:
        """Store and record the results of the first of ``tasks``: all in one batch, and all in one transaction."""
        objects: list[bytes] = []
        events: list[Event] = []
        analysed: list[Analysed] = []
        for task, result in zip(tasks, results, strict=False):  # of the last ones there may be no result yet
            if isinstance(result, Failure):
                events.append(_failed(task, result))
                analysed.append(Analysed(task=task, outcome=result.outcome, keyframes=0))
                continue
            document = stored_document(result)
            objects += [*(keyframe.picture for keyframe in result.keyframes), document]
            events.append(_completed(task, result, Digest.of(document)))
            analysed.append(Analysed(task=task, outcome=result.outcome, keyframes=len(result.keyframes)))
        if objects:
            self._derived.put_bytes(objects)
        if events:
            self._recorder.record(events)
        return analysed


def stored_document(report: Report) -> bytes:
    """Return the result object of a report: everything but what may have to be withheld or erased.

    Metadata and the device's own time are openings of the entry, so that an erasure reaches them.
    """
    document = report.document()
    del document["metadata"], document["device_time"]
    return canonical_document(document)


def _completed(task: Task, report: Report, result: Digest) -> Event:
    return analysis_completed(
        task.item,
        sha256=task.sha256,
        drop=task.drop,
        tier=max(report.tiers, default=0),
        outcome=report.outcome,
        keyframes=len(report.keyframes),
        tools=_tools(report.tools),
        limits=report.limits,
        sandbox=report.strength,
        media_type=report.media_type,
        parameters=dict(report.parameters),
        result=result,
        device_time=None if report.device_time is None else report.device_time.document(),
        metadata=[value.document() for value in report.metadata],
    )


def _failed(task: Task, failure: Failure) -> Event:
    metadata: list[Json] = [value.document() for value in failure.metadata]
    if failure.detail:
        metadata.append({"source": "sandbox", "key": "detail", "value": failure.detail, "sensitive": True})
    return analysis_failed(
        task.item,
        sha256=task.sha256,
        drop=task.drop,
        tier=0,
        outcome=failure.outcome,
        tools=_tools(failure.tools),
        limits=failure.limits,
        sandbox=failure.strength,
        media_type=failure.media_type,
        parameters={},
        metadata=metadata,
    )


def _tools(tools: Iterable[Tool]) -> list[dict[str, str]]:
    return [{"name": code_of(tool.name), "version": code_of(tool.version)} for tool in tools]
