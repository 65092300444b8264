"""What is missing: drops that ended otherwise than complete, and drops that never ended."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import OK, WAITS, Collector, Ground, fact_cell, head_cells, number
from ledger.entry import Entry
from ledger.history import ToldEntry

_MEANINGS = {
    "refusals": "something in it was refused",
    "manifest-mismatch": "the list of digests in the drop names other content, or files that are not there",
    "vanished": "it was taken away before everything was sealed",
    "empty": "there was nothing in it to seal",
}
NEVER_ENDED = "received, and no end of it is recorded: still being taken, or broken off"


class Gaps(Collector):
    """Drops received in the period whose newest end is not "complete", or that have none."""

    code = "gaps"
    title = "Gaps: drops with something missing"
    columns = ("entry", "recorded_at", "drop", "ended", "files", "refused", "source_manifest", "means")
    cannot_know = "Files that were not on the card or not copied to the share, unless a list of digests named them."

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._received: dict[str, Entry] = {}
        self._ended: dict[str, Entry] = {}

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        for drop in entry.subjects:
            if entry.type == "drop.received" and in_period:
                self._received[drop] = entry
            elif entry.type == "drop.completed":
                self._ended[drop] = entry

    def answer(self) -> tuple[str, Sequence[str]]:
        for drop, received in self._received.items():
            ended = self._ended.get(drop)
            code = None if ended is None else str(ended.facts["completion"])
            if ended is None:
                self.add(*head_cells(received), drop, None, None, None, None, NEVER_ENDED, of=received)
            elif code != "complete":
                facts = (fact_cell(ended, name) for name in ("files", "refused", "source_manifest"))
                self.add(*head_cells(ended), drop, code, *facts, _MEANINGS.get(str(code)), of=ended)
        total = number(len(self._received), "drop was received", "drops were received")
        if not self.count:
            return OK, [f"{total}; each is complete."]
        return WAITS, [f"{total}; {number(self.count, 'is', 'are')} not complete: a person has to look."]
