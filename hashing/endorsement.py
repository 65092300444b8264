"""Endorsements: what a person signs beforehand about an event, and how it is held against the entry that states it.

PURE. People never sign entries, because an entry's position is not known before it is written. They sign a DSSE
envelope with an in-toto statement about the same subjects: the event, its type, its open facts and its commitments,
all fixed beforehand. An endorsement belongs to one event of one log, so it can't be used twice.

Source: docs/reference/custody-log.md, section 4, "Endorsements".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from base.clock import format_time, parse_time
from base.errors import EvidenceError, LedgerError
from hashing.digest import Digest
from hashing.dsse import PAYLOAD_TYPE, DsseError, Envelope, encode_envelope, pae, parse_entry_envelope
from hashing.ed25519 import SignatureError
from hashing.public_key import PublicKey
from hashing.statement import build_statement, parse_entry_statement
from hashing.strict_json import Json, canonical

ENDORSEMENT_TYPE = "https://strongroom.example/custody-endorsement/draft"
APPROVE = "approve"  # the one purpose so far: this event may be recorded
MAX_ENDORSEMENTS = 16
_MEMBERS = {"log", "event", "type", "purpose", "facts", "commitments", "seen", "signed_at"}


class EndorsementError(LedgerError):
    """An endorsement that is malformed, is about something else, or is not by a key that counts here."""


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """What is endorsed: an event as it will stand in an entry, without its place there."""

    log: str
    event: str
    type: str
    subjects: Mapping[str, Digest]
    facts: Mapping[str, Json]  # without `endorsements`
    commitments: Mapping[str, Json]  # hex digest, or a list of them


class Endorsement(msgspec.Struct, frozen=True, kw_only=True):
    """One endorsement as read; `endorsers` checks whose it is."""

    envelope: Envelope
    matter: Matter
    seen: Mapping[str, Digest]  # the last entry of each subject that the person knew of
    signed_at: datetime  # the person's clock: a claim

    @property
    def keyid(self) -> str:
        return self.envelope.signatures[0].keyid


def endorsement_payload(matter: Matter, *, seen: Mapping[str, Digest], signed_at: datetime) -> bytes:
    """Return the statement that a person signs to endorse ``matter``. ``seen`` has each subject's last known entry."""
    predicate: dict[str, Json] = {
        "log": matter.log,
        "event": matter.event,
        "type": matter.type,
        "purpose": APPROVE,
        "facts": dict(matter.facts) or None,
        "commitments": dict(matter.commitments),
        "seen": {name: str(seen[name]) for name in matter.subjects},
        "signed_at": format_time(signed_at),
    }
    return canonical(build_statement(matter.subjects, predicate_type=ENDORSEMENT_TYPE, predicate=predicate))


def signed_bytes(payload: bytes) -> bytes:
    """Return the bytes that the key of an endorser signs for ``payload``."""
    return pae(PAYLOAD_TYPE, payload)


def endorsement_envelope(payload: bytes, *, keyid: str, signature: bytes) -> bytes:
    """Return the endorsement as it is handed over and kept."""
    return encode_envelope(PAYLOAD_TYPE, payload, [(keyid, signature)])


def read_payload(payload: bytes) -> tuple[Matter, Mapping[str, Digest], datetime]:
    """Return what a statement endorses, what its maker had seen, and when. Raises EndorsementError."""
    try:
        statement = parse_entry_statement(payload)
        predicate = statement.predicate
        if statement.predicate_type != ENDORSEMENT_TYPE or set(predicate) != _MEMBERS:
            raise EndorsementError("not the statement of an endorsement")
        subjects = {subject.name: Digest.parse(subject.digest["sha256"]) for subject in statement.subjects}
        matter = Matter(
            log=_text(predicate["log"]),
            event=_text(predicate["event"]),
            type=_text(predicate["type"]),
            subjects=subjects,
            facts={} if predicate["facts"] is None else _object(predicate["facts"]),
            commitments=_object(predicate["commitments"]),
        )
        seen = {name: Digest.parse(_text(digest)) for name, digest in _object(predicate["seen"]).items()}
        if predicate["purpose"] != APPROVE or set(seen) != set(subjects):
            raise EndorsementError("an endorsement for another purpose, or that says nothing of what was seen")
        signed_at = parse_time(_text(predicate["signed_at"]))
        # Finds what is not read above: subjects in another order, digests beside SHA-256.
        if endorsement_payload(matter, seen=seen, signed_at=signed_at) != payload:
            raise EndorsementError("the statement of an endorsement in another spelling than the one it has")
        return matter, seen, signed_at
    except EndorsementError:
        raise
    except (TypeError, ValueError, KeyError, EvidenceError) as error:
        raise EndorsementError(f"not an endorsement: {error}") from error


def read_endorsement(data: bytes) -> Endorsement:
    """Return the endorsement in the envelope ``data``: one spelling, one signature. Raises EndorsementError."""
    try:
        envelope = parse_entry_envelope(data)
    except DsseError as error:
        raise EndorsementError(f"not an endorsement: {error}") from error
    matter, seen, signed_at = read_payload(envelope.payload)
    if len(envelope.signatures) != 1:
        raise EndorsementError("an endorsement has one signature; another person makes another endorsement")
    return Endorsement(envelope=envelope, matter=matter, seen=seen, signed_at=signed_at)


def endorsers(envelopes: Sequence[bytes], matter: Matter, keys: Mapping[str, PublicKey]) -> tuple[str, ...]:
    """Return the keyids of those who endorsed ``matter``, ascending, each once.

    Raises: EndorsementError unless every envelope is about exactly this matter, by one of ``keys``, rightly signed, and
    they ascend by keyid; UnknownAlgorithmError when all that is known holds and one key is of an unknown algorithm.
    """
    if not 1 <= len(envelopes) <= MAX_ENDORSEMENTS:
        raise EndorsementError(f"{len(envelopes)} endorsements; 1 to {MAX_ENDORSEMENTS} may stand together")
    read = [read_endorsement(data) for data in envelopes]
    keyids = [endorsement.keyid for endorsement in read]
    if keyids != sorted(set(keyids)):
        raise EndorsementError("endorsements that do not ascend by keyid, or two by one key")
    # Those of a known algorithm first: what is wrong outranks what could not be checked.
    for endorsement in sorted(read, key=lambda one: one.keyid in keys and not keys[one.keyid].is_known):
        _check_endorsement(endorsement, matter, keys)
    return tuple(keyids)


def _check_endorsement(endorsement: Endorsement, matter: Matter, keys: Mapping[str, PublicKey]) -> None:
    if endorsement.matter != matter:
        raise EndorsementError(f"the endorsement by {endorsement.keyid} is about another event, or says other things")
    key = keys.get(endorsement.keyid)
    if key is None:
        raise EndorsementError(f"the endorsement by {endorsement.keyid} is by no key that counts here")
    try:
        key.verify(endorsement.envelope.signed_bytes, endorsement.envelope.signatures[0].sig)
    except SignatureError as error:
        raise EndorsementError(f"the signature of the endorsement by {endorsement.keyid} is not valid") from error


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError("an object expected")
    return value
