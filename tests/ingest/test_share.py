"""The share reader as a real process: it answers, hangs, dies, lies and is replaced."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from base import fsio
from base.fsio import DiskError
from hashing.digest import Digest
from ingest.share import MAX_ABANDONED, ShareReader
from ingest.share_facts import (
    Copied,
    Found,
    Hashed,
    Kind,
    NotCopied,
    NotRead,
    Reason,
    ReceiptFile,
    RemovalOutcome,
    ScanOutcome,
    SmallFile,
)
from ingest.share_messages import Bell, CopiedReply, CopyBatch, Progress, frame
from ingest.share_process import POLL_S, ReaderProcess, ShareReaderBugError, ShareUnreachableError, StopRequestedError

LARGE = 192 << 20  # bytes; the reader reports its progress every 64 MiB


class Shares:
    """Readers of one share, all ended after the test."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "share"
        self.staging = folder / "staging"
        self.root.mkdir()
        self.staging.mkdir()
        self._readers: list[ShareReader] = []

    def reader(
        self,
        *,
        silence_s: float = 60.0,
        reserve_bytes: int = 0,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int], None] = lambda _count: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> ShareReader:
        reader = ShareReader(
            os.fsencode(self.root),
            self.staging,
            silence_s=silence_s,
            reserve_bytes=reserve_bytes,
            stop=stop,
            on_progress=on_progress,
            clock=clock,
        )
        self._readers.append(reader)
        return reader

    def file(self, name: bytes, content: bytes = b"clip") -> Path:
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.root), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def large_file(self) -> Path:
        path = self.file(b"large.mp4", b"")
        os.truncate(path, LARGE)
        return path

    def staged(self) -> list[str]:
        return os.listdir(self.staging)

    def close(self) -> None:
        for reader in self._readers:
            reader.close()


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[Shares]:
    made = Shares(tmp_path)
    yield made
    made.close()


def files(reader: ShareReader) -> list[Found]:
    return [entry for entry in reader.scan() if isinstance(entry, Found) and entry.kind is Kind.FILE]


def outcome(reader: ShareReader) -> ScanOutcome:
    *_, last = reader.scan()
    assert isinstance(last, ScanOutcome)
    return last


def pid_of(reader: ShareReader) -> int:
    assert reader.pid is not None
    return reader.pid


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for another process, whose clock is not ours to turn."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        select.select([], [], [], 0.005)


