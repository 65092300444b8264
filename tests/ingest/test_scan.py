"""The reconciling scan, over real directories with everything in them that a hostile card can hold."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nobody import as_nobody

from ingest.beneath import RootLostError
from ingest.scan import MAX_DEPTH, scan_root
from ingest.share_facts import Found, Kind, Reason, ScanOutcome
from ledger.events.item import ITEM_REFUSED, REFUSAL_REASONS

HOSTILE_NAMES = [
    b"plain.mp4",
    b"-rf",
    b".hidden",
    b" ",
    b"new\nline",
    b"\x1b[31mred\x1b[0m",
    "\u202egpj.exe".encode(),
    b"\xff\xfe not utf-8",
    b"\xc3\x28 broken utf-8",
    "caf\u00e9".encode(),
    "cafe\u0301".encode(),  # its twin in NFD
    b"x" * 255,
    "\u00fc".encode() * 127,
    b"CAM-07  2-HELD  DO-NOT-WIPE.html",  # named like a receipt of ours
    b".strongroom-" + b"0" * 32 + b".tmp",
    bytes(set(range(1, 256)) - {ord("/")}),
]


def scanned(root: Path) -> tuple[dict[bytes, Found], ScanOutcome]:
    found: list[Found] = []
    outcome = scan_root(os.fsencode(root), found.append)
    return {entry.path: entry for entry in found}, outcome


def make_device(path: Path, kind: int) -> None:
    """Make a device node, as only root may, and not in every container."""
    os.mknod(path, 0o600 | kind, os.makedev(1, 3))


def may_make_devices(folder: Path) -> bool:
    try:
        make_device(folder / "probe", stat.S_IFCHR)
    except PermissionError:
        return False
    os.unlink(folder / "probe")
    return True


def test_every_file_is_found_whatever_its_name(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/drop"
    os.mkdir(folder)
    for name in HOSTILE_NAMES:
        for place in (folder, os.fsencode(tmp_path)):
            with open(os.path.join(place, name), "wb") as file:
                file.write(name)
    found, outcome = scanned(tmp_path)
    expected = {b"drop", *HOSTILE_NAMES, *(b"drop/" + name for name in HOSTILE_NAMES)}
    assert found.keys() == expected
    assert outcome.complete
    assert outcome.entries == len(expected)
    for name in HOSTILE_NAMES:
        entry = found[b"drop/" + name]
        assert (entry.kind, entry.problem, entry.drop_name, entry.path_in_drop) == (Kind.FILE, None, b"drop", name)
        assert entry.stat is not None and entry.stat.size_bytes == len(name)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & set(b"/\0")), max_size=5))
def test_any_bytes_make_the_way_round_trip(tmp_path_factory: pytest.TempPathFactory, names: set[bytes]) -> None:
    names -= {b".", b".."}
    root = tmp_path_factory.mktemp("share")
    for name in names:
        os.close(os.open(os.path.join(os.fsencode(root), name), os.O_CREAT | os.O_WRONLY))
    assert scanned(root)[0].keys() == names


def test_what_is_no_file_is_reported_and_not_followed(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    (drop / "real").mkdir(parents=True)
    (drop / "real" / "clip.mp4").touch()
    os.symlink("real", drop / "link to directory")
    os.symlink("real/clip.mp4", drop / "link to file")
    os.symlink("loop", drop / "loop")
    os.symlink("/etc", drop / "outside")
    os.mkfifo(drop / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.fspath(drop / "socket"))
        found, outcome = scanned(tmp_path)
    kinds = {path.removeprefix(b"drop/"): (entry.kind, entry.problem) for path, entry in found.items()}
    assert kinds == {
        b"drop": (Kind.DIRECTORY, None),
        b"real/clip.mp4": (Kind.FILE, None),
        b"link to directory": (Kind.LINK, Reason.NOT_A_FILE),
        b"link to file": (Kind.LINK, Reason.NOT_A_FILE),
        b"loop": (Kind.LINK, Reason.NOT_A_FILE),
        b"outside": (Kind.LINK, Reason.NOT_A_FILE),
        b"fifo": (Kind.FIFO, Reason.NOT_A_FILE),
        b"socket": (Kind.SOCKET, Reason.NOT_A_FILE),
    }
    assert outcome.complete


def test_devices_are_reported_by_kind(tmp_path: Path) -> None:
    if not may_make_devices(tmp_path):
        pytest.skip("only root makes devices, and not in every container")
    make_device(tmp_path / "char", stat.S_IFCHR)
    make_device(tmp_path / "block", stat.S_IFBLK)
    found, _ = scanned(tmp_path)
    assert {path: (entry.kind, entry.problem) for path, entry in found.items()} == {
        b"char": (Kind.CHARACTER, Reason.NOT_A_FILE),
        b"block": (Kind.BLOCK, Reason.NOT_A_FILE),
    }


def test_an_empty_drop_is_seen_and_deeper_directories_are_no_items(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "deeper" / "still").mkdir(parents=True)
    found, outcome = scanned(tmp_path)
    assert found.keys() == {b"empty", b"nested"}
    assert outcome.entries == 4
    assert found[b"empty"].uid == os.getuid()


def test_an_empty_share_is_a_complete_scan_of_nothing(tmp_path: Path) -> None:
    found, outcome = scanned(tmp_path)
    assert found == {}
    assert (outcome.complete, outcome.entries, outcome.inode) == (True, 0, tmp_path.stat().st_ino)


def test_a_directory_without_permission_is_a_problem_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "locked", "z"):
        (tmp_path / "drop" / name).mkdir(parents=True)
        (tmp_path / "drop" / name / "clip.mp4").touch()
    (tmp_path / "drop" / "names only").mkdir()
    (tmp_path / "drop" / "names only" / "clip.mp4").touch()
    (tmp_path / "whole drop").mkdir()
    tmp_path.chmod(0o755)
    (tmp_path / "drop" / "locked").chmod(0o000)
    (tmp_path / "drop" / "names only").chmod(0o744)  # may be listed, not entered
    (tmp_path / "whole drop").chmod(0o000)
    monkeypatch.chdir(tmp_path)  # the way there is closed to others
    found: list[Found] = []
    with as_nobody():
        outcome = scan_root(b".", found.append)
    by_path = {entry.path: entry for entry in found}
    assert by_path[b"drop/a/clip.mp4"].problem is None
    assert by_path[b"drop/z/clip.mp4"].problem is None
    locked = by_path[b"drop/locked"]
    assert (locked.kind, locked.problem) == (Kind.DIRECTORY, Reason.NO_PERMISSION)
    assert locked.detail.startswith("EACCES")
    blind = by_path[b"drop/names only/clip.mp4"]
    assert (blind.kind, blind.stat, blind.problem) == (Kind.UNKNOWN, None, Reason.NO_PERMISSION)
    assert by_path[b"whole drop"].problem is Reason.NO_PERMISSION
    assert b"drop/locked/clip.mp4" not in by_path
    assert (outcome.complete, outcome.unlisted) == (True, 2)


def test_a_tree_deeper_than_the_limit_ends_in_a_problem(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for level in range(MAX_DEPTH + 3):
        os.mkdir("d" * 60, dir_fd=descriptor)
        deeper = os.open("d" * 60, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
        if level in (MAX_DEPTH - 1, MAX_DEPTH):
            os.close(os.open("clip.mp4", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    found, outcome = scanned(tmp_path)
    step = b"d" * 60
    deepest = b"/".join([step] * (MAX_DEPTH + 1))
    assert found.keys() == {step, b"/".join([step] * MAX_DEPTH + [b"clip.mp4"]), deepest}
    assert (found[deepest].kind, found[deepest].problem) == (Kind.DIRECTORY, Reason.READ_ERROR)
    assert f"more than {MAX_DEPTH} directories deep" in found[deepest].detail
    assert (outcome.complete, outcome.unlisted) == (True, 1)


def test_a_root_that_is_not_there_is_lost_and_never_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for missing in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(RootLostError):
            scanned(missing)


def test_a_root_may_be_a_link_because_somebody_configured_it(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "clip.mp4").touch()
    os.symlink("mounted", tmp_path / "share")
    assert scanned(tmp_path / "share")[0].keys() == {b"clip.mp4"}


def test_a_root_that_is_replaced_during_the_scan_makes_it_incomplete(tmp_path: Path) -> None:
    root = tmp_path / "share"
    root.mkdir()
    (root / "clip.mp4").touch()
    fired = []

    def swap(found: Found) -> None:
        root.rename(tmp_path / "was")
        root.mkdir()
        fired.append(found.path)

    outcome = scan_root(os.fsencode(root), swap)
    assert fired == [b"clip.mp4"]
    assert not outcome.complete


def test_a_root_that_vanishes_during_the_scan_makes_it_incomplete(tmp_path: Path) -> None:
    root = tmp_path / "share"
    root.mkdir()
    (root / "clip.mp4").touch()

    def take_away(_found: Found) -> None:
        root.rename(tmp_path / "was")

    outcome = scan_root(os.fsencode(root), take_away)
    assert (tmp_path / "was").is_dir()
    assert not outcome.complete


def test_what_vanishes_between_listing_and_looking_is_not_found(tmp_path: Path) -> None:
    names = {f"clip{number}.mp4" for number in range(5)}
    for name in names:
        (tmp_path / name).touch()
    seen: list[bytes] = []

    def remove_the_others(found: Found) -> None:
        seen.append(found.path)
        for name in names - {os.fsdecode(found.path)}:
            (tmp_path / name).unlink()

    outcome = scan_root(os.fsencode(tmp_path), remove_the_others)
    assert len(seen) == 1
    assert outcome.complete


def test_a_directory_swapped_for_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").touch()
    root = tmp_path / "share"
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    found: list[Found] = []

    def swap_the_other(entry: Found) -> None:
        found.append(entry)
        other = root / ("b" if entry.path == b"a" else "a")
        if len(found) == 1:
            other.rmdir()
            os.symlink(tmp_path / "outside", other)

    scan_root(os.fsencode(root), swap_the_other)
    assert [entry.kind for entry in found] == [Kind.DIRECTORY, Kind.LINK]


def test_a_scan_counts_its_entries_aloud(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).touch()
    counts: list[int] = []
    scan_root(os.fsencode(tmp_path), lambda _found: None, counts.append)
    assert counts == [1, 2, 3]


def test_a_scan_leaves_no_descriptor_open(tmp_path: Path) -> None:
    for path in ("a/b/c", "d/e"):
        (tmp_path / path).mkdir(parents=True)
    before = os.listdir("/proc/self/fd")
    scanned(tmp_path)
    assert os.listdir("/proc/self/fd") == before


def test_kinds_and_reasons_are_those_that_the_log_can_record() -> None:
    assert set(Reason) - {Reason.CHANGED} <= set(REFUSAL_REASONS)
    assert all(ITEM_REFUSED.facts["kind"].accepts(kind.value) for kind in Kind)
