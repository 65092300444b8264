"""in-toto statements (Statement v1): what is said, and about which things, named by their digests.

The reader refuses a statement that could be read in two ways, and keeps what it does not know inside the predicate to
the reader of that predicate. Members that the specification does not name are ignored, as it asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from base.errors import LedgerError
from hashing.digest import Digest
from hashing.strict_json import MAX_ENTRY_BYTES, Json, StrictJsonError, parse_canonical, parse_strict

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_SUBJECTS = 100_000

# Hex digits of the algorithms whose digests are checked for their form; others are kept as they are.
_DIGEST_DIGITS = {"sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "sha3_256": 64, "sha3_512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


class StatementError(LedgerError):
    """Not an in-toto statement, or one that could be read in two ways."""


class Subject(msgspec.Struct, frozen=True):
    """One thing a statement is about. ``digest``: name of the algorithm -> digest, never empty."""

    name: str  # empty when the statement gives none
    digest: Mapping[str, str]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed statement; the predicate is unread."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Json]  # empty when the statement has none


def build_statement(
    subjects: Mapping[str, Digest], *, predicate_type: str, predicate: Mapping[str, Json]
) -> dict[str, Json]:
    """Return the statement about ``subjects``, ascending by name, ready for `strict_json.canonical`.

    Raises: StatementError without a subject or a predicate type.
    """
    if not subjects or "" in subjects or not predicate_type:
        raise StatementError("a statement needs subjects with names, and a predicate type")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": subjects[name].hex}} for name in sorted(subjects)],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def parse_entry_statement(payload: bytes) -> Statement:
    """Return the statement in the payload of a log entry.

    Raises: StatementError unless its JSON is canonical and has exactly the members of an entry: what a reader drops
    could not be written again as it was.
    """
    try:
        value = parse_canonical(payload)
    except StrictJsonError as err:
        raise StatementError(f"not the statement of an entry: {err}") from err
    statement = read_statement(value)
    match value:
        case {"_type": _, "subject": list(subjects), "predicateType": _, "predicate": dict(), **rest} if not rest:
            if all(isinstance(subject, dict) and set(subject) == {"name", "digest"} for subject in subjects):
                return statement
    raise StatementError("not the statement of an entry: members are missing, or do not belong there")


def parse_statement(payload: bytes, *, max_bytes: int = MAX_ENTRY_BYTES) -> Statement:
    """Return the statement in ``payload``, the very bytes whose signature was verified, in any spelling of its JSON.

    Raises: StatementError.
    """
    try:
        return read_statement(parse_strict(payload, max_bytes=max_bytes))
    except StrictJsonError as err:
        raise StatementError(f"not a statement: {err}") from err


def read_statement(value: Json) -> Statement:
    """Return the statement that the parsed JSON ``value`` is. Raises StatementError."""
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise StatementError(f"not a statement of the version read here, {STATEMENT_TYPE}")
    subject, predicate_type, predicate = value.get("subject"), value.get("predicateType"), value.get("predicate")
    if not isinstance(subject, list) or not isinstance(predicate_type, str) or not predicate_type:
        raise StatementError("a statement whose subject or predicateType is missing, empty or of another type")
    if predicate is not None and not isinstance(predicate, dict):
        raise StatementError("a statement whose predicate is no object")
    return Statement(subjects=_read_subjects(subject), predicate_type=predicate_type, predicate=predicate or {})


def _read_subjects(values: list[Json]) -> tuple[Subject, ...]:
    if not 1 <= len(values) <= MAX_SUBJECTS:
        raise StatementError(f"a statement has 1 to {MAX_SUBJECTS} subjects, not {len(values)}")
    subjects = tuple(map(_read_subject, values))
    names = [subject.name for subject in subjects if subject.name]
    if len(set(names)) != len(names):
        raise StatementError("a statement names a subject twice")
    return subjects


def _read_subject(value: Json) -> Subject:
    digests = value.get("digest") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(digests, dict) or not digests:
        raise StatementError("a subject without a digest")
    name = value.get("name", "")
    if not isinstance(name, str):
        raise StatementError("a subject whose name is no string")
    return Subject(name, {algorithm: _read_digest(algorithm, digest) for algorithm, digest in digests.items()})


def _read_digest(algorithm: str, digest: Json) -> str:
    if not isinstance(digest, str) or not digest:
        raise StatementError("a subject with an empty digest")
    digits = _DIGEST_DIGITS.get(algorithm)
    if digits is not None and (len(digest) != digits or not _HEX.fullmatch(digest)):
        raise StatementError(f"a {algorithm} digest is {digits} lower-case hex digits")
    return digest
