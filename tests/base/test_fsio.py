"""The one door to the disk: each function does what it says, passes its failpoints, and leaves nothing half done."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from other_process import run_killed, start_python

from base import failpoints, fsio
from base.errors import BusyError, SurroundingsError, SyncFailedError
from base.fsio import DiskError, Lock


@contextmanager
def planned(monkeypatch: pytest.MonkeyPatch, text: str, fired: Path) -> Iterator[None]:
    """Plan faults for a with block, and demand that one fired."""
    with monkeypatch.context() as patch:
        patch.setenv("STRONGROOM_FAILPOINTS_FIRED", str(fired))
        patch.setattr(failpoints, "_counts", {})
        patch.setattr(failpoints, "_planned", failpoints._parse(text))
        yield
    assert fired.exists(), f"{text} never fired"
    fired.unlink()


@pytest.fixture
def fired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fired") / "fired"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ------------------------------------------------------------------------------------------------------ directories


def test_a_directory_is_made_with_its_parents_for_its_owner(tmp_path: Path) -> None:
    fsio.make_directories(tmp_path / "a" / "b" / "c")
    assert {mode_of(path) for path in (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c")} == {0o700}
    (tmp_path / "a/b/c/kept").touch()
    fsio.make_directories(tmp_path / "a" / "b" / "c")
    fsio.make_directory(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a/b/c/kept").exists()


def test_directories_are_made_without_a_sync_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("synced"))
    with fsio.directory(tmp_path) as descriptor:
        fsio.make_directories_unsynced("a/b/c", dir_fd=descriptor)
        fsio.make_directories_unsynced("a/b/c", dir_fd=descriptor)
    assert (tmp_path / "a/b/c").is_dir()


def test_a_directory_is_closed_again(tmp_path: Path) -> None:
    with fsio.directory(tmp_path) as descriptor:
        os.fstat(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(NotADirectoryError), fsio.directory(__file__):
        pass


def test_only_an_empty_directory_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    with pytest.raises(OSError, match="not empty"):
        fsio.remove_directory(tmp_path / "a")
    fsio.remove(tmp_path / "a" / "file")
    fsio.remove_directory(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------------ files


def test_a_new_file_is_never_an_old_one_or_a_link(tmp_path: Path) -> None:
    os.close(fsio.create(str(tmp_path / "new")))
    assert mode_of(tmp_path / "new") == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("new", "link"):
        with pytest.raises(FileExistsError):
            fsio.create(str(tmp_path / name))
    assert not (tmp_path / "elsewhere").exists()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = fsio.create(str(tmp_path / "file"))
    write, calls = os.write, []

    def short(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        return write(descriptor, data[:3])

    monkeypatch.setattr(os, "write", short)
    fsio.write_all(descriptor, b"0123456789")
    monkeypatch.undo()
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert calls == [10, 7, 4, 1]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fsio.replace_file(path, b"first")
    fsio.replace_file(path, b"second", mode=0o444)
    assert path.read_bytes() == b"second"
    assert mode_of(path) == 0o444
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_put_once_and_the_same_bytes_again_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fsio.put_file(path, b"bytes", mode=0o444)
    fsio.put_file(path, b"bytes", mode=0o444)
    assert path.read_bytes() == b"bytes"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("there", [b"", b"byte", b"bytes and more", b"other"])
def test_a_file_of_other_bytes_under_the_name_is_never_taken_for_ours(tmp_path: Path, there: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(there)
    with pytest.raises((FileExistsError, SurroundingsError)):
        fsio.put_file(path, b"bytes")
    assert path.read_bytes() == there
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["create", "write", "fchmod", "rename"])
@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fired: Path, call: str, code: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with planned(monkeypatch, f"{call}={code}", fired), pytest.raises(OSError, match="failpoint") as raised:
        fsio.replace_file(path, b"new")
    assert raised.value.errno == getattr(errno, code)
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["create", "write", "fchmod", "link"])
def test_a_file_that_cannot_be_put_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fired: Path, call: str
) -> None:
    with planned(monkeypatch, f"{call}=EIO", fired), pytest.raises(OSError, match="failpoint"):
        fsio.put_file(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


REPLACE = "import sys; from pathlib import Path; from base import fsio; fsio.replace_file(Path(sys.argv[1]), b'new')"


@pytest.mark.parametrize(
    ("failpoint", "content"),
    [("create", b"old"), ("write", b"old"), ("fsync@1", b"old"), ("rename", b"old"), ("fsync@2", b"new")],
)
def test_a_kill_in_the_middle_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, fired: Path, failpoint: str, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    run_killed(REPLACE, path, failpoint=failpoint, fired=fired)
    assert path.read_bytes() == content
    left = [path.name for path in tmp_path.iterdir() if path.name != "file"]
    assert all(fsio.is_temporary(name) for name in left)
    assert len(left) == (failpoint in {"write", "fsync@1", "rename"})


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        (".tmp-0123456789abcdef", True),
        (".tmp-0123456789ABCDEF", False),
        (".tmp-0123456789abcde", False),
        ("tmp-0123456789abcdef", False),
        (".tmp-0123456789abcdef\n", False),
        ("checkpoint", False),
    ],
)
def test_a_temporary_name_is_told_from_others(name: str, is_ours: bool) -> None:
    assert fsio.is_temporary(name) is is_ours


# --------------------------------------------------------------------------------------------------------- renaming


def rename_new(folder: Path) -> None:
    with fsio.directory(folder) as descriptor:
        fsio.rename_new(b"from", b"to", dir_fd=descriptor)


def without_the_flag(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let renameat2 answer as a file system without RENAME_NOREPLACE does."""
    import ctypes

    class Libc:
        @staticmethod
        def renameat2(*arguments: object) -> int:
            ctypes.set_errno(code)
            return -1

    monkeypatch.setattr(fsio, "_libc", Libc)


