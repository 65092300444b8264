"""Bringing staged files into the vault in a process of its own: the same answers, and every way in which it can end."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from base.errors import SurroundingsError, SyncFailedError
from hashing.digest import Digest
from ingest.porter import APART_BYTES, APART_FILES, STOP_GRACE_S, Porter, PorterDiedError, PorterProcess, parse_answer
from ingest.share_process import StopRequestedError
from vault.local import LocalStore
from vault.store import ReadBackMismatchError, Staged, Stored


@dataclass
class Place:
    """A vault, its staging, and what carries from one to the other."""

    folder: Path
    stopped: bool = False

    def __post_init__(self) -> None:
        for name in ("vault", "vault/sha256", "staging"):
            (self.folder / name).mkdir()
        self.vault = LocalStore(self.folder / "vault", self.folder / "staging")
        roots = (os.fsencode(self.folder / "vault"), os.fsencode(self.folder / "staging"))
        self.apart = PorterProcess(*roots, stop=lambda: self.stopped)
        self.porter = Porter(self.vault, self.apart)

    def stage(self, contents: list[bytes]) -> list[Staged]:
        staged = []
        for content in contents:
            name = secrets.token_hex(16)
            (self.folder / "staging" / name).write_bytes(content)
            (self.folder / "staging" / name).chmod(0o444)
            staged.append(Staged(name=name, sha256=Digest.of(content), size_bytes=len(content)))
        return staged

    def staged_names(self) -> list[str]:
        return os.listdir(self.folder / "staging")

    @property
    def pid(self) -> int:
        assert self.apart._process is not None
        return self.apart._process.pid


def many(mark: bytes = b"") -> list[bytes]:
    return [b"%b%d" % (mark, number) for number in range(APART_FILES)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.porter.cancel()
    made.porter.close()


def assert_in_vault(place: Place, contents: list[bytes], answers: list[Stored | ReadBackMismatchError]) -> None:
    assert [answer.sha256 for answer in answers if isinstance(answer, Stored)] == list(map(Digest.of, contents))
    for content in contents:
        assert place.vault.read(Digest.of(content), max_bytes=len(content)) == content
    assert place.staged_names() == []


def test_many_files_go_apart_and_few_small_ones_do_not(place: Place) -> None:
    few = [b"one", b"two"]
    assert place.porter.begin(place.stage(few)) is False
    assert_in_vault(place, few, place.porter.end())
    assert place.apart._process is None
    assert place.porter.begin(place.stage(many())) is True
    assert_in_vault(place, many(), place.porter.end())
    large = [bytes(APART_BYTES)]
    assert place.porter.begin(place.stage(large)) is True
    assert_in_vault(place, large, place.porter.end())


def test_the_process_starts_while_the_first_files_are_still_being_copied(place: Place) -> None:
    place.porter.prepare(APART_FILES - 1)
    assert place.apart._process is None
    place.porter.prepare(APART_FILES)
    begun = place.pid
    place.porter.begin(place.stage(many()))
    assert_in_vault(place, many(), place.porter.end())
    assert place.pid == begun


def test_batches_are_answered_in_the_order_in_which_they_were_begun(place: Place) -> None:
    for mark in (b"a", b"b", b"c"):
        place.porter.begin(place.stage(many(mark)))
    for mark in (b"a", b"b", b"c"):
        answers = place.porter.end()
        assert [answer.sha256 for answer in answers if isinstance(answer, Stored)] == list(map(Digest.of, many(mark)))
    assert place.staged_names() == []


def test_a_file_that_the_disk_gives_back_otherwise_is_told_and_the_others_are_kept(place: Place) -> None:
    contents = many()
    staged = place.stage(contents)
    damaged = place.folder / "staging" / staged[5].name
    damaged.chmod(0o644)
    damaged.write_bytes(b"other")
    place.porter.begin(staged)
    answers = place.porter.end()
    wrong = answers.pop(5)
    assert isinstance(wrong, ReadBackMismatchError)
    assert (wrong.sent, wrong.found) == (staged[5].sha256, Digest.of(b"other"))
    assert_in_vault(place, contents[:5] + contents[6:], answers)


def plan(monkeypatch: pytest.MonkeyPatch, place: Place, text: str) -> Path:
    fired = place.folder / "fired"
    monkeypatch.setenv("STRONGROOM_FAILPOINTS", text)
    monkeypatch.setenv("STRONGROOM_FAILPOINTS_FIRED", os.fspath(fired))
    return fired


def test_a_failed_sync_over_there_ends_us_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fired = plan(monkeypatch, place, "syncfs@1=EIO")
    place.porter.begin(place.stage(many()))
    with pytest.raises(SyncFailedError, match="syncfs failed"):
        place.porter.end()
    assert fired.read_text() == "syncfs\n"
    assert list(place.vault.digests()) == []


def test_a_full_disk_over_there_is_a_full_disk_with_its_way_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fired = plan(monkeypatch, place, "mkdir@1=ENOSPC")
    place.porter.begin(place.stage(many()))
    with pytest.raises(SurroundingsError, match="No space left") as raised:
        place.porter.end()
    assert fired.read_text() == "mkdir\n"
    assert "Free space" in raised.value.next_step
    assert place.staged_names() == []


def test_whoever_kills_the_process_costs_one_batch_which_is_taken_again(place: Place) -> None:
    place.porter.begin(place.stage(many(b"a")))
    place.porter.end()
    os.kill(place.pid, signal.SIGSTOP)
    place.porter.begin(place.stage(many(b"b")))
    os.kill(place.pid, signal.SIGKILL)
    with pytest.raises(PorterDiedError):
        place.porter.end()
    place.porter.cancel()
    assert place.staged_names() == []
    place.porter.begin(place.stage(many(b"b")))
    assert_in_vault(place, many(b"b"), place.porter.end())


def test_a_stop_is_heard_while_the_process_is_at_work(place: Place) -> None:
    place.porter.begin(place.stage(many(b"a")))
    place.porter.end()
    os.kill(place.pid, signal.SIGSTOP)  # as if it read a very large file back
    place.porter.begin(place.stage(many(b"b")))
    place.stopped = True
    began_s = time.monotonic()
    with pytest.raises(StopRequestedError):
        place.porter.end()
    assert time.monotonic() - began_s < STOP_GRACE_S + 1
    place.porter.cancel()
    assert place.staged_names() == []


def test_a_batch_that_is_nearly_done_is_still_taken_when_a_stop_comes(place: Place) -> None:
    place.stopped = True
    place.porter.begin(place.stage(many()))
    assert_in_vault(place, many(), place.porter.end())


def test_what_was_cancelled_leaves_neither_files_nor_process_nor_descriptor(place: Place) -> None:
    descriptors = os.listdir("/proc/self/fd")
    for mark in (b"a", b"b"):
        place.porter.begin(place.stage(many(mark)))
    pid = place.pid
    place.porter.cancel()
    assert place.staged_names() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        msgspec.msgpack.encode(
            {"type": "Done", "read_back": "x", "mismatches": [{"index": 0, "found": {"raw": b"7"}}]}
        ),
        msgspec.msgpack.encode(
            {"type": "Done", "read_back": "x", "mismatches": [{"index": -1, "found": {"raw": bytes(32)}}]}
        ),
        b"\x82\xa4type\xa6Failed\xa1x" + b"\x91" * 100_000,
    ],
    ids=["nothing", "a short digest", "a place before the first", "nested deep"],
)
def test_an_answer_that_cannot_be_read_is_that_of_a_process_that_died(answer: bytes) -> None:
    with pytest.raises(PorterDiedError):
        parse_answer(answer)