def state_of(pid: int) -> str:
    """Return the state letter of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


# --------------------------------------------------------------------------------------------------- it answers


def test_a_share_is_scanned_and_copied_whatever_its_names(shares: Shares) -> None:
    names = [b"drop/-rf", b"drop/new\nline", b"drop/\xff\xfe", "drop/\u202egpj".encode(), b"drop/" + b"x" * 255, b"top"]
    for name in names:
        shares.file(name, name)
    reader = shares.reader()
    found = files(reader)
    assert sorted(entry.path for entry in found) == sorted(names)
    copies = reader.copy_batch(found)
    assert [copy.path for copy in copies] == [entry.path for entry in found]
    for entry, copy in zip(found, copies, strict=True):
        assert isinstance(copy, Copied)
        assert copy.stat == entry.stat
        assert copy.sha256 == Digest.of(entry.path)
        assert (shares.staging / copy.staging_name).read_bytes() == entry.path
    assert len(shares.staged()) == len(names)


def test_a_scan_of_more_than_one_message_arrives_whole_and_ends_with_its_outcome(shares: Shares) -> None:
    for number in range(1203):
        shares.file(b"drop/%04d" % number, b"")
    *found, last = shares.reader().scan()
    assert isinstance(last, ScanOutcome)
    assert (last.complete, last.entries, len(found)) == (True, 1204, 1204)


def test_files_with_trouble_do_not_keep_the_others_from_being_copied(shares: Shares) -> None:
    for name in (b"a", b"changes", b"vanishes", b"z"):
        shares.file(name)
    reader = shares.reader()
    found = files(reader)
    shares.file(b"changes", b"longer than before")
    (shares.root / "vanishes").unlink()
    answers = {copy.path: copy for copy in reader.copy_batch(found)}
    assert isinstance(answers[b"a"], Copied) and isinstance(answers[b"z"], Copied)
    changed, vanished = answers[b"changes"], answers[b"vanishes"]
    assert isinstance(changed, NotCopied) and changed.reason is Reason.CHANGED
    assert isinstance(vanished, NotCopied) and vanished.reason is Reason.VANISHED
    assert len(shares.staged()) == 2


def test_only_files_are_ordered(shares: Shares) -> None:
    os.symlink("x", shares.root / "link")
    reader = shares.reader()
    links = [entry for entry in reader.scan() if isinstance(entry, Found)]
    with pytest.raises(ValueError, match="only files"):
        reader.copy_batch(links)


def test_a_batch_can_be_copied_while_the_recorder_does_something_else(shares: Shares) -> None:
    shares.file(b"clip")
    reader = shares.reader()
    found = files(reader)
    reader.begin_copy(found)
    with pytest.raises(ValueError, match="end_copy first"):
        reader.describe_root()
    with pytest.raises(ValueError, match="end_copy first"):
        reader.begin_copy(found)
    assert isinstance(reader.end_copy()[0], Copied)
    with pytest.raises(ValueError, match="without begin_copy"):
        reader.end_copy()
    assert reader.describe_root().file_system is None


def test_files_are_hashed_and_small_ones_read_for_the_recorder(shares: Shares) -> None:
    shares.file(b"drop/SHA256SUMS", b"lines")
    reader = shares.reader()
    hashed = reader.hash_file(b"drop/SHA256SUMS")
    assert isinstance(hashed, Hashed) and hashed.sha256 == Digest.of(b"lines")
    small = reader.read_small(b"drop/SHA256SUMS", 100)
    assert isinstance(small, SmallFile) and small.content == b"lines"
    for answer in (reader.hash_file(b"gone"), reader.read_small(b"drop/SHA256SUMS", 4)):
        assert isinstance(answer, NotRead)


def test_a_receipt_is_written_named_and_removed(shares: Shares) -> None:
    reader = shares.reader()
    temporary = reader.new_temporary_name()
    written = reader.write_receipt(temporary, b"page")
    assert isinstance(written, ReceiptFile)
    assert os.listdir(os.fsencode(shares.root)) == [temporary]
    named = reader.name_receipt(written, [b"CAM  2-HELD.html"])
    assert isinstance(named, ReceiptFile)
    (seen,) = files(reader)
    assert named.is_certainly(seen.stat)
    assert reader.remove_receipt(named, reader.new_temporary_name()) is RemovalOutcome.REMOVED
    assert os.listdir(shares.root) == []


def test_temporary_names_are_not_to_be_guessed() -> None:
    names = {ShareReader.new_temporary_name() for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == len(b".strongroom-.tmp") + 32 for name in names)


def test_a_root_is_described_without_being_written(shares: Shares) -> None:
    before = shares.root.stat()
    described = shares.reader().describe_root()
    assert (described.device, described.inode) == (before.st_dev, before.st_ino)
    assert (described.file_system, described.read_only, described.watched_by) == (None, False, "events and scan")
    assert shares.root.stat() == before


def test_a_root_that_vanishes_is_unreachable_and_comes_back_without_a_new_reader(shares: Shares) -> None:
    reader = shares.reader()
    assert outcome(reader).complete
    pid = pid_of(reader)
    shares.root.rename(shares.root.with_name("away"))
    for call in (reader.describe_root, lambda: list(reader.scan()), lambda: reader.hash_file(b"x")):
        with pytest.raises(ShareUnreachableError) as caught:
            call()
        assert caught.value.cause == "root"
    shares.root.with_name("away").rename(shares.root)
    assert outcome(reader).complete
    assert pid_of(reader) == pid
    assert reader.failures == 0


# ------------------------------------------------------------------------------------------------- the environment


def test_the_reader_gets_nothing_of_ours(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_STORE", "/secret/place")
    monkeypatch.setenv("STRONGROOM_FAILPOINTS_FIRED", "/dev/null")
    held = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(held, True)
    reader = shares.reader()
    reader.describe_root()
    proc = Path(f"/proc/{pid_of(reader)}")
    environment = (proc / "environ").read_bytes().split(b"\0")
    assert [entry for entry in environment if entry] == [b"STRONGROOM_FAILPOINTS_FIRED=/dev/null"]
    assert not [link for link in (proc / "fd").iterdir() if os.readlink(link) == "/dev/null"]
    assert os.readlink(proc / "cwd") == "/"
    assert os.readlink(proc / "fd/1") == os.readlink(proc / "fd/2")  # what it prints does not get between the frames
    assert os.getpgid(pid_of(reader)) != os.getpgrp()  # Ctrl-C in a terminal is ours to answer
    assert b"/share" not in (proc / "cmdline").read_bytes()  # a place is not for everybody's `ps`
    os.close(held)


def test_the_reader_dies_with_the_recorder_in_the_middle_of_a_copy(shares: Shares) -> None:
    shares.large_file()
    program = (
        "import os, sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path; from ingest.share import ShareReader; from ingest.share_facts import Found\n"
        "def copying(count):\n"
        "    os.kill(reader.pid, 19); print(reader.pid, flush=True); sys.stdin.read()\n"
        "reader = ShareReader(os.fsencode(sys.argv[1]), Path(sys.argv[2]), on_progress=copying)\n"
        "reader.copy_batch([entry for entry in reader.scan() if isinstance(entry, Found)])\n"
    )
    command = [sys.executable, "-P", "-c", program, os.fspath(shares.root), os.fspath(shares.staging), *sys.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        reader_pid = int(recorder.stdout.readline())
        assert state_of(reader_pid) in ("T", "R", "S")
        recorder.kill()
    wait_until(lambda: state_of(reader_pid) in ("", "Z"))
    assert len(shares.staged()) == 1  # what a dead recorder leaves is swept at its next start


# ---------------------------------------------------------------------------------------------- it dies, and hangs


def started(reader: ShareReader) -> int:
    """Return the process of a reader that has been started and asked nothing."""
    return reader._ready_process().pid


class Hastening:
    """A clock that stands still until something has happened, and then gains minutes with every look."""

    def __init__(self, happened: Callable[[], bool]) -> None:
        self._happened = happened
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += 100 * self._happened()
        return self._now_s


class Intruder:
    """Does something to the reader when it reports the first 64 MiB of a copy: it is then surely in the middle."""

    def __init__(self, signal_number: int) -> None:
        self.reader: ShareReader | None = None
        self.fired = 0
        self.staged: list[str] = []
        self._signal = signal_number

    def __call__(self, count: int) -> None:
        assert self.reader is not None
        if self.fired == 0 and count >= 1 << 20:
            self.fired += 1
            os.kill(pid_of(self.reader), self._signal)


def test_a_reader_killed_in_the_middle_of_a_copy_leaves_nothing_and_is_replaced(shares: Shares) -> None:
    shares.large_file()
    shares.file(b"small")
    now = [1000.0]
    intruder = Intruder(signal.SIGKILL)
    reader = intruder.reader = shares.reader(on_progress=intruder, clock=lambda: now[0])
    found = sorted(files(reader), key=lambda entry: entry.path, reverse=True)  # the small one is staged already
    killed = pid_of(reader)
    with pytest.raises(ShareUnreachableError) as caught:
        reader.copy_batch(found)
    assert intruder.fired == 1
    assert caught.value.cause == "ended"
    assert "signal 9" in str(caught.value)
    assert shares.staged() == []
    assert (reader.failures, reader.retry_at_s, reader.abandoned) == (1, 1001.0, 0)
    with pytest.raises(ShareUnreachableError) as caught:
        reader.copy_batch(found)
    assert caught.value.cause == "waiting"
    now[0] += 1
    assert all(isinstance(copy, Copied) for copy in reader.copy_batch(found))
    assert pid_of(reader) != killed
    assert reader.failures == 0


def test_a_reader_that_hangs_is_abandoned_when_its_silence_is_too_long(shares: Shares) -> None:
    shares.large_file()
    for name in (b"a", b"z"):
        shares.file(name)
    intruder = Intruder(signal.SIGSTOP)
    reader = intruder.reader = shares.reader(on_progress=intruder, clock=Hastening(lambda: intruder.fired > 0))
    found = sorted(files(reader), key=lambda entry: entry.path)
    hung = pid_of(reader)
    with pytest.raises(ShareUnreachableError) as caught:
        reader.copy_batch(found)
    assert intruder.fired == 1
    assert (caught.value.cause, caught.value.path) == ("silent", b"large.mp4")
    assert state_of(hung) == ""
    assert shares.staged() == []


def test_a_stop_is_heard_soon_while_the_reader_hangs(shares: Shares) -> None:
    shares.large_file()
    intruder = Intruder(signal.SIGSTOP)
    stopped = threading.Event()
    told_s: list[float] = []

    def tell() -> None:
        told_s.append(time.monotonic())
        stopped.set()

    def hang_and_tell_later(count: int) -> None:
        intruder(count)
        timer.start()

    timer = threading.Timer(0.3, tell)
    reader = intruder.reader = shares.reader(on_progress=hang_and_tell_later, stop=stopped.is_set)
    with pytest.raises(StopRequestedError):
        reader.copy_batch(files(reader))
    timer.join()
    assert intruder.fired == 1
    assert POLL_S <= 0.5
    assert time.monotonic() - told_s[0] < 5  # the promise is one second; a busy machine may take longer to run us
    assert shares.staged() == []
    assert reader.failures == 0  # nothing is wrong with the share


def test_a_request_that_does_not_fit_into_the_pipe_has_a_deadline_too(shares: Shares) -> None:
    stopped: list[int] = []
    reader = shares.reader(clock=Hastening(lambda: bool(stopped)))
    stopped.append(started(reader))
    os.kill(stopped[0], signal.SIGSTOP)
    with pytest.raises(ShareUnreachableError) as caught:
        reader.write_receipt(reader.new_temporary_name(), bytes(4 << 20))
    assert caught.value.cause == "silent"


class FakeRinging:
    """Stops a reader and rings in its place, ten seconds apart."""

    def __init__(self, now: list[float]) -> None:
        self._now = now
        self.rung = 0

    def take_over(self, process: ReaderProcess) -> None:
        os.kill(process.pid, signal.SIGSTOP)

        def fill() -> bool:
            self.rung += 1
            self._now[0] += 10
            process._buffer.feed(frame(Bell()))
            return True

        process._fill = fill  # type: ignore[method-assign]
        readable, writable = os.pipe()
        os.write(writable, b"x")
        os.dup2(readable, process.fileno())
        os.close(readable)
        os.close(writable)


def test_an_answer_that_lies_ready_counts_however_late_we_look(shares: Shares) -> None:
    """A recorder that was suspended for a day must not blame the reader."""
    shares.file(b"clip")
    now = [0.0]
    reader = shares.reader(clock=lambda: now[0])
    reader.begin_copy(files(reader))
    wait_until(lambda: bool(select.select([reader], [], [], 0)[0]))
    patience = reader._patience()
    now[0] += 86_400
    assert reader._process is not None
    assert isinstance(reader._process.receive(patience), CopiedReply)


def test_bells_are_no_sign_of_work(shares: Shares) -> None:
    """A thread that rings on while the reader hangs must not keep it alive for ever."""
    now = [0.0]
    ringing = FakeRinging(now)
    reader = shares.reader(silence_s=60, clock=lambda: now[0])
    reader.describe_root()
    assert reader._process is not None
    ringing.take_over(reader._process)
    with pytest.raises(ShareUnreachableError) as caught:
        reader.describe_root()
    assert caught.value.cause == "silent"
    assert ringing.rung >= 5


def test_the_pause_before_a_new_reader_doubles_up_to_a_minute(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    now = [0.0]
    reader = shares.reader(clock=lambda: now[0])
    pauses = []
    for _ in range(9):
        with pytest.raises(ShareUnreachableError):
            reader.describe_root()
        pauses.append(reader.retry_at_s - now[0])
        now[0] = reader.retry_at_s
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    monkeypatch.undo()
    assert reader.describe_root().inode
    assert reader.failures == 0


def test_readers_that_cannot_be_killed_are_counted_and_limited(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can make a process unkillable here; so the answer of `kill` stands in for the kernel's."""
    stuck: list[ReaderProcess] = []

    def kill(process: ReaderProcess) -> bool:
        stuck.append(process)
        return False

    monkeypatch.setattr(ReaderProcess, "kill", kill)
    reader = shares.reader(clock=Hastening(lambda: True))
    for _ in range(MAX_ABANDONED):
        reader.retry_at_s = 0.0
        os.kill(started(reader), signal.SIGSTOP)
        with pytest.raises(ShareUnreachableError):
            reader.describe_root()
    assert reader.abandoned == MAX_ABANDONED == len(stuck)
    reader.retry_at_s = 0.0
    with pytest.raises(ShareUnreachableError, match="hang in this share"):
        reader.describe_root()
    monkeypatch.undo()
    for process in stuck:
        assert process.kill()
    assert reader.abandoned == 0


