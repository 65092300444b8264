"""Changes of the program and of its settings."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Cell, Collector, fact_cell, head_cells, number, value_cell, who_cell
from ledger.history import ToldEntry

_MOST_BUILD = 16  # hex digits of a build digest in a cell; the entry has all of them


class Changes(Collector):
    """Another version or build of the program, or another value of a setting."""

    code = "changes"
    title = "Changes of software and settings"
    columns = ("entry", "recorded_at", "what", "before", "after", "by")
    cannot_know = (
        "Changes of the machine under the program (system, libraries, disk). A program that runs from a checkout has "
        "no build digest."
    )

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if not in_period:
            return
        if entry.type == "software.updated":
            before, after = (_software(told, when) for when in ("before", "after"))
            self.add(*head_cells(entry), "software", before, after, who_cell(told, self.ground), of=entry)
        elif entry.type == "config.changed":
            cells = (fact_cell(entry, "setting"), value_cell(told, "before"), value_cell(told, "after"))
            self.add(*head_cells(entry), *cells, who_cell(told, self.ground), of=entry)

    def answer(self) -> tuple[str, Sequence[str]]:
        if not self.count:
            return OK, ["None was recorded."]
        return NOTE, [f"{number(self.count, 'change', 'changes')}."]


def _software(told: ToldEntry, when: str) -> Cell:
    build = told.entry.facts[f"build_{when}"]
    shown_build = "no build digest" if build is None else f"build {str(build)[:_MOST_BUILD]}…"
    return f"{fact_cell(told.entry, f'version_{when}')}, {shown_build}"
