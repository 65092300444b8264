"""One section of an audit: what is collected for it while the log is read, and what it then says.

PURE. Every section says what it covers and what it cannot know: silence is never an answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, TypeAlias

from base.clock import format_time
from hashing.strict_json import Json
from ledger.entry import Entry
from ledger.history import Period, ToldEntry
from ledger.value_text import value_text

OK, NOTE, WAITS = "ok", "note", "waits"  # nothing; worth knowing; a person has to decide or do something
WITHHELD = "withheld"
SERVICE = "the service"
MOST_ROWS = 1000  # of one section; the rest is counted

Cell: TypeAlias = "str | int | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a report stands on, beside the entries of the log."""

    period: Period
    now: datetime
    size: int  # entries that were read, of all logs of the store
    origin: str  # of the open log
    open_size: int  # entries of the open log
    logs: int  # of the store: the open one, and those before it
    lodged_sizes: Sequence[int]  # of the checkpoints of the open log that are kept as lodged, ascending
    users: Mapping[str, str]  # login names of actors, as far as the reader may know them

    def who(self, actor: str | None, *, is_withheld: bool = False) -> str:
        """Return an actor for a cell: the service by itself, an identifier, and where it may be told the login name."""
        if actor is None:
            return WITHHELD if is_withheld else SERVICE
        user = self.users.get(actor)
        return f"{actor} ({value_text(user)})" if user else actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The answer to one question."""

    code: str
    title: str
    standing: str  # OK, NOTE or WAITS
    says: tuple[str, ...]  # the answer in sentences
    covers: str
    cannot_know: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int  # rows beyond MOST_ROWS

    def as_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "title": self.title,
            "standing": self.standing,
            "says": list(self.says),
            "covers": self.covers,
            "cannot_know": self.cannot_know,
            "count": len(self.rows) + self.left_out,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "left_out": self.left_out,
        }


class Collector(ABC):
    """Collects for one section while the log is read once, oldest entry first."""

    code: ClassVar[str]
    title: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    cannot_know: ClassVar[str]
    covers_all_time: ClassVar[bool] = False  # its answer is about now, whatever period is asked for

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._rows: list[tuple[str | None, tuple[Cell, ...]]] = []  # each with the log whose position it names
        self._left_out = 0

    @abstractmethod
    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        """Take note of one entry."""

    @abstractmethod
    def answer(self) -> tuple[str, Sequence[str]]:
        """Return the standing and what the section says, after the last entry; rows may be added here too."""

    def add(self, *cells: Cell, of: Entry | None = None) -> None:
        """Add a row, or count it where there are too many. ``of`` is the entry whose position stands in it."""
        if len(self._rows) < MOST_ROWS:
            self._rows.append((None if of is None else of.log, cells))
        else:
            self._left_out += 1

    @property
    def count(self) -> int:
        return len(self._rows) + self._left_out

    def section(self) -> Section:
        """Return the finished section."""
        standing, says = self.answer()
        # Positions begin again with each log: where a store has several, it is said of which one.
        is_named = self.ground.logs > 1 and any(log is not None for log, _ in self._rows)
        return Section(
            code=self.code,
            title=self.title,
            standing=standing,
            says=tuple(says),
            covers=self._covers(),
            cannot_know=self.cannot_know,
            columns=("log", *self.columns) if is_named else self.columns,
            rows=tuple((log, *cells) if is_named else cells for log, cells in self._rows),
            left_out=self._left_out,
        )

    def _covers(self) -> str:
        entries = f"entries 0 to {self.ground.size - 1:,}"
        if self.ground.logs > 1:
            entries = f"{self.ground.size:,} entries of {self.ground.logs} logs"
        period = self.ground.period
        if self.covers_all_time or not period.is_bounded:
            return f"the whole log, {entries}"
        begin = "the beginning" if period.begin is None else format_time(period.begin)
        end = "the end" if period.end is None else format_time(period.end)
        return f"what was recorded from {begin} up to {end}, in {entries}"


def head_cells(entry: Entry) -> tuple[int, str]:
    """Return the two cells with which most rows begin: position and time."""
    return entry.seq, format_time(entry.recorded_at)


def value_cell(told: ToldEntry, name: str) -> str | None:
    """Return a committed value as a cell: None where it is null, and the reason where it may not be told."""
    if name in told.withheld:
        if told.erased.get(name):
            return "erased"
        return "missing" if told.missing.get(name) else WITHHELD
    value = told.values.get(name)
    return None if value is None else value_text(value)


def fact_cell(entry: Entry, name: str) -> Cell:
    """Return an open fact as a cell."""
    value: Json = entry.facts.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return ", ".join(map(value_text, value)) if isinstance(value, list) else value_text(value)


def all_facts(entry: Entry, *, but: Sequence[str] = ()) -> str | None:
    """Return every open fact of an entry in one cell, for types of which nothing more is known here."""
    facts = [(name, value) for name, value in entry.facts.items() if name not in but and value is not None]
    return "; ".join(f"{value_text(name)} {value_text(value)}" for name, value in facts) or None


def who_cell(told: ToldEntry, ground: Ground) -> str:
    return ground.who(told.actor, is_withheld="actor" in told.withheld)


def number(count: int, one: str, many: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many}"


def span_text(span: timedelta) -> str:
    """Return how long something is ago, in the largest unit of which there are at least two."""
    for unit, seconds in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if span.total_seconds() >= 2 * seconds:
            return f"{span.total_seconds() / seconds:,.0f} {unit}"
    return number(max(int(span.total_seconds()), 0), "second", "seconds")
