"""The doorbell: events of the file system say that something happened, never what.

Runs in the share reader, and only on local file systems: a network file system tells nothing of what other machines do.
watchdog loses events under load (docs/performance.md); so a bell only starts the scan sooner, and many
events in a row ring once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_PAUSE_S = 0.2  # between two rings


class Doorbell:
    """Rings from a thread of its own. It hangs at one directory, and can be hung again at the one that replaced it."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._happened = threading.Event()
        self._observer: BaseObserver | None = None
        self._hangs_at: tuple[int, int] | None = None

    def hang(self, root: bytes) -> None:
        """Ring whenever something in ``root`` changes, not below it. Raises OSError: no watch is left to be had."""
        self._take_down()
        found = os.stat(root)
        observer = _observer(os.path.realpath(root), self._happened.set)
        observer.start()
        if self._observer is None and self._hangs_at is None:
            threading.Thread(target=self._ring_for_ever, name="doorbell", daemon=True).start()
        self._observer, self._hangs_at = observer, (found.st_dev, found.st_ino)

    def hangs_at(self, device: int, inode: int) -> bool:
        """Whether it hangs at this directory: another may have been mounted over it meanwhile."""
        return self._hangs_at == (device, inode)

    def _take_down(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer = None

    def _ring_for_ever(self) -> None:
        while True:
            self._happened.wait()
            self._happened.clear()
            self._ring()
            time.sleep(_PAUSE_S)


def _observer(root: bytes, happened: Callable[[], None]) -> BaseObserver:
    # Imported here: a reader of a network share never needs it.
    from watchdog import events
    from watchdog.observers import Observer

    class Ringer(events.FileSystemEventHandler):
        def on_any_event(self, event: events.FileSystemEvent) -> None:
            happened()

    # No event of opening and reading: our own scan would ring.
    wanted: list[type[events.FileSystemEvent]] = [
        events.DirCreatedEvent,
        events.DirDeletedEvent,
        events.DirMovedEvent,
        events.FileClosedEvent,
        events.FileCreatedEvent,
        events.FileDeletedEvent,
        events.FileModifiedEvent,
        events.FileMovedEvent,
    ]
    observer = Observer()
    observer.daemon = True
    observer.schedule(Ringer(), os.fsdecode(root), recursive=False, event_filter=wanted)
    return observer
