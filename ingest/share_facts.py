"""What a share reader finds out: entries, copies, receipts. Plain dataclasses, used on both sides of the pipe.

File names are raw bytes; paths are relative to the root of the share, with ``/`` between components.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hashing.digest import Digest
from ledger.events.item import SourceStat

MAX_SMALL_BYTES = 32 << 20  # the largest file that is handed over whole: a manifest of some 300,000 files


class Kind(StrEnum):
    """What lstat says an entry is."""

    FILE = "file"
    LINK = "link"
    FIFO = "fifo"
    SOCKET = "socket"
    BLOCK = "block"
    CHARACTER = "character"
    DIRECTORY = "directory"
    UNKNOWN = "unknown"  # not even lstat was allowed


class Reason(StrEnum):
    """Why an entry was not taken. All but ``changed`` are reasons of `item.refused`."""

    NOT_A_FILE = "not-a-file"
    NO_PERMISSION = "no-permission"
    TOO_LARGE = "too-large"
    READ_ERROR = "read-error"
    VANISHED = "vanished"
    CHANGED = "changed"  # taken again later; how often is the recorder's decision


# ------------------------------------------------------------------------------------------------- what was found


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One entry of a share. A top-level directory is reported too, so that an empty drop can be seen."""

    path: bytes
    kind: Kind
    stat: SourceStat | None  # None: lstat was refused
    uid: int | None = None  # owner, as the file system says
    problem: Reason | None = None  # why it can't be taken; None for files, and for top-level directories that opened
    detail: str = ""  # what the system said, for people

    @property
    def drop_name(self) -> bytes:
        """The first component: the name of the drop."""
        return self.path.partition(b"/")[0]

    @property
    def path_in_drop(self) -> bytes:
        """The path relative to the drop; empty for the top-level entry itself."""
        return self.path.partition(b"/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOutcome:
    """How a scan ended. A root that became unreachable is an error instead."""

    complete: bool  # the root was listed to its end, and was the same directory afterwards
    entries: int
    unlisted: int  # directories below the root that could not be listed; each is also a Found with a problem
    device: int  # of the root
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootDescription:
    """What is known of the root of a share, without writing to it."""

    device: int
    inode: int
    file_system: str | None  # name of a network or FUSE file system; None for a local one
    read_only: bool  # mounted read-only, or no right to write

    @property
    def watched_by(self) -> str:
        """How the root is watched, for people."""
        if self.file_system is None:
            return "events and scan"
        return f"scan only ({self.file_system} tells of no changes made elsewhere)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Whether events of the root ring the bell. They only ever start a scan sooner."""

    by_events: bool
    detail: str = ""  # why not


# ------------------------------------------------------------------------------------------------ what was copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A staged copy: the bytes written are the bytes hashed. Not yet synced, not yet read back."""

    path: bytes
    staging_name: str
    sha256: Digest
    size_bytes: int
    stat: SourceStat  # equal before and after reading


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCopied:
    """A file that was not copied; nothing of it is left in staging."""

    path: bytes
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The digest of a file as it is in the share now."""

    path: bytes
    sha256: Digest
    stat: SourceStat


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFile:
    """The content of a small file as it is in the share now."""

    path: bytes
    content: bytes
    stat: SourceStat


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """A file that could not be read or hashed."""

    path: bytes
    reason: Reason
    detail: str = ""


# ---------------------------------------------------------------------------------------------------- receipts


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFile:
    """A file of ours in the root of the share: recognised by this identity, never by its name."""

    name: bytes
    stat: SourceStat
    sha256: Digest

    def is_certainly(self, stat: SourceStat | None) -> bool:
        """Whether ``stat`` alone shows that it is this file, untouched. If not, `hash_file` can still show it."""
        return stat == self.stat

    def may_be(self, stat: SourceStat | None) -> bool:
        """Whether ``stat`` is of the same file on disk; only its digest shows whether it still has our bytes."""
        return stat is not None and (stat.device, stat.inode) == (self.stat.device, self.stat.inode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRefused:
    """The share did not let a receipt be written, named or removed: it is kept in the store instead."""

    read_only: bool  # the share can't be written at all; otherwise this one call failed
    detail: str


class RemovalOutcome(StrEnum):
    """What became of a receipt that was to be removed."""

    REMOVED = "removed"
    GONE = "gone"  # nothing has that name
    NOT_OURS = "not-ours"  # something else has that name, or it was changed: left alone
    DISPLACED = "displaced"  # something else took the name while it was removed; it is left under the name ``aside``
