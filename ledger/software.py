"""Which program writes: its name, version, and a digest over its installed files.

The build digest is SHA-256 over the lines ``<path as in RECORD>,<64 hex>\\n`` of the wheel's .py files, ascending by
byte; anybody can compute it from the wheel. A program that runs from a checkout has no build.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from base import fsio
from base.version import VERSION
from hashing.digest import Digest
from ledger.entry import Software

NAME = "strongroom"
_MAX_RECORD_BYTES = 1 << 20


@cache
def this_software() -> Software:
    """Return the running program as entries name it."""
    return Software(name=NAME, version=VERSION, build=_build(Path(__file__).resolve().parent.parent))


def _build(site_packages: Path) -> str | None:
    record = site_packages / f"{NAME}-{VERSION}.dist-info" / "RECORD"
    try:
        text = fsio.read_file(record, max_bytes=_MAX_RECORD_BYTES).decode("utf-8")
    except FileNotFoundError:
        return None
    return str(Digest.of(b"".join(build_lines(text))))


def build_lines(record: str) -> list[bytes]:
    """Return the lines of the build digest for the text of a wheel's RECORD."""
    lines = []
    for row in record.splitlines():
        path, _, rest = row.rpartition(",sha256=")
        if path.endswith(".py"):
            digest = rest.partition(",")[0]
            lines.append(f"{path},{base64.urlsafe_b64decode(digest + '=').hex()}\n".encode())
    return sorted(lines)
