"""The one door to the disk: every call that changes a file system is in this module.

It knows nothing of evidence. Each function lists the system calls it makes, in order; each call is a failpoint. A sync
that fails raises SyncFailedError, which nobody may catch and go on: after a failed fsync the kernel forgets what was
lost, and a second fsync says OK (fsync(2), "EIO").

Directories are passed as descriptors opened before the change: a sync through a descriptor opened afterwards may miss
the error (PostgreSQL's fsync findings, 2018).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from base.errors import BusyError, SurroundingsError, SyncFailedError
from base.failpoints import reach

CHUNK = 1 << 20  # bytes; large enough that the interpreter costs little against hashing
_libc = ctypes.CDLL(None, use_errno=True)


class DiskError(SurroundingsError):
    """The operating system refused to read or write."""

    @classmethod
    def from_os(cls, error: OSError, what: str) -> DiskError:
        return cls(f"{what}: {error.strerror or error}.", next_step=_NEXT_STEPS.get(error.errno or 0))


_NEXT_STEPS = {
    errno.ENOSPC: "Free space on the disk of the store, then start again: what is sealed stays sealed.",
    errno.EDQUOT: "Raise the quota of the service account, then start again: what is sealed stays sealed.",
    errno.EROFS: "The file system is mounted read-only: mount it writable, then start again.",
    errno.EACCES: "Give the service account the right to this file, then start again.",
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`), then start again.",
}


@contextlib.contextmanager
def declared_errors(what: str) -> Iterator[None]:
    """Turn whatever the operating system refuses inside a with block into a DiskError that says ``what`` was done."""
    try:
        yield
    except OSError as error:
        raise DiskError.from_os(error, what) from error


# ---------------------------------------------------------------------------------------------------- directories


@contextlib.contextmanager
def directory(path: str | Path) -> Iterator[int]:
    """Open a directory for the length of a with block. open(O_DIRECTORY)"""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Make a directory whose parent exists, durably; an existing one is left alone. mkdir, fsync(parent)"""
    with directory(path.parent) as parent:
        try:
            reach("mkdir")
            os.mkdir(path.name, mode, dir_fd=parent)
        except FileExistsError:
            return
        sync(parent)


def make_directories(path: Path, mode: int = 0o700) -> None:
    """Make a directory and whatever parents are missing, durably. (mkdir, fsync(parent))*"""
    if path.is_dir():
        return
    make_directories(path.parent, mode)
    make_directory(path, mode)


def make_directories_unsynced(name: str, *, dir_fd: int, mode: int = 0o700) -> None:
    """Make a directory and its parents below ``dir_fd``; durable only after `sync_filesystem`. mkdir*"""
    try:
        reach("mkdir")
        os.mkdir(name, mode, dir_fd=dir_fd)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_directories_unsynced(os.path.dirname(name), dir_fd=dir_fd, mode=mode)
        os.mkdir(name, mode, dir_fd=dir_fd)


# ----------------------------------------------------------------------------------------------------------- files


def create(name: str | bytes, *, mode: int = 0o600, dir_fd: int | None = None) -> int:
    """Return a writable descriptor of a new file; refuses an existing name. open(O_CREAT|O_EXCL|O_NOFOLLOW)"""
    reach("create")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, mode, dir_fd=dir_fd)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte: a short write is continued, never ignored. write*"""
    view = memoryview(data)
    while view:
        reach("write")
        view = view[os.write(descriptor, view) :]


def set_mode(descriptor: int, mode: int) -> None:
    """Change the mode bits of an open file. fchmod"""
    reach("fchmod")
    os.fchmod(descriptor, mode)


def sync(descriptor: int) -> None:
    """Make an open file or directory durable, or end everything. fsync"""
    try:
        reach("fsync")
        os.fsync(descriptor)
    except OSError as error:
        raise SyncFailedError(f"fsync failed: {error.strerror}. What was written last may be lost.") from error


def sync_filesystem(descriptor: int) -> None:
    """Make everything on the file system of ``descriptor`` durable, or end everything. syncfs

    The descriptor must have been opened before the first write: errors are reported only to those.
    """
    try:
        reach("syncfs")
        if _libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    except OSError as error:
        raise SyncFailedError(f"syncfs failed: {error.strerror}. What was written last may be lost.") from error


def drop_cache(descriptor: int) -> None:
    """Drop the cached pages of a file, so that the next read comes from the disk. posix_fadvise(DONTNEED)

    Works only after a successful sync: dirty pages stay.
    """
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def remove(name: str | bytes | Path, *, dir_fd: int | None = None) -> None:
    """Remove one name. unlink"""
    reach("unlink")
    os.unlink(name, dir_fd=dir_fd)


def remove_directory(path: Path) -> None:
    """Remove an empty directory. rmdir"""
    reach("rmdir")
    os.rmdir(path)


def rename(source: str | bytes, target: str | bytes, *, source_fd: int, target_fd: int) -> None:
    """Give a file its final name, over whatever is there. rename; durable after a sync of the target directory"""
    reach("rename")
    os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)


_RENAME_NOREPLACE = 1


def rename_new(source: bytes, target: bytes, *, dir_fd: int) -> None:
    """Give a file a name that must be free, within one directory. renameat2(RENAME_NOREPLACE), or link, unlink"""
    reach("rename")
    if _libc.renameat2(dir_fd, source, dir_fd, target, _RENAME_NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code))
    # File systems without the flag: a hard link refuses an existing name just as well.
    os.link(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    os.unlink(source, dir_fd=dir_fd)


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put ``data`` under ``path`` atomically and durably, over what was there.

    open(dir), create(temporary), write*, fchmod, fsync, rename, fsync(dir)
    """
    with directory(path.parent) as parent:
        temporary = _write_temporary(data, mode, parent)
        try:
            rename(temporary, path.name, source_fd=parent, target_fd=parent)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise
        sync(parent)


