"""The installed files of the program, held against the list (RECORD) that came with them.

Flat top-level names are a risk that we know: pip lets another package overwrite a `cli.py` without a warning. A
checkout and an editable installation have no such list, and say so.
"""

from __future__ import annotations

import base64
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from base import fsio
from base.version import VERSION
from hashing.digest import Digest
from ledger.software import NAME

_MAX_RECORD_BYTES = 1 << 20
_MAX_FILE_BYTES = 64 << 20
_BYTE_CODE = "__pycache__"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledFiles:
    """What came of the comparison; paths are those of RECORD, relative to the folder of the installation."""

    record: Path | None  # None: there is no list to compare with
    matched: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]  # files in the rooms that the list does not have

    @property
    def is_good(self) -> bool:
        return self.record is not None and not (self.changed or self.missing or self.added)


def installation() -> Path:
    """Return the folder that this program runs from."""
    return Path(__file__).resolve().parent.parent


def compare_installed(folder: Path) -> InstalledFiles:
    """Compare every file that RECORD names with a digest, and look for others in the same top-level folders."""
    record = folder / f"{NAME}-{VERSION}.dist-info" / "RECORD"
    if not record.is_file():
        return InstalledFiles(record=None, matched=0, changed=(), missing=(), added=())
    expected = dict(_rows(record))
    found = {path: _digest(folder / path) for path in expected}
    changed = sorted(path for path, digest in found.items() if digest is not None and digest != expected[path])
    missing = sorted(path for path, digest in found.items() if digest is None)
    rooms = {path.split("/")[0] for path in expected if "/" in path and not path.startswith((".", f"{NAME}-"))}
    return InstalledFiles(
        record=record,
        matched=len(expected) - len(changed) - len(missing),
        changed=tuple(changed),
        missing=tuple(missing),
        added=tuple(sorted(path for room in rooms for path in _files_of(folder, room) if path not in expected)),
    )


def _rows(record: Path) -> Iterator[tuple[str, Digest]]:
    """Yield each path with its digest; byte code and the list itself have none."""
    text = fsio.read_file(record, max_bytes=_MAX_RECORD_BYTES).decode("utf-8")
    for path, digest, _size in csv.reader(text.splitlines()):
        if digest.startswith("sha256="):
            encoded = digest.removeprefix("sha256=")
            yield path, Digest(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))


def _digest(path: Path) -> Digest | None:
    if not path.is_file():
        return None
    return Digest.of(fsio.read_file(path, max_bytes=_MAX_FILE_BYTES))


def _files_of(folder: Path, room: str) -> Iterator[str]:
    for path in (folder / room).rglob("*"):
        if path.is_file() and _BYTE_CODE not in path.parts:
            yield path.relative_to(folder).as_posix()
