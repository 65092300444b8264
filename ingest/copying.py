"""Copying a file of a share into staging, and reading one: the bytes written are the bytes hashed.

Runs in the share reader. A copy is good only if fstat is the same before and after, as many bytes were read as it says,
and the name still leads to the same file; anything else is thrown away and reported. Plain reads into one buffer:
no sendfile, no copy_file_range, no mapping of a file that somebody may truncate. Nothing is synced here: the recorder
syncs a whole batch.

KNOWN GAP: a file system that keeps neither ctime nor fine times lets a file be changed and changed back while it is
read. The digest is then that of what was read, which is what is sealed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import stat as stat_bits
from collections.abc import Callable, Iterator

from base import fsio
from base.errors import SurroundingsError
from hashing.digest import Digest
from ingest.beneath import open_file, raise_if_root_lost, source_stat, stat_beneath
from ingest.share_facts import Copied, Hashed, NotCopied, NotRead, Reason, SmallFile
from ingest.share_messages import CopyOrder
from ledger.events.item import SourceStat

STAGED_MODE = 0o444


class StagingError(SurroundingsError):
    """Staging can't be written, or this process lacks something: the trouble is ours, not the share's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"staging: {error.strerror}")
        self.errno = error.errno or errno.EIO


class _NotTaken(Exception):
    """Inside this module: why a file was not taken."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Copier:
    """Takes files of one share, one after the other, through one buffer."""

    def __init__(self, root_fd: int, *, alive: Callable[[int], None] = lambda _bytes: None) -> None:
        self._root_fd = root_fd
        self._alive = alive
        self._share = _ShareSide(self._raise_for)
        self._buffer = memoryview(mmap.mmap(-1, fsio.CHUNK))  # page-aligned, and allocated once
        self.bytes_read = 0

    def copy(self, order: CopyOrder, staging_fd: int) -> Copied | NotCopied:
        """Copy one file into staging under the ordered name. Raises: RootLostError, StagingError."""
        try:
            with self._opened(order.path) as (source, before):
                if before != order.stat:
                    raise _NotTaken(Reason.CHANGED, "not as the scan saw it")
                digest = self._stage(order, source, staging_fd)
        except _NotTaken as err:
            return NotCopied(path=order.path, reason=err.reason, detail=err.detail)
        return Copied(
            path=order.path,
            staging_name=order.staging_name,
            sha256=digest,
            size_bytes=order.stat.size_bytes,
            stat=order.stat,
        )

    def hash(self, path: bytes) -> Hashed | NotRead:
        """Return the digest of a file. Raises: RootLostError."""
        digest = hashlib.sha256()
        try:
            with self._opened(path) as (source, before):
                for part in self._read(source, before.size_bytes):
                    digest.update(part)
                self._check_unchanged(path, source, before)
        except _NotTaken as err:
            return NotRead(path=path, reason=err.reason, detail=err.detail)
        return Hashed(path=path, sha256=Digest(digest.digest()), stat=before)

    def read_small(self, path: bytes, max_bytes: int) -> SmallFile | NotRead:
        """Return the content of a file of at most ``max_bytes``. Raises: RootLostError."""
        try:
            with self._opened(path) as (source, before):
                if before.size_bytes > max_bytes:
                    raise _NotTaken(Reason.TOO_LARGE, f"{before.size_bytes} bytes, at most {max_bytes} are read")
                content = b"".join(map(bytes, self._read(source, before.size_bytes)))
                self._check_unchanged(path, source, before)
        except _NotTaken as err:
            return NotRead(path=path, reason=err.reason, detail=err.detail)
        return SmallFile(path=path, content=content, stat=before)

    @contextlib.contextmanager
    def _opened(self, path: bytes) -> Iterator[tuple[int, SourceStat]]:
        with self._share:
            source = open_file(self._root_fd, path)
        try:
            with self._share:
                before = os.fstat(source)
            if not stat_bits.S_ISREG(before.st_mode):
                raise _NotTaken(Reason.NOT_A_FILE, "something else than a file has this name")
            yield source, source_stat(before)
        finally:
            os.close(source)

    def _stage(self, order: CopyOrder, source: int, staging_fd: int) -> Digest:
        with _STAGING:
            target = fsio.create(order.staging_name, mode=STAGED_MODE, dir_fd=staging_fd)
        try:
            try:
                return self._pour(order, source, target)
            finally:
                with _STAGING:
                    os.close(target)
        except BaseException:
            # Suppressed: the recorder empties staging too, and the first error is the one to tell.
            with contextlib.suppress(OSError):
                fsio.remove(order.staging_name, dir_fd=staging_fd)
            raise

    def _pour(self, order: CopyOrder, source: int, target: int) -> Digest:
        digest = hashlib.sha256()
        for part in self._read(source, order.stat.size_bytes):
            digest.update(part)
            with _STAGING:
                fsio.write_all(target, part)
        self._check_unchanged(order.path, source, order.stat)
        return Digest(digest.digest())

    def _read(self, source: int, size_bytes: int) -> Iterator[memoryview]:
        """Yield a file of ``size_bytes`` piece by piece; each piece is valid until the next is asked for."""
        done = 0
        if size_bytes > fsio.CHUNK:
            os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while done <= size_bytes:
            with self._share:
                count = os.readv(source, [self._buffer])
            if count == 0:
                break
            done += count
            self.bytes_read += count
            yield self._buffer[:count]
            self._alive(self.bytes_read)
        if done != size_bytes:
            raise _NotTaken(Reason.CHANGED, f"{done} bytes were read of {size_bytes}")

    def _check_unchanged(self, path: bytes, source: int, before: SourceStat) -> None:
        with self._share:
            named = stat_beneath(self._root_fd, path)
            after = source_stat(os.fstat(source))
        if (named.st_dev, named.st_ino) != (before.device, before.inode):
            raise _NotTaken(Reason.CHANGED, "replaced while it was read")
        if after != before:
            raise _NotTaken(Reason.CHANGED, "changed while it was read")

    def _raise_for(self, err: OSError) -> None:
        """Turn what the share answered into the reason of one file, or into the loss of the root."""
        raise_if_root_lost(self._root_fd, err)
        if err.errno in _OURS:
            raise StagingError(err) from err
        reason = _REASONS.get(err.errno or 0, Reason.READ_ERROR)
        raise _NotTaken(reason, f"{errno.errorcode.get(err.errno or 0, 'unknown')}: {err.strerror}") from err


# Classes, not generators: ten with blocks for each of thousands of small files cost a third of the time otherwise.


class _ShareSide:
    """A with block whose OSError is the share's."""

    def __init__(self, turn: Callable[[OSError], None]) -> None:
        self._turn = turn

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            self._turn(error)


class _StagingSide:
    """A with block whose OSError is the store's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise StagingError(error) from error


_STAGING = _StagingSide()

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_REASONS = {
    errno.EACCES: Reason.NO_PERMISSION,
    errno.EPERM: Reason.NO_PERMISSION,
    errno.ENOENT: Reason.VANISHED,
    errno.ESTALE: Reason.VANISHED,  # of one file of a root that still answers: removed on the server
    errno.ENOTDIR: Reason.CHANGED,  # a directory on the way became something else
    errno.ELOOP: Reason.CHANGED,  # ... or a link, or the file did
    errno.EAGAIN: Reason.CHANGED,  # renamed on the way, again and again
    errno.ENXIO: Reason.NOT_A_FILE,  # a socket, or a device without a driver
    errno.ENODEV: Reason.NOT_A_FILE,
}
