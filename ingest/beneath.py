"""Opening what lies beneath the root of a share, and nothing else: no link is followed, on no component of a path.

Runs in the share reader. Nothing here changes the share: files are opened for reading only, and without touching their
access time where the kernel allows that.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat as stat_bits
from collections.abc import Callable, Iterator

from base.errors import SurroundingsError
from ingest.share_facts import Kind
from ledger.events.item import SourceStat

READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NAME_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # of the last component: whatever has that name, even a link

_MAX_STEP_BYTES = 4000  # a path of more than PATH_MAX (4096) bytes is opened in several steps
_OPENAT2 = 437  # the same number on every architecture; Linux 5.6
_RESOLVE = 0x02 | 0x04 | 0x08  # RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH
_TRIES = 8  # openat2 gives EAGAIN when something was renamed on the way

_libc = ctypes.CDLL(None, use_errno=True)

# What the kernel answers when the server or the device behind a mount is gone; or, some of them, for one bad file.
_LOSS = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENODEV,
        errno.ENOLINK,
        errno.ENXIO,
        errno.EPIPE,
        errno.EREMOTEIO,
        errno.ESHUTDOWN,
        errno.ETIMEDOUT,
    }
)


class RootLostError(SurroundingsError):
    """The root of the share can't be read any more: nothing found out since then means anything."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the root of the share: {error.strerror}")
        self.errno = error.errno or errno.EIO


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_root(root: bytes) -> int:
    """Return a descriptor of the root. It alone may be a link: somebody configured it. Raises: RootLostError."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as err:
        raise RootLostError(err) from err


def open_beneath(root_fd: int, path: bytes, flags: int) -> int:
    """Return a descriptor of ``path`` beneath the root. Raises OSError; ELOOP or ENOTDIR where a link is on the way."""
    directory_fd = root_fd
    steps = list(_steps(path))
    try:
        for step in steps[:-1]:
            deeper = _open_step(directory_fd, step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            _close_unless(directory_fd, root_fd)
            directory_fd = deeper
        return _open_step(directory_fd, steps[-1], flags)
    finally:
        _close_unless(directory_fd, root_fd)


def open_file(root_fd: int, path: bytes) -> int:
    """Return a descriptor for reading ``path``, whatever it is: the caller looks at fstat before it reads.

    KNOWN GAP: a fifo or device swapped in for a file between scan and open is opened (non-blocking) and closed again.
    Nothing is read from it; mount shares with ``nodev``.
    """
    return _quietly(lambda extra: open_beneath(root_fd, path, READ_FLAGS | extra))


def open_directory(name: bytes, directory_fd: int) -> int:
    """Return a descriptor for listing the directory ``name``, one component. Raises OSError; ENOTDIR for a link."""
    return _quietly(lambda extra: os.open(name, LIST_FLAGS | extra, dir_fd=directory_fd))


def stat_beneath(root_fd: int, path: bytes) -> os.stat_result:
    """Return lstat of what has the name ``path`` now."""
    if b"/" not in path:
        return os.stat(path, dir_fd=root_fd, follow_symlinks=False)
    descriptor = open_beneath(root_fd, path, NAME_FLAGS)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def source_stat(result: os.stat_result) -> SourceStat:
    """Return what is kept of lstat or fstat.

    KNOWN GAP: a stamp before 1677 or after 2554 is cut to what 64 bits of nanoseconds hold. No disk can store one, but
    tmpfs and servers of network shares can say one; it is no time of any recording, and is compared only with itself.
    """
    return SourceStat(
        size_bytes=result.st_size,
        mtime_ns=_within_64_bits(result.st_mtime_ns),
        ctime_ns=_within_64_bits(result.st_ctime_ns),
        inode=result.st_ino,
        device=result.st_dev,
        mode=result.st_mode,
    )


def _within_64_bits(stamp_ns: int) -> int:
    return min(max(stamp_ns, -(2**63)), 2**64 - 1)


_KINDS = {
    stat_bits.S_IFREG: Kind.FILE,
    stat_bits.S_IFDIR: Kind.DIRECTORY,
    stat_bits.S_IFLNK: Kind.LINK,
    stat_bits.S_IFIFO: Kind.FIFO,
    stat_bits.S_IFSOCK: Kind.SOCKET,
    stat_bits.S_IFBLK: Kind.BLOCK,
    stat_bits.S_IFCHR: Kind.CHARACTER,
}


def kind_of(mode: int) -> Kind:
    """Return what kind of thing has these mode bits."""
    return _KINDS.get(stat_bits.S_IFMT(mode), Kind.UNKNOWN)


def raise_if_root_lost(root_fd: int, error: OSError) -> None:
    """Raise RootLostError if ``error`` may come from a lost share and the root can't be listed either."""
    if error.errno not in _LOSS:
        return
    try:
        with os.scandir(root_fd) as entries:
            next(entries, None)
        os.fstat(root_fd)
    except OSError as err:
        raise RootLostError(err) from err


def _quietly(opened: Callable[[int], int]) -> int:
    try:
        return opened(os.O_NOATIME)
    except PermissionError as err:
        # EPERM: only owners may read without leaving an access time. EACCES would come again; the caller gets it.
        if err.errno != errno.EPERM:
            raise
        return opened(0)


def _steps(path: bytes) -> Iterator[bytes]:
    """Yield ``path`` in pieces that the kernel takes."""
    components = path.split(b"/")
    if any(component in (b"", b".", b"..") or b"\0" in component for component in components):
        raise ValueError("not a path beneath a root")
    step = components[0]
    for component in components[1:]:
        if len(step) + 1 + len(component) > _MAX_STEP_BYTES:
            yield step
            step = component
        else:
            step += b"/" + component
    yield step


def _open_step(directory_fd: int, path: bytes, flags: int) -> int:
    if _has_openat2():
        return _openat2(directory_fd, path, flags)
    return open_by_components(directory_fd, path, flags)


def _openat2(directory_fd: int, path: bytes, flags: int) -> int:
    how = _OpenHow(flags, 0, _RESOLVE)
    code = errno.EAGAIN
    for _ in range(_TRIES):
        descriptor: int = _libc.syscall(_OPENAT2, directory_fd, path, ctypes.byref(how), ctypes.sizeof(how))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code))


def open_by_components(directory_fd: int, path: bytes, flags: int) -> int:
    """As openat2, for kernels and sandboxes without it: one component at a time, none of them a link."""
    *directories, last = path.split(b"/")
    current = directory_fd
    try:
        for name in directories:
            deeper = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
            _close_unless(current, directory_fd)
            current = deeper
        return os.open(last, flags, dir_fd=current)
    finally:
        _close_unless(current, directory_fd)


@functools.cache
def _has_openat2() -> bool:
    try:
        os.close(_openat2(-100, b".", os.O_PATH | os.O_CLOEXEC))  # AT_FDCWD
    except OSError as err:
        # EPERM: the answer of older container sandboxes to calls they don't know.
        if err.errno in (errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True


def _close_unless(descriptor: int, kept: int) -> None:
    if descriptor != kept:
        os.close(descriptor)
