"""The custody history of one thing, and what of each entry may be told to whom.

Which entries belong to a thing is looked up; what they say is read from the log itself, opened where the openings are
here. A value is told only if its class may be seen; what is not told is named and counted. Of that it is said what is
erased (the log has an entry that says so) and what is missing (no opening is here, and nothing says why); the rest is
withheld from this reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from base.clock import format_time
from base.errors import NotFoundError
from hashing.commitment import parse_opening
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.entry import ENDORSEMENTS, Entry
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
_ERASING = "openings.erased"  # a type of a later version: its open commitments are read without knowing the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A stretch of the recorder's clock. Which entries lie in it is a claim of that clock; their order is not."""

    begin: datetime | None = None  # belongs to it; None: since ever
    end: datetime | None = None  # does not belong to it; None: until now

    def __contains__(self, moment: datetime) -> bool:
        return (self.begin is None or self.begin <= moment) and (self.end is None or moment < self.end)

    @property
    def is_bounded(self) -> bool:
        return self.begin is not None or self.end is not None


ALWAYS = Period()


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
    withheld: Mapping[str, int]  # by member: how many of its values are not told, for whatever reason
    erased: Mapping[str, int]  # of these: the log says that their openings were erased
    missing: Mapping[str, int]  # of these: no opening is here, and nothing in the log says why

    def as_json(self) -> dict[str, object]:
        """Return the entry for programs: values exactly as they were opened."""
        entry = self.entry
        return {
            "log": entry.log,
            "seq": entry.seq,
            "type": entry.type,
            "known": entry.known,
            "meaning": meaning_of(entry),
            "recorded_at": format_time(entry.recorded_at),
            "actor": self.actor,
            "role": entry.role,
            "drop": entry.drop,
            "subjects": {name: str(digest) for name, digest in entry.subjects.items()},
            "facts": dict(entry.facts),
            "values": dict(self.values),
            "withheld": dict(self.withheld),
            "erased": dict(self.erased),
            "missing": dict(self.missing),
            "entry": str(entry.digest),
        }

    def reasons(self, name: str) -> Iterator[str]:
        """Yield, in words, why values of the member ``name`` are not told: withheld, erased or missing."""
        count, erased, missing = (counts.get(name, 0) for counts in (self.withheld, self.erased, self.missing))
        whys = ((count - erased - missing, "withheld"), (erased, "erased"), (missing, "missing: no opening"))
        for number, why in whys:
            if number:
                yield why if number == count == 1 else f"{number} values {why}"


def meaning_of(entry: Entry) -> str | None:
    """Return what the type of an entry states, in words; None for a type that this version does not know."""
    return EVENT_TYPES[entry.type].meaning if entry.known else None


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


def history_of(
    log: LogReader, name: str | None, *, limit: int | None = None, period: Period = ALWAYS, drop: str | None = None
) -> History:
    """Return the history of ``name``, or of the whole log for None: all of it, or its newest ``limit`` entries.

    Only entries of ``period``, and where ``drop`` is given only those that name it or have it as a subject.
    """
    seqs: Sequence[int]
    match None if name is None else kind_of(name):
        case None:
            seqs = range(log.recorded()) if drop is None else log.drop_entries(drop)
        case "drop":
            seqs = log.drop_entries(str(name))
        case "actor":
            seqs = sorted({*log.subject_entries(str(name)), *log.acts_of(str(name))})
        case _:
            seqs = log.subject_entries(str(name))
    if period.is_bounded or (drop is not None and name is not None):
        seqs = [seq for seq in seqs if _belongs(log.entry(seq), period, drop)]
    shown_seqs = seqs if limit is None else seqs[max(len(seqs) - limit, 0) :]
    return History(name=name, seqs=shown_seqs, earlier=len(seqs) - len(shown_seqs))


def _belongs(entry: Entry, period: Period, drop: str | None) -> bool:
    return entry.recorded_at in period and (drop is None or drop == entry.drop or drop in entry.subjects)


