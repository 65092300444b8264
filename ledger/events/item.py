"""Events of one file: it became a master, or it was refused."""

from __future__ import annotations

import msgspec

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.drop import raw_bytes
from ledger.events.event import Event, registered
from ledger.events.vocabulary import MAX_INTEGER, Category, Committed, EventType, OpeningClass, code, count

_PATH = Committed(
    meaning="path relative to the drop, as the file system gave it; empty for a drop of one file",
    json_type="raw bytes",
    opening_class=OpeningClass.SENSITIVE,
)
_STAT = Committed(
    meaning="what the file system said of the source",
    json_type="object {size_bytes: integer, from 2^53 on a decimal string, mtime_ns: decimal string, ctime_ns, inode, "
    "device, mode}, or null",
    opening_class=OpeningClass.SENSITIVE,
)
REFUSAL_REASONS = (
    "not-a-file",  # links, fifos, sockets, devices: what they stand for is not the drop's to give
    "no-permission",
    "too-large",  # larger than the free space of the store
    "read-error",
    "read-back-mismatch",  # the staged copy, read from the disk, was not what was read from the share
    "vanished",
)

MASTER_DEFINED = EventType(
    name="master.defined",
    meaning="These bytes are in the vault, read back from the disk, and are from here on the master of this item.",
    subjects=("item",),
    facts={
        "size_bytes": count("size of the master", unit="byte"),
        "position": count("position of the arrival in its drop, from 0, in the order taken"),
        "read_back": code("how the copy was checked against the disk", "page-cache-dropped", "page-cache"),
        "duplicate": code("whether the same bytes had arrived before", "none", "same-drop", "other-drop"),
        "supersedes": code(
            "whether this path of the drop was taken before with other bytes", "none", "earlier-version"
        ),
    },
    committed={"source_path": _PATH, "source_stat": _STAT},
    category=Category.COLLECTION,
    correctable=False,
)

ITEM_REFUSED = EventType(
    name="item.refused",
    meaning="Something in the drop could not be taken, and stays where it is.",
    subjects=("drop",),
    facts={
        "kind": code("what it is", "file", "link", "fifo", "socket", "block", "character", "directory", "unknown"),
        "reason": code("why it was not taken", *REFUSAL_REASONS),
    },
    committed={"source_path": _PATH, "source_stat": _STAT},
    category=Category.COLLECTION,
)

TYPES = (MASTER_DEFINED, ITEM_REFUSED)


class SourceStat(msgspec.Struct, frozen=True, kw_only=True):
    """What lstat or fstat said of a source. Nanoseconds are written as strings: they do not fit into 53 bits."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    mode: int

    def as_json(self) -> Json:
        return {
            # A sparse file of a few blocks may call itself as large as that; it is refused, and the refusal recorded.
            "size_bytes": self.size_bytes if self.size_bytes <= MAX_INTEGER else str(self.size_bytes),
            "mtime_ns": str(self.mtime_ns),
            "ctime_ns": str(self.ctime_ns),
            "inode": str(self.inode),
            "device": str(self.device),
            "mode": self.mode,
        }


def master_defined(
    item: str,
    *,
    sha256: Digest,
    size_bytes: int,
    position: int,
    read_back: str,
    duplicate: str,
    supersedes: str,
    source_path: bytes,
    source_stat: SourceStat,
    drop: str,
    event: str,
) -> Event:
    """State that ``item`` is a master. ``event`` is derived from the arrival (`ledger.arrivals`), never drawn."""
    return Event(
        type=MASTER_DEFINED,
        subjects={item: sha256},
        facts={
            "size_bytes": size_bytes,
            "position": position,
            "read_back": read_back,
            "duplicate": duplicate,
            "supersedes": supersedes,
        },
        values={"source_path": raw_bytes(source_path), "source_stat": source_stat.as_json()},
        event=event,
        drop=drop,
    )


def item_refused(
    drop: str, *, kind: str, reason: str, source_path: bytes, source_stat: SourceStat | None, event: str
) -> Event:
    """State that something in ``drop`` was refused. ``event`` is derived, so that each refusal is recorded once."""
    return Event(
        type=ITEM_REFUSED,
        subjects=registered(drop),
        facts={"kind": kind, "reason": reason},
        values={
            "source_path": raw_bytes(source_path),
            "source_stat": None if source_stat is None else source_stat.as_json(),
        },
        event=event,
        drop=drop,
    )
