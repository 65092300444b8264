"""The custody history of one thing, and what of each entry may be told to whom.

Which entries belong to a thing is looked up; what they say is read from the log itself, opened where the openings are
here. A value is told only if its class may be seen; what is not told is named and counted as withheld, whether the
opening is gone or the reader may not see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from base.errors import NotFoundError
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.entry import Entry
from ledger.events import EVENT_TYPES
from ledger.events.vocabulary import COMMON, OpeningClass
from ledger.identifiers import kind_of
from ledger.openings import OpenedEntry
from ledger.reader import LogReader

EVERYTHING: Set[OpeningClass] = frozenset(OpeningClass)
WITHOUT_NAMES: Set[OpeningClass] = frozenset({OpeningClass.INTERNAL})  # for auditors: no names, paths, places, texts
_SEES_EVERYTHING = frozenset({"investigator", "supervisor", "custodian"})

KINDS = ("item", "drop", "actor")  # tried for a beginning without a kind
SHORTEST_BEGINNING = 4  # characters
# With a drop's arrival key, whoever has a file could test whether and under which name it arrived.
_NEVER_TOLD = frozenset({("drop.received", "arrival_key")})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Which entries are the history of a thing, or of the whole log."""

    name: str | None  # None: the whole log
    seqs: Sequence[int]  # ascending; those to show
    earlier: int  # entries before these, left out

    def entries(self, log: LogReader) -> Iterator[OpenedEntry]:
        """Yield the entries, opened."""
        if isinstance(self.seqs, range):
            return log.opened(self.seqs.start, self.seqs.stop)
        return log.opened_at(self.seqs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEntry:
    """One entry as it may be told to one reader."""

    entry: Entry
    actor: str | None  # who did it, where that is open to the reader
    values: Mapping[str, Json]  # by member, without the actor
    withheld: Mapping[str, int]  # by member: how many of its values are not told


def thing_named(log: LogReader, text: str) -> str:
    """Return the one thing whose identifier begins with ``text``; the kind and capital letters may be left out.

    Raises NotFoundError for none, for several, or when less than 4 characters are given.
    """
    if text == "log":
        return text
    kind, underscore, begin = text.partition("_")
    if underscore:
        return log.full_name(f"{kind.lower()}_{begin.upper()}")
    if len(text) < SHORTEST_BEGINNING:
        raise NotFoundError(f"{text!r} is too short: give at least {SHORTEST_BEGINNING} characters of an identifier.")
    names = [name for each in KINDS for name in log.names_beginning(f"{each}_{text.upper()}")]
    if len(names) != 1:
        found = "no item, drop or person" if not names else "more than one thing"
        raise NotFoundError(f"{found} begins with {text!r}.", refs=names)
    return names[0]


def history_of(log: LogReader, name: str | None, *, limit: int | None = None) -> History:
    """Return the history of ``name``, or of the whole log for None: all of it, or its newest ``limit`` entries."""
    seqs: Sequence[int]
    match None if name is None else kind_of(name):
        case None:
            seqs = range(log.recorded())
        case "drop":
            seqs = log.drop_entries(str(name))
        case "actor":
            seqs = sorted({*log.subject_entries(str(name)), *log.acts_of(str(name))})
        case _:
            seqs = log.subject_entries(str(name))
    shown_seqs = seqs if limit is None else seqs[max(len(seqs) - limit, 0) :]
    return History(name=name, seqs=shown_seqs, earlier=len(seqs) - len(shown_seqs))


def classes_for(role: str) -> Set[OpeningClass]:
    """Return the classes of openings that somebody who acts in ``role`` may see."""
    return EVERYTHING if role in _SEES_EVERYTHING else WITHOUT_NAMES


def tell(opened: OpenedEntry, classes: Set[OpeningClass]) -> ToldEntry:
    """Return what of ``opened`` may be told to a reader who may see the openings of these ``classes``."""
    values: dict[str, Json] = {}
    withheld: dict[str, int] = {}
    for name, digests in opened.entry.commitments.items():
        count = len(digests) if isinstance(digests, tuple) else 1
        told = _told_values(opened, name, digests) if _may_see(opened.entry, name, classes) else []
        if len(told) < count:
            withheld[name] = count - len(told)
        if isinstance(digests, tuple):
            values[name] = told
        elif told:
            values[name] = told[0]
    actor = values.pop("actor", None)
    return ToldEntry(
        entry=opened.entry, actor=actor if isinstance(actor, str) else None, values=values, withheld=withheld
    )


def _told_values(opened: OpenedEntry, name: str, digests: Digest | tuple[Digest, ...]) -> list[Json]:
    """Return the opened values of a member; of a list, those that are not marked as sensitive."""
    if not isinstance(digests, tuple):
        return [opened.values[name]] if name in opened.values else []
    elements = opened.values.get(name)
    return [each for each in elements if not _is_marked(each)] if isinstance(elements, list) else []


def _is_marked(value: Json) -> bool:
    """Whether a value of the metadata is a position or a serial number: `find` and `show` do not tell these either."""
    return isinstance(value, dict) and value.get("sensitive") is True


def _may_see(entry: Entry, name: str, classes: Set[OpeningClass]) -> bool:
    if (entry.type, name) in _NEVER_TOLD:
        return False
    # Of a type that this version does not know, nobody here can say what class a member has.
    members = EVENT_TYPES[entry.type].all_committed if entry.known else COMMON
    return name in members and members[name].opening_class in classes
