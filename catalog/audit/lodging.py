"""How long ago somebody outside last got a checkpoint: what came after it, only the operator vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from base.clock import format_time
from catalog.audit.section import NOTE, OK, Collector, Ground, all_facts, head_cells, number, span_text, who_cell
from ledger.events.anchor import TIME_STAMP
from ledger.history import ToldEntry

_LODGED, _UNANCHORED = "checkpoint.lodged", "start.unanchored"
_STAMPED = "whoever stamps says since when it exists, and keeps nothing that would show another history."
_TOLD = ("size", "root")  # told elsewhere, or only of use to a program


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
        self._ends = {size - 1: size for size in ground.lodged_sizes if 0 < size <= ground.open_size}
        self._reached: dict[int, datetime] = {}  # size of a lodged checkpoint -> when the last entry below was recorded
        self._stamped: set[int] = set()
        self._held: set[int] = set()  # copies, cosignatures: somebody has the checkpoint
        self._recorded = self._unanchored = 0

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.log == self.ground.origin and entry.seq in self._ends:
            self._reached[self._ends[entry.seq]] = entry.recorded_at
            self.add(self._ends[entry.seq], *head_cells(entry), "the last entry that it covers", None, of=entry)
        if entry.type in (_LODGED, _UNANCHORED):
            self._recorded += entry.type == _LODGED
            self._unanchored += entry.type == _UNANCHORED
            facts = f"{entry.type}: {all_facts(entry, but=_TOLD)}"
            size = _size(entry.facts.get("size"))
            if entry.type == _LODGED and size is not None and entry.log == self.ground.origin:
                (self._stamped if entry.facts.get("kind") == TIME_STAMP else self._held).add(size)
            self.add(size, *head_cells(entry), facts, who_cell(told, self.ground), of=entry)

    def answer(self) -> tuple[str, Sequence[str]]:
        starts = []
        if self._unanchored:
            times = number(self._unanchored, "time", "times")
            starts = [f"{times} the recorder started while no place that remembers the log could be read."]
        stamps = []
        if self._stamped:
            stamps.append(
                f"{number(len(self._stamped), 'checkpoint was', 'checkpoints were')} time-stamped: {_STAMPED}"
            )
        # Who only stamped a checkpoint has a digest at most, and would not notice another history.
        held = {size: at for size, at in self._reached.items() if size not in self._stamped - self._held}
        if not held:
            says = [
                "No lodged checkpoint is kept here: as far as this store knows, nobody outside could tell a rewritten"
            ]
            says[0] += f" log of {number(self.ground.size, 'entry', 'entries')} from this one."
            if self._recorded:
                says.append(f"{number(self._recorded, 'entry records', 'entries record')} a lodging.")
            return NOTE, [*says, *starts, *stamps]
        largest = max(held)
        since = self.ground.open_size - largest
        ago = span_text(self.ground.now - held[largest])
        says = [
            f"The largest covers {largest:,} entries; the last of them was recorded at {format_time(held[largest])}.",
            f"That is {ago} ago; {number(since, 'entry came', 'entries came')} after it.",
        ]
        return (NOTE if since or starts else OK), [*says, *starts, *stamps]


def _size(value: object) -> int | None:
    return value if isinstance(value, int) else None
