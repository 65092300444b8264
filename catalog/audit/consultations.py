"""Who looked, how often, and at what: by person, and by person and thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from base.clock import format_time
from catalog.audit.section import OK, WITHHELD, Collector, Ground, number
from ledger.entry import Entry
from ledger.history import ToldEntry

_SEARCH, _VIEW = "consulted.search", "consulted.view"
_CANNOT_KNOW = (
    "What somebody saw outside the program (files of the vault, a sheet that was passed on), and with what purpose. "
    "This report and `log show` are recorded too, when they are asked for: the look now is not among them."
)


@dataclass(slots=True)
class _Person:
    """What one person did in the period."""

    searches: int = 0
    views: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    roles: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    last: str = ""

    def take(self, entry: Entry) -> None:
        self.searches += entry.type == _SEARCH
        self.views += entry.type == _VIEW and is_whole(entry)
        self.commands[str(entry.facts.get("command"))] += is_whole(entry)
        self.roles.update([entry.role] if entry.role else [])
        self.items.update(name for name in entry.subjects if name != "log")
        self.last = format_time(entry.recorded_at)


class Consultations(Collector):
    """Searches and looks, by person."""

    code = "consultations"
    title = "Consultations by person"
    columns = ("person", "roles", "searches", "views", "items", "commands", "last")
    cannot_know = _CANNOT_KNOW

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._people: dict[str, _Person] = {}

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        if told.entry.type in (_SEARCH, _VIEW) and in_period:
            self._people.setdefault(told.actor or WITHHELD, _Person()).take(told.entry)

    def answer(self) -> tuple[str, Sequence[str]]:
        for actor, person in sorted(self._people.items(), key=lambda pair: -(pair[1].searches + pair[1].views)):
            commands = ", ".join(f"{command} {count:,}" for command, count in person.commands.most_common())
            roles, who = ", ".join(sorted(person.roles)), self.ground.who(actor)
            self.add(who, roles, person.searches, person.views, len(person.items), commands, person.last)
        searches = sum(person.searches for person in self._people.values())
        views = sum(person.views for person in self._people.values())
        people = number(len(self._people), "person", "people")
        return OK, [f"{number(searches, 'search', 'searches')} and {number(views, 'look', 'looks')} by {people}."]


class Looks(Collector):
    """Looks, by person and thing: an item, a drop, the log."""

    code = "looks"
    title = "Who looked at what"
    columns = ("thing", "person", "looks", "first", "last")
    cannot_know = _CANNOT_KNOW

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._looks: dict[tuple[str, str], list[str]] = {}  # by thing and person: the times, ascending by position

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        if told.entry.type == _VIEW and in_period:
            for thing in _things(told):
                times = self._looks.setdefault((thing, told.actor or WITHHELD), [])
                times.append(format_time(told.entry.recorded_at))

    def answer(self) -> tuple[str, Sequence[str]]:
        for (thing, actor), times in sorted(self._looks.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            self.add(thing, self.ground.who(actor), len(times), times[0], times[-1])
        things = len({thing for thing, _ in self._looks})
        return OK, [f"{number(things, 'thing was', 'things were')} looked at."]


def _things(told: ToldEntry) -> Iterator[str]:
    """Yield what was looked at: the items, and what the links name; the log where there is nothing else."""
    items = [name for name in told.entry.subjects if name != "log"]
    links = told.values.get("links")
    # The parts of one large look repeat its links: they count once.
    linked = [str(name) for name in links.values()] if isinstance(links, dict) and is_whole(told.entry) else []
    yield from dict.fromkeys([*items, *linked] or ["log"])


def is_whole(entry: Entry) -> bool:
    """Whether an entry is a whole event or the first part of one: of an event in parts, one counts."""
    return entry.facts.get("part") in (None, 1)
