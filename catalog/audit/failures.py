"""What could not be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Collector, Ground, fact_cell, head_cells, number
from ledger.entry import Entry
from ledger.history import ToldEntry


class FailedAnalyses(Collector):
    """Items whose analysis failed in the period, and has not given a result since."""

    code = "failed-analyses"
    title = "Failed analyses"
    columns = ("entry", "recorded_at", "item", "drop", "outcome", "limits")
    cannot_know = "What is to be seen in these items. The masters are sealed all the same, and nothing is lost."

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._failed: dict[str, Entry] = {}
        self._completed = 0

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.type not in ("analysis.failed", "analysis.completed"):
            return
        for item in entry.subjects:
            self._failed.pop(item, None)
            if entry.type == "analysis.failed" and in_period:
                self._failed[item] = entry
        self._completed += entry.type == "analysis.completed" and in_period

    def answer(self) -> tuple[str, Sequence[str]]:
        for item, entry in self._failed.items():
            facts = (fact_cell(entry, "outcome"), fact_cell(entry, "limits"))
            self.add(*head_cells(entry), item, entry.drop, *facts, of=entry)
        completed = number(self._completed, "analysis gave a result", "analyses gave a result")
        if not self.count:
            return OK, [f"{completed}; none failed that was not mended since."]
        return NOTE, [f"{completed}; {number(self.count, 'item has', 'items have')} a failed one and none since."]
