"""All logs of one store read as one history, from the first entry of the oldest log to the newest of the open one.

Each log counts its entries from 0. Here an entry has a *place* besides: the number of entries of all logs before it.
As long as a store has one log, the two are the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Self

import msgspec
from msgspec.structs import replace

from hashing.checkpoint import Checkpoint
from ledger.earlier import EarlierLogs, first_entry
from ledger.entry import Entry
from ledger.layout import StoreLayout
from ledger.openings import OpenedEntry
from ledger.published import Sealed
from ledger.reader import LogReader
from ledger.trust import KeyRegister, Trust


class LogPart(msgspec.Struct, frozen=True, kw_only=True):
    """One log as a part of the history."""

    first: int  # place of its first entry
    checkpoint: Checkpoint  # the newest one

    @property
    def end(self) -> int:
        """The place behind its last sealed entry."""
        return self.first + self.checkpoint.size


class StoreReader(LogReader):
    """As `LogReader`, over every log of the store: where that takes or gives a position, this takes or gives a place.

    `sealed`, `newest`, `trust`, `keys` and `last_signer` are those of the open log.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self._open = LogReader(layout)
        self._connection, self.origin = self._open._connection, self._open.origin
        self._logs: list[LogReader] = [self._open]
        self._firsts = [0]
        try:
            earlier = EarlierLogs.before(layout, first_entry(self._connection))
            earlier.close()
            for log in earlier.logs[::-1]:
                self._logs.insert(-1, LogReader(log.layout))
                self._firsts.append(self._firsts[-1] + log.size)
        except BaseException:
            self.__exit__()
            raise
        self._earlier = [
            LogPart(first=first, checkpoint=log.checkpoint)
            for first, log in zip(self._firsts, earlier.logs[::-1], strict=False)
        ]

    def __exit__(self, *_: object) -> None:
        for log in self._logs:
            log.__exit__()

    @property
    def trust(self) -> Trust:
        return self._open.trust

    @property
    def keys(self) -> KeyRegister:
        return self._open.keys

    def newest(self) -> Sealed:
        return self._open.newest()

    def last_signer(self) -> str:
        return self._open.last_signer()

    def parts(self) -> Sequence[LogPart]:
        """Return the logs, the oldest first; the open one as it is sealed now."""
        return [*self._earlier, LogPart(first=self._firsts[-1], checkpoint=self.sealed())]

    def first_of(self, origin: str) -> int:
        """Return the place of the first entry of the log ``origin``, which must be one of this store."""
        return self._firsts[[log.origin for log in self._logs].index(origin)]

    def recorded(self) -> int:
        return self._firsts[-1] + self._open.recorded()

    def sealed_end(self) -> int:
        """Return the place behind the last sealed entry."""
        return self._firsts[-1] + self.sealed().size

    def entry(self, seq: int) -> Entry:
        log, first = self._log_at(seq)
        return log.entry(seq - first)

    def opened(self, start: int, stop: int) -> Iterator[OpenedEntry]:
        for log, first, begin, end in self._stretches(start, stop):
            for opened in log.opened(begin, end):
                yield replace(opened, before=first) if first else opened

    def opened_at(self, seqs: Sequence[int]) -> Iterator[OpenedEntry]:
        for place in seqs:
            log, first = self._log_at(place)
            for opened in log.opened_at([place - first]):
                yield replace(opened, before=first) if first else opened

    def subject_entries(self, name: str) -> list[int]:
        return [first + seq for log, first in self._all() for seq in log.subject_entries(name)]

    def drop_entries(self, drop: str) -> list[int]:
        items = set(chain.from_iterable(log.items_of_drop(drop) for log in self._logs))
        places = {place for name in (drop, *items) for place in self.subject_entries(name)}
        return [place for place in sorted(places) if drop in ((entry := self.entry(place)).drop, *entry.subjects)]

    def acts_of(self, actor: str) -> list[int]:
        return [first + seq for log, first in self._all() for seq in log.acts_of(actor)]

    def types(self, start: int, stop: int) -> set[str]:
        return set().union(*(log.types(begin, end) for log, _, begin, end in self._stretches(start, stop)))

    def names_beginning(self, prefix: str) -> list[str]:
        return sorted(set(chain.from_iterable(log.names_beginning(prefix) for log in self._logs)))

    def seq_of_event(self, event: str) -> int | None:
        found = [first + seq for log, first in self._all() if (seq := log.seq_of_event(event)) is not None]
        return found[0] if found else None

    def count_not_analysed(self) -> int:
        if len(self._logs) == 1:
            return self._open.count_not_analysed()
        analysed = set(chain.from_iterable(log.analysed_items() for log in self._logs))
        return sum(item not in analysed for log in self._logs for item in log.not_analysed_items())

    def _all(self) -> Iterator[tuple[LogReader, int]]:
        return zip(self._logs, self._firsts, strict=True)

    def _log_at(self, place: int) -> tuple[LogReader, int]:
        number = bisect_right(self._firsts, place) - 1
        return self._logs[number], self._firsts[number]

    def _stretches(self, start: int, stop: int) -> Iterator[tuple[LogReader, int, int, int]]:
        """Yield each log that has entries between two places, its first place, and from where to where in it."""
        ends = [*self._firsts[1:], stop]
        for (log, first), end in zip(self._all(), ends, strict=True):
            begin, until = max(start, first), min(stop, end)
            if begin < until:
                yield log, first, begin - first, until - first

    def __enter__(self) -> Self:
        return self
