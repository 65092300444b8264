"""How far the work is, for people who watch it. Never evidence: bytes are counted here while they are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.drops import Drop
from ingest.share_facts import Found, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """The drop that is being copied, and how much of what was seen of it is done."""

    drop_id: str
    name: bytes
    files_done: int
    files: int
    bytes_done: int
    bytes: int


class Audience(Protocol):
    """Whoever wants to know how far the work is. Called often: it has to choose what it shows."""

    def copying(self, underway: Underway) -> None:
        """A drop is being copied."""

    def waiting(self, *, drops: int, items: int) -> None:
        """Nothing is being copied; ``drops`` are not finished, and ``items`` not looked at yet."""


class Nobody:
    """An audience that does not listen."""

    def copying(self, underway: Underway) -> None:
        pass

    def waiting(self, *, drops: int, items: int) -> None:
        pass


class Meter:
    """Counts what is done of the drop that is being copied, and tells its audience."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._underway: Underway | None = None
        self._dealt_bytes = 0  # with the batches that went all the way

    @contextlib.contextmanager
    def counting(self, drop: Drop, entries: Sequence[Found]) -> Iterator[None]:
        """Count inside a with block: ``entries`` of ``drop`` are to be copied in it."""
        self._begin(drop, entries)
        try:
            yield
        finally:
            self._underway = None

    def _begin(self, drop: Drop, entries: Sequence[Found]) -> None:
        tally = drop.tally()
        self._dealt_bytes = tally.bytes_seen - _size_bytes(entries)
        self._tell(
            Underway(
                drop_id=drop.row.drop_id,
                name=drop.row.name,
                files_done=max(tally.files_seen - len(entries), 0),
                files=tally.files_seen,
                bytes_done=self._dealt_bytes,
                bytes=tally.bytes_seen,
            )
        )

    def read(self, count: int) -> None:
        """``count`` bytes of the batch that is being copied were read."""
        if self._underway is not None:
            self._advance(self._dealt_bytes + count)

    def dealt(self, entries: Sequence[Found]) -> None:
        """A batch went all the way."""
        if self._underway is not None:
            self._dealt_bytes += _size_bytes(entries)
            self._advance(self._dealt_bytes, files=len(entries))

    def _advance(self, bytes_done: int, *, files: int = 0) -> None:
        now = self._underway
        assert now is not None  # the callers looked
        # The next batch is being read before the last one is dealt with: what is shown never goes back.
        self._tell(
            Underway(
                drop_id=now.drop_id,
                name=now.name,
                files_done=min(now.files_done + files, now.files),  # links and the like are counted when dealt with
                files=now.files,
                bytes_done=min(max(now.bytes_done, bytes_done), now.bytes),
                bytes=now.bytes,
            )
        )

    def _tell(self, underway: Underway) -> None:
        self._underway = underway
        self._audience.copying(underway)


def _size_bytes(entries: Iterable[Found]) -> int:
    """Return what is counted of ``entries``: as in `Drop.tally`, only files have bytes."""
    return sum(entry.stat.size_bytes for entry in entries if entry.kind is Kind.FILE and entry.stat is not None)
