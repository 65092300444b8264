"""One entry of the custody log: how it is built, and the strict reader that refuses anything else.

PURE: the time, the salts, the shuffle and the signature come in as arguments. An entry is the exact bytes of one DSSE
envelope; everything that is hashed or compared is those bytes. Source: docs/reference/custody-log.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableSequence
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from base.clock import format_time, parse_time
from base.errors import EvidenceError, LedgerError
from hashing.base64_text import encode
from hashing.commitment import commitment, make_opening
from hashing.digest import ZERO_DIGEST, Digest
from hashing.dsse import Envelope, encode_envelope, pae, parse_entry_envelope
from hashing.statement import Statement, build_statement, parse_entry_statement
from hashing.strict_json import Json, canonical
from hashing.tiles import MAX_ENTRY_BYTES
from ledger.events import EVENT_TYPES
from ledger.events.event import MAX_LISTED, MAX_SUBJECTS, Event
from ledger.events.vocabulary import CODE, EventRuleError, OpeningClass
from ledger.identifiers import EVENT_ID, IDENTIFIER, REGISTERED_KINDS, kind_of

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://strongroom.example/custody-event/draft"
ENDORSEMENTS = "endorsements"  # the member of an entry, the fact of a key entry, and the name in an opening
CLOCK_STATES = ("synchronised", "unsynchronised")
_PLACE_MEMBERS = {"log", "seq", "prev", "event", "subject_prev", "recorded_at", "clock", "role", "software", "drop"}
_MEMBERS = _PLACE_MEMBERS | {"type", "facts", "commitments", "endorsements", "corrects"}


class EntryFormatError(LedgerError):
    """Bytes in the log that are not an entry by the rules of the format."""


class RecorderSigner(Protocol):
    """What signs entries."""

    @property
    def keyid(self) -> str: ...

    def sign(self, message: bytes) -> bytes: ...


class Software(msgspec.Struct, frozen=True, kw_only=True):
    """The program that wrote an entry."""

    name: str
    version: str
    build: str | None  # hex digest over the installed files; None for a checkout

    def as_json(self) -> Json:
        return {"name": self.name, "version": self.version, "build": self.build}


class SubjectHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain of one subject stands: how many entries of this log have it, and the last of them."""

    count: int
    entry: Digest

    def as_json(self) -> Json:
        return {"count": self.count, "entry": str(self.entry)}


