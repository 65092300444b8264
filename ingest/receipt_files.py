"""Receipts as files in the root of a share: written, named and removed, without ever harming what is not ours.

Runs in the share reader. A receipt is written under an unguessable temporary name that the recorder noted before; the
recorder notes its identity; then it gets its final name, which must be free. So at any instant a file that is ours can
be told from a look-alike by its identity (device, inode, bytes), and nothing is recognised by its name.

A receipt that can't be synced is given up; that is bearable here, and only here: it repeats what the store knows.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence

from base import fsio
from base.errors import SyncFailedError
from hashing.digest import Digest
from ingest.beneath import raise_if_root_lost, source_stat, stat_beneath
from ingest.copying import Copier
from ingest.share_facts import Hashed, ReceiptFile, ReceiptRefused, RemovalOutcome
from ledger.events.item import SourceStat

RECEIPT_MODE = 0o644  # whoever comes to the share may read it


class ReceiptWriter:
    """The receipts in one root, for one request."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd

    def write(self, temporary: bytes, content: bytes) -> ReceiptFile | ReceiptRefused:
        """Create, fill and sync a receipt under a name that must be free. create, write*, fchmod, fsync"""
        try:
            descriptor = fsio.create(_one_name(temporary), dir_fd=self._root_fd)
        except OSError as err:
            return self._refusal(err)
        try:
            fsio.write_all(descriptor, content)
            # A share may know no modes, or refuse them to whoever does not own it; the name is what people read.
            with contextlib.suppress(PermissionError):
                fsio.set_mode(descriptor, RECEIPT_MODE)
            fsio.sync(descriptor)
            stat = source_stat(os.fstat(descriptor))
        except (OSError, SyncFailedError) as err:
            with contextlib.suppress(OSError):
                fsio.remove(temporary, dir_fd=self._root_fd)
            cause = err if isinstance(err, OSError) else err.__cause__
            return self._refusal(cause if isinstance(cause, OSError) else OSError(errno.EIO, str(err)))
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        return ReceiptFile(name=temporary, stat=stat, sha256=Digest.of(content))

    def give_name(self, written: ReceiptFile, names: Sequence[bytes]) -> ReceiptFile | ReceiptRefused:
        """Rename a receipt to the first of ``names`` that is free; nothing is ever replaced. renameat2(NOREPLACE)"""
        try:
            if not self._is_ours(written):
                return ReceiptRefused(read_only=False, detail="the receipt just written is not there any more")
            name = self._rename_to_free(written.name, names)
            if name is None:
                return ReceiptRefused(read_only=False, detail="every name for the receipt is taken")
            # Renaming changes ctime: the identity is taken again, and must still be the same file.
            stat = source_stat(stat_beneath(self._root_fd, name))
        except OSError as err:
            return self._refusal(err)
        named = ReceiptFile(name=name, stat=stat, sha256=written.sha256)
        if not written.may_be(stat):
            return ReceiptRefused(read_only=False, detail="the receipt was replaced while it was named")
        return named

    def remove(self, receipt: ReceiptFile, aside: bytes) -> RemovalOutcome | ReceiptRefused:
        """Remove a receipt that is still ours; anything else under its name stays. renameat2(NOREPLACE), unlink"""
        try:
            if not self._is_ours(receipt):
                return RemovalOutcome.NOT_OURS
            # Unlinking by name could hit what somebody put there a moment ago. So it is first moved out of everybody's
            # reach, and looked at again.
            fsio.rename_new(receipt.name, _one_name(aside), dir_fd=self._root_fd)
            if receipt.may_be(source_stat(stat_beneath(self._root_fd, aside))):
                fsio.remove(aside, dir_fd=self._root_fd)
                return RemovalOutcome.REMOVED
            return self._put_back(aside, receipt.name)
        except FileNotFoundError:
            return RemovalOutcome.GONE
        except OSError as err:
            return self._refusal(err)

    def _put_back(self, aside: bytes, name: bytes) -> RemovalOutcome:
        try:
            fsio.rename_new(aside, name, dir_fd=self._root_fd)
        except OSError:
            return RemovalOutcome.DISPLACED
        return RemovalOutcome.NOT_OURS

    def _rename_to_free(self, written: bytes, names: Sequence[bytes]) -> bytes | None:
        for name in names:
            try:
                fsio.rename_new(written, _one_name(name), dir_fd=self._root_fd)
            except FileExistsError:
                continue
            return name
        return None

    def _is_ours(self, receipt: ReceiptFile) -> bool:
        stat: SourceStat = source_stat(stat_beneath(self._root_fd, _one_name(receipt.name)))
        if receipt.is_certainly(stat):
            return True
        if not receipt.may_be(stat):
            return False
        hashed = Copier(self._root_fd).hash(receipt.name)
        return isinstance(hashed, Hashed) and hashed.sha256 == receipt.sha256 and receipt.may_be(hashed.stat)

    def _refusal(self, error: OSError) -> ReceiptRefused:
        raise_if_root_lost(self._root_fd, error)
        read_only = error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
        detail = f"{errno.errorcode.get(error.errno or 0, 'unknown')}: {error.strerror}"
        return ReceiptRefused(read_only=read_only, detail=detail)


def _one_name(name: bytes) -> bytes:
    """Return ``name`` if it is one component: a receipt lies in the root and nowhere else (else ValueError)."""
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name or len(name) > 255:
        raise ValueError("not the name of a receipt")
    return name
