"""Is a drop finished? Decided by what changed between our own looks at it, never by what any clock says of its files.

PURE. Times are seconds of one monotonic clock, passed in with each look; stamps of files are only ever compared with
themselves: a camera or server whose clock is wrong by years settles like any other.

A file is *quiet* when size, mtime, ctime, inode and device were the same in all looks over at least T seconds. A drop
is settled when all of it is quiet for T and a marker or a manifest of the whole drop lies at its top, or when nothing
at all changed in it (nothing added, removed, changed) for 3T. A drop of one file settles by 3T alone.

To end the wait too early costs little: what comes later is taken as it comes, and recorded as late.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hashing.manifest import Algorithm
from ingest.share_facts import Found, Kind, Reason
from ledger.events.item import SourceStat

SETTLE_S = 5.0  # the default of T, `settle_seconds`
WITHOUT_MARKER = 3  # times T with no change at all

# Compared without regard to case: SMB clients change it, and Windows adds ".txt" behind the user's back.
_MARKERS = frozenset({b"done", b"done.txt"})
_CHECKED_MANIFESTS: Mapping[bytes, Algorithm] = {
    b"sha256sums": "sha256",
    b"sha256sums.txt": "sha256",
    b"md5sums": "md5",
    b"md5sums.txt": "md5",
}
# Only lists of a whole drop: a "clip.mp4.md5" is written after each clip, and says nothing of the ones still to come.
_OTHER_MANIFEST = re.compile(
    rb"(sha1|sha224|sha384|sha512|b2)sums(\.txt)?|(tag)?manifest-[a-z0-9]+\.txt|.+\.mhl", re.ASCII | re.DOTALL
)


class Rule(StrEnum):
    """Which rule ended the wait; a code of `drop.received`."""

    MARKER = "marker"
    MANIFEST = "manifest"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Settled:
    """The drop is finished, by this rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not finished; a look before ``until_s`` can't change that."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry of a drop, and since which look it is as it is now."""

    kind: Kind
    problem: Reason | None
    stat: SourceStat | None
    since_s: float

    def is_same(self, found: Found) -> bool:
        """Whether ``found`` shows no change. Modes are no content: they count only as far as they move ctime."""
        return (self.kind, self.problem, _stamp(self.stat)) == (found.kind, found.problem, _stamp(found.stat))


class DropObservation:
    """All that our looks at one drop have shown so far."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Seen] = {}  # by path in the drop, as of the last look
        self._changed_s = 0.0  # the last look that showed any change, the first look included
        self._looked_s: float | None = None  # the last look

    def observe(self, found: Iterable[Found], now_s: float) -> None:
        """Take in one more look, at ``now_s``, that showed exactly ``found``."""
        # A directory whose listing broke off is found twice, the second time with its problem: that one counts.
        latest = {entry.path_in_drop: entry for entry in found}
        changed = self._looked_s is None or latest.keys() != self._entries.keys()
        entries: dict[bytes, Seen] = {}
        for path, entry in latest.items():
            seen = self._entries.get(path)
            if seen is None or not seen.is_same(entry):
                seen = Seen(kind=entry.kind, problem=entry.problem, stat=entry.stat, since_s=now_s)
                changed = True
            entries[path] = seen
        self._entries, self._looked_s = entries, now_s
        if changed:
            self._changed_s = now_s

    def verdict(self, *, settle_s: float = SETTLE_S) -> Settled | Waiting:
        """Return whether the drop is finished, as of the last look: time in which nobody looked proves nothing."""
        if self._looked_s is None:
            raise ValueError("nothing was observed yet")
        rule, until_s = Rule.QUIET, self._changed_s + WITHOUT_MARKER * settle_s
        ending = _ending(self._entries)
        if ending is not None:
            # Somebody who takes a file away is still at work, marker or not.
            rule, until_s = ending, self._changed_s + settle_s
        return Settled(rule) if self._looked_s >= until_s else Waiting(until_s=until_s)

    def is_quiet(self, path_in_drop: bytes, *, settle_s: float = SETTLE_S) -> bool:
        """Whether one entry was unchanged for T: what comes late, into a drop already taken, waits for itself."""
        seen = self._entries.get(path_in_drop)
        return seen is not None and self._looked_s is not None and self._looked_s - seen.since_s >= settle_s


def checked_manifest(path_in_drop: bytes) -> Algorithm | None:
    """Return the algorithm (``sha256``, ``md5``) if this is a manifest whose lines are checked, else None."""
    return _CHECKED_MANIFESTS.get(path_in_drop.lower())


def is_manifest(path_in_drop: bytes) -> bool:
    """Whether this is a manifest of the whole drop, of whatever kind: it ends the wait."""
    return checked_manifest(path_in_drop) is not None or bool(
        b"/" not in path_in_drop and _OTHER_MANIFEST.fullmatch(path_in_drop.lower())
    )


def is_marker(path_in_drop: bytes) -> bool:
    """Whether this is the marker that somebody puts into a drop when it is complete."""
    return path_in_drop.lower() in _MARKERS


def _ending(entries: Mapping[bytes, Seen]) -> Rule | None:
    names = [path for path, seen in entries.items() if seen.kind is Kind.FILE]
    if any(map(is_marker, names)):
        return Rule.MARKER
    return Rule.MANIFEST if any(map(is_manifest, names)) else None


def _stamp(stat: SourceStat | None) -> tuple[int, ...] | None:
    return None if stat is None else (stat.size_bytes, stat.mtime_ns, stat.ctime_ns, stat.inode, stat.device)
