"""How much of its time a worker has used, so that it can stop by itself and still say what it found."""

from __future__ import annotations

import time

from media.limits import Limits

_SHARE = 0.8  # of the limits that kill; the rest is for metadata, pictures and the reply


class Budget:
    """The time of one worker. What stops early says so: such a report may differ the next time."""

    def __init__(self, limits: Limits) -> None:
        self._started = time.monotonic()
        self._wall_s = limits.wall_s * _SHARE
        self._cpu_s = limits.cpu_s * _SHARE

    def exceeded(self) -> str | None:
        """Return the code of the limit that is nearly reached, or None."""
        if time.process_time() > self._cpu_s:
            return "cpu"
        if time.monotonic() - self._started > self._wall_s:
            return "time-out"
        return None
