"""Who asked for what they may not have."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Collector, fact_cell, head_cells, number, value_cell, who_cell
from ledger.history import ToldEntry


class DeniedAccess(Collector):
    """Commands that were refused for want of a role, or of a registration."""

    code = "denied"
    title = "Denied access"
    columns = ("entry", "recorded_at", "command", "rule", "login", "by")
    cannot_know = "Attempts that the operating system stopped before the program ran, or that went past it."

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.type == "access.denied" and in_period:
            who = who_cell(told, self.ground) if told.actor or "actor" in told.withheld else "not registered"
            cells = (fact_cell(entry, "command"), fact_cell(entry, "rule"), value_cell(told, "login"))
            self.add(*head_cells(entry), *cells, who, of=entry)

    def answer(self) -> tuple[str, Sequence[str]]:
        if not self.count:
            return OK, ["Nobody was refused."]
        return NOTE, [f"{number(self.count, 'request was', 'requests were')} refused."]