@pytest.mark.parametrize("code", [None, errno.EINVAL, errno.ENOSYS])
def test_a_new_name_is_given_only_where_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    if code is not None:
        without_the_flag(monkeypatch, code)
    (tmp_path / "from").write_bytes(b"x")
    rename_new(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["to"]
    (tmp_path / "from").write_bytes(b"y")
    with pytest.raises(FileExistsError):
        rename_new(tmp_path)
    assert (tmp_path / "to").read_bytes() == b"x"
    assert (tmp_path / "from").read_bytes() == b"y"


def test_another_error_of_renaming_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_flag(monkeypatch, errno.EIO)
    (tmp_path / "from").write_bytes(b"x")
    with pytest.raises(OSError, match="Input/output error"):
        rename_new(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["from"]


def test_a_rename_goes_over_whatever_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"whole")
    (tmp_path / "b").write_bytes(b"torn")
    with fsio.directory(tmp_path) as descriptor:
        fsio.rename("a", "b", source_fd=descriptor, target_fd=descriptor)
    assert (tmp_path / "b").read_bytes() == b"whole"


# ---------------------------------------------------------------------------------------------------------- reading


def test_a_file_is_read_up_to_the_size_expected_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert fsio.read_file(path, max_bytes=100) == b"x" * 100
    with pytest.raises(SurroundingsError, match="larger"):
        fsio.read_file(path, max_bytes=99)


def test_a_link_is_not_followed_and_a_fifo_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic"):
        fsio.read_file(tmp_path / "link", max_bytes=10)
    os.mkfifo(tmp_path / "fifo")
    assert fsio.read_file(tmp_path / "fifo", max_bytes=10) == b""


# ------------------------------------------------------------------------------------------------------------- sync


@pytest.mark.parametrize(("call", "function"), [("fsync", fsio.sync), ("syncfs", fsio.sync_filesystem)])
def test_a_failed_sync_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fired: Path, call: str, function: Callable[[int], None]
) -> None:
    with fsio.directory(tmp_path) as descriptor:
        function(descriptor)
        with planned(monkeypatch, f"{call}=EIO", fired), pytest.raises(SyncFailedError) as raised:
            function(descriptor)
    assert raised.value.exit_code == 10
    # It must get through every handler that tidies up after an OSError.
    assert not isinstance(raised.value, OSError)


@pytest.mark.parametrize("function", [fsio.sync, fsio.sync_filesystem])
def test_a_sync_of_something_that_is_not_open_is_a_failed_one(function: Callable[[int], None]) -> None:
    with pytest.raises(SyncFailedError, match="Bad file descriptor"):
        function(1_000_000)


