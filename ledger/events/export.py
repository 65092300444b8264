"""Events of what leaves the house: stated, with the digest of what goes out, before the first byte of it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.event import Event
from ledger.events.log import log_subject
from ledger.events.vocabulary import (
    Category,
    Committed,
    EventType,
    OpeningClass,
    code,
    codes,
    count,
    optional_digest,
)

LOG_EXPORTED = EventType(
    name="log.exported",
    meaning="A part of the log was made ready to be given away, with some of its openings.",
    subjects=("item", "log"),
    facts={
        "rule": code("role by which it was allowed"),
        "entries": count("entries that are in it"),
        "openings": count("openings that are in it"),
        "withheld": count("commitments of these entries whose openings are not in it"),
        "classes": codes("classes of openings that may be in it"),
        "sha256": optional_digest("SHA-256 of the file SHA256SUMS in it, which names every other file but the proofs"),
    },
    committed={
        "purpose": Committed(meaning="why, in the person's words", json_type="string", opening_class=OpeningClass.TEXT),
        "names": Committed(
            meaning="what was asked for; null for the whole log or a period of it",
            json_type="list of identifiers, or null",
            opening_class=OpeningClass.INTERNAL,
        ),
    },
    category=Category.DP_DISCLOSURE,
    splits=True,
)

TYPES = (LOG_EXPORTED,)


def log_exported(
    origin: str,
    *,
    actor: str,
    role: str,
    items: Mapping[str, Digest],
    names: Sequence[str],
    entries: int,
    openings: int,
    withheld: int,
    classes: Sequence[str],
    sha256: Digest,
    purpose: str,
) -> Event:
    """State that a part of the log leaves the house; ``items`` are those that its entries are about."""
    facts: dict[str, Json] = {
        "rule": role,
        "entries": entries,
        "openings": openings,
        "withheld": withheld,
        "classes": [*sorted(classes)] or None,
        "sha256": str(sha256),
    }
    return Event(
        type=LOG_EXPORTED,
        subjects=dict(items) or log_subject(origin),
        facts=facts,
        values={"actor": actor, "purpose": purpose, "names": list(names) or None},
        role=role,
    )
