"""Events of a drop: it is taken in hand, and it is complete."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.event import Event, registered
from ledger.events.vocabulary import Category, Committed, EventType, OpeningClass, code, count

DROP_RECEIVED = EventType(
    name="drop.received",
    meaning="Copying of a drop starts: from here on it has an identifier.",
    subjects=("drop",),
    facts={"settled_by": code("which rule ended the wait", "marker", "manifest", "quiet")},
    committed={
        "share": Committed(meaning="path of the share", json_type="raw bytes", opening_class=OpeningClass.SENSITIVE),
        "name": Committed(
            meaning="name of the drop in the share", json_type="raw bytes", opening_class=OpeningClass.SENSITIVE
        ),
        "depositor": Committed(
            meaning="who put it there, as the file system says",
            json_type="object {uid: integer, user: string or null}, or null",
            opening_class=OpeningClass.PERSONAL,
        ),
        "arrival_key": Committed(
            meaning="32 random bytes from which the event identifiers of this drop's arrivals are made; never shown",
            json_type="raw bytes",
            opening_class=OpeningClass.PERSONAL,
        ),
    },
    category=Category.COLLECTION,
)

DROP_COMPLETED = EventType(
    name="drop.completed",
    meaning="Every file of the drop that can be taken is sealed; a later entry of this type takes in what came late.",
    subjects=("drop",),
    facts={
        "completion": code("how the drop ended", "complete", "refusals", "manifest-mismatch", "vanished", "empty"),
        "files": count("files sealed"),
        "bytes": count("size of these files together", unit="byte"),
        "refused": count("entries that were not taken"),
        "source_manifest": code(
            "what became of a manifest that lay in the drop", "none", "matched", "mismatch", "not-checked"
        ),
    },
    committed={
        "manifest": Committed(
            meaning="every item of the drop with digest and size; no paths",
            json_type="list of objects {item, sha256, size_bytes}; above 200,000 items {items, sha256}: how many, and "
            "the digest of the lines `<item> <sha256> <size_bytes>\\n` in the order of the items' paths",
            opening_class=OpeningClass.INTERNAL,
        )
    },
    category=Category.COLLECTION,
    correctable=False,
)

TYPES = (DROP_RECEIVED, DROP_COMPLETED)


class ManifestLine(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a drop, as the manifest of `drop.completed` lists it."""

    item: str
    sha256: Digest
    size_bytes: int

    def as_json(self) -> Json:
        return {"item": self.item, "sha256": str(self.sha256), "size_bytes": self.size_bytes}


MOST_LISTED = 200_000  # lines of a manifest; an opening may have 64 MiB, and they are some 150 bytes each


def manifest_value(lines: Sequence[ManifestLine]) -> Json:
    """Return a manifest as its opening holds it: every line, or a digest over all where there are too many."""
    if len(lines) <= MOST_LISTED:
        return [line.as_json() for line in lines]
    text = "".join(f"{line.item} {line.sha256} {line.size_bytes}\n" for line in lines)
    return {"items": len(lines), "sha256": str(Digest.of(text.encode("ascii")))}


def raw_bytes(data: bytes) -> Json:
    """Return raw bytes as they stand in an opening."""
    return {"base64": base64.b64encode(data).decode("ascii")}


def drop_received(
    drop: str,
    *,
    settled_by: str,
    share: bytes,
    name: bytes,
    depositor_uid: int | None,
    depositor_user: str | None,
    arrival_key: bytes,
) -> Event:
    depositor: Json = None if depositor_uid is None else {"uid": depositor_uid, "user": depositor_user}
    return Event(
        type=DROP_RECEIVED,
        subjects=registered(drop),
        facts={"settled_by": settled_by},
        values={
            "share": raw_bytes(share),
            "name": raw_bytes(name),
            "depositor": depositor,
            "arrival_key": raw_bytes(arrival_key),
        },
        drop=drop,
    )


def drop_completed(
    drop: str,
    *,
    completion: str,
    refused: int,
    source_manifest: str,
    manifest: Sequence[ManifestLine],
    event: str,
) -> Event:
    """State what became of ``drop``. ``event`` is derived from what is stated (`ledger.arrivals`), never drawn."""
    return Event(
        type=DROP_COMPLETED,
        subjects=registered(drop),
        facts={
            "completion": completion,
            "files": len(manifest),
            "bytes": sum(line.size_bytes for line in manifest),
            "refused": refused,
            "source_manifest": source_manifest,
        },
        values={"manifest": manifest_value(manifest)},
        event=event,
        drop=drop,
    )
