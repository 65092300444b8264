"""To which machine, disk and path a log is bound, so that a clone or a restored copy never goes on by itself."""

from __future__ import annotations

import os
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


def machine_binding(root: Path) -> str:
    """Return a digest of machine id, file system id and absolute path of a store."""
    machine = _MACHINE_ID.read_bytes() if _MACHINE_ID.exists() else b""
    disk = str(os.statvfs(root).f_fsid).encode()
    return str(Digest.of(b"\0".join((machine.strip(), disk, os.fsencode(root.resolve())))))


def refuse_moved(root: Path, founded: str) -> None:
    """Raise MovedError when the store in ``root`` is elsewhere than ``founded``, the binding that its log keeps."""
    if machine_binding(root) != founded:
        raise MovedError("this store was founded on another machine, disk or path than it is on now.")
