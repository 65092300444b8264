"""What this version of the program cannot read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from base.escape import shown
from catalog.audit.section import NOTE, OK, Collector, Ground, number
from ledger.history import ToldEntry


class UnknownTypes(Collector):
    """Entries of a type that this version does not know, by type."""

    code = "unknown-types"
    title = "Entries of unknown types"
    columns = ("type", "entries", "first", "last")
    cannot_know = "What these entries say. Every section above may lack something that stands in them."
    covers_all_time = True

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._types: Counter[str] = Counter()
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if not entry.known:
            self._types[entry.type] += 1
            self._first.setdefault(entry.type, entry.seq)
            self._last[entry.type] = entry.seq

    def answer(self) -> tuple[str, Sequence[str]]:
        for name, count in sorted(self._types.items()):
            self.add(shown(name), count, self._first[name], self._last[name])
        if not self.count:
            return OK, ["None: this version knows the type of every entry."]
        total = number(self._types.total(), "entry", "entries")
        return NOTE, [f"{total} of {number(self.count, 'type', 'types')}."]
