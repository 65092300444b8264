"""How far `watch` is: a line that is written over on a terminal, else a line each minute. Everything goes to stderr."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from base.escape import shown
from commands.progress import HEARTBEAT_S

if TYPE_CHECKING:
    from ingest.progress import Underway

_REDRAW_S = 0.1
_NAME_CHARACTERS = 40
_ERASE = "\r\x1b[K"
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class WatchProgress:
    """The audience of a recorder. `clear` makes room for a line of something else."""

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._on_terminal = self._stream.isatty()
        self._clock = clock
        self._told_s = clock()
        self._drawn = False
        self._begun: tuple[str, float, int] | None = None  # drop, when it was first shown, and what was done then

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def copying(self, underway: Underway) -> None:
        """Show how far a drop is."""
        now_s = self._clock()
        if self._begun is None or self._begun[0] != underway.drop_id:
            self._begun = underway.drop_id, now_s, underway.bytes_done
        _, begun_s, bytes_before = self._begun
        if self._is_time(now_s):
            took_s = now_s - begun_s
            rate = (underway.bytes_done - bytes_before) / took_s if took_s > 0 else 0.0
            self._say(copying_line(underway, bytes_per_s=rate))

    def waiting(self, *, drops: int, items: int) -> None:
        """Show what is waited for, if anything is."""
        self._begun = None  # what comes later has a rate of its own
        if not drops and not items:
            self.clear()
        elif self._is_time(self._clock()):
            self._say(f"waiting: {drops:,} drops not finished, {items:,} items not looked at")

    def clear(self) -> None:
        """Take the line away from the terminal."""
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._drawn = False

    def _is_time(self, now_s: float) -> bool:
        if now_s - self._told_s < (_REDRAW_S if self._on_terminal else HEARTBEAT_S):
            return False
        self._told_s = now_s
        return True

    def _say(self, line: str) -> None:
        if self._on_terminal:
            width = shutil.get_terminal_size().columns
            self._stream.write(f"{_ERASE}{line[: width - 1]}")
            self._drawn = True
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()


def copying_line(underway: Underway, *, bytes_per_s: float) -> str:
    """Return one line about a drop that is being copied: files, bytes, rate, time left."""
    unit, size = next(((unit, size) for unit, size in _UNITS if underway.bytes >= size), ("bytes", 1.0))
    digits = 0 if size == 1.0 else 1
    done, total = (f"{count / size:,.{digits}f}" for count in (underway.bytes_done, underway.bytes))
    files = f"{underway.files_done:,} of {underway.files:,} files"
    line = f"copying {shown(underway.name, limit=_NAME_CHARACTERS)}: {files}, {done} of {total} {unit}"
    if bytes_per_s <= 0:
        return line
    left_s = round((underway.bytes - underway.bytes_done) / bytes_per_s)
    left = f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02}"
    return f"{line}, {bytes_per_s / 1e6:,.1f} MB/s, {left} left"
