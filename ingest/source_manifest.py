"""A manifest that lay in the drop, held against what was sealed: the sender's own word on what there should be.

A mismatch is a problem for a person, and everything is sealed all the same. Files that the manifest does not name are
no mismatch: the manifest itself is one of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping

from base import fsio
from base.errors import EvidenceError
from hashing.digest import Digest
from hashing.manifest import ManifestError, parse_manifest
from ingest.intake_db import FileRow
from ingest.settle import checked_manifest, is_manifest
from ingest.share_process import StopRequestedError
from vault.local import LocalStore

MAX_MANIFEST_BYTES = 32 << 20


def source_manifest_verdict(
    dealt: Mapping[bytes, FileRow], vault: LocalStore, *, stop: Callable[[], bool] = lambda: False
) -> str:
    """Return ``none``, ``matched``, ``mismatch``, or ``not-checked`` for a manifest that can't be understood.

    It reads every listed file again where the manifest has MD5. Raises: StopRequestedError as soon as ``stop`` says so.
    """
    verdicts = {_verdict(dealt, path, vault, stop) for path in dealt if is_manifest(path)}
    for worst in ("mismatch", "not-checked", "matched"):
        if worst in verdicts:
            return worst
    return "none"


def _verdict(dealt: Mapping[bytes, FileRow], path: bytes, vault: LocalStore, stop: Callable[[], bool]) -> str:
    row, algorithm = dealt[path], checked_manifest(path)
    if row.sha256 is None or algorithm is None:
        return "not-checked"
    try:
        manifest = parse_manifest(vault.read(row.sha256, max_bytes=MAX_MANIFEST_BYTES), algorithm=algorithm)
    except (ManifestError, EvidenceError):
        return "not-checked"
    actual: Callable[[Digest], str] = str if algorithm == "sha256" else lambda digest: _md5(vault, digest, stop)
    for name, expected in manifest.digests.items():
        _heed(stop)
        listed = dealt.get(name.removeprefix(b"./"))
        if listed is None or (listed.sha256 is not None and actual(listed.sha256) != expected):
            return "mismatch"
    unread = any(row.outcome == "refused" for row in dealt.values())
    return "not-checked" if unread else "matched"  # what could not be read differs from nothing


def _heed(stop: Callable[[], bool]) -> None:
    if stop():
        raise StopRequestedError(
            "stopped while the digests of a drop were checked; they are checked at the next start."
        )


def _md5(vault: LocalStore, digest: Digest, stop: Callable[[], bool]) -> str:
    """Return the MD5 of a sealed object: what old cameras and copiers write, good against accidents only."""
    md5 = hashlib.md5(usedforsecurity=False)
    descriptor = vault.open(digest)
    try:
        while chunk := os.read(descriptor, fsio.CHUNK):
            md5.update(chunk)
            _heed(stop)
    finally:
        os.close(descriptor)
    return md5.hexdigest()
