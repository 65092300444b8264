"""Events of a thing that is known from another log: where its history begins."""

from __future__ import annotations

from hashing.digest import Digest
from ledger.events.event import Event
from ledger.events.vocabulary import EventType, ascii_text, count, digest, record

CUSTODY_CARRIED = EventType(
    name="custody.carried",
    meaning="This thing is known from an earlier log of the same store: its history goes on here.",
    subjects=("item", "drop", "actor"),
    facts={
        "reference": record(
            "its last entry in the newest log that has one",
            log=ascii_text("origin of that log"),
            seq=count("position there"),
            entry=digest("SHA-256 of that entry"),
        ),
        "count": count("entries of that log that have it as a subject", unit="entry"),
        "size": count("entries that the last checkpoint of that log covers", unit="entry"),
        "root": digest("root of that checkpoint"),
        "note": digest("SHA-256 of the note of that checkpoint"),
    },
)

TYPES = (CUSTODY_CARRIED,)


def custody_carried(
    subject: str,
    sha256: Digest,
    *,
    log: str,
    seq: int,
    entry: Digest,
    count: int,
    size: int,
    root: Digest,
    note: Digest,
) -> Event:
    """State that ``subject`` has ``count`` entries in ``log``, the last of them ``entry``."""
    return Event(
        type=CUSTODY_CARRIED,
        subjects={subject: sha256},
        facts={
            "reference": {"log": log, "seq": seq, "entry": str(entry)},
            "count": count,
            "size": size,
            "root": str(root),
            "note": str(note),
        },
    )