def classes_for(role: str) -> Set[OpeningClass]:
    """Return the classes of openings that somebody who acts in ``role`` may see."""
    return EVERYTHING if role in _SEES_EVERYTHING else WITHOUT_NAMES


class Erasures:
    """Which commitments the log says are erased, looked up by the subjects of an entry whose openings are not here."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._by_subject: dict[str, frozenset[str]] = {}

    def of(self, opened: OpenedEntry) -> Set[str]:
        """Return the erased commitments, as hex, of the subjects of ``opened``; none are sought without need."""
        if not opened.withheld:
            return frozenset()
        return frozenset().union(*map(self._of_subject, opened.entry.subjects))

    def _of_subject(self, name: str) -> frozenset[str]:
        if name not in self._by_subject:
            found: set[str] = set()
            for entry in map(self._log.entry, self._log.subject_entries(name)):
                commitments = entry.facts.get("commitments") if entry.type == _ERASING else None
                found.update(map(str, commitments) if isinstance(commitments, list) else ())
            self._by_subject[name] = frozenset(found)
        return self._by_subject[name]


def told_entries(log: LogReader, history: History, classes: Set[OpeningClass]) -> Iterator[ToldEntry]:
    """Yield the entries of ``history`` as they may be told to a reader who may see openings of these ``classes``."""
    erasures = Erasures(log)
    return (tell(opened, classes, erased=erasures.of(opened)) for opened in history.entries(log))


def tell(opened: OpenedEntry, classes: Set[OpeningClass], *, erased: Set[str] = frozenset()) -> ToldEntry:
    """Return what of ``opened`` may be told to a reader who may see the openings of these ``classes``."""
    values: dict[str, Json] = {}
    withheld: dict[str, int] = {}
    gone: dict[str, int] = {}
    missing: dict[str, int] = {}
    for name, digests in opened.entry.commitments.items():
        count = len(digests) if isinstance(digests, tuple) else 1
        told = _told_values(opened, name, digests) if _may_see(opened.entry, name, classes) else []
        if len(told) < count:
            withheld[name] = count - len(told)
        _count_gone(opened, name, digests, erased, gone, missing)
        if isinstance(digests, tuple):
            values[name] = told
        elif told:
            values[name] = told[0]
    actor = values.pop("actor", None)
    return ToldEntry(
        entry=opened.entry,
        actor=actor if isinstance(actor, str) else None,
        values=values,
        withheld=withheld,
        erased=gone,
        missing=missing,
    )


def _count_gone(
    opened: OpenedEntry,
    name: str,
    digests: Digest | tuple[Digest, ...],
    erased: Set[str],
    gone: dict[str, int],
    missing: dict[str, int],
) -> None:
    """Count how many openings of a member are not here: those that the log calls erased, and the others."""
    if name not in opened.withheld:
        return
    all_digests = digests if isinstance(digests, tuple) else (digests,)
    values = opened.values.get(name, [])
    here = len(values) if isinstance(digests, tuple) and isinstance(values, list) else 0
    lacking = len(all_digests) - here
    erasures = min(sum(str(digest) in erased for digest in all_digests), lacking)
    gone.update({name: erasures} if erasures else {})
    missing.update({name: lacking - erasures} if lacking > erasures else {})


def told_openings(opened: OpenedEntry, texts: Mapping[Digest, str], classes: Set[OpeningClass]) -> list[str]:
    """Return the openings of exactly those values of ``opened`` that `tell` tells a reader of these ``classes``."""
    told = []
    for name, digests in opened.entry.commitments.items():
        if not _may_see(opened.entry, name, classes):
            continue
        for digest in digests if isinstance(digests, tuple) else (digests,):
            text = texts.get(digest)
            if text is not None and not (isinstance(digests, tuple) and _is_marked(parse_opening(text).value)):
                told.append(text)
    return told


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
    if name == ENDORSEMENTS:
        return OpeningClass.INTERNAL in classes
    return name in members and members[name].opening_class in classes
