"""Where a store belongs: to which machine, disk and path its log is bound, and which account writes to it.

A clone or a restored copy never goes on by itself. What another account writes, root above all, the store's own account
could not change or enter afterwards.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from base.errors import RefusedError
from hashing.digest import Digest

_MACHINE_ID = Path("/etc/machine-id")


class MovedError(RefusedError):
    """The store is not where it was founded: a clone must never go on writing beside the original."""

    next_step = (
        "If it was moved on purpose and the original is gone for good, run `strongroom watch --accept-move` once: "
        "the move is recorded."
    )


class OtherOwnerError(RefusedError):
    """The store belongs to another account than the one this process runs as."""

    def __init__(self, root: Path) -> None:
        owner = _account(root.stat().st_uid)
        super().__init__(
            f"this store belongs to {owner}, and this is {_account(os.geteuid())}: files that were made now would be "
            f"closed to {owner}.",
            next_step=f"Run it as the owner of the store: `sudo -u {owner} strongroom ...`.",
        )


def machine_binding(root: Path) -> str:
    """Return a digest of machine id, file system id and absolute path of a store."""
    machine = _MACHINE_ID.read_bytes() if _MACHINE_ID.exists() else b""
    disk = str(os.statvfs(root).f_fsid).encode()
    return str(Digest.of(b"\0".join((machine.strip(), disk, os.fsencode(root.resolve())))))


def refuse_moved(root: Path, founded: str) -> None:
    """Raise MovedError when the store in ``root`` is elsewhere than ``founded``, the binding that its log keeps."""
    if machine_binding(root) != founded:
        raise MovedError("this store was founded on another machine, disk or path than it is on now.")


def is_owner(root: Path) -> bool:
    """Return whether this process runs as the account that the store in ``root`` belongs to."""
    return root.stat().st_uid == os.geteuid()


def refuse_other_owner(root: Path) -> None:
    """Raise OtherOwnerError unless this process runs as the owner of the store in ``root``."""
    if not is_owner(root):
        raise OtherOwnerError(root)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"  # as sudo -u takes it
