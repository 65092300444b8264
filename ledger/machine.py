"""Where a store belongs: to which machine, disk and path its log is bound, and which account writes to it.

A clone or a restored copy never goes on by itself. What another account writes, root above all, the store's own account
could not change or enter afterwards.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path

from base.errors import RefusedError
from hashing.digest import Digest

_MACHINE_ID = Path("/etc/machine-id")
_BY_UUID = Path("/dev/disk/by-uuid")  # links that udev makes, from the identifier of a file system to its device


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
    """Return what a store is bound to now: a digest of machine id, file system and absolute path."""
    return _bindings(root)[0]


def is_bound(root: Path, founded: str) -> bool:
    """Return whether the store in ``root`` is where ``founded`` says, the binding that its log keeps."""
    return founded in _bindings(root)


def refuse_moved(root: Path, founded: str) -> None:
    """Raise MovedError unless the store in ``root`` is bound to where it is."""
    if not is_bound(root, founded):
        raise MovedError("this store was founded on another machine, disk or path than it is on now.")


def _bindings(root: Path) -> list[str]:
    """Return the digests that name the place of ``root``, the one to keep first."""
    machine = _MACHINE_ID.read_bytes() if _MACHINE_ID.exists() else b""
    path = os.fsencode(root.resolve())
    return [str(Digest.of(b"\0".join((machine.strip(), disk, path)))) for disk in _file_system_names(root)]


def _file_system_names(root: Path) -> list[bytes]:
    """Return the names of a file system, the one that lasts first.

    What statvfs says comes from its UUID on ext4, btrfs and ZFS. On XFS and others it is the number of the device,
    which another disk can get when the machine starts; there its UUID is the better name, if udev knows it.
    KNOWN GAP: such a store that starts before udev has made its links looks moved (4), and does nothing until it has.
    """
    identifier, device = _numbers_of(root)
    names = [str(identifier).encode()]
    uuid = _uuid_of(device) if identifier == _encoded(device) else None
    return names if uuid is None else [b"uuid:" + uuid, *names]


def _numbers_of(root: Path) -> tuple[int, int]:
    """Return the identifier of the file system, as statvfs says it, and the number of its device."""
    return os.statvfs(root).f_fsid, os.stat(root).st_dev


def _encoded(device: int) -> int:
    """Return the number of a device as the kernel writes it into f_fsid (new_encode_dev, include/linux/kdev_t.h)."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


def _uuid_of(device: int) -> bytes | None:
    """Return the identifier of the file system on a block device, or None where nobody says it."""
    try:
        links = sorted(_BY_UUID.iterdir())
    except OSError:
        return None
    for link in links:
        with contextlib.suppress(OSError):  # a disk that was taken out
            found = link.stat()
            if stat.S_ISBLK(found.st_mode) and found.st_rdev == device:
                return os.fsencode(link.name)
    return None


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
