"""One entry of the custody log by itself: envelope, statement and predicate, exactly as custody-log section 4.

What needs the entries before it (order, chains, keys) is in ``checker_chain``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from checker_json import Json, MalformedError, canonical_entry_json, decode_base64, is_hex, members
from checker_tree import sha256

MAX_ENTRY_BYTES = 65_535
MAX_SUBJECTS = 100
MAX_LISTED_COMMITMENTS = 256
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://strongroom.example/custody-event/draft"

FILES = ("item", "deriv", "pkg")
REGISTERED = ("drop", "op", "auth", "dev", "depl", "actor", "copy")
IDENTIFIER = re.compile(r"([a-z]+)_[0-9A-HJKMNP-TV-Z]{13}")
CODE = re.compile(r"[a-z0-9._-]{1,40}")

_ENVELOPE = frozenset({"payload", "payloadType", "signatures"})
_SIGNATURE = frozenset({"keyid", "sig"})
_STATEMENT = frozenset({"_type", "subject", "predicateType", "predicate"})
_REFERENCE = frozenset({"log", "seq", "entry"})
_SOFTWARE = frozenset({"name", "version", "build"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry that is well formed by itself; nothing in it is believed yet."""

    raw: bytes
    digest: bytes
    type: str
    log: str
    seq: int
    prev: str
    event: str
    subjects: Mapping[str, str]  # name -> hex SHA-256
    subject_prev: Mapping[str, tuple[int, str]]
    drop: str | None
    facts: Mapping[str, Json]  # empty for null
    commitments: Mapping[str, str | list[str]]  # with "endorsements" where there are any
    endorsements: int  # of people
    corrects: tuple[str, int, str] | None
    keyid: str
    signature: bytes
    signed: bytes  # the PAE

    def committed(self) -> list[tuple[str, int | None, str]]:
        """Return (member, position in its list or None, commitment) for everything committed."""
        found: list[tuple[str, int | None, str]] = []
        for member, value in self.commitments.items():
            if isinstance(value, str):
                found.append((member, None, value))
            else:
                found.extend((member, n, commitment) for n, commitment in enumerate(value))
        return found


