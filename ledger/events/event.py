"""An event: something that happened, stated whole, before it has a place in the log.

PURE. An event is checked against its type when it is built, so what reaches `ledger.record` can be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.vocabulary import EventRuleError, EventType
from ledger.identifiers import FILE_KINDS, IDENTIFIER, kind_of, new_event_id

MAX_SUBJECTS = 100
MAX_LISTED = 256  # commitments of one entry that stand in lists


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of one type. ``values`` are what the commitments of the entry will hide; a value not given is null."""

    type: EventType
    subjects: Mapping[str, Digest]  # name -> digest of the file, of the registered name, or of the log's origin
    facts: Mapping[str, Json] = msgspec.field(default_factory=dict)
    values: Mapping[str, Json] = msgspec.field(default_factory=dict)
    event: str = msgspec.field(default_factory=new_event_id)
    drop: str | None = None
    role: str | None = None
    openings: tuple[tuple[str, str], ...] | None = None  # member and text, where they were fixed before recording
    endorsements: tuple[bytes, ...] = ()  # envelopes by personal keys, ascending by keyid

    def __post_init__(self) -> None:
        if not self.subjects:
            raise EventRuleError(f"{self.type.name} without a subject")
        for name in self.subjects:
            self._check_subject(name)
        facts = {**dict.fromkeys(("group", "part", "parts") if self.type.splits else ()), **self.facts}
        msgspec.structs.force_setattr(self, "facts", facts)
        _check_members(self.type.name, "fact", set(facts), set(self.type.all_facts), exactly=True)
        for name, fact in self.type.all_facts.items():
            if not fact.accepts(facts[name]):
                raise EventRuleError(f"{self.type.name}: {name} may not be {facts[name]!r}: {fact.rule}")
        _check_members(
            self.type.name, "committed member", set(self.values), set(self.type.all_committed), exactly=False
        )
        if self.endorsements and not self.type.endorsable:
            raise EventRuleError(f"{self.type.name} is not endorsed by people")

    def _check_subject(self, name: str) -> None:
        kind = kind_of(name)
        if kind not in self.type.subjects or (name != "log" and (kind == "log" or not IDENTIFIER.fullmatch(name))):
            raise EventRuleError(f"{self.type.name} may not have the subject {name!r}")
        if kind != "log" and kind not in FILE_KINDS and self.subjects[name] != Digest.of(name.encode()):
            raise EventRuleError(f"{self.type.name}: the digest of {name} must be that of its name")


def _check_members(type_name: str, what: str, given: set[str], known: set[str], *, exactly: bool) -> None:
    wrong = (given ^ known) if exactly else (given - known)
    if wrong:
        raise EventRuleError(f"{type_name}: wrong or missing {what}: {', '.join(sorted(wrong))}")


def registered(name: str) -> dict[str, Digest]:
    """Return ``name`` as the subject of a registered thing, whose digest is that of the name itself."""
    return {name: Digest.of(name.encode())}


def parts_of(event: Event) -> Iterator[Event]:
    """Yield ``event``, or the parts of it when it has more subjects or listed commitments than one entry may have.

    Each part has its own ``event``; the first keeps that of the whole, which is also the name of the group.
    """
    listed = [name for name, member in event.type.all_committed.items() if member.listed]
    longest = max((_length(event.values.get(name)) for name in listed), default=0)
    parts = max(-(-len(event.subjects) // MAX_SUBJECTS), -(-longest // MAX_LISTED), 1)
    if parts == 1:
        yield event
        return
    names = list(event.subjects)
    for part in range(parts):
        # Where only the list is long, every part has the same subjects; otherwise each has its share of them.
        mine = names[part * MAX_SUBJECTS : (part + 1) * MAX_SUBJECTS] if len(names) > MAX_SUBJECTS else names
        values = {**event.values, **{name: _share(event.values.get(name), part) for name in listed}}
        yield replace(
            event,
            subjects={name: event.subjects[name] for name in mine},
            facts={**event.facts, "group": event.event, "part": part + 1, "parts": parts},
            values=values,
            event=event.event if part == 0 else new_event_id(),
        )


def _length(value: Json) -> int:
    return len(value) if isinstance(value, list) else 0


def _share(value: Json, part: int) -> Json:
    if not isinstance(value, list):
        return value
    return value[part * MAX_LISTED : (part + 1) * MAX_LISTED] or None
