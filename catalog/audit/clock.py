"""What the recorder's clock did."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Collector, Ground, fact_cell, head_cells, number, value_cell
from ledger.history import ToldEntry


class ClockAnomalies(Collector):
    """The clock went backwards, or was not synchronised while entries were written."""

    code = "clock"
    title = "Clock anomalies"
    columns = ("entry", "recorded_at", "anomaly", "before", "after")
    cannot_know = "Whether the clock was right: every time is its claim. The order of entries never depends on it."

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._states: dict[str | None, int] = {}

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if not in_period:
            return
        self._states[entry.clock] = self._states.get(entry.clock, 0) + 1
        if entry.type == "clock.anomaly":
            cells = (fact_cell(entry, "anomaly"), value_cell(told, "before"), value_cell(told, "after"))
            self.add(*head_cells(entry), *cells, of=entry)

    def answer(self) -> tuple[str, Sequence[str]]:
        unsynchronised, not_told = self._states.get("unsynchronised", 0), self._states.get(None, 0)
        says = [f"{number(self.count, 'anomaly', 'anomalies')} recorded."]
        if unsynchronised:
            says.append(f"{number(unsynchronised, 'entry was', 'entries were')} written by a clock not synchronised.")
        if not_told:
            says.append(f"Of {number(not_told, 'entry', 'entries')} the kernel did not tell whether it was.")
        return (NOTE if self.count or unsynchronised else OK), says
