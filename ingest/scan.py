"""The reconciling scan: what lies in a share now, entry by entry. Events only ever start it sooner.

Runs in the share reader. Links are reported, never followed; names are raw bytes, in the order of the file system.
Everything is reported whatever its name: which entries are receipts of ours is known by identity, elsewhere.
What lies on another file system mounted below the root is taken as any other: its entries show their own device.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ingest.beneath import kind_of, open_directory, open_root, raise_if_root_lost, source_stat
from ingest.share_facts import Found, Kind, Reason, ScanOutcome

MAX_DEPTH = 200  # directories below the root; each level costs a descriptor, and the usual limit is 1,024


def scan_root(
    root: bytes, report: Callable[[Found], None], alive: Callable[[int], None] = lambda _entries: None
) -> ScanOutcome:
    """Report every entry below ``root`` and return how the scan ended. Raises: RootLostError."""
    root_fd = open_root(root)
    try:
        scan = _Scan(root_fd, report, alive)
        before = os.fstat(root_fd)
        listed = scan.list_directory(root_fd, b"", depth=0)
        return ScanOutcome(
            complete=listed and _is_still(root, before),
            entries=scan.entries,
            unlisted=scan.unlisted,
            device=before.st_dev,
            inode=before.st_ino,
        )
    finally:
        os.close(root_fd)


def _is_still(root: bytes, before: os.stat_result) -> bool:
    """Whether the name of the root still leads to the directory that was listed: it may be mounted over meanwhile."""
    try:
        after = os.stat(root)
    except OSError:
        return False
    return (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)


class _Scan:
    def __init__(self, root_fd: int, report: Callable[[Found], None], alive: Callable[[int], None]) -> None:
        self.entries = 0
        self.unlisted = 0
        self._root_fd = root_fd
        self._report = report
        self._alive = alive

    def list_directory(self, directory_fd: int, path: bytes, *, depth: int) -> bool:
        """Report what is in a directory; False when its listing broke off (and the root still answers)."""
        prefix = path + b"/" if path else b""
        try:
            entries = os.scandir(directory_fd)
        except OSError as err:
            return self._broken_off(directory_fd, path, err)
        with entries:
            while True:
                try:
                    entry = next(entries, None)
                except OSError as err:
                    return self._broken_off(directory_fd, path, err)
                if entry is None:
                    return True
                self._look_at(entry, directory_fd, prefix + os.fsencode(entry.name), depth)

    def _broken_off(self, directory_fd: int, path: bytes, error: OSError) -> bool:
        raise_if_root_lost(self._root_fd, error)
        if path:
            self._report(_unlisted(path, os.fstat(directory_fd), error))
            self.unlisted += 1
        return False

    def _look_at(self, entry: os.DirEntry[str], directory_fd: int, path: bytes, depth: int) -> None:
        self.entries += 1
        self._alive(self.entries)
        try:
            result = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # gone since it was listed
        except OSError as err:
            raise_if_root_lost(self._root_fd, err)
            self._report(Found(path=path, kind=Kind.UNKNOWN, stat=None, problem=_reason(err), detail=_detail(err)))
            return
        kind = kind_of(result.st_mode)
        if kind is Kind.DIRECTORY:
            self._enter(os.fsencode(entry.name), directory_fd, path, result, depth)
            return
        problem = None if kind is Kind.FILE else Reason.NOT_A_FILE
        self._report(Found(path=path, kind=kind, stat=source_stat(result), uid=result.st_uid, problem=problem))

    def _enter(self, name: bytes, parent_fd: int, path: bytes, result: os.stat_result, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._report(_unlisted(path, result, OSError(errno.ELOOP, f"more than {MAX_DEPTH} directories deep")))
            self.unlisted += 1
            return
        try:
            directory_fd = open_directory(name, parent_fd)
        except FileNotFoundError:
            return
        except OSError as err:
            raise_if_root_lost(self._root_fd, err)
            self._report(_unlisted(path, result, err))
            self.unlisted += 1
            return
        try:
            if depth == 0:
                # Only here: so that an empty drop can be seen. Deeper directories are no items.
                self._report(Found(path=path, kind=Kind.DIRECTORY, stat=source_stat(result), uid=result.st_uid))
            self.list_directory(directory_fd, path, depth=depth + 1)
        finally:
            os.close(directory_fd)


def _unlisted(path: bytes, result: os.stat_result, error: OSError) -> Found:
    return Found(
        path=path,
        kind=Kind.DIRECTORY,
        stat=source_stat(result),
        uid=result.st_uid,
        problem=_reason(error),
        detail=_detail(error),
    )


def _reason(error: OSError) -> Reason:
    return Reason.NO_PERMISSION if isinstance(error, PermissionError) else Reason.READ_ERROR


def _detail(error: OSError) -> str:
    return f"{errno.errorcode.get(error.errno or 0, 'unknown')}: {error.strerror}"
