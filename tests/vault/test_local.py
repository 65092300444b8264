"""The local vault: the contract, and what only a directory on a real disk can get wrong."""

from __future__ import annotations

import ctypes
import mmap
import os
import secrets
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from vault_store import ObjectStoreContract

from base import failpoints, fsio
from base.errors import SyncFailedError
from base.fsio import DiskError
from hashing.digest import Digest
from vault import local
from vault.local import KEPT_BYTES, SYNC_TOGETHER, LocalStore
from vault.store import ObjectChangedError, ReadBackMismatchError, Staged, Stored


class LocalSubject:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / "staging"
        for path in (self.staging, root / "vault" / "sha256"):
            path.mkdir(parents=True)
        self.store = LocalStore(root / "vault", self.staging)

    def stage(self, content: bytes, *, claimed: bytes | None = None) -> Staged:
        path = self.staging / secrets.token_hex(8)
        path.write_bytes(content)
        path.chmod(0o444)
        told = content if claimed is None else claimed
        return Staged(name=path.name, sha256=Digest.of(told), size_bytes=len(told))

    def staged_names(self) -> list[str]:
        return sorted(os.listdir(self.staging))

    def damage(self, digest: Digest, content: bytes | None) -> None:
        path = self.store.path_of(digest)
        path.unlink()
        if content is not None:
            path.write_bytes(content)

    def add_stray(self) -> None:
        (self.root / "vault" / "sha256" / "stray").write_bytes(b"")


@pytest.fixture
def subject(tmp_path: Path) -> LocalSubject:
    return LocalSubject(tmp_path)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the file in which a planned fault says that it fired."""
    fired = tmp_path / "fired"
    monkeypatch.setenv("STRONGROOM_FAILPOINTS_FIRED", str(fired))
    monkeypatch.setattr(failpoints, "_counts", {})
    return fired


def plan(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(failpoints, "_planned", failpoints._parse(text))


class TestLocalStore(ObjectStoreContract):
    pass


# ------------------------------------------------------------------------------------------------------ on the disk


def test_an_object_lies_under_its_digest_and_cannot_be_written(subject: LocalSubject) -> None:
    for count in (1, SYNC_TOGETHER):
        subject.store.put_batch([subject.stage(b"%d of %d" % (n, count)) for n in range(count)])
    for digest in subject.store.digests():
        path = subject.root / "vault" / "sha256" / str(digest)[:2] / str(digest)[2:4] / str(digest)
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert Digest.of(path.read_bytes()) == digest


def test_objects_from_memory_are_kept_the_same_way(subject: LocalSubject) -> None:
    digests = subject.store.put_bytes([b"result", b"picture"])
    assert digests == [Digest.of(b"result"), Digest.of(b"picture")]
    assert subject.staged_names() == []
    for digest in digests:
        assert stat.S_IMODE(subject.store.path_of(digest).stat().st_mode) == 0o444


def test_an_object_of_memory_that_does_not_come_back_is_not_kept(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def corrupt(name: str) -> None:
        # Between the sync and the reading back: what a bad cable or controller does.
        if name == "vault.synced":
            for path in subject.staging.iterdir():
                seen.append(path.name)
                path.chmod(0o644)
                path.write_bytes(b"corrupt")

    monkeypatch.setattr(local, "reach", corrupt)
    with pytest.raises(ReadBackMismatchError):
        subject.store.put_bytes([b"as meant"])
    assert len(seen) == 1
    assert subject.staged_names() == []
    assert list(subject.store.digests()) == []


def test_a_file_corrupted_between_sync_and_reading_back_is_found(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = [subject.stage(b"good"), subject.stage(b"will be corrupt")]

    def corrupt(name: str) -> None:
        if name == "vault.synced":
            path = subject.staging / staged[1].name
            path.chmod(0o644)
            path.write_bytes(b"will be CORRUPT")

    monkeypatch.setattr(local, "reach", corrupt)
    answers = subject.store.put_batch(staged)
    assert isinstance(answers[0], Stored)
    assert isinstance(answers[1], ReadBackMismatchError)
    assert list(subject.store.digests()) == [Digest.of(b"good")]


@pytest.mark.parametrize("count", [1, SYNC_TOGETHER])
def test_files_are_synced_then_read_back_then_named_then_the_directories_are_synced(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    steps: list[str] = []

    def note(name: str, function: object) -> object:
        def called(*arguments: object, **named: object) -> object:
            answer = function(*arguments, **named)  # type: ignore[operator]
            steps.append(name)  # a rename that finds no directory yet is none
            return answer

        return called

    for name in ("sync", "sync_filesystem", "drop_cache", "rename"):
        monkeypatch.setattr(fsio, name, note(name, getattr(fsio, name)))
    monkeypatch.setattr(local, "hash_descriptor", note("hash", local.hash_descriptor))
    monkeypatch.setattr(fsio, "make_directories", lambda path: path.mkdir(parents=True, exist_ok=True))
    subject.store.put_batch([subject.stage(b"%d" % n) for n in range(count)])
    if count == 1:
        assert steps == ["sync", "drop_cache", "hash", "rename", "sync"]
    else:
        assert steps == [
            "sync_filesystem",
            *["drop_cache"] * count,
            *["hash"] * count,
            *["rename"] * count,
            "sync_filesystem",
        ]


def resident_pages(path: Path) -> int:
    """Return how many pages of a file are in memory. Source: mincore(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    size = path.stat().st_size
    descriptor = os.open(path, os.O_RDONLY)
    try:
        address = libc.mmap(None, ctypes.c_size_t(size), mmap.PROT_READ, mmap.MAP_SHARED, descriptor, ctypes.c_long(0))
        pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
        assert libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages) == 0
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    finally:
        os.close(descriptor)
    return sum(page & 1 for page in pages)


