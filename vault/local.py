"""The local vault: sealed bytes, each file named by the SHA-256 of its content.

A name appears here only after its bytes were read back *from the disk* and matched. Nothing in this module deletes an
object, and it knows nothing of the ledger: the caller records what was stored.
On disk: sha256/ab/cd/abcd... (mode 0444), every directory synced before the name counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat as stat_bits
from collections.abc import Iterator, Sequence
from pathlib import Path

from base import fsio
from base.errors import Finding, SurroundingsError
from base.failpoints import reach
from hashing.digest import Digest, DigestFormatError
from vault.store import ObjectChangedError, ReadBackMismatchError, Staged, Stored

ALGORITHM = "sha256"
OBJECT_MODE = 0o444
# From here on one syncfs is cheaper than a sync of each file: 5 ms against 75 ms for 500 files (docs/performance.md).
SYNC_TOGETHER = 16
# So many small files are asked of the disk before the first of them is hashed: 25 us a file of 10 kB against 120 when
# each is waited for (docs/performance.md).
READ_AHEAD = 64
# So much of a large file stays in memory behind the hashing. Memory that is used again at once costs a quarter of the
# system time of fresh memory, and a master of gigabytes pushes nothing else out (docs/performance.md).
KEPT_BYTES = 4 << 20


class LocalStore:
    """A directory of objects on a local file system, with a staging directory on the same one."""

    def __init__(self, root: Path, staging: Path) -> None:
        self._root = root
        self._objects = root / ALGORITHM
        self._staging = staging

    def path_of(self, digest: Digest) -> Path:
        """Return where the object of this digest is, or would be."""
        return self._objects / _name_below(digest)

    # ------------------------------------------------------------------------------------------------- taking in

    def put_batch(self, staged: Sequence[Staged]) -> list[Stored | ReadBackMismatchError]:
        """Take staged files: sync, read back from the disk, hash, rename to the digest's name, sync the directories.

        One answer for each, in order. A mismatch removes the staged copy; the others go on. Raises SyncFailedError,
        which ends the process, when a sync fails, and DiskError when the disk refuses anything else: the whole batch is
        then taken again, and nothing of it stays in staging.
        """
        with self._staged(staged, "taking files into the vault") as staging:
            self._sync_files(staged, staging)
            reach("vault.synced")
            answers = self._read_all_back(staged, staging)
            good = []
            for file, answer in zip(staged, answers, strict=True):
                if isinstance(answer, ReadBackMismatchError):
                    fsio.remove(file.name, dir_fd=staging)
                else:
                    good.append(file)
            self._name(good, staging)
            reach("vault.named")
        return answers

    def discard(self, staged: Sequence[Staged]) -> None:
        """Throw staged files away that nobody takes any more; what is in the vault already stays there."""
        with fsio.declared_errors("emptying staging"), fsio.directory(self._staging) as staging:
            _discard(staged, staging)

    def put_bytes(self, contents: Sequence[bytes]) -> list[Digest]:
        """Take objects from memory, the same way as files. Raises as `put_batch`, and ReadBackMismatchError."""
        staged: list[Staged] = []
        with self._staged(staged, "writing into staging") as staging:
            for content in contents:
                staged.append(_new_staged(content))
                _stage(staged[-1], content, staging)
        for answer in self.put_batch(staged):
            if isinstance(answer, ReadBackMismatchError):
                raise answer
        return [file.sha256 for file in staged]

    @contextlib.contextmanager
    def _staged(self, staged: Sequence[Staged], what: str) -> Iterator[int]:
        """Open staging for the length of a with block; where the disk refuses, nothing of ``staged`` is left in it.

        What stayed would fill the disk, batch after batch, until the next start.
        """
        with fsio.declared_errors(what), fsio.directory(self._staging) as staging:
            try:
                yield staging
            except OSError:
                _discard(staged, staging)
                raise

    def _sync_files(self, staged: Sequence[Staged], staging: int) -> None:
        if len(staged) >= SYNC_TOGETHER:
            # The staged files were written through descriptors of another process; this descriptor is new, but errors
            # of pages written later than now are still reported to it, and read-back tells about the rest.
            fsio.sync_filesystem(staging)
            return
        for file in staged:
            descriptor = _open(file, staging)
            try:
                fsio.sync(descriptor)
            finally:
                os.close(descriptor)

    def _read_all_back(self, staged: Sequence[Staged], staging: int) -> list[Stored | ReadBackMismatchError]:
        """Read every file back from the disk: out of memory first, then asked for again, then hashed."""
        method = "page-cache" if fsio.is_memory(self._staging) else "page-cache-dropped"
        answers: list[Stored | ReadBackMismatchError] = []
        for first in range(0, len(staged), READ_AHEAD):
            group = staged[first : first + READ_AHEAD]
            descriptors: list[int] = []
            try:
                for file in group:
                    descriptors.append(_open(file, staging))
                    _ask_for(file, descriptors[-1])
                answers += [_read_back(file, one, method) for file, one in zip(group, descriptors, strict=True)]
            finally:
                for one in descriptors:
                    os.close(one)
        return answers

    def _name(self, staged: Sequence[Staged], staging: int) -> None:
        """Give staged files their final names, over whatever is there, and make the names durable."""
        if len(staged) >= SYNC_TOGETHER:
            self._name_together(staged, staging)
            return
        for file in staged:
            target = self.path_of(file.sha256)
            fsio.make_directories(target.parent)
            with fsio.directory(target.parent) as parent:
                fsio.rename(file.name, target.name, source_fd=staging, target_fd=parent)
                fsio.sync(parent)

    def _name_together(self, staged: Sequence[Staged], staging: int) -> None:
        fsio.make_directories(self._objects)
        with fsio.directory(self._objects) as objects:
            for file in staged:
                name = _name_below(file.sha256)
                try:
                    fsio.rename(file.name, name, source_fd=staging, target_fd=objects)
                except FileNotFoundError:  # the first object of its directory
                    fsio.make_directories_unsynced(os.path.dirname(name), dir_fd=objects)
                    fsio.rename(file.name, name, source_fd=staging, target_fd=objects)
        fsio.sync_filesystem(staging)

    # --------------------------------------------------------------------------------------------------- reading

    def open(self, digest: Digest) -> int:
        """Return a read-only descriptor of an object. Raises ObjectChangedError when it is missing, or no file."""
        try:
            # Non-blocking: a fifo in the place of an object would hold up whoever opens it for ever.
            descriptor = os.open(self.path_of(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise ObjectChangedError(digest, found="missing") from error
        except OSError as error:
            raise ObjectChangedError(digest, found=f"not readable ({error.strerror})") from error
        if not stat_bits.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ObjectChangedError(digest, found="not a file any more")
        return descriptor

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        """Return an object's bytes, hashed again. Raises ObjectChangedError, SurroundingsError when it is larger."""
        descriptor = self.open(digest)
        try:
            with open(descriptor, "rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise ObjectChangedError(digest, found=f"not readable ({error.strerror})") from error
        if len(data) > max_bytes:
            raise SurroundingsError(f"the object {digest} is larger than the {max_bytes} bytes expected of it.")
        if Digest.of(data) != digest:
            raise ObjectChangedError(digest, found=f"changed: its bytes have the digest {Digest.of(data)}")
        return data

    def verify(self, digest: Digest) -> int:
        """Read an object back from the disk and hash it; return its size in bytes. Raises ObjectChangedError."""
        descriptor = self.open(digest)
        try:
            fsio.drop_cache(descriptor)
            found, size = hash_descriptor(descriptor)
            fsio.drop_cache(descriptor)  # a verification of everything must not push everything else out of memory
        except OSError as error:
            raise ObjectChangedError(digest, found=f"not readable ({error.strerror})") from error
        finally:
            os.close(descriptor)
        if found != digest:
            raise ObjectChangedError(digest, found=f"changed: its bytes have the digest {found}", actual=found)
        return size

    def digests(self) -> Iterator[Digest]:
        """Yield the name of every object, ascending."""
        for path in self._files():
            digest = self._digest_at(path)
            if digest is not None:
                yield digest

    def strays(self) -> Iterator[Finding]:
        """Yield a finding for everything below the store that is not an object at its place."""
        for path in self._files():
            if self._digest_at(path) is None:
                yield Finding(
                    code="stray-file",
                    object=f"{self._root.name}/{path.relative_to(self._root)}",
                    expected="nothing but objects named by their digest",
                    found="a file that is not one",
                    meaning="Somebody put it there; no record says what it is.",
                    exit_code=20,
                )

    def digest_of_stray(self, stray: Finding) -> Digest | None:
        """Return the digest of what one of `strays` holds; None where that is no file that can be read."""
        path = self._root.parent / stray.object
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return hash_descriptor(descriptor)[0] if stat_bits.S_ISREG(os.fstat(descriptor).st_mode) else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _files(self) -> Iterator[Path]:
        for directory, subdirectories, names in os.walk(self._root):
            subdirectories.sort()
            # A linked directory is not walked into, and nothing of ours: it is a stray like a file.
            links = [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]
            yield from (Path(directory, name) for name in sorted([*names, *links]))

    def _digest_at(self, path: Path) -> Digest | None:
        try:
            digest = Digest.parse(path.name)
        except DigestFormatError:
            return None
        return digest if path == self.path_of(digest) and not path.is_symlink() else None


def hash_descriptor(descriptor: int) -> tuple[Digest, int]:
    """Return the SHA-256 of a file that was just opened, and how many bytes it has. A large one leaves memory again."""
    sha256 = hashlib.sha256()
    # A small file needs no large buffer: clearing it would cost more than hashing the file.
    buffer = bytearray(min(fsio.CHUNK, max(os.fstat(descriptor).st_size + 1, 4096)))
    view, size, dropped = memoryview(buffer), 0, 0
    while count := os.readv(descriptor, [buffer]):
        sha256.update(view[:count])
        size += count
        if size - dropped >= KEPT_BYTES:
            os.posix_fadvise(descriptor, dropped, size - dropped, os.POSIX_FADV_DONTNEED)
            dropped = size
    return Digest(sha256.digest()), size


def _name_below(digest: Digest) -> str:
    """Return the name of an object, relative to the directory of its algorithm."""
    name = digest.hex
    return f"{name[:2]}/{name[2:4]}/{name}"


def _discard(staged: Sequence[Staged], staging: int) -> None:
    for file in staged:
        with contextlib.suppress(OSError):  # gone already; and what can't be removed is removed at the next start
            fsio.remove(file.name, dir_fd=staging)


def _open(file: Staged, staging: int) -> int:
    return os.open(file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=staging)


def _ask_for(file: Staged, descriptor: int) -> None:
    """Let a staged file leave memory, and ask it back from the disk."""
    fsio.drop_cache(descriptor)
    if file.size_bytes <= fsio.CHUNK:  # of a larger one the disk is always ahead of the hashing
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)


def _read_back(file: Staged, descriptor: int, method: str) -> Stored | ReadBackMismatchError:
    found, size = hash_descriptor(descriptor)
    if found != file.sha256 or size != file.size_bytes:
        return ReadBackMismatchError(sent=file.sha256, found=found)
    return Stored(sha256=found, size_bytes=size, read_back=method)


def _new_staged(content: bytes) -> Staged:
    return Staged(name=secrets.token_hex(16), sha256=Digest.of(content), size_bytes=len(content))


def _stage(file: Staged, content: bytes, staging: int) -> None:
    descriptor = fsio.create(file.name, dir_fd=staging)
    try:
        fsio.write_all(descriptor, content)
        fsio.set_mode(descriptor, OBJECT_MODE)
    finally:
        os.close(descriptor)