def pae(payload_type: str, body: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers (ledger-format section 11)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def read_entry(raw: bytes) -> Entry:
    """Return the entry in ``raw``. Raises MalformedError for the first thing that section 4 does not allow."""
    if not 1 <= len(raw) <= MAX_ENTRY_BYTES:
        raise MalformedError(f"an entry of {len(raw)} bytes")
    envelope = members(canonical_entry_json(raw), _ENVELOPE, "envelope")
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise MalformedError(f"payload type {envelope['payloadType']!r}")
    payload = decode_base64(envelope["payload"])
    keyid, signature = _only_signature(envelope["signatures"])
    statement = members(canonical_entry_json(payload), _STATEMENT, "statement")
    if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != PREDICATE_TYPE:
        raise MalformedError(f"statement {statement['_type']!r} with predicate {statement['predicateType']!r}")
    predicate = members(statement["predicate"], frozenset(_MEMBER_RULES), "predicate")
    for member, is_right in _MEMBER_RULES.items():
        if not is_right(predicate[member]):
            raise MalformedError(f"predicate member {member} is {predicate[member]!r}")
    subjects = _subjects(statement["subject"])
    return Entry(
        raw=raw,
        digest=sha256(raw),
        type=_text(predicate["type"]),
        log=_text(predicate["log"]),
        seq=_count(predicate["seq"]),
        prev=_text(predicate["prev"]),
        event=_text(predicate["event"]),
        subjects=subjects,
        subject_prev=_subject_prev(predicate["subject_prev"], subjects),
        drop=None if predicate["drop"] is None else _text(predicate["drop"]),
        facts=_facts(_text(predicate["type"]), predicate["facts"]),
        commitments=_commitments(predicate["commitments"], predicate["endorsements"]),
        endorsements=_endorsed(predicate["endorsements"]),
        corrects=_reference(predicate["corrects"]),
        keyid=keyid,
        signature=signature,
        signed=pae(PAYLOAD_TYPE, payload),
    )


def _only_signature(value: Json) -> tuple[str, bytes]:
    if not isinstance(value, list) or len(value) != 1:
        raise MalformedError("not exactly one signature")
    line = members(value[0], _SIGNATURE, "signature")
    signature = decode_base64(line["sig"])
    if not is_hex(line["keyid"]) or len(signature) != 64:
        raise MalformedError("a keyid that is no SHA-256, or a signature that has not 64 bytes")
    return _text(line["keyid"]), signature


def _subjects(value: Json) -> dict[str, str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SUBJECTS:
        raise MalformedError("subject is no list of 1 to 100")
    found: dict[str, str] = {}
    for element in value:
        resource = members(element, frozenset({"name", "digest"}), "subject")
        name, digests = resource["name"], resource["digest"]
        if not _is_subject_name(name) or not isinstance(digests, dict) or not is_hex(digests.get("sha256")):
            raise MalformedError(f"subject {name!r} has no right name or no SHA-256")
        if found and _text(name) <= max(found):
            raise MalformedError(f"subject {name!r} is not above the one before it")
        found[_text(name)] = _text(digests["sha256"])
    return found


def _is_subject_name(value: Json) -> bool:
    match = IDENTIFIER.fullmatch(value) if isinstance(value, str) else None
    return value == "log" or (match is not None and match[1] in FILES + REGISTERED)


def _subject_prev(value: Json, subjects: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for name, before in members(value, frozenset(subjects), "subject_prev").items():
        link = members(before, frozenset({"count", "entry"}), f"subject_prev of {name}")
        if not _is_count(link["count"]) or not is_hex(link["entry"]):
            raise MalformedError(f"subject_prev of {name} is {before!r}")
        found[name] = (_count(link["count"]), _text(link["entry"]))
    return found


def _facts(kind: str, value: Json) -> dict[str, Json]:
    """Return the open facts: only codes, digests and references, but for log and key data (section 4, Open facts)."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError("facts is no object")
    if not kind.startswith(("log.", "key.")):
        for text in _leaves({member: inner for member, inner in value.items() if not _is_reference(inner)}):
            if CODE.fullmatch(text) is None and not is_hex(text):
                raise MalformedError(f"the open fact {text!r} is neither a code nor a digest")
    return value


def _leaves(value: Json) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for element in value for text in _leaves(element)]
        case dict():
            return [text for element in value.values() for text in _leaves(element)]
        case _:
            return []


def _commitments(value: Json, endorsements: Json) -> dict[str, str | list[str]]:
    """Return the commitments. ``actor`` and ``links`` are in every entry; without a value they commit to null."""
    if not isinstance(value, dict) or not {"actor", "links"} <= value.keys():
        raise MalformedError("commitments without actor or links")
    found: dict[str, str | list[str]] = {}
    for member, commitment in value.items():
        if isinstance(commitment, list):
            listed = [_text(element) for element in commitment if is_hex(element)]
            if len(listed) != len(commitment):
                raise MalformedError(f"commitment {member} holds something that is no SHA-256")
            found[member] = listed
        elif is_hex(commitment):
            found[member] = _text(commitment)
        else:
            raise MalformedError(f"commitment {member} is {commitment!r}")
    if sum(len(inner) for inner in found.values() if isinstance(inner, list)) > MAX_LISTED_COMMITMENTS:
        raise MalformedError("more than 256 listed commitments")
    if isinstance(endorsements, dict):
        found["endorsements"] = _text(endorsements["commitment"])
    return found


def _endorsed(value: Json) -> int:
    return _count(value["count"]) if isinstance(value, dict) else 0


def _reference(value: Json) -> tuple[str, int, str] | None:
    if not isinstance(value, dict):
        return None
    return _text(value["log"]), _count(value["seq"]), _text(value["entry"])


def _is_reference(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _REFERENCE
        and isinstance(value["log"], str)
        and _is_count(value["seq"])
        and is_hex(value["entry"])
    )


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Json) -> bool:
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_software(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _SOFTWARE
        and isinstance(value["name"], str)
        and isinstance(value["version"], str)
        and (value["build"] is None or is_hex(value["build"]))
    )


def _is_drop(value: Json) -> bool:
    return isinstance(value, str) and value.startswith("drop_") and IDENTIFIER.fullmatch(value) is not None


def _are_endorsements(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"count", "commitment"}
        and _is_count(value["count"])
        and value["count"] != 0
        and is_hex(value["commitment"])
    )


_MEMBER_RULES: dict[str, Callable[[Json], bool]] = {
    "type": lambda value: isinstance(value, str) and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", value) is not None,
    "log": lambda value: isinstance(value, str) and re.fullmatch(r"[!-*,-~]+", value) is not None,
    "seq": _is_count,
    "prev": is_hex,
    "event": lambda value: isinstance(value, str) and re.fullmatch(r"event_[0-9a-f]{32}", value) is not None,
    "subject_prev": lambda value: isinstance(value, dict),
    "recorded_at": _is_time,
    "clock": lambda value: value in ("synchronised", "unsynchronised", None),
    "role": lambda value: value is None or (isinstance(value, str) and CODE.fullmatch(value) is not None),
    "software": _is_software,
    "drop": lambda value: value is None or _is_drop(value),
    "facts": lambda value: value is None or isinstance(value, dict),
    "commitments": lambda value: isinstance(value, dict),
    "endorsements": lambda value: value is None or _are_endorsements(value),
    "corrects": lambda value: value is None or _is_reference(value),
}


def _text(value: Json) -> str:
    assert isinstance(value, str)  # every caller has just checked it
    return value


def _count(value: Json) -> int:
    assert isinstance(value, int)  # every caller has just checked it
    return value
