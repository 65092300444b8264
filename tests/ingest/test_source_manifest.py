"""The check of a manifest that lay in a drop: it reads much, and ends at once when the recorder is told to."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from base import fsio
from hashing.digest import Digest
from ingest.intake_db import FileRow
from ingest.share_process import StopRequestedError
from ingest.source_manifest import source_manifest_verdict
from vault.local import LocalStore
from vault.store import Staged, Stored

LARGE = 64 << 20  # bytes; read piece by piece


def stored(vault: LocalStore, staging: Path, name: bytes, content: bytes) -> FileRow:
    """Put ``content`` into the vault, and return what a recorder remembers of it."""
    (staging / "staged").write_bytes(content)
    digest = Digest.of(content)
    (answer,) = vault.put_batch([Staged(name="staged", sha256=digest, size_bytes=len(content))])
    assert isinstance(answer, Stored)
    return FileRow(path=name, outcome="sealed", kind="file", stat=None, item="item_0", sha256=digest)


class Card:
    """A drop whose manifest lists one large file."""

    def __init__(self, folder: Path, manifest: bytes, listed: Callable[[bytes], str]) -> None:
        for name in ("vault", "staging"):
            (folder / name).mkdir()
        self.vault = LocalStore(folder / "vault", folder / "staging")
        large = bytes(LARGE)
        rows = {
            b"large.mp4": large,
            manifest: f"{listed(large)}  large.mp4\n".encode(),
        }
        self.dealt = {name: stored(self.vault, folder / "staging", name, content) for name, content in rows.items()}


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("manifest", "listed"), [(b"MD5SUMS", md5), (b"SHA256SUMS", sha256)])
def test_a_manifest_is_checked_to_its_end_when_nobody_stops_it(
    tmp_path: Path, manifest: bytes, listed: Callable[[bytes], str]
) -> None:
    card = Card(tmp_path, manifest, listed)
    assert source_manifest_verdict(card.dealt, card.vault) == "matched"


def test_a_stop_is_heard_in_the_middle_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paced as by a slow disk: at this pace the file would take eleven minutes."""
    card, now_s, real = Card(tmp_path, b"MD5SUMS", md5), [0.0], os.read

    def read(descriptor: int, count: int) -> bytes:
        now_s[0] += 10.0 * count / (1 << 20)
        return real(descriptor, count)

    monkeypatch.setattr("ingest.source_manifest.os.read", read)
    assert fsio.CHUNK <= 8 << 20
    begun_s = time.monotonic()
    with pytest.raises(StopRequestedError, match="digests of a drop"):
        source_manifest_verdict(card.dealt, card.vault, stop=lambda: now_s[0] > 0.0)
    assert now_s[0] <= 10.0 * fsio.CHUNK / (1 << 20), "one piece was being read, and none after it"
    assert time.monotonic() - begun_s < 2.0


def test_a_stop_is_heard_between_the_lines_of_a_long_manifest(tmp_path: Path) -> None:
    card = Card(tmp_path, b"SHA256SUMS", sha256)
    with pytest.raises(StopRequestedError):
        source_manifest_verdict(card.dealt, card.vault, stop=lambda: True)
