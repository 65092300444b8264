"""Analysis of what is sealed: run the sandbox, keep what it gives, and record that it did.

Sealing never waits for it. What has not been looked at is found in the log itself (a master without an analysis), so
this queue cannot be lost. One file is analysed at a time, in a thread that holds nothing but a descriptor; everything
that writes is done by whoever calls `Analyst.collect`. A hostile or broken file costs an event, never the intake.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
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
    rows = recorder.connection.execute(
        "SELECT s.name, a.sha256, a.drop_id FROM main.entry e JOIN main.subject s ON s.seq = e.seq "
        "JOIN openings.arrival a ON a.seq = e.seq WHERE e.type = 'master.defined' AND (? OR NOT EXISTS ("
        "SELECT 1 FROM main.subject s2 JOIN main.entry e2 ON e2.seq = s2.seq "
        "WHERE s2.name = s.name AND e2.type IN ('analysis.completed', 'analysis.failed'))) ORDER BY e.seq",
        (again,),
    ).fetchall()
    wanted = None if items is None else set(items)
    for item, sha256, drop in rows:
        if wanted is None or item in wanted:
            yield Task(item=item, sha256=Digest(sha256), drop=drop)


class Analyst:
    """The queue of one process, and the sandbox it runs. Use as a context manager."""

    def __init__(self, recorder: Recorder, vault: LocalStore, derived: LocalStore, *, require: str) -> None:
        self._recorder = recorder
        self._vault = vault
        self._derived = derived
        self._sandbox = Sandbox(require=require)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="analysis")
        self._queue: deque[Task] = deque()
        self._running: tuple[Task, Future[Report | Failure]] | None = None
        self._known: OrderedDict[Digest, Report | Failure] = OrderedDict()
        self.waiting_for: SurroundingsError | None = None  # why analysis stands still, while sealing goes on

    def __enter__(self) -> Analyst:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox; what was in work is taken up again at the next start."""
        self._sandbox.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def offer(self, tasks: Iterable[Task]) -> None:
        """Queue masters to be looked at."""
        self._queue.extend(tasks)

    @property
    def open_tasks(self) -> int:
        """How many masters are queued or being looked at."""
        return len(self._queue) + (self._running is not None)

    def start(self) -> None:
        """Start on the next task, unless one is being worked on or the sandbox is not to be had."""
        if self._running is not None or not self._queue or self.waiting_for is not None:
            return
        task = self._queue.popleft()
        self._running = task, self._thread.submit(self._look, task)

    def retry(self) -> None:
        """Try again after the sandbox was not to be had."""
        self.waiting_for = None

    def wait(self, timeout_s: float) -> None:
        """Wait until the task in work is finished, at most ``timeout_s``."""
        if self._running is not None:
            future = self._running[1]
            try:
                future.exception(timeout_s)
            except TimeoutError:
                return

    def collect(self) -> list[Analysed]:
        """Store and record what is finished; the entries are recorded, and not yet sealed, when this returns.

        Raises: DiskError when the disk refuses the result; the next call tries again.
        """
        if self._running is None or not self._running[1].done():
            return []
        task, future = self._running
        try:
            result = future.result()
        except SurroundingsError as error:  # no sandbox of the strength that is asked for: analysis waits
            self.waiting_for = error
            self._running = None
            self._queue.appendleft(task)
            return []
        analysed = self._keep(task, result)
        self._running = None  # only now: a disk that refuses the result is asked again, with the same result
        return [analysed]

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

    def _keep(self, task: Task, result: Report | Failure) -> Analysed:
        if isinstance(result, Failure):
            self._recorder.record([_failed(task, result)])
            return Analysed(task=task, outcome=result.outcome, keyframes=0)
        document = stored_document(result)
        self._derived.put_bytes([*(keyframe.picture for keyframe in result.keyframes), document])
        self._recorder.record([_completed(task, result, Digest.of(document))])
        return Analysed(task=task, outcome=result.outcome, keyframes=len(result.keyframes))


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
