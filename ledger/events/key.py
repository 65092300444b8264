"""Events of the keys of a log: which may speak from here on, and which no longer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hashing.base64_text import encode
from hashing.public_key import PublicKey
from hashing.strict_json import Json
from ledger.events.event import Event
from ledger.events.log import log_subject
from ledger.events.vocabulary import (
    Committed,
    EventType,
    OpeningClass,
    base64_texts,
    code,
    optional_digest,
    optional_size,
    optional_text,
)

PURPOSES = ("recorder", "root", "personal")

_REASON = Committed(meaning="why, in the person's words", json_type="string or null", opening_class=OpeningClass.TEXT)
_HOLDER = Committed(
    meaning="the registered person who has the key; null for a key of the machine, or of somebody not registered here",
    json_type="identifier or null",
    opening_class=OpeningClass.INTERNAL,
)
_ENDORSEMENTS = base64_texts("endorsements by root keys, ascending by keyid; null for none")


def _hidden(meaning: str, json_type: str) -> Committed:
    """A member that stands open for a recorder or root key, and is committed for a personal one."""
    return Committed(
        meaning=f"{meaning}, of a personal key; else null", json_type=json_type, opening_class=OpeningClass.INTERNAL
    )


KEY_ENROLLED = EventType(
    name="key.enrolled",
    meaning="From the next entry on this key may speak in the log. A personal key is not named openly.",
    subjects=("log",),
    facts={
        "purpose": code("what the key may do", *PURPOSES),
        "algorithm": code("how the key signs"),
        "keyid": optional_digest("SHA-256 of the DER SubjectPublicKeyInfo; null for a personal key"),
        "spki": optional_text("DER SubjectPublicKeyInfo in standard base64; null for a personal key"),
        "proof": optional_text(
            "signature by this key, in standard base64, of `strongroom-key/1\\n<log>\\n<keyid>\\n<purpose>\\n`; null "
            "for a personal key"
        ),
        "endorsements": _ENDORSEMENTS,
    },
    committed={
        "keyid": _hidden("SHA-256 of the DER SubjectPublicKeyInfo", "64 lower-case hex digits, or null"),
        "spki": _hidden("DER SubjectPublicKeyInfo in standard base64", "string or null"),
        "proof": _hidden("proof of possession in standard base64", "string or null"),
        "holder": _HOLDER,
        "reason": _REASON,
    },
    correctable=False,
)

KEY_REVOKED = EventType(
    name="key.revoked",
    meaning="From the next entry on this key may no longer speak in the log. What it signed before stays signed.",
    subjects=("log",),
    facts={
        "purpose": code("what the key could do", *PURPOSES),
        "keyid": optional_digest("SHA-256 of the DER SubjectPublicKeyInfo; null for a personal key"),
        "good_size": optional_size(
            "size of the log up to which the key was certainly in the right hands; null where there is no doubt"
        ),
        "endorsements": _ENDORSEMENTS,
    },
    committed={
        "keyid": _hidden("SHA-256 of the DER SubjectPublicKeyInfo", "64 lower-case hex digits, or null"),
        "holder": _HOLDER,
        "reason": _REASON,
    },
    correctable=False,
)

TYPES = (KEY_ENROLLED, KEY_REVOKED)


class ProvenKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key with the proof that whoever hands it in has its private part."""

    public: PublicKey
    proof: bytes

    def as_json(self) -> dict[str, Json]:
        return {"keyid": self.public.keyid, "spki": encode(self.public.spki), "proof": encode(self.proof)}


def _place(purpose: str, named: dict[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return ``named`` as open facts and as committed values: a card's key names its officer, so it is never open."""
    nothing: dict[str, Json] = dict.fromkeys(named)
    return (nothing, named) if purpose == "personal" else (named, nothing)


def key_enrolled(
    origin: str,
    key: ProvenKey,
    *,
    purpose: str,
    holder: str | None,
    reason: str | None,
    by: str | None,
    role: str | None,
    endorsements: Sequence[bytes] = (),
) -> Event:
    shown, hidden = _place(purpose, key.as_json())
    return Event(
        type=KEY_ENROLLED,
        subjects=log_subject(origin),
        facts={
            "purpose": purpose,
            "algorithm": key.public.algorithm,
            **shown,
            "endorsements": [*map(encode, endorsements)] or None,
        },
        values={**hidden, "holder": holder, "reason": reason, "actor": by},
        role=role,
    )


def key_revoked(
    origin: str,
    keyid: str,
    *,
    purpose: str,
    good_size: int | None,
    holder: str | None,
    reason: str,
    by: str | None,
    role: str | None,
    endorsements: Sequence[bytes] = (),
) -> Event:
    shown, hidden = _place(purpose, {"keyid": keyid})
    return Event(
        type=KEY_REVOKED,
        subjects=log_subject(origin),
        facts={
            "purpose": purpose,
            **shown,
            "good_size": good_size,
            "endorsements": [*map(encode, endorsements)] or None,
        },
        values={**hidden, "holder": holder, "reason": reason, "actor": by},
        role=role,
    )