# ------------------------------------------------------------------------------------------- it lies, and has bugs


def test_a_reader_with_a_bug_is_told_as_a_bug_with_its_last_words(shares: Shares) -> None:
    reader = shares.reader()
    with pytest.raises(ShareReaderBugError, match="not a path beneath a root") as caught:
        reader.hash_file(b"../outside")
    assert caught.value.exit_code == 1
    assert "Traceback" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"\xff\xff\xff\xff", b"\0\0\0\1\0", frame(Progress(count=1)) + b"\0\0\0\0"])
def test_nonsense_from_a_reader_ends_it(shares: Shares, answer: bytes) -> None:
    reader = shares.reader()
    reader.describe_root()
    liar = pid_of(reader)
    assert reader._process is not None
    reader._process._buffer.feed(answer)
    with pytest.raises(ShareUnreachableError) as caught:
        reader.describe_root()
    assert caught.value.cause == "nonsense"
    assert state_of(liar) == ""


def test_a_copy_that_is_not_what_was_ordered_is_not_taken(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is told to copy other files than the recorder remembers: its answers do not fit."""
    shares.file(b"a")
    shares.file(b"b")
    reader = shares.reader()
    found = sorted(files(reader), key=lambda entry: entry.path)
    monkeypatch.setattr("ingest.share_messages.CopyBatch", lambda orders: CopyBatch(orders=orders[::-1]))
    with pytest.raises(ShareUnreachableError) as caught:
        reader.copy_batch(found)
    assert caught.value.cause == "nonsense"
    assert shares.staged() == []


def test_a_scan_that_is_left_costs_the_reader_and_nothing_else(shares: Shares) -> None:
    for number in range(600):
        shares.file(b"%d" % number, b"")
    reader = shares.reader()
    entries = reader.scan()
    assert isinstance(next(entries), Found)
    first = pid_of(reader)
    entries.close()
    assert state_of(first) == ""
    assert outcome(reader).entries == 600
    assert reader.failures == 0


# --------------------------------------------------------------------------------------------------- the store


def test_what_is_larger_than_the_free_space_is_refused_before_it_is_copied(
    shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (b"a", b"b", b"c"):
        shares.file(name, bytes(40))
    shares.file(b"large", bytes(101))
    monkeypatch.setattr(fsio, "free_bytes", lambda _path: 110)
    reader = shares.reader(reserve_bytes=10)
    found = sorted(files(reader), key=lambda entry: entry.path)
    answers = reader.copy_batch(found)
    assert [type(answer) for answer in answers] == [Copied, Copied, NotCopied, NotCopied]
    for answer, size in zip(answers[2:], (40, 101), strict=True):
        assert isinstance(answer, NotCopied)
        assert (answer.reason, answer.detail) == (Reason.TOO_LARGE, f"{size} bytes, 20 are free")


def test_a_store_that_cannot_be_written_is_not_the_shares_fault(
    shares: Shares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_FAILPOINTS", "write@2=ENOSPC")
    monkeypatch.setenv("STRONGROOM_FAILPOINTS_FIRED", os.fspath(tmp_path / "fired"))
    for name in (b"a", b"b", b"c"):
        shares.file(name)
    reader = shares.reader()
    found = files(reader)
    with pytest.raises(DiskError, match="No space left") as caught:
        reader.copy_batch(found)
    assert (tmp_path / "fired").read_text() == "write\n"
    assert caught.value.exit_code == 8
    assert shares.staged() == []
    assert all(isinstance(copy, Copied) for copy in reader.copy_batch(found))  # the same reader goes on


def test_a_staging_directory_that_is_gone_is_the_stores_trouble(
    shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares.file(b"a")
    reader = shares.reader()
    found = files(reader)
    monkeypatch.setattr(fsio, "free_bytes", lambda _path: 1 << 40)
    shares.staging.rmdir()
    with pytest.raises(DiskError) as caught:
        reader.copy_batch(found)
    assert os.strerror(errno.ENOENT) in str(caught.value)
    shares.staging.mkdir()


# ----------------------------------------------------------------------------------------------------- the bell


def bell_rings(reader: ShareReader, seconds: float = 5.0) -> bool:
    return bool(select.select([reader], [], [], seconds)[0]) and reader.take_bell()


def test_the_bell_rings_for_what_changes_in_the_root_and_not_for_our_own_looking(shares: Shares) -> None:
    reader = shares.reader()
    assert not reader.take_bell()
    assert reader.watch().by_events
    assert reader.take_bell()  # what came before the bell hung
    shares.file(b"new.mp4")
    assert bell_rings(reader)
    while bell_rings(reader, 0.5):
        pass  # several events of one file
    (found,) = files(reader)
    reader.copy_batch([found])
    reader.hash_file(b"new.mp4")
    assert not bell_rings(reader, 0.5)
    (shares.root / "new.mp4").unlink()
    assert bell_rings(reader)


def test_bells_that_ring_during_a_call_are_not_lost(shares: Shares) -> None:
    shares.large_file()
    rung: list[int] = []

    def change(count: int) -> None:
        if not rung:
            rung.append(count)
            shares.file(b"new.mp4")

    reader = shares.reader(on_progress=change)
    reader.watch()
    assert reader.take_bell()
    found = [entry for entry in files(reader) if entry.path == b"large.mp4"]
    reader.copy_batch(found)
    assert rung
    wait_until(reader.take_bell)


def test_a_new_reader_hangs_the_bell_again(shares: Shares) -> None:
    reader = shares.reader()
    reader.watch()
    reader.take_bell()
    os.kill(pid_of(reader), signal.SIGKILL)
    wait_until(reader.take_bell)  # a dead reader wakes us too
    assert reader.pid is None
    assert not bell_rings(reader, 0.1)
    assert outcome(reader).complete
    assert reader.take_bell()  # for what happened before it hung again
    while bell_rings(reader, 0.5):
        pass
    shares.file(b"new.mp4")
    assert bell_rings(reader)


def test_the_bell_moves_to_a_root_that_was_mounted_anew(shares: Shares) -> None:
    reader = shares.reader()
    reader.watch()
    shares.root.rename(shares.root.with_name("away"))
    shares.root.mkdir()
    reader.take_bell()
    assert outcome(reader).inode == shares.root.stat().st_ino
    assert reader.take_bell()  # for what happened before it hung here
    while bell_rings(reader, 0.5):
        pass
    shares.file(b"new.mp4")
    assert bell_rings(reader)


def test_a_closed_reader_is_gone(shares: Shares) -> None:
    reader = ShareReader(os.fsencode(shares.root), shares.staging)
    reader.describe_root()
    pid = pid_of(reader)
    reader.close()
    assert state_of(pid) == ""
