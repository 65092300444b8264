"""``vault/``, ``derived/`` and ``staging/`` against the log (custody-log section 3; architecture section 6)."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from checker_entry import Entry
from checker_findings import Findings, entry_name
from checker_json import Json, MalformedError, is_hex, loose_json
from checker_openings import Opened

SEALED_MODE = 0o444
READ_BYTES = 1 << 20
_OBJECT_PATH = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{64})")


def digest_on_disk(path: Path) -> str:
    """Return the SHA-256 of the file, with its pages dropped from the cache first."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        hasher = hashlib.sha256()
        while data := os.read(descriptor, READ_BYTES):
            hasher.update(data)
        return hasher.hexdigest()
    finally:
        os.close(descriptor)


def check_store(folder: Path, kind: str, findings: Findings) -> dict[str, int]:
    """Return name and size of each object in ``vault/`` or ``derived/``; each must be what it is called (I4)."""
    found: dict[str, int] = {}
    for parent, folders, names in os.walk(folder):
        for name in [*names, *folders]:
            path = Path(parent, name)
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                continue
            match = _OBJECT_PATH.fullmatch(path.relative_to(folder).as_posix())
            if match is None or not stat.S_ISREG(status.st_mode) or match[3][:4] != match[1] + match[2]:
                findings.bad(f"{kind}.stray", str(path.relative_to(folder)), "not an object at its place")
                continue
            found[match[3]] = status.st_size
            if stat.S_IMODE(status.st_mode) != SEALED_MODE:
                findings.bad(f"{kind}.mode", match[3], f"mode {stat.S_IMODE(status.st_mode):04o} instead of 0444")
            digest = digest_on_disk(path)
            if digest != match[3]:
                findings.bad(f"{kind}.bytes", match[3], f"its bytes have SHA-256 {digest}")
    return found


def check_masters(entries: Mapping[int, Entry], vault: Mapping[str, int], findings: Findings) -> None:
    """Every defined master is in the vault with the size in its entry, unless lawfully disposed of (I5)."""
    disposed = {
        digest for entry in entries.values() if entry.type == "disposal.completed" for digest in entry.subjects.values()
    }
    recorded = set()
    for seq, entry in entries.items():
        if entry.type != "master.defined":
            continue
        size = entry.facts.get("size", entry.facts.get("size_bytes"))
        for name, digest in entry.subjects.items():
            recorded.add(digest)
            if digest not in vault and digest not in disposed:
                findings.bad("vault.missing", digest, f"{name} of {entry_name(seq)} is not in the vault")
            elif digest in vault and vault[digest] != size:
                findings.bad("vault.size", digest, f"{entry_name(seq)} says {size} bytes, the file has {vault[digest]}")
    for digest in sorted(vault.keys() - recorded):
        findings.note("vault.unrecorded", digest, "no entry yet: left by a crash, or still to be recorded")


def check_results(
    entries: Mapping[int, Entry],
    opened: Mapping[int, Opened],
    folder: Path,
    derived: Mapping[str, int],
    findings: Findings,
) -> None:
    """Every analysis result, and every keyframe that it lists, is in ``derived/`` (I5)."""
    recorded = set()
    for seq, entry in entries.items():
        result = _digest_of(opened[seq].values.get("result")) if entry.type == "analysis.completed" else None
        if result is None:
            continue
        wanted = {result}
        if result in derived:
            wanted |= _keyframes_of(folder, result, entry, findings)
        for digest in sorted(wanted - derived.keys()):
            findings.bad("derived.missing", digest, f"of the analysis in {entry_name(seq)}")
        recorded |= wanted
    for digest in sorted(derived.keys() - recorded):
        findings.note("derived.unrecorded", digest, "no result or keyframe of any entry")


def _digest_of(value: Json) -> str | None:
    if isinstance(value, dict):
        value = value.get("sha256")
    return value if isinstance(value, str) and is_hex(value) else None


def _keyframes_of(folder: Path, result: str, entry: Entry, findings: Findings) -> set[str]:
    try:
        document = loose_json((folder / "sha256" / result[:2] / result[2:4] / result).read_bytes())
    except MalformedError as err:
        findings.bad("derived.form", result, str(err))
        return set()
    listed = document.get("keyframes") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        findings.bad("derived.form", result, "a result without a list of keyframes")
        return set()
    digests = [_digest_of(keyframe) for keyframe in listed]
    if None in digests:
        findings.bad("derived.form", result, "a keyframe without its SHA-256")
    count = entry.facts.get("keyframes")
    if count is not None and count != len(listed):
        findings.bad("derived.count", result, f"the entry says {count!r} keyframes, the result lists {len(listed)}")
    return {digest for digest in digests if digest is not None}


def check_staging(folder: Path, findings: Findings) -> None:
    """Nothing is left in ``staging/`` of a store at rest (I8)."""
    for path in sorted(folder.rglob("*")):
        findings.bad("staging.left", str(path.relative_to(folder)), "staging is empty when idle")