def put_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put ``data`` under a new name, durably; a file that is there already must hold the same bytes (FileExistsError).

    open(dir), create(temporary), write*, fchmod, fsync, link, unlink(temporary), fsync(dir)
    """
    with directory(path.parent) as parent:
        put_file_unsynced(path.name, data, dir_fd=parent, mode=mode)
        sync(parent)


def put_file_unsynced(name: str, data: bytes, *, dir_fd: int, mode: int = 0o600) -> None:
    """As `put_file`, but the directory is synced by the caller, once for many files."""
    temporary = _write_temporary(data, mode, dir_fd)
    try:
        reach("link")
        os.link(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except FileExistsError:
        # A name alone proves nothing: a torn file may have it.
        if read_file(name, dir_fd=dir_fd, max_bytes=len(data) + 1) != data:
            raise
    finally:
        remove(temporary, dir_fd=dir_fd)


_TEMPORARY_PREFIX = ".tmp-"
_TEMPORARY = re.compile(rf"{re.escape(_TEMPORARY_PREFIX)}[0-9a-f]{{16}}", re.ASCII)


def is_temporary(name: str) -> bool:
    """Return whether a file name is one under which this module writes a file before it gets its own.

    Such a file is left behind only by a crash, and nothing was ever read from it.
    """
    return _TEMPORARY.fullmatch(name) is not None


def remove_temporaries(folder: Path) -> None:
    """Remove what a crash left of `replace_file` and `put_file` below a folder in which nobody else writes. unlink*"""
    for path in sorted(folder.rglob(f"{_TEMPORARY_PREFIX}*")):
        if is_temporary(path.name) and not path.is_dir():
            remove(path)


def _write_temporary(data: bytes, mode: int, dir_fd: int) -> str:
    name = f"{_TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    descriptor = create(name, dir_fd=dir_fd)
    try:
        write_all(descriptor, data)
        set_mode(descriptor, mode)
        sync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=dir_fd)
        raise
    finally:
        os.close(descriptor)
    return name


def read_file(path: str | bytes | Path, *, max_bytes: int, dir_fd: int | None = None) -> bytes:
    """Return the content of a regular file of at most ``max_bytes`` (else SurroundingsError). open, read*"""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=dir_fd)
    with open(descriptor, "rb", buffering=0) as file:
        parts, size = [], 0
        while data := file.read(min(CHUNK, max_bytes + 1 - size)):
            parts.append(data)
            size += len(data)
            if size > max_bytes:
                raise SurroundingsError(f"a file is larger than the {max_bytes} bytes expected of it")
    return b"".join(parts)


# ----------------------------------------------------------------------------------------------------------- locks


class Lock:
    """A lock on a file, held by this process until `release`; other processes see who holds it. flock"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, holder: str = "") -> None:
        """Take the lock at once, or raise BusyError that names the holder. open, flock, ftruncate, write"""
        with declared_errors(f"{self._path.name} can't be opened"):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise BusyError(
                f"{self._path.name} is held by {owner or 'another process'}.",
                next_step="Wait until it has ended, or end it; then try again.",
            ) from error
        if holder:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. close"""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(path: Path) -> str | None:
    """Return what the holder of a lock says of itself, or None when nobody holds it. open, flock(shared)"""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "another process"
    finally:
        os.close(descriptor)
    return None


# ---------------------------------------------------------------------------------------------------- file systems

# Types by statfs(2) whose locks, syncs or events cannot be trusted for a store: it needs a local file system.
_REMOTE_TYPES = {
    0xFF534D42: "cifs",
    0xFE534D42: "smb2",
    0x517B: "smb",
    0x6969: "nfs",
    0x65735546: "fuse",
    0x01021997: "9p",
    0x00C36400: "ceph",
    0x5346414F: "afs",
    0x0BD00BD0: "lustre",
    0x01161970: "gfs2",
    0x7461636F: "ocfs2",
}


class _Statfs(ctypes.Structure):
    _fields_ = (("type", ctypes.c_long), ("rest", ctypes.c_byte * 256))


def remote_type(path: str | bytes | Path) -> str | None:
    """Return the name of a network or FUSE file system that holds ``path``, or None for a local one. statfs"""
    return _REMOTE_TYPES.get(_statfs_type(path))


def _statfs_type(path: str | bytes | Path) -> int:
    buffer = _Statfs()
    if _libc.statfs(os.fsencode(path), ctypes.byref(buffer)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fspath(path))
    return int(buffer.type) & 0xFFFFFFFF


_MEMORY_TYPES = frozenset({0x01021994, 0x858458F6})  # tmpfs, ramfs


def is_memory(path: str | bytes | Path) -> bool:
    """Return whether the file system that holds ``path`` is memory: nothing can be read back from a disk there."""
    return _statfs_type(path) in _MEMORY_TYPES


def free_bytes(path: str | Path) -> int:
    """Return the bytes that an ordinary process may still write beside ``path``. statvfs"""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize
