"""To which machine, disk and path a log is bound, so that a clone or a restored copy never goes on by itself."""

from __future__ import annotations

import os
from pathlib import Path

from hashing.digest import Digest

_MACHINE_ID = Path("/etc/machine-id")


def machine_binding(root: Path) -> str:
    """Return a digest of machine id, file system id and absolute path of a store."""
    machine = _MACHINE_ID.read_bytes() if _MACHINE_ID.exists() else b""
    disk = str(os.statvfs(root).f_fsid).encode()
    return str(Digest.of(b"\0".join((machine.strip(), disk, os.fsencode(root.resolve())))))