NO_HEAD = SubjectHead(count=0, entry=ZERO_DIGEST)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Salt and value behind one commitment, as the text that is kept."""

    commitment: Digest
    member: str  # name, or name/<n> in a list
    opening_class: OpeningClass
    text: str


class BuiltEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry ready to be written, with the openings that belong beside it."""

    seq: int
    event: Event
    raw: bytes
    digest: Digest
    openings: tuple[Opening, ...]


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """The only two uses of randomness in an entry, so that a test can fix them."""

    salt: Callable[[], bytes]  # 16 fresh bytes at each call
    shuffle: Callable[[MutableSequence[Json]], None]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the log, when, and by which program an entry is written."""

    log: str
    seq: int
    prev: Digest
    recorded_at: datetime
    clock: str | None
    software: Software


def build_entry(
    event: Event, *, place: Place, heads: Mapping[str, SubjectHead], signer: RecorderSigner, chance: Chance
) -> BuiltEntry:
    """Return the entry that states ``event`` at ``place``. ``heads`` has the chain of each subject that has one.

    Raises EventRuleError when the entry would be larger than an entry may be.
    """
    commitments, openings = _commit(event, chance)
    predicate: dict[str, Json] = {
        "type": event.type.name,
        "log": place.log,
        "seq": place.seq,
        "prev": str(place.prev),
        "event": event.event,
        "subject_prev": {name: heads.get(name, NO_HEAD).as_json() for name in event.subjects},
        "recorded_at": format_time(place.recorded_at),
        "clock": place.clock,
        "role": event.role,
        "software": place.software.as_json(),
        "drop": event.drop,
        "facts": dict(event.facts) or None,
        "commitments": commitments,
        "endorsements": None,
        "corrects": None,
    }
    if event.endorsements:
        endorsed = _opening(event, ENDORSEMENTS, [*map(encode, event.endorsements)], OpeningClass.INTERNAL, chance)
        openings.append(endorsed)
        predicate["endorsements"] = {"count": len(event.endorsements), "commitment": str(endorsed.commitment)}
    payload = canonical(build_statement(event.subjects, predicate_type=PREDICATE_TYPE, predicate=predicate))
    raw = encode_envelope(PAYLOAD_TYPE, payload, [(signer.keyid, signer.sign(pae(PAYLOAD_TYPE, payload)))])
    # Checked before it is written: a truncated entry would be signed and could never be taken back.
    if len(raw) > MAX_ENTRY_BYTES:
        raise EventRuleError(f"{event.type.name} would be an entry of {len(raw)} bytes; {MAX_ENTRY_BYTES} is the limit")
    return BuiltEntry(seq=place.seq, event=event, raw=raw, digest=Digest.of(raw), openings=tuple(openings))


def _commit(event: Event, chance: Chance) -> tuple[dict[str, Json], list[Opening]]:
    """Return the commitments of an event as they stand in the entry, and the openings that fit them."""
    if event.openings is not None:
        return commitments_of(event.openings), _fixed_openings(event)
    commitments: dict[str, Json] = {}
    openings: list[Opening] = []
    for name, member in event.type.all_committed.items():
        value = event.values.get(name)
        if member.listed and isinstance(value, list) and value:
            elements = list(value)
            chance.shuffle(elements)
            made = [
                _opening(event, f"{name}/{n}", element, member.opening_class, chance)
                for n, element in enumerate(elements)
            ]
            commitments[name] = [str(opening.commitment) for opening in made]
            openings += made
        else:
            opening = _opening(event, name, value or None if member.listed else value, member.opening_class, chance)
            commitments[name] = str(opening.commitment)
            openings.append(opening)
    return commitments, openings


def commitments_of(openings: Iterable[tuple[str, str]]) -> dict[str, Json]:
    """Return the commitments as they stand in an entry for openings (member, text) that were fixed beforehand."""
    commitments: dict[str, Json] = {}
    for member, text in openings:
        name, _, element = member.partition("/")
        digest = str(commitment(text))
        if element:
            listed = commitments.setdefault(name, [])
            if isinstance(listed, list):
                listed.append(digest)
        else:
            commitments[name] = digest
    return commitments


def _fixed_openings(event: Event) -> list[Opening]:
    classes = {name: member.opening_class for name, member in event.type.all_committed.items()}
    return [
        Opening(commitment=commitment(text), member=member, opening_class=classes[member.partition("/")[0]], text=text)
        for member, text in event.openings or ()
    ]


def fixed(event: Event, chance: Chance) -> Event:
    """Return ``event`` with its openings fixed, so that people can endorse its commitments before it is recorded."""
    _, openings = _commit(event, chance)
    return replace(event, openings=tuple((opening.member, opening.text) for opening in openings))


def _opening(event: Event, member: str, value: Json, opening_class: OpeningClass, chance: Chance) -> Opening:
    text = make_opening(salt=chance.salt(), event=event.event, member=member, value=value)
    return Opening(commitment=commitment(text), member=member, opening_class=opening_class, text=text)


# --------------------------------------------------------------------------------------------------------- reading


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as read from its very bytes, every member checked for form. Its signature is not checked here."""

    seq: int
    raw: bytes
    digest: Digest
    envelope: Envelope
    type: str
    log: str
    event: str
    prev: Digest
    subjects: Mapping[str, Digest]
    subject_prev: Mapping[str, SubjectHead]
    recorded_at: datetime
    clock: str | None
    role: str | None
    software: Mapping[str, Json]
    drop: str | None
    facts: Mapping[str, Json]
    commitments: Mapping[str, Digest | tuple[Digest, ...]]  # with that of `endorsements`, where there are any
    endorsements: int  # by personal keys; those of root keys stand in the facts
    further_digests: frozenset[str] = frozenset()  # algorithms of subjects beside SHA-256: kept, not checked here
    known: bool  # this version has the schema of the type; otherwise it is shown and counted, and nothing is concluded


