"""What every store of sealed bytes promises, whatever keeps them: a directory now, other back-ends later.

`put` makes bytes durable and checks them against the medium before their name counts; only `verify`, which reads back
and hashes, makes a copy "verified". Nothing in this protocol deletes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from base.errors import Finding, IntegrityError
from hashing.digest import Digest


class ReadBackMismatchError(IntegrityError):
    """The staged copy, read back from the disk, is not what was read from the source."""

    next_step = "The file is taken again by itself; if it happens twice, stop and have the disk of the vault checked."

    def __init__(self, *, sent: Digest, found: Digest) -> None:
        self.sent, self.found = sent, found
        super().__init__(
            f"a staged copy does not match its source: read {sent}, the disk gives {found}. "
            "Nothing was sealed; the source is untouched."
        )


class ObjectChangedError(IntegrityError):
    """A sealed object is missing, or its bytes are not those that its name says."""

    def __init__(self, digest: Digest, *, found: str, actual: Digest | None = None) -> None:
        self.digest = digest
        self.found = found
        self.actual = actual  # of what the bytes are, where they could be read
        super().__init__(f"the sealed object {digest} is {found}.", refs=[str(digest)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A file in the staging directory (mode 0444, complete, not yet synced), and what it is believed to hold."""

    name: str
    sha256: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object whose bytes were read back from the medium and matched before its name counted."""

    sha256: Digest
    size_bytes: int
    read_back: str  # "page-cache-dropped"; "page-cache" where the file system is memory


class ObjectStore(Protocol):
    """Sealed bytes, each object named by the SHA-256 of its content (tests/contracts/vault_store.py)."""

    def put_batch(self, staged: Sequence[Staged]) -> list[Stored | ReadBackMismatchError]:
        """Take staged files: sync, read back, hash, name, sync. One answer for each, in order."""

    def discard(self, staged: Sequence[Staged]) -> None:
        """Throw staged files away that nobody takes any more."""

    def open(self, digest: Digest) -> int:
        """Return a read-only descriptor of an object. Raises ObjectChangedError when it is missing."""

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        """Return an object's bytes, hashed again. Raises ObjectChangedError."""

    def verify(self, digest: Digest) -> int:
        """Read an object back from the medium and hash it; return its size in bytes. Raises ObjectChangedError."""

    def digests(self) -> Iterator[Digest]:
        """Yield the name of every object, ascending."""

    def strays(self) -> Iterator[Finding]:
        """Yield a finding for everything in the store that is not an object."""

    def digest_of_stray(self, stray: Finding) -> Digest | None:
        """Return the digest of what one of `strays` holds; None where that can't be read."""
