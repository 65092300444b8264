"""Copying while somebody changes the file: the hook between two reads makes each race happen every time."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from nobody import as_nobody

from base import fsio
from base.fsio import CHUNK
from hashing.digest import Digest
from ingest.beneath import RootLostError, source_stat
from ingest.copying import Copier, StagingError
from ingest.share_facts import Copied, Hashed, NotCopied, NotRead, Reason, SmallFile
from ingest.share_messages import CopyOrder

LONG = os.urandom(1 << 16) * 48  # 3 MiB: three reads, so that something can happen in between


@dataclass
class Share:
    """A share and a staging directory, and a hook that runs after the first read of a file."""

    root: Path
    staging: Path
    root_fd: int
    staging_fd: int
    hook: Callable[[], None] | None = None
    fired: int = 0

    def file(self, name: str, content: bytes = LONG) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def order(self, path: Path, staging_name: str = "staged") -> CopyOrder:
        name = os.fsencode(path.relative_to(self.root))
        return CopyOrder(path=name, stat=source_stat(path.lstat()), staging_name=staging_name)

    def copy(self, order: CopyOrder) -> Copied | NotCopied:
        return Copier(self.root_fd, alive=self._between_reads).copy(order, self.staging_fd)

    def _between_reads(self, _bytes_read: int) -> None:
        if self.hook is not None and self.fired == 0:
            self.fired += 1
            self.hook()

    def staged(self) -> list[str]:
        return os.listdir(self.staging)


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    for name in ("share", "staging"):
        (tmp_path / name).mkdir()
    with fsio.directory(tmp_path / "share") as root_fd, fsio.directory(tmp_path / "staging") as staging_fd:
        yield Share(tmp_path / "share", tmp_path / "staging", root_fd, staging_fd)


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_the_staged_bytes_are_the_bytes_of_the_source_and_of_the_digest(share: Share, size_bytes: int) -> None:
    content = LONG[:size_bytes]
    source = share.file("drop/clip.mp4", content)
    before = source.stat()
    copied = share.copy(share.order(source))
    assert isinstance(copied, Copied)
    staged = share.staging / "staged"
    assert staged.read_bytes() == content
    assert copied.sha256.raw == hashlib.sha256(content).digest()
    assert (copied.size_bytes, copied.stat) == (size_bytes, source_stat(before))
    assert staged.stat().st_mode & 0o7777 == 0o444
    assert source.stat() == before  # untouched, its access time too


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=3000), name=st.binary(min_size=1, max_size=60))
def test_any_name_and_any_content_is_copied(share: Share, content: bytes, name: bytes) -> None:
    if set(name) & set(b"/\0") or name in (b".", b".."):
        return
    path = os.path.join(os.fsencode(share.root), name)
    with open(path, "wb") as file:
        file.write(content)
    copied = share.copy(CopyOrder(path=name, stat=source_stat(os.lstat(path)), staging_name="staged"))
    assert isinstance(copied, Copied)
    assert copied.sha256 == Digest.of(content)
    (share.staging / "staged").unlink()
    os.unlink(path)


# ----------------------------------------------------------------------------------------------------------- races


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def truncate(path: Path) -> None:
    os.truncate(path, CHUNK + 5)


def overwrite_and_restore_mtime(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_and_change_back(path: Path) -> None:
    grow(path)
    os.truncate(path, len(LONG))


def replace_by_the_same_bytes(path: Path) -> None:
    twin = path.with_name("twin")
    twin.write_bytes(LONG)
    twin.rename(path)


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def rename(path: Path) -> None:
    path.rename(path.with_name("other"))


def delete(path: Path) -> None:
    path.unlink()


def delete_the_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def make_the_folder_a_link(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.symlink_to("moved")


def replace_the_folder(path: Path) -> None:
    """The file that is being read does not change at all; only its path leads elsewhere."""
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.mkdir()
    path.write_bytes(LONG)


@pytest.mark.parametrize(
    ("what_happens", "reason"),
    [
        (grow, Reason.CHANGED),
        (truncate, Reason.CHANGED),
        (overwrite_and_restore_mtime, Reason.CHANGED),
        (change_and_change_back, Reason.CHANGED),
        (replace_by_the_same_bytes, Reason.CHANGED),
        (replace_by_link, Reason.CHANGED),
        (rename, Reason.VANISHED),
        (delete, Reason.VANISHED),
        (delete_the_folder, Reason.VANISHED),
        (make_the_folder_a_link, Reason.CHANGED),
        (replace_the_folder, Reason.CHANGED),
    ],
)
def test_what_happens_to_a_file_while_it_is_read_throws_the_copy_away(
    share: Share, what_happens: Callable[[Path], None], reason: Reason
) -> None:
    source = share.file("drop/clip.mp4")
    order = share.order(source)
    share.hook = lambda: what_happens(source)
    not_copied = share.copy(order)
    assert share.fired == 1
    assert isinstance(not_copied, NotCopied)
    assert (not_copied.path, not_copied.reason) == (b"drop/clip.mp4", reason)
    assert share.staged() == []


def test_a_file_that_grows_for_ever_is_left_at_its_scanned_size(share: Share) -> None:
    source = share.file("drop/clip.mp4")
    written: list[int] = []

    def keep_growing(bytes_read: int) -> None:
        written.append(bytes_read)
        with source.open("ab") as file:
            file.write(LONG)

    not_copied = Copier(share.root_fd, alive=keep_growing).copy(share.order(source), share.staging_fd)
    assert isinstance(not_copied, NotCopied)
    assert not_copied.reason is Reason.CHANGED
    assert written[-1] <= len(LONG) + CHUNK


@pytest.mark.parametrize(
    ("what_happened", "reason"),
    [
        (grow, Reason.CHANGED),
        (replace_by_the_same_bytes, Reason.CHANGED),
        (replace_by_link, Reason.CHANGED),
        (delete, Reason.VANISHED),
        (make_the_folder_a_link, Reason.CHANGED),
        (replace_the_folder, Reason.CHANGED),
    ],
)
def test_what_happened_since_the_scan_is_seen_before_anything_is_read(
    share: Share, what_happened: Callable[[Path], None], reason: Reason
) -> None:
    source = share.file("drop/clip.mp4")
    order = share.order(source)
    what_happened(source)
    copier = Copier(share.root_fd)
    not_copied = copier.copy(order, share.staging_fd)
    assert isinstance(not_copied, NotCopied)
    assert (not_copied.reason, copier.bytes_read) == (reason, 0)
    assert share.staged() == []


def test_a_fifo_in_place_of_a_file_does_not_hold_the_reader(share: Share) -> None:
    source = share.file("clip.mp4")
    order = share.order(source)
    source.unlink()
    os.mkfifo(source)
    not_copied = share.copy(order)
    assert isinstance(not_copied, NotCopied)
    assert not_copied.reason is Reason.NOT_A_FILE


def test_a_file_without_permission_says_so(share: Share) -> None:
    source = share.file("clip.mp4")
    share.root.chmod(0o755)
    source.chmod(0o000)
    order = share.order(source)
    with as_nobody():
        not_copied = share.copy(order)
    assert isinstance(not_copied, NotCopied)
    assert not_copied.reason is Reason.NO_PERMISSION
    assert not_copied.detail.startswith("EACCES")


# ---------------------------------------------------------------------------------------------------------- errors


def failing_read(monkeypatch: pytest.MonkeyPatch, code: int, *, after: int) -> list[int]:
    """Let the read that follows ``after`` good ones fail, as a bad card does; return the reads made."""
    reads: list[int] = []
    real = os.readv

    def readv(descriptor: int, buffers: list[memoryview]) -> int:
        reads.append(descriptor)
        if len(reads) > after:
            raise OSError(code, os.strerror(code))
        return real(descriptor, buffers)

    monkeypatch.setattr(os, "readv", readv)
    return reads


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EIO, Reason.READ_ERROR), (errno.ESTALE, Reason.VANISHED), (errno.EILSEQ, Reason.READ_ERROR)],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_error(
    share: Share, monkeypatch: pytest.MonkeyPatch, code: int, reason: Reason
) -> None:
    order = share.order(share.file("clip.mp4"))
    reads = failing_read(monkeypatch, code, after=1)
    not_copied = share.copy(order)
    assert len(reads) == 2
    assert isinstance(not_copied, NotCopied)
    assert not_copied.reason is reason
    assert not_copied.detail.startswith(errno.errorcode[code])
    assert share.staged() == []


def test_a_file_that_is_shorter_than_its_file_system_says_is_not_taken(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = share.order(share.file("clip.mp4"))
    reads: list[int] = []
    real = os.readv

    def readv(descriptor: int, buffers: list[memoryview]) -> int:
        reads.append(descriptor)
        return real(descriptor, buffers) if len(reads) == 1 else 0

    monkeypatch.setattr(os, "readv", readv)
    not_copied = share.copy(order)
    assert len(reads) == 2
    assert isinstance(not_copied, NotCopied)
    assert (not_copied.reason, not_copied.detail) == (Reason.CHANGED, f"{CHUNK} bytes were read of {len(LONG)}")
    assert share.staged() == []


def test_a_share_that_is_lost_is_no_fault_of_the_file(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    order = share.order(share.file("clip.mp4"))
    reads = failing_read(monkeypatch, errno.EIO, after=1)

    def scandir(_path: int) -> None:
        raise OSError(errno.EHOSTDOWN, "host is down")

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(RootLostError) as caught:
        share.copy(order)
    assert (len(reads), caught.value.errno) == (2, errno.EHOSTDOWN)
    assert share.staged() == []


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM])
def test_what_this_process_lacks_is_no_fault_of_the_file(
    share: Share, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    order = share.order(share.file("clip.mp4"))
    failing_read(monkeypatch, code, after=0)
    with pytest.raises(StagingError) as caught:
        share.copy(order)
    assert caught.value.errno == code
    assert share.staged() == []


def test_a_full_disk_of_the_store_is_the_stores_trouble(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    order = share.order(share.file("clip.mp4"))
    writes: list[int] = []

    def write_all(descriptor: int, _data: bytes | memoryview) -> None:
        writes.append(descriptor)
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(fsio, "write_all", write_all)
    with pytest.raises(StagingError) as caught:
        share.copy(order)
    assert (len(writes), caught.value.errno) == (1, errno.ENOSPC)
    assert share.staged() == []


def test_a_staging_name_that_is_taken_is_never_written_over(share: Share) -> None:
    (share.staging / "staged").write_bytes(b"somebody's")
    with pytest.raises(StagingError) as caught:
        share.copy(share.order(share.file("clip.mp4")))
    assert caught.value.errno == errno.EEXIST
    assert (share.staging / "staged").read_bytes() == b"somebody's"


def test_copying_leaves_no_descriptor_open(share: Share) -> None:
    source = share.file("drop/clip.mp4")
    good = share.order(source)
    before = os.listdir("/proc/self/fd")
    share.copy(good)
    share.copy(CopyOrder(path=good.path, stat=structs.replace(good.stat, size_bytes=1), staging_name="other"))
    assert os.listdir("/proc/self/fd") == before


# --------------------------------------------------------------------------------------------------------- reading


def test_a_file_is_hashed_where_it_lies(share: Share) -> None:
    source = share.file("drop/clip.mp4")
    hashed = Copier(share.root_fd).hash(b"drop/clip.mp4")
    assert hashed == Hashed(path=b"drop/clip.mp4", sha256=Digest.of(LONG), stat=source_stat(source.stat()))


def test_a_small_file_is_read_up_to_the_limit_and_no_further(share: Share) -> None:
    source = share.file("drop/SHA256SUMS", b"12345")
    copier = Copier(share.root_fd)
    read = copier.read_small(b"drop/SHA256SUMS", 5)
    assert read == SmallFile(path=b"drop/SHA256SUMS", content=b"12345", stat=source_stat(source.stat()))
    refused = copier.read_small(b"drop/SHA256SUMS", 4)
    assert isinstance(refused, NotRead)
    assert refused.reason is Reason.TOO_LARGE


def test_a_sparse_file_of_a_terabyte_is_not_read_when_only_a_small_one_is_wanted(share: Share) -> None:
    source = share.file("SHA256SUMS", b"")
    os.truncate(source, 1 << 40)
    copier = Copier(share.root_fd)
    refused = copier.read_small(b"SHA256SUMS", 1 << 20)
    assert isinstance(refused, NotRead)
    assert (refused.reason, copier.bytes_read) == (Reason.TOO_LARGE, 0)


@pytest.mark.parametrize(("path", "reason"), [(b"gone", Reason.VANISHED), (b"link", Reason.CHANGED)])
def test_what_is_not_there_is_neither_hashed_nor_read(share: Share, path: bytes, reason: Reason) -> None:
    os.symlink("/etc/passwd", share.root / "link")
    copier = Copier(share.root_fd)
    for answer in (copier.hash(path), copier.read_small(path, 100)):
        assert isinstance(answer, NotRead)
        assert answer.reason is reason


def test_a_file_that_changes_while_it_is_hashed_has_no_digest(share: Share) -> None:
    source = share.file("clip.mp4")
    fired: list[int] = []

    def change(bytes_read: int) -> None:
        fired.append(bytes_read)
        overwrite_and_restore_mtime(source)

    answer = Copier(share.root_fd, alive=change).hash(b"clip.mp4")
    assert fired
    assert isinstance(answer, NotRead)
    assert answer.reason is Reason.CHANGED