def test_what_the_system_refuses_is_declared_with_a_way_out() -> None:
    for code in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE, errno.EDQUOT):
        with (
            pytest.raises(DiskError, match=f"^writing: {os.strerror(code)}") as raised,
            fsio.declared_errors("writing"),
        ):
            raise OSError(code, os.strerror(code))
        assert raised.value.next_step != SurroundingsError.next_step
        assert raised.value.exit_code == 8
    with pytest.raises(DiskError) as raised, fsio.declared_errors("writing"):
        raise OSError(errno.EIO, "x")
    assert raised.value.next_step == SurroundingsError.next_step


# ------------------------------------------------------------------------------------------------------------ locks


def test_a_lock_is_held_by_one_and_names_its_holder(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    first.acquire(holder="the first one")
    with pytest.raises(BusyError, match="the first one") as raised:
        second.acquire(holder="the second one, with a longer name")
    assert raised.value.exit_code == 7
    first.release()
    first.release()  # once more does nothing
    second.acquire(holder="second")
    assert (tmp_path / "lock").read_text() == "second"
    second.release()


HOLD = "import sys; from pathlib import Path; from base.fsio import Lock; Lock(Path(sys.argv[1])).acquire(holder='x'); print(1, flush=True); input()"  # noqa: E501


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    with start_python(HOLD, tmp_path / "lock") as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BusyError):
            Lock(tmp_path / "lock").acquire()
        process.kill()
    Lock(tmp_path / "lock").acquire()


def test_a_lock_that_the_system_refuses_is_not_called_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match="No locks available"):
        Lock(tmp_path / "lock").acquire()


# ----------------------------------------------------------------------------------------------------- file systems


def test_a_local_disk_is_not_remote(tmp_path: Path) -> None:
    assert fsio.remote_type(tmp_path) is None
    assert fsio.free_bytes(tmp_path) > 0
    with pytest.raises(FileNotFoundError):
        fsio.remote_type(tmp_path / "missing")


@pytest.mark.parametrize(("number", "memory"), [(0x01021994, True), (0x858458F6, True), (0xEF53, False)])
def test_memory_is_told_from_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, memory: bool) -> None:
    monkeypatch.setattr(fsio, "_statfs_type", lambda path: number)
    assert fsio.is_memory(tmp_path) is memory


def test_dev_shm_is_memory() -> None:
    assert fsio.is_memory("/dev/shm")


# ------------------------------------------------------------------------------------------------------- failpoints


@pytest.mark.parametrize(
    ("text", "passages", "raises_at"),
    [("write=EIO", 3, 1), ("write@2=EIO", 3, 2), ("any@3=EIO", 4, 3), ("fsync=EIO", 3, None), ("", 3, None)],
)
def test_a_fault_happens_at_the_passage_that_was_planned(
    monkeypatch: pytest.MonkeyPatch, text: str, passages: int, raises_at: int | None
) -> None:
    monkeypatch.setattr(failpoints, "_counts", {})
    monkeypatch.setattr(failpoints, "_planned", failpoints._parse(text))
    raised = []
    for passage in range(1, passages + 1):
        try:
            failpoints.reach("write")
        except OSError:
            raised.append(passage)
    assert raised == ([] if raises_at is None else [raises_at])


def test_count_zero_means_every_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_counts", {})
    monkeypatch.setattr(failpoints, "_planned", failpoints._parse("write@0=EIO"))
    for _ in range(3):
        with pytest.raises(OSError, match="failpoint write"):
            failpoints.reach("write")


FAILPOINTS = ("create", "write", "fchmod", "fsync", "rename", "link", "unlink", "mkdir", "rmdir", "syncfs")


@pytest.mark.parametrize("name", FAILPOINTS)
def test_every_call_has_its_failpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fired: Path, name: str) -> None:
    def all_of_them() -> None:
        fsio.make_directory(tmp_path / "a")
        fsio.put_file(tmp_path / "a/put", b"x")
        fsio.replace_file(tmp_path / "a/put", b"y")
        fsio.remove(tmp_path / "a/put")
        fsio.remove_directory(tmp_path / "a")
        with fsio.directory(tmp_path) as descriptor:
            fsio.sync_filesystem(descriptor)

    with planned(monkeypatch, f"{name}=EIO", fired), pytest.raises((OSError, SyncFailedError)):
        all_of_them()
