"""Masters that exist once only."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Collector, Ground, number
from ledger.history import ToldEntry


class SingleCopies(Collector):
    """Items without a recorded verified copy besides the one in the vault, by drop."""

    code = "single-copies"
    title = "Items with one verified copy only"
    columns = ("drop", "items", "bytes")
    cannot_know = "Copies that somebody made by other means: only a copy that was verified on record counts."
    covers_all_time = True

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._sizes: dict[str, tuple[str, int]] = {}  # by item: its drop, and its size in bytes
        self._items = 0

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.type == "master.defined":
            size_bytes = entry.facts["size_bytes"]
            for item in entry.subjects:
                self._items += 1
                self._sizes[item] = (str(entry.drop), size_bytes if isinstance(size_bytes, int) else 0)
        elif entry.type == "replica.verified":  # of a later version: its subjects say of what a copy was verified
            for item in entry.subjects:
                self._sizes.pop(item, None)

    def answer(self) -> tuple[str, Sequence[str]]:
        by_drop: dict[str, list[int]] = {}
        for drop, size_bytes in self._sizes.values():
            by_drop.setdefault(drop, []).append(size_bytes)
        for drop, sizes in by_drop.items():
            self.add(drop, len(sizes), sum(sizes))
        if not self._items:
            return OK, ["There is no item yet."]
        if not self._sizes:
            return OK, [f"{number(self._items, 'item', 'items')}; each has a second verified copy."]
        alone = number(len(self._sizes), "item exists", "items exist")
        return NOTE, [f"{alone} once only, of {self._items:,}. If this disk is lost, they are lost."]
