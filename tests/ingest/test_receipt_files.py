"""Receipts in a share: ours are told from everything else by what was written down, never by a name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nobody import as_nobody

from base import fsio
from base.errors import SyncFailedError
from hashing.digest import Digest
from ingest.beneath import source_stat
from ingest.receipt_files import ReceiptWriter
from ingest.share_facts import ReceiptFile, ReceiptRefused, RemovalOutcome

TEMPORARY = b".strongroom-" + b"0" * 32 + b".tmp"
ASIDE = b".strongroom-" + b"1" * 32 + b".tmp"
NAME = b"CAM-07  2-HELD  DO-NOT-WIPE.html"
SECOND = b"CAM-07  2-HELD  DO-NOT-WIPE (2).html"


@dataclass
class Root:
    path: Path
    writer: ReceiptWriter

    def names(self) -> set[bytes]:
        return set(os.listdir(os.fsencode(self.path)))

    def written(self, content: bytes = b"page") -> ReceiptFile:
        written = self.writer.write(TEMPORARY, content)
        assert isinstance(written, ReceiptFile)
        return written

    def named(self) -> ReceiptFile:
        named = self.writer.give_name(self.written(), [NAME])
        assert isinstance(named, ReceiptFile)
        return named

    def put(self, name: bytes, content: bytes) -> None:
        (self.path / os.fsdecode(name)).write_bytes(content)

    def content(self, name: bytes) -> bytes:
        return (self.path / os.fsdecode(name)).read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    path = tmp_path / "share"
    path.mkdir()
    with fsio.directory(path) as root_fd:
        yield Root(path, ReceiptWriter(root_fd))


def test_a_receipt_is_written_then_named_and_stays_the_same_file(root: Root) -> None:
    written = root.written()
    assert root.names() == {TEMPORARY}
    assert written.sha256 == Digest.of(b"page")
    named = root.writer.give_name(written, [NAME, SECOND])
    assert isinstance(named, ReceiptFile)
    assert root.names() == {NAME}
    assert root.content(NAME) == b"page"
    assert named.name == NAME
    assert named.is_certainly(source_stat((root.path / os.fsdecode(NAME)).lstat()))
    assert written.may_be(named.stat)
    assert named.stat.mode & 0o777 == 0o644


def test_a_look_alike_keeps_its_name_and_ours_gets_a_number(root: Root) -> None:
    root.put(NAME, b"footage, whatever it is called")
    named = root.writer.give_name(root.written(), [NAME, SECOND])
    assert isinstance(named, ReceiptFile)
    assert named.name == SECOND
    assert root.content(NAME) == b"footage, whatever it is called"


def test_when_every_name_is_taken_nothing_is_replaced(root: Root) -> None:
    root.put(NAME, b"footage")
    refused = root.writer.give_name(root.written(), [NAME])
    assert isinstance(refused, ReceiptRefused)
    assert not refused.read_only
    assert root.content(NAME) == b"footage"
    assert root.content(TEMPORARY) == b"page"


def test_a_temporary_that_was_replaced_is_not_named(root: Root) -> None:
    written = root.written()
    root.put(ASIDE, b"page")  # the same bytes, another file
    os.replace(root.path / os.fsdecode(ASIDE), root.path / os.fsdecode(TEMPORARY))
    refused = root.writer.give_name(written, [NAME])
    assert isinstance(refused, ReceiptRefused)
    assert root.names() == {TEMPORARY}


def test_a_temporary_name_that_is_taken_is_left_alone(root: Root) -> None:
    root.put(TEMPORARY, b"footage")
    refused = root.writer.write(TEMPORARY, b"page")
    assert isinstance(refused, ReceiptRefused)
    assert refused.detail.startswith("EEXIST")
    assert root.content(TEMPORARY) == b"footage"


def test_our_own_receipt_is_removed_and_then_gone(root: Root) -> None:
    named = root.named()
    assert root.writer.remove(named, ASIDE) is RemovalOutcome.REMOVED
    assert root.names() == set()
    assert root.writer.remove(named, ASIDE) is RemovalOutcome.GONE


def test_a_receipt_that_was_only_touched_is_still_ours(root: Root) -> None:
    named = root.named()
    path = root.path / os.fsdecode(NAME)
    os.utime(path)
    assert not named.is_certainly(source_stat(path.lstat()))
    assert root.writer.remove(named, ASIDE) is RemovalOutcome.REMOVED


@pytest.mark.parametrize("kind", ["edited", "copied back", "link", "directory"])
def test_what_stands_in_place_of_our_receipt_is_left_alone(root: Root, kind: str) -> None:
    named = root.named()
    path = root.path / os.fsdecode(NAME)
    match kind:
        case "edited":
            path.write_bytes(b"PAGE")
        case "copied back":  # the same bytes in another file: somebody put it there
            path.rename(root.path / "original")
            path.write_bytes(b"page")
        case "link":
            path.rename(root.path / "original")
            path.symlink_to("original")
        case "directory":
            path.unlink()
            path.mkdir()
    before = root.names()
    assert root.writer.remove(named, ASIDE) is RemovalOutcome.NOT_OURS
    assert root.names() == before


@pytest.mark.parametrize(
    ("name_is_taken_again", "outcome", "left"),
    [(False, RemovalOutcome.NOT_OURS, {NAME}), (True, RemovalOutcome.DISPLACED, {NAME, ASIDE})],
)
def test_footage_that_takes_the_name_at_the_last_moment_is_not_lost(
    root: Root,
    monkeypatch: pytest.MonkeyPatch,
    name_is_taken_again: bool,
    outcome: RemovalOutcome,
    left: set[bytes],
) -> None:
    named = root.named()
    real = fsio.rename_new
    renames: list[bytes] = []

    def rename_new(source: bytes, target: bytes, *, dir_fd: int) -> None:
        if not renames:  # after the look at it, before it is moved aside
            root.put(b"footage", b"footage")
            os.replace(root.path / "footage", root.path / os.fsdecode(NAME))
        renames.append(target)
        real(source, target, dir_fd=dir_fd)
        if name_is_taken_again and len(renames) == 1:
            root.put(NAME, b"more footage")

    monkeypatch.setattr(fsio, "rename_new", rename_new)
    assert root.writer.remove(named, ASIDE) is outcome
    assert renames == [ASIDE, NAME]
    assert root.names() == left
    assert b"footage" in {root.content(name) for name in left}


def test_a_share_that_may_not_be_written_says_so_and_stays_as_it_is(root: Root) -> None:
    named = root.named()
    root.path.chmod(0o555)
    with as_nobody():
        refused = root.writer.write(TEMPORARY, b"page")
        removal = root.writer.remove(named, ASIDE)
    root.path.chmod(0o755)
    assert isinstance(refused, ReceiptRefused) and refused.read_only
    assert isinstance(removal, ReceiptRefused) and removal.read_only
    assert root.names() == {NAME}


def test_a_receipt_that_cannot_be_synced_is_given_up(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def sync(descriptor: int) -> None:
        synced.append(descriptor)
        raise SyncFailedError("fsync failed") from OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(fsio, "sync", sync)
    refused = root.writer.write(TEMPORARY, b"page")
    assert len(synced) == 1
    assert isinstance(refused, ReceiptRefused)
    assert (refused.read_only, refused.detail) == (False, "EIO: I/O error")
    assert root.names() == set()


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0", b"x" * 256])
def test_a_receipt_lies_in_the_root_and_nowhere_else(root: Root, name: bytes) -> None:
    with pytest.raises(ValueError, match="not the name of a receipt"):
        root.writer.write(name, b"page")