def parse_entry(raw: bytes) -> Entry:
    """Return the entry that ``raw`` is. Raises EntryFormatError, or the LedgerError of a format beneath it."""
    envelope = parse_entry_envelope(raw)
    statement = parse_entry_statement(envelope.payload)
    if statement.predicate_type != PREDICATE_TYPE:
        raise EntryFormatError(f"an entry with the predicate type {statement.predicate_type!r}")
    predicate = statement.predicate
    if predicate is None or set(predicate) != _MEMBERS:
        raise EntryFormatError("an entry whose predicate has other members than the format names")
    try:
        entry = _entry(raw, envelope, statement, predicate)
        _check_subjects(entry, statement)
        _check_form(entry, predicate)
        if entry.known:
            _check_schema(entry, predicate)
    except (TypeError, ValueError, KeyError, EvidenceError) as error:
        raise EntryFormatError(f"an entry with a member of the wrong form: {error}") from error
    return entry


def _entry(raw: bytes, envelope: Envelope, statement: Statement, predicate: Mapping[str, Json]) -> Entry:
    return Entry(
        seq=_integer(predicate["seq"]),
        raw=raw,
        digest=Digest.of(raw),
        envelope=envelope,
        type=_text(predicate["type"]),
        log=_text(predicate["log"]),
        event=_text(predicate["event"]),
        prev=Digest.parse(_text(predicate["prev"])),
        subjects={subject.name: Digest.parse(subject.digest["sha256"]) for subject in statement.subjects},
        subject_prev=_subject_heads(predicate["subject_prev"]),
        recorded_at=parse_time(_text(predicate["recorded_at"])),
        clock=_optional_text(predicate["clock"]),
        role=_optional_text(predicate["role"]),
        software=_object(predicate["software"]),
        drop=_optional_text(predicate["drop"]),
        facts={} if predicate["facts"] is None else _object(predicate["facts"]),
        commitments=_commitments(predicate["commitments"], predicate["endorsements"]),
        endorsements=0 if predicate["endorsements"] is None else _integer(_object(predicate["endorsements"])["count"]),
        further_digests=_further_digests(statement),
        known=_text(predicate["type"]) in EVENT_TYPES,
    )


def _further_digests(statement: Statement) -> frozenset[str]:
    if all(len(subject.digest) == 1 for subject in statement.subjects):
        return frozenset()
    return frozenset(name for subject in statement.subjects for name in subject.digest) - {"sha256"}


def _check_subjects(entry: Entry, statement: Statement) -> None:
    names = [subject.name for subject in statement.subjects]
    if names != sorted(set(names)) or len(names) > MAX_SUBJECTS:
        raise EntryFormatError(f"subjects that do not ascend by name, or more than {MAX_SUBJECTS}")
    if set(entry.subject_prev) != set(names):
        raise EntryFormatError("subject_prev names other subjects than the statement")
    for name, digest in entry.subjects.items():
        kind = kind_of(name)
        if name != "log" and (kind == "log" or not IDENTIFIER.fullmatch(name)):
            raise EntryFormatError(f"{name} can't be a subject")
        # The log and a registered thing have no content of their own: the digest is that of what they are called.
        called = entry.log if name == "log" else name
        if kind in {"log", *REGISTERED_KINDS} and digest != Digest.of(called.encode()):
            raise EntryFormatError(f"the digest of {name} is not that of its name")


