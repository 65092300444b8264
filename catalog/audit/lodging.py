"""How long ago somebody outside last got a checkpoint: what came after it, only the operator vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from base.clock import format_time
from catalog.audit.section import NOTE, OK, Collector, Ground, all_facts, head_cells, number, span_text, who_cell
from ledger.history import ToldEntry

_LODGED = "checkpoint.lodged"


class Lodging(Collector):
    """Checkpoints that are kept as lodged, and entries that record a lodging."""

    code = "lodging"
    title = "Lodged checkpoints"
    columns = ("size", "entry", "recorded_at", "facts", "by")
    cannot_know = (
        "Whether the holder still has it, and which checkpoints somebody kept without telling this store. Ask them, "
        "and compare: `strongroom verify --against FILE`."
    )
    covers_all_time = True

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._ends = {size - 1: size for size in ground.lodged_sizes if 0 < size <= ground.size}
        self._reached: datetime | None = None  # when the last entry of the largest lodged checkpoint was recorded
        self._recorded = 0

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.seq in self._ends:
            self._reached = entry.recorded_at
            self.add(self._ends[entry.seq], *head_cells(entry), "the last entry that it covers", None)
        if entry.type == _LODGED:
            self._recorded += 1
            self.add(_size(entry.facts.get("size")), *head_cells(entry), all_facts(entry), who_cell(told, self.ground))

    def answer(self) -> tuple[str, Sequence[str]]:
        if self._reached is None:
            says = [
                "No lodged checkpoint is kept here: as far as this store knows, nobody outside could tell a rewritten"
            ]
            says[0] += f" log of {number(self.ground.size, 'entry', 'entries')} from this one."
            if self._recorded:
                says.append(f"{number(self._recorded, 'entry records', 'entries record')} a lodging.")
            return NOTE, says
        largest = max(self._ends.values())
        since = self.ground.size - largest
        ago = span_text(self.ground.now - self._reached)
        says = [
            f"The largest covers {largest:,} entries; the last of them was recorded at {format_time(self._reached)}.",
            f"That is {ago} ago; {number(since, 'entry came', 'entries came')} after it.",
        ]
        return (NOTE if since else OK), says


def _size(value: object) -> int | None:
    return value if isinstance(value, int) else None
