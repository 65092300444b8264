"""What an event type is: its members, what is open and what is committed, and how each member is checked.

A type may be written only when its page in docs/reference/events/ and a golden entry in tests/vectors/events/ exist;
both are made from the declarations here, and a test compares them. A released type never changes: a new meaning is a
new type. Source of the rules: docs/reference/custody-log.md, "Subjects", "Open facts", "Schemas".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from base.errors import LedgerError
from hashing.strict_json import Json
from ledger.identifiers import EVENT_ID

CODE = re.compile(r"[a-z0-9._-]{1,40}", re.ASCII)
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,60000}={0,2}", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,4000}", re.ASCII)
MAX_INTEGER = 2**53 - 1


class EventRuleError(LedgerError):
    """An event that its own schema does not allow. Nothing was written."""

    next_step = "Report this as a bug: nothing was recorded."


class OpeningClass(StrEnum):
    """Who may see an opening, and how long it is kept."""

    INTERNAL = (
        "internal"  # actor, links, endorsements, digests of our own objects: shown to auditors, kept with the log
    )
    SENSITIVE = "sensitive"  # place, device, technique, technician
    PERSONAL = "personal"
    TEXT = "text"


class Category(StrEnum):
    """The kind of processing that the event documents (Directive (EU) 2016/680, article 25)."""

    COLLECTION = "collection"
    ALTERATION = "alteration"
    CONSULTATION = "consultation"
    DP_DISCLOSURE = "dp_disclosure"  # the directive's "disclosure": made available outside the house
    ADMINISTRATION = "administration"  # of the log itself: no personal data of a recording is processed


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One open member: what it says, its JSON type, and the check that refuses everything else."""

    meaning: str
    json_type: str
    accepts: Callable[[Json], bool]
    codes: tuple[str, ...] = ()  # the only ones allowed, where they are named
    unit: str | None = None  # of a number

    @property
    def rule(self) -> str:
        """What a value must be, for an error message."""
        return f"{self.json_type}: {' '.join(self.codes)}" if self.codes else self.json_type


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """One committed member: what it says, its JSON type, its class, and whether it is a list of commitments."""

    meaning: str
    json_type: str
    opening_class: OpeningClass
    listed: bool = False


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One event type of the custody log, complete: nothing else may be written under its name."""

    name: str
    meaning: str
    subjects: tuple[str, ...]  # the kinds that may be subjects; "log" stands alone
    facts: Mapping[str, Fact] = msgspec.field(default_factory=dict)
    committed: Mapping[str, Committed] = msgspec.field(default_factory=dict)
    category: Category = Category.ADMINISTRATION
    correctable: bool = True
    splits: bool = False  # may become several entries: then facts carry group, part and parts
    endorsable: bool = False  # people may sign beforehand, with their personal keys

    @property
    def all_facts(self) -> Mapping[str, Fact]:
        """Return the open members, with group, part and parts where the type may be split."""
        return {**self.facts, **GROUPING} if self.splits else self.facts

    @property
    def all_committed(self) -> Mapping[str, Committed]:
        """Return the committed members, with ``actor`` and ``links``, which every type has."""
        return {**COMMON, **self.committed}


def count(meaning: str, *, unit: str = "1") -> Fact:
    """A number of things, or of ``unit``."""
    return Fact(meaning=meaning, json_type="integer, 0 or more", accepts=_is_count, unit=unit)


def optional_number(meaning: str) -> Fact:
    """A number that counts from 1, or null."""
    return Fact(
        meaning=meaning,
        json_type="integer, 1 or more; or null",
        accepts=lambda v: v is None or (_is_count(v) and v != 0),
        unit="1",
    )


def code(meaning: str, *allowed: str) -> Fact:
    """A code out of ``allowed``; any code where none is named."""
    if not allowed:
        return Fact(meaning=meaning, json_type="code", accepts=_is_code)
    return Fact(meaning=meaning, json_type="code", accepts=lambda v: v in allowed, codes=allowed)


def codes(meaning: str) -> Fact:
    """One or more codes, ascending, or null for none (an empty list never stands in an entry)."""
    return Fact(meaning=meaning, json_type="list of codes, ascending; or null for none", accepts=_is_code_list)


def optional_digest(meaning: str) -> Fact:
    return Fact(
        meaning=meaning,
        json_type="64 lower-case hex digits; or null",
        accepts=lambda v: v is None or (isinstance(v, str) and bool(_HEX_DIGEST.fullmatch(v))),
    )


def digest(meaning: str) -> Fact:
    return Fact(
        meaning=meaning,
        json_type="64 lower-case hex digits",
        accepts=lambda v: isinstance(v, str) and bool(_HEX_DIGEST.fullmatch(v)),
    )


def optional_size(meaning: str, *, unit: str = "entry") -> Fact:
    """A number of things from 0, or null."""
    return Fact(
        meaning=meaning, json_type="integer, 0 or more; or null", accepts=lambda v: v is None or _is_count(v), unit=unit
    )


def optional_text(meaning: str) -> Fact:
    return Fact(meaning=meaning, json_type="string or null", accepts=lambda v: v is None or _is_text(v))


def base64_texts(meaning: str) -> Fact:
    """One or more byte strings in standard base64, or null for none (an empty list never stands in an entry)."""

    def accepts(value: Json) -> bool:
        return value is None or (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(text, str) and _BASE64.fullmatch(text) for text in value)
        )

    return Fact(meaning=meaning, json_type="list of strings in standard base64; or null for none", accepts=accepts)


def ascii_text(meaning: str) -> Fact:
    return Fact(meaning=meaning, json_type="string", accepts=_is_text)


def records(meaning: str, *members: str) -> Fact:
    """A list, one or more, of objects whose members are all text and are exactly ``members``."""

    def accepts(value: Json) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(row, dict) and sorted(row) == sorted(members) for row in value)
            and all(_is_text(text) for row in value if isinstance(row, dict) for text in row.values())
        )

    return Fact(meaning=meaning, json_type=f"list of objects with {', '.join(members)}", accepts=accepts)


def optional_records(meaning: str, *members: str) -> Fact:
    """As `records`, or null for none."""
    some = records(meaning, *members)
    return Fact(meaning=meaning, json_type=f"{some.json_type}; or null", accepts=lambda v: v is None or some.accepts(v))


def record(meaning: str, **members: Fact) -> Fact:
    """An object with exactly ``members``."""

    def accepts(value: Json) -> bool:
        return (
            isinstance(value, dict)
            and set(value) == set(members)
            and all(member.accepts(value[name]) for name, member in members.items())
        )

    stated = "; ".join(f"{name}: {member.meaning} ({member.rule})" for name, member in members.items())
    return Fact(meaning=meaning, json_type=f"object {{{stated}}}", accepts=accepts)


def optional_record(meaning: str, **members: Fact) -> Fact:
    """As `record`, or null for none."""
    one = record(meaning, **members)
    return Fact(meaning=meaning, json_type=f"{one.json_type}; or null", accepts=lambda v: v is None or one.accepts(v))


def optional_coded_records(meaning: str, *members: str) -> Fact:
    """As `records`, but every value is a code; or null for none."""
    some = records(meaning, *members)

    def accepts(value: Json) -> bool:
        if value is None:
            return True
        rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
        return some.accepts(value) and all(_is_code(text) for row in rows for text in row.values())

    return Fact(meaning=meaning, json_type=f"{some.json_type}, all codes; or null", accepts=accepts)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER


def _is_code(value: Json) -> bool:
    return isinstance(value, str) and bool(CODE.fullmatch(value))


def _is_code_list(value: Json) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and bool(value) and all(map(_is_code, value)) and sorted(map(str, value)) == value


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(_PRINTABLE.fullmatch(value))


COMMON: Mapping[str, Committed] = {
    "actor": Committed(
        meaning="the registered person who did it; null for what the service does by itself",
        json_type="identifier or null",
        opening_class=OpeningClass.INTERNAL,
    ),
    "links": Committed(
        meaning="other registered things this event concerns, by name of the relation",
        json_type="object of identifiers, or null",
        opening_class=OpeningClass.INTERNAL,
    ),
}

GROUPING: Mapping[str, Fact] = {
    "group": Fact(
        meaning="one name for all parts of an event that is too large for one entry; null when it is whole",
        json_type="event identifier or null",
        accepts=lambda v: v is None or (isinstance(v, str) and bool(EVENT_ID.fullmatch(v))),
    ),
    "part": optional_number("number of this part, from 1"),
    "parts": optional_number("number of parts"),
}
