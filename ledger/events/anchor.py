"""Events of what others hold of this log: a checkpoint given out, and a start when nobody could be asked."""

from __future__ import annotations

from hashing.checkpoint import Checkpoint
from ledger.events.event import Event
from ledger.events.log import log_subject
from ledger.events.vocabulary import Committed, EventType, OpeningClass, code, count, optional_digest, optional_text

COPY, WITNESS, TIME_STAMP = "copy", "witness", "time-stamp"

CHECKPOINT_LODGED = EventType(
    name="checkpoint.lodged",
    meaning="Somebody outside holds this checkpoint, so the log cannot be put back before it unnoticed; or stamped it, "
    "and says since when it exists.",
    subjects=("log",),
    facts={
        "size": count("entries that the checkpoint covers", unit="entry"),
        "root": optional_digest("root of the checkpoint"),
        "kind": code("a copy was given out, a witness cosigned, or an authority stamped it", COPY, WITNESS, TIME_STAMP),
        "key": optional_text("key ID of the witness, or of the authority; null for a copy"),
    },
    committed={
        "where": Committed(
            meaning="who holds it, or where it lies, in the person's words",
            json_type="string or null",
            opening_class=OpeningClass.SENSITIVE,
        ),
    },
    correctable=False,
)

START_UNANCHORED = EventType(
    name="start.unanchored",
    meaning="The recorder started, and none of the places outside that are set to remember this log could be read.",
    subjects=("log",),
    facts={
        "size": count("entries that the newest checkpoint covered", unit="entry"),
        "root": optional_digest("root of that checkpoint"),
        "places": count("places that are set, none of which could be read"),
    },
    correctable=False,
)

TYPES = (CHECKPOINT_LODGED, START_UNANCHORED)


def checkpoint_lodged(
    checkpoint: Checkpoint,
    *,
    kind: str,
    key: str | None = None,
    where: str | None = None,
    by: str | None = None,
    role: str | None = None,
) -> Event:
    return Event(
        type=CHECKPOINT_LODGED,
        subjects=log_subject(checkpoint.origin),
        facts={"size": checkpoint.size, "root": checkpoint.root.hex, "kind": kind, "key": key},
        values={"where": where, "actor": by},
        role=role,
    )


def start_unanchored(checkpoint: Checkpoint, *, places: int) -> Event:
    return Event(
        type=START_UNANCHORED,
        subjects=log_subject(checkpoint.origin),
        facts={"size": checkpoint.size, "root": checkpoint.root.hex, "places": places},
    )
