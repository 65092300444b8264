"""The whole audit: every section answered in one reading of the log, oldest entry first.

The log is read and not the catalogue: what the report says does not depend on a view that could be out of date. It is
what the log says of itself; that the log is whole and unchanged is what `strongroom verify` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from base.clock import format_time
from catalog.audit import SECTIONS
from catalog.audit.section import WAITS, Ground, Section
from ledger.events.vocabulary import OpeningClass
from ledger.history import History, Period, told_entries
from ledger.layout import StoreLayout
from ledger.store_reader import StoreReader

PROGRESS_EVERY = 1000  # entries


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an inspector gets."""

    origin: str
    size: int  # entries that were read, of all logs of the store
    logs: int
    sealed_size: int  # of the open log
    root: str  # of the newest checkpoint
    period: Period
    made_at: datetime
    sections: tuple[Section, ...]

    @property
    def waits(self) -> list[Section]:
        """The sections in which something waits for a person."""
        return [section for section in self.sections if section.standing == WAITS]

    def items_shown(self) -> list[str]:
        """Return the identifiers of items that stand in the report, for the record of the look."""
        cells = (cell for section in self.sections for row in section.rows for cell in row)
        return sorted({cell for cell in cells if isinstance(cell, str) and cell.startswith("item_")})

    def as_json(self) -> dict[str, object]:
        begin, end = self.period.begin, self.period.end
        return {
            "origin": self.origin,
            "size": self.size,
            "logs": self.logs,
            "checkpoint": {"size": self.sealed_size, "root": self.root},
            "from": None if begin is None else format_time(begin),
            "to": None if end is None else format_time(end),
            "made_at": format_time(self.made_at),
            "waits": [section.code for section in self.waits],
            "sections": [section.as_json() for section in self.sections],
        }


def audit(
    layout: StoreLayout,
    log: StoreReader,
    *,
    period: Period,
    classes: Set[OpeningClass],
    users: Mapping[str, str],
    now: datetime,
    progress: Callable[[int, int], None],
) -> AuditReport:
    """Return the report for a reader who may see openings of these ``classes``. Changes nothing."""
    size, checkpoint, parts = log.recorded(), log.sealed(), log.parts()
    ground = Ground(
        period=period,
        now=now,
        size=size,
        origin=log.origin,
        open_size=size - parts[-1].first,
        logs=len(parts),
        lodged_sizes=lodged_sizes(layout),
        users=users,
    )
    collectors = [kind(ground) for kind in SECTIONS]
    history = History(name=None, seqs=range(size), earlier=0)
    for done, told in enumerate(told_entries(log, history, classes), start=1):
        in_period = told.entry.recorded_at in period
        for collector in collectors:
            collector.take(told, in_period=in_period)
        if done % PROGRESS_EVERY == 0:
            progress(done, size)
    return AuditReport(
        origin=log.origin,
        size=size,
        logs=len(parts),
        sealed_size=checkpoint.size,
        root=checkpoint.root.hex,
        period=period,
        made_at=now,
        sections=tuple(collector.section() for collector in collectors),
    )


def lodged_sizes(layout: StoreLayout) -> Sequence[int]:
    """Return the sizes of the checkpoints of the open log kept as lodged, ascending; other names there are not ours."""
    if not layout.lodged.is_dir():
        return []
    names = [path.name for path in layout.lodged.iterdir() if path.is_dir()]
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and str(int(name)) == name)
