"""Progress of something long: a bar with rate and time left on a terminal, else a line each minute."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, TaskID

HEARTBEAT_S = 60.0


class Progress:
    """Called with what is done and what there is in all; use as a context manager. Everything goes to stderr."""

    def __init__(self, what: str, *, unit: str = "bytes") -> None:
        self._what, self._unit = what, unit
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._told_s = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar, self._task = _bar(self._what, self._unit)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._told_s >= HEARTBEAT_S:
            self._told_s = time.monotonic()
            sys.stderr.write(f"{self._what}: {done:,} of {total:,} {self._unit}\n")


def _bar(what: str, unit: str) -> tuple[Bar, TaskID]:
    from rich import progress
    from rich.console import Console

    amount = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
    speed = progress.TransferSpeedColumn() if unit == "bytes" else _speed_column(unit)
    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        amount,
        speed,
        progress.TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    )
    return bar, bar.add_task(what, total=None)


def _speed_column(unit: str) -> ProgressColumn:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class SpeedColumn(ProgressColumn):
        """So many a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f} {unit}/s", style="progress.data.speed")

    return SpeedColumn()
