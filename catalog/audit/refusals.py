"""What was refused, and why."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import OK, WAITS, Cell, Collector, Ground, fact_cell, head_cells, number, value_cell
from ledger.entry import Entry
from ledger.history import ToldEntry


class Refusals(Collector):
    """Entries of drops that could not be taken. They wait while their drop is not recorded as complete since."""

    code = "refused"
    title = "Refused items"
    columns = ("entry", "recorded_at", "drop", "kind", "reason", "path", "now")
    cannot_know = "What was never put into a share; what became of a refused file there."

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._refused: list[tuple[Entry, Cell]] = []  # with the path
        self._completion: dict[str, str] = {}  # by drop: the newest since its last refusal

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.type == "drop.completed":
            self._completion[str(entry.drop)] = str(entry.facts["completion"])
        elif entry.type == "item.refused":
            self._completion.pop(str(entry.drop), None)
            if in_period:
                self._refused.append((entry, value_cell(told, "source_path")))

    def answer(self) -> tuple[str, Sequence[str]]:
        waiting = 0
        for entry, path in self._refused:
            is_complete = self._completion.get(str(entry.drop)) == "complete"
            waiting += not is_complete
            facts = (fact_cell(entry, "kind"), fact_cell(entry, "reason"))
            now = "drop complete since" if is_complete else "not taken"
            self.add(*head_cells(entry), entry.drop, *facts, path, now, of=entry)
        if not self.count:
            return OK, ["Nothing was refused."]
        says = [f"{number(self.count, 'refusal', 'refusals')}. What was refused stays in the share, untouched."]
        if waiting:
            says.append(f"{waiting:,} of them in drops that are not complete since: a person has to decide.")
        return (WAITS if waiting else OK), says
