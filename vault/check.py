"""Every object of a store read again from the disk: all damage is listed, and nothing is repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from base.errors import Finding
from hashing.digest import Digest
from vault.store import ObjectChangedError, ObjectStore


@dataclass(slots=True)
class ContentCounts:
    """How many objects were found how. `moved` and `not_recorded` are told apart by the size of their content."""

    matched: int = 0
    changed: int = 0
    missing: int = 0
    moved: int = 0
    not_recorded: int = 0
    bytes_read: int = 0
    findings: list[Finding] = field(default_factory=list)


def check_objects(
    store: ObjectStore,
    recorded: Mapping[Digest, int | None],
    *,
    room: str,
    progress: Callable[[int], None] = lambda size: None,
) -> ContentCounts:
    """Read every object of ``store`` and hold it against ``recorded`` (digest -> size in bytes, None if not known).

    ``progress`` is told the bytes of each object after it was read. Reads everything; changes nothing.
    """
    counts = ContentCounts()
    present = set(store.digests())
    for digest in sorted(set(recorded) | present):
        _check_one(store, digest, recorded, counts, room=room, present=digest in present)
        progress(counts.bytes_read)
    strays = list(store.strays())
    counts.moved += len(strays)
    counts.findings += strays
    return counts


def _check_one(
    store: ObjectStore,
    digest: Digest,
    recorded: Mapping[Digest, int | None],
    counts: ContentCounts,
    *,
    room: str,
    present: bool,
) -> None:
    if not present:
        counts.missing += 1
        counts.findings.append(_damage(f"{room}/{digest}", "an object with these bytes", "nothing", "missing"))
        return
    try:
        size = store.verify(digest)
    except ObjectChangedError as error:
        counts.changed += 1
        counts.findings.append(_damage(f"{room}/{digest}", f"SHA-256 {digest}", str(error), "changed"))
        return
    counts.bytes_read += size
    if digest not in recorded:
        counts.not_recorded += 1
    elif recorded[digest] not in (None, size):
        counts.changed += 1
        expected = f"{recorded[digest]} bytes"
        counts.findings.append(_damage(f"{room}/{digest}", expected, f"{size} bytes", "size-mismatch"))
    else:
        counts.matched += 1


def _damage(name: str, expected: str, found: str, code: str) -> Finding:
    return Finding(
        code=f"object-{code}",
        object=name,
        expected=expected,
        found=found,
        meaning="The sealed bytes are not those that were recorded. They must not be used as evidence from this store.",
        exit_code=20,
    )
