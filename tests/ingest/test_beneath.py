"""Opening beneath a root: by openat2, and step by step where there is none, both must refuse the same."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from nobody import as_nobody

from ingest import beneath
from ingest.beneath import (
    RootLostError,
    open_beneath,
    open_directory,
    open_file,
    raise_if_root_lost,
    source_stat,
    stat_beneath,
)


@pytest.fixture(params=["openat2", "components"])
def root_fd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The root of a small share, opened, with each of the two ways to open what is beneath it."""
    root = tmp_path / "share"
    (root / "drop" / "sub").mkdir(parents=True)
    (root / "drop" / "sub" / "clip.mp4").write_bytes(b"clip")
    (tmp_path / "secret").write_bytes(b"secret")
    os.symlink("../../secret", root / "drop" / "link.mp4")
    os.symlink("sub/clip.mp4", root / "drop" / "inner.mp4")
    os.symlink("sub", root / "drop" / "linked")
    os.symlink(tmp_path, root / "out")
    monkeypatch.setattr(beneath, "_has_openat2", lambda: request.param == "openat2")
    descriptor = os.open(root, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_a_file_beneath_the_root_is_opened(root_fd: int) -> None:
    descriptor = open_file(root_fd, b"drop/sub/clip.mp4")
    assert os.read(descriptor, 10) == b"clip"
    assert os.get_inheritable(descriptor) is False
    os.close(descriptor)


@pytest.mark.parametrize(
    "path",
    [
        b"drop/link.mp4",  # out of the root
        b"drop/inner.mp4",  # a link all the same
        b"drop/linked/clip.mp4",  # on the way
        b"out/secret",
    ],
)
def test_a_link_is_followed_nowhere(root_fd: int, path: bytes) -> None:
    with pytest.raises(OSError, match=r"Too many levels of symbolic links|Not a directory"):
        os.close(open_file(root_fd, path))


@pytest.mark.parametrize("path", [b"", b"/etc/passwd", b"..", b"drop/../..", b"drop//sub", b"drop/", b".", b"a\0b"])
def test_a_path_that_is_not_plainly_beneath_is_refused_before_it_is_tried(root_fd: int, path: bytes) -> None:
    with pytest.raises(ValueError, match="not a path beneath a root"):
        open_beneath(root_fd, path, os.O_RDONLY)


def test_a_path_longer_than_the_kernel_takes_is_opened_in_steps(root_fd: int) -> None:
    components = [b"d" * 200] * 60
    descriptor = os.dup(root_fd)
    for name in components:
        os.mkdir(name, dir_fd=descriptor)
        deeper = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(os.open(b"deep", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    inode = os.stat(b"deep", dir_fd=descriptor).st_ino
    os.close(descriptor)
    path = b"/".join([*components, b"deep"])
    assert len(path) > 4096
    before = os.listdir("/proc/self/fd")
    assert stat_beneath(root_fd, path).st_ino == inode
    assert os.listdir("/proc/self/fd") == before


def test_lstat_of_a_name_shows_the_link_itself(root_fd: int) -> None:
    assert stat.S_ISLNK(stat_beneath(root_fd, b"drop/link.mp4").st_mode)
    assert stat.S_ISLNK(stat_beneath(root_fd, b"out").st_mode)


def test_reading_leaves_no_access_time(root_fd: int) -> None:
    path = f"/proc/self/fd/{root_fd}/drop/sub/clip.mp4"
    os.utime(path, (0, 0))
    descriptor = open_file(root_fd, b"drop/sub/clip.mp4")
    assert os.read(descriptor, 10) == b"clip"
    os.close(descriptor)
    assert os.stat(path).st_atime_ns == 0


def test_somebody_elses_file_is_read_too_though_not_without_a_trace(root_fd: int) -> None:
    os.chmod(f"/proc/self/fd/{root_fd}/drop/sub/clip.mp4", 0o644)
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with as_nobody():
        with pytest.raises(PermissionError):  # the fault fires: only owners may ask for it
            open_beneath(root_fd, b"drop/sub/clip.mp4", beneath.READ_FLAGS | os.O_NOATIME)
        descriptor = open_file(root_fd, b"drop/sub/clip.mp4")
    assert os.read(descriptor, 10) == b"clip"
    os.close(descriptor)


def test_a_directory_that_became_a_link_is_not_listed(root_fd: int) -> None:
    with pytest.raises(NotADirectoryError):
        open_directory(b"out", root_fd)


def test_this_kernel_has_openat2_and_says_so() -> None:
    assert beneath._has_openat2() == (tuple(map(int, os.uname().release.split(".")[:2])) >= (5, 6))


def test_one_bad_file_is_not_a_lost_share(root_fd: int) -> None:
    raise_if_root_lost(root_fd, OSError(errno.EIO, "one file"))
    raise_if_root_lost(root_fd, OSError(errno.ENOENT, "another"))


def test_an_error_is_a_lost_share_when_the_root_does_not_answer_either(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    no_directory = os.open(tmp_path / "file", os.O_RDONLY)
    with pytest.raises(RootLostError) as caught:
        raise_if_root_lost(no_directory, OSError(errno.ESTALE, "server gone"))
    assert caught.value.errno == errno.ENOTDIR
    raise_if_root_lost(no_directory, OSError(errno.ENOENT, "no loss by itself"))
    os.close(no_directory)


class StatOfAServer:
    """What a server of a network share may say of a file: seconds of 64 bits, either way."""

    st_size, st_ino, st_dev, st_mode = 1, 2, 3, stat.S_IFREG

    def __init__(self, stamp_ns: int) -> None:
        self.st_mtime_ns = self.st_ctime_ns = stamp_ns


@pytest.mark.parametrize(
    ("said_ns", "kept_ns"),
    [
        (13_569_465_600 * 10**9, 13_569_465_600 * 10**9),  # the year 2400, as ext4 and XFS keep it
        (2**63 * 10**9, 2**64 - 1),
        (-(2**63) * 10**9, -(2**63)),
    ],
)
def test_a_stamp_beyond_all_calendars_is_cut_to_64_bits(said_ns: int, kept_ns: int) -> None:
    kept = source_stat(StatOfAServer(said_ns))  # type: ignore[arg-type]  # an os.stat_result can't be made by hand
    assert (kept.mtime_ns, kept.ctime_ns) == (kept_ns, kept_ns)