def _check_form(entry: Entry, predicate: Mapping[str, Json]) -> None:
    """Check what the format says of every entry, whatever its type."""
    software, endorsements, corrects = entry.software, predicate["endorsements"], predicate["corrects"]
    sound = {
        "event": EVENT_ID.fullmatch(entry.event) is not None,
        "clock": entry.clock is None or entry.clock in CLOCK_STATES,
        "role": entry.role is None or CODE.fullmatch(entry.role) is not None,
        "drop": entry.drop is None or (kind_of(entry.drop) == "drop" and IDENTIFIER.fullmatch(entry.drop) is not None),
        "software": set(software) == {"name", "version", "build"} and _is_software(software),
        "endorsements": endorsements is None or _is_endorsements(_object(endorsements)),
        "corrects": corrects is None or _is_reference(_object(corrects)),
        "commitments": sum(len(one) for one in entry.commitments.values() if isinstance(one, tuple)) <= MAX_LISTED,
    }
    wrong = sorted(name for name, holds in sound.items() if not holds)
    if wrong:
        raise EntryFormatError(f"not what the format says: {', '.join(wrong)}")


def _is_software(value: Mapping[str, Json]) -> bool:
    _text(value["name"]), _text(value["version"])
    return value["build"] is None or Digest.parse(_text(value["build"])) is not None


def _is_endorsements(value: Mapping[str, Json]) -> bool:
    Digest.parse(_text(value["commitment"]))
    return set(value) == {"count", "commitment"} and _integer(value["count"]) > 0


def _is_reference(value: Mapping[str, Json]) -> bool:
    _text(value["log"]), _integer(value["seq"]), Digest.parse(_text(value["entry"]))
    return set(value) == {"log", "seq", "entry"}


def _check_schema(entry: Entry, predicate: Mapping[str, Json]) -> None:
    event_type = EVENT_TYPES[entry.type]
    if not {kind_of(name) for name in entry.subjects} <= set(event_type.subjects):
        raise EntryFormatError(f"{entry.type} with a subject of another kind than {', '.join(event_type.subjects)}")
    is_endorsed = entry.endorsements > 0
    if (is_endorsed and not event_type.endorsable) or (
        predicate["corrects"] is not None and not event_type.correctable
    ):
        raise EntryFormatError(f"{entry.type} is neither endorsed nor corrected in this way")
    facts, committed = event_type.all_facts, event_type.all_committed
    if entry.facts.keys() != facts.keys() or entry.commitments.keys() - {ENDORSEMENTS} != committed.keys():
        raise EntryFormatError(f"{entry.type} with other members than its schema has")
    for name, fact in facts.items():
        if not fact.accepts(entry.facts[name]):
            raise EntryFormatError(f"{entry.type}: {name} is not {fact.rule}")
    for name, member in committed.items():
        if isinstance(entry.commitments[name], tuple) and not member.listed:
            raise EntryFormatError(f"{entry.type}: {name} is a list")


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _optional_text(value: Json) -> str | None:
    return None if value is None else _text(value)


def _integer(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("an integer, 0 or more, expected")
    return value


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError("an object expected")
    return value


def _subject_heads(value: Json) -> dict[str, SubjectHead]:
    heads = {}
    for name, head in _object(value).items():
        members = _object(head)
        if set(members) != {"count", "entry"}:
            raise EntryFormatError("a subject_prev with other members than count and entry")
        heads[name] = SubjectHead(count=_integer(members["count"]), entry=Digest.parse(_text(members["entry"])))
    return heads


def _commitments(value: Json, endorsements: Json) -> dict[str, Digest | tuple[Digest, ...]]:
    commitments: dict[str, Digest | tuple[Digest, ...]] = {
        name: tuple(Digest.parse(_text(one)) for one in member)
        if isinstance(member, list)
        else Digest.parse(_text(member))
        for name, member in _object(value).items()
    }
    if ENDORSEMENTS in commitments:
        raise EntryFormatError("endorsements among the commitments: they have a member of their own")
    if endorsements is not None:
        commitments[ENDORSEMENTS] = Digest.parse(_text(_object(endorsements)["commitment"]))
    return commitments
