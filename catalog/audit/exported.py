"""What left the house, as far as the program wrote it out."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.consultations import is_whole
from catalog.audit.section import NOTE, OK, Collector, fact_cell, head_cells, number, value_cell, who_cell
from ledger.history import ToldEntry

_COMMANDS = ("sheet", "log-receipt")  # looks whose result is a file that can be passed on


class Exported(Collector):
    """Exports of the log, receipts and contact sheets that were written."""

    code = "exported"
    title = "Exports, receipts and sheets"
    columns = ("entry", "recorded_at", "what", "subjects", "entries", "openings", "classes", "purpose", "by")
    cannot_know = "To whom they were given, and what was copied out of the store by other programs."

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if not in_period or not is_whole(entry):
            return
        if entry.type == "log.exported":
            what = "log export"
        elif entry.type == "consulted.view" and entry.facts.get("command") in _COMMANDS:
            what = str(entry.facts["command"]).replace("-", " ")
        else:
            return
        counted = (fact_cell(entry, name) for name in ("entries", "openings", "classes"))
        purpose = value_cell(told, "purpose")
        self.add(
            *head_cells(entry), what, len(entry.subjects), *counted, purpose, who_cell(told, self.ground), of=entry
        )

    def answer(self) -> tuple[str, Sequence[str]]:
        if not self.count:
            return OK, ["None was written."]
        return NOTE, [f"{number(self.count, 'was', 'were')} written."]