def test_reading_back_really_comes_from_the_disk(subject: LocalSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    if fsio.is_memory(subject.root):
        pytest.fail("the temporary directory is memory: run the tests with --basetemp on a real disk")
    content = os.urandom(4 << 20)
    staged = subject.stage(content)
    path = subject.staging / staged.name
    before = resident_pages(path)
    assert before > 900  # just written: all of its 1024 pages are in memory
    seen: list[int] = []
    hashing = local.hash_descriptor

    def look_first(descriptor: int) -> tuple[Digest, int]:
        seen.append(resident_pages(path))
        return hashing(descriptor)

    monkeypatch.setattr(local, "hash_descriptor", look_first)
    (answer,) = subject.store.put_batch([staged])
    assert isinstance(answer, Stored)
    assert answer.read_back == "page-cache-dropped"
    assert seen[0] < before // 10


def test_a_large_master_leaves_memory_again_while_it_is_read_back(subject: LocalSubject) -> None:
    if fsio.is_memory(subject.root):
        pytest.fail("the temporary directory is memory: run the tests with --basetemp on a real disk")
    staged = subject.stage(os.urandom(4 * KEPT_BYTES))
    (answer,) = subject.store.put_batch([staged])
    assert isinstance(answer, Stored)
    assert resident_pages(subject.store.path_of(answer.sha256)) * mmap.PAGESIZE < 2 * KEPT_BYTES


def test_a_store_in_memory_does_not_claim_a_disk(subject: LocalSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsio, "is_memory", lambda path: True)
    (answer,) = subject.store.put_batch([subject.stage(b"x")])
    assert isinstance(answer, Stored)
    assert answer.read_back == "page-cache"


# ------------------------------------------------------------------------------------------------------------ strays


@pytest.mark.parametrize("kind", ["misplaced", "upper case", "link", "linked directory", "outside sha256", "fifo"])
def test_whatever_is_not_an_object_at_its_place_is_a_stray(subject: LocalSubject, kind: str) -> None:
    (digest,) = subject.store.put_bytes([b"object"])
    objects, path = subject.root / "vault" / "sha256", subject.store.path_of(digest)
    match kind:
        case "misplaced":
            (objects / str(Digest.of(b"elsewhere"))).write_bytes(b"elsewhere")
        case "upper case":
            (path.parent / str(Digest.of(b"x")).upper()).write_bytes(b"x")
        case "link":
            other = subject.store.path_of(Digest.of(b"other"))
            other.parent.mkdir(parents=True)
            other.symlink_to(path)
        case "linked directory":
            (objects / "ff").symlink_to(subject.root)
        case "outside sha256":
            (subject.root / "vault" / "notes.txt").write_bytes(b"x")
        case "fifo":
            os.mkfifo(objects / "fifo")
    (finding,) = subject.store.strays()
    assert finding.exit_code == 20
    assert finding.object.startswith("vault/")
    assert list(subject.store.digests()) == [digest]


def test_an_object_reached_through_a_link_is_not_opened(subject: LocalSubject) -> None:
    target = subject.root / "outside"
    target.write_bytes(b"x")
    path = subject.store.path_of(Digest.of(b"x"))
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(ObjectChangedError, match="not readable"):
        subject.store.read(Digest.of(b"x"), max_bytes=10)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_what_is_no_file_in_the_place_of_an_object_is_said_and_holds_nobody_up(
    subject: LocalSubject, make: Callable[[Path], None]
) -> None:
    (digest,) = subject.store.put_bytes([b"x"])
    path = subject.store.path_of(digest)
    path.unlink()
    make(path)
    for look in (subject.store.open, subject.store.verify):
        with pytest.raises(ObjectChangedError, match="not a file any more"):
            look(digest)


# ------------------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("count", [1, SYNC_TOGETHER])
@pytest.mark.parametrize("code", ["EIO", "ENOSPC", "EROFS", "EDQUOT"])
@pytest.mark.parametrize("call", ["rename", "mkdir"])
def test_what_the_disk_refuses_is_declared_and_nothing_is_named_that_is_not_whole(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch, fault: Path, call: str, code: str, count: int
) -> None:
    staged = [subject.stage(b"%d" % n) for n in range(count)]
    plan(monkeypatch, f"{call}={code}")
    with pytest.raises(DiskError) as raised:
        subject.store.put_batch(staged)
    assert raised.value.exit_code == 8
    assert raised.value.next_step
    assert fault.read_text() == f"{call}\n"
    assert subject.staged_names() == [], "the batch is taken again: what stayed would fill the disk"
    monkeypatch.setattr(failpoints, "_planned", {})
    for digest in subject.store.digests():
        subject.store.verify(digest)


def test_a_full_disk_while_writing_from_memory_is_declared_with_its_way_out(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch, fault: Path
) -> None:
    plan(monkeypatch, "write=ENOSPC")
    with pytest.raises(DiskError) as raised:
        subject.store.put_bytes([b"result"])
    assert "Free space" in raised.value.next_step
    assert fault.read_text() == "write\n"
    assert subject.staged_names() == []


@pytest.mark.parametrize(
    ("call", "count"), [("fsync@1", 1), ("fsync@2", 1), ("syncfs@1", SYNC_TOGETHER), ("syncfs@2", SYNC_TOGETHER)]
)
def test_a_failed_sync_ends_everything_and_is_never_tried_again(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch, fault: Path, call: str, count: int
) -> None:
    staged = [subject.stage(b"%d" % n) for n in range(count)]
    plan(monkeypatch, f"{call}=EIO")
    with pytest.raises(SyncFailedError) as raised:
        subject.store.put_batch(staged)
    assert raised.value.exit_code == 10
    # Once: a second sync would say that all is well (fsync(2) forgets what it has told).
    assert fault.read_text().splitlines() == [call.partition("@")[0]]


def test_a_failed_sync_before_naming_leaves_no_name(
    subject: LocalSubject, monkeypatch: pytest.MonkeyPatch, fault: Path
) -> None:
    plan(monkeypatch, "fsync=EIO")
    with pytest.raises(SyncFailedError):
        subject.store.put_batch([subject.stage(b"x")])
    assert fault.exists()
    assert list(subject.store.digests()) == []


@pytest.mark.needs("strace")
def test_the_kernel_is_asked_in_this_order(tmp_path: Path) -> None:
    """Seen from outside: one file, synced, advised, read, renamed, and its directory synced after the rename."""
    import sys

    code = (
        "import sys; from pathlib import Path; from vault.local import LocalStore\n"
        "root = Path(sys.argv[1]); (root / 'staging').mkdir(); (root / 'vault/sha256').mkdir(parents=True)\n"
        "LocalStore(root / 'vault', root / 'staging').put_bytes([b'content'])\n"
    )
    trace = tmp_path / "trace"
    calls = "trace=fsync,fadvise64,rename,renameat,renameat2"
    paths = os.pathsep.join(path for path in sys.path if path)
    command = ["strace", "-f", "-o", str(trace), "-e", calls, sys.executable, "-P", "-c", code, str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": paths})
    steps = [line.split("(")[0].split()[-1] for line in trace.read_text().splitlines() if "(" in line]
    wanted = [step for step in steps if step in {"fsync", "fadvise64", "renameat", "rename", "renameat2"}]
    advised = wanted.index("fadvise64")
    renamed = next(index for index, step in enumerate(wanted) if step.startswith("rename"))
    assert "fsync" in wanted[:advised]
    assert advised < renamed
    assert "fsync" in wanted[renamed:]
