"""Every object of a store read again from the disk: all damage is listed, and nothing is repaired.

Which objects are read may be narrowed (a sample, the objects of one exhibit, what an earlier run has not read); that
each recorded one is there, and that nothing else is, is looked at in any case. Reading is handed to a `Reader`, so that
several processes can do it (`vault.reading`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeAlias

import msgspec

from base.errors import Finding
from hashing.digest import Digest
from vault.store import ObjectChangedError, ObjectStore

BATCH_OBJECTS = 64
BATCH_BYTES = 32 << 20  # of known size: large files are handed out one by one, or one reader would have them all
_MISSING = "missing"


class ReadObject(msgspec.Struct, frozen=True, kw_only=True):
    """What reading one object again gave."""

    digest: Digest
    size_bytes: int | None  # None: it is not what its name says
    found: str = ""
    actual: Digest | None = None  # of what the bytes are

    @property
    def is_missing(self) -> bool:
        return self.found == _MISSING


Reader: TypeAlias = Callable[[Iterable[Sequence[Digest]]], Iterator[Sequence[ReadObject]]]


class Already(Protocol):
    """What an earlier run of the same check has read, and what is to be kept for a later one."""

    def holds(self, digest: Digest) -> bool:
        """Return whether this object was read, and was good."""

    def take(self, objects: Sequence[ReadObject], bad: Sequence[Digest]) -> None:
        """Take note of objects that were read, and which of them are damaged; they come in ascending order."""


@dataclass(slots=True)
class ContentCounts:
    """How many objects were found how. Each recorded one counts once: matched, changed, missing, moved, or not read."""

    matched: int = 0  # those of an earlier run with them
    changed: int = 0
    missing: int = 0
    moved: int = 0  # missing at its place, and its bytes lie at another
    not_recorded: int = 0  # objects and files that no entry names
    not_read: int = 0  # there, and left out of a sample
    bytes_read: int = 0
    findings: list[Finding] = field(default_factory=list)


def read_here(store: ObjectStore) -> Reader:
    """Return a reader that reads in this process."""
    return lambda batches: (read_batch(store, batch) for batch in batches)


def read_batch(store: ObjectStore, digests: Sequence[Digest]) -> list[ReadObject]:
    """Read objects again, one after the other."""
    return [_read(store, digest) for digest in digests]


def _read(store: ObjectStore, digest: Digest) -> ReadObject:
    try:
        return ReadObject(digest=digest, size_bytes=store.verify(digest))
    except ObjectChangedError as error:
        return ReadObject(
            digest=digest,
            size_bytes=None,
            found=_MISSING if error.found == _MISSING else str(error),
            actual=error.actual,
        )


def check_objects(
    store: ObjectStore,
    recorded: Mapping[Digest, int | None],
    *,
    room: str,
    read: Reader | None = None,
    chosen: Callable[[Digest], bool] = lambda digest: True,
    already: Already | None = None,
    progress: Callable[[int], None] = lambda size: None,
    first_bad: bool = False,
) -> ContentCounts:
    """Read the objects of ``store`` and hold them against ``recorded`` (digest -> size in bytes, None if not known).

    ``progress`` is told the bytes that were read, again and again. With ``first_bad`` nothing is read after the first
    damage. Changes nothing.
    """
    check = _Check(store, recorded, room)
    present = set(store.digests())
    check.list_missing(present)
    check.list_strays()
    to_read = [digest for digest in sorted(present) if chosen(digest)]
    check.counts.not_read = sum(digest in recorded for digest in present) - sum(
        digest in recorded for digest in to_read
    )
    check.read(to_read, read or read_here(store), already, progress, first_bad=first_bad)
    check.find_moved()
    return check.counts


def check_only(
    store: ObjectStore,
    recorded: Mapping[Digest, int | None],
    *,
    room: str,
    read: Reader | None = None,
    progress: Callable[[int], None] = lambda size: None,
) -> ContentCounts:
    """Read the ``recorded`` objects of ``store`` and nothing else: what else is there is not looked at."""
    check = _Check(store, recorded, room)
    check.read(sorted(recorded), read or read_here(store), None, progress, first_bad=False)
    return check.counts


class _Check:
    """One pass over the objects of a store."""

    def __init__(self, store: ObjectStore, recorded: Mapping[Digest, int | None], room: str) -> None:
        self.counts = ContentCounts()
        self._store = store
        self._recorded = recorded
        self._room = room
        self._missing: dict[Digest, int] = {}  # -> where its finding stands
        self._elsewhere: dict[Digest, str] = {}  # bytes under a name that is not theirs -> that name

    def list_missing(self, present: set[Digest]) -> None:
        for digest in sorted(digest for digest in self._recorded if digest not in present):
            self._add_missing(digest)

    def list_strays(self) -> None:
        for stray in self._store.strays():
            self.counts.not_recorded += 1
            self.counts.findings.append(stray)
            digest = self._store.digest_of_stray(stray) if self._missing else None
            if digest is not None:
                self._elsewhere.setdefault(digest, stray.object)

    def read(
        self,
        digests: Sequence[Digest],
        read: Reader,
        already: Already | None,
        progress: Callable[[int], None],
        *,
        first_bad: bool,
    ) -> None:
        """Read objects, but for those that an earlier run has read."""
        rest = digests if already is None else [digest for digest in digests if not already.holds(digest)]
        for digest in set(digests).difference(rest):
            self._count_good(digest, self._recorded.get(digest))
        if first_bad and self.counts.findings:
            return
        for objects in read(_batches(rest, self._recorded)):
            bad = [one.digest for one in objects if not self._is_good(one)]
            if already is not None:
                already.take(objects, bad)
            progress(self.counts.bytes_read)
            if first_bad and self.counts.findings:
                return

    def _is_good(self, one: ReadObject) -> bool:
        found = len(self.counts.findings)
        if one.is_missing:
            self._add_missing(one.digest)
        elif one.size_bytes is None:
            self.counts.changed += 1
            self._add(one.digest, f"SHA-256 {one.digest}", one.found, "changed")
            if one.actual is not None:
                self._elsewhere.setdefault(one.actual, f"{self._room}/{one.digest}")
        else:
            self.counts.bytes_read += one.size_bytes
            self._count_good(one.digest, one.size_bytes)
        return len(self.counts.findings) == found

    def _count_good(self, digest: Digest, size_bytes: int | None) -> None:
        if digest not in self._recorded:
            self.counts.not_recorded += 1
        elif self._recorded[digest] not in (None, size_bytes):
            self.counts.changed += 1
            self._add(digest, f"{self._recorded[digest]} bytes", f"{size_bytes} bytes", "size-mismatch")
        else:
            self.counts.matched += 1

    def find_moved(self) -> None:
        """Say of a missing object where its bytes are, if they lie in this store under another name."""
        for digest, at in self._missing.items():
            if digest in self._elsewhere:
                self.counts.missing -= 1
                self.counts.moved += 1
                found = f"nothing there; its bytes lie at {self._elsewhere[digest]}"
                self.counts.findings[at] = self.counts.findings[at]._replace(code="object-moved", found=found)

    def _add_missing(self, digest: Digest) -> None:
        self.counts.missing += 1
        self._missing[digest] = len(self.counts.findings)
        self._add(digest, "an object with these bytes", "nothing", "missing")

    def _add(self, digest: Digest, expected: str, found: str, code: str) -> None:
        self.counts.findings.append(
            Finding(
                code=f"object-{code}",
                object=f"{self._room}/{digest}",
                expected=expected,
                found=found,
                meaning="The sealed bytes are not those that were recorded. They must not be used as evidence from "
                "this store.",
                exit_code=20,
            )
        )


def _batches(digests: Sequence[Digest], sizes: Mapping[Digest, int | None]) -> Iterator[list[Digest]]:
    rest = iter(digests)
    batch: list[Digest] = []
    size_bytes = 0
    while digest := next(islice(rest, 1), None):
        batch.append(digest)
        size_bytes += sizes.get(digest) or 0
        if len(batch) == BATCH_OBJECTS or size_bytes >= BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch
