"""The voice of a share reader: heard often enough, and never two messages in one another."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ingest.beneath import source_stat
from ingest.share_child import Voice
from ingest.share_facts import SmallFile
from ingest.share_messages import Bell, FrameBuffer, Progress, Reply, SmallReply, frame, reply_buffer


@dataclass
class Pipe:
    voice: Voice
    read_end: int
    buffer: FrameBuffer[Reply]

    def heard(self) -> list[Reply]:
        os.set_blocking(self.read_end, False)
        try:
            self.buffer.feed(os.read(self.read_end, 1 << 20))
        except BlockingIOError:
            return []
        return list(iter(self.buffer.next_message, None))


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("ingest.share_child.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def pipe(now_s: list[float]) -> Iterator[Pipe]:
    read_end, write_end = os.pipe()
    yield Pipe(Voice(write_end), read_end, reply_buffer())
    os.close(read_end)
    os.close(write_end)


def test_work_that_goes_on_is_told_each_two_seconds(pipe: Pipe, now_s: list[float]) -> None:
    pipe.voice.pulse(1)
    now_s[0] = 1.9
    pipe.voice.pulse(2)
    assert pipe.heard() == []
    now_s[0] = 2.0
    pipe.voice.pulse(3)
    pipe.voice.pulse(4)
    assert pipe.heard() == [Progress(count=3)]
    now_s[0] = 4.0
    pipe.voice.pulse(5)
    assert pipe.heard() == [Progress(count=5)]


def test_work_that_goes_fast_is_told_each_64_mebibytes(pipe: Pipe) -> None:
    for mebibytes in range(1, 130):
        pipe.voice.pulse(mebibytes << 20)
    assert pipe.heard() == [Progress(count=64 << 20), Progress(count=128 << 20)]


def test_each_request_begins_to_count_anew(pipe: Pipe, now_s: list[float]) -> None:
    pipe.voice.pulse(100 << 20)
    now_s[0] = 50.0
    pipe.voice.begin()
    pipe.voice.pulse(1 << 20)
    pipe.voice.pulse(64 << 20)
    assert pipe.heard() == [Progress(count=100 << 20), Progress(count=64 << 20)]


def test_what_is_said_later_comes_in_order_and_at_the_latest_with_the_next_word(pipe: Pipe) -> None:
    replies: list[Reply] = [Progress(count=number) for number in range(3)]
    for reply in replies:
        pipe.voice.say_later(reply)
    assert pipe.heard() == []
    pipe.voice.say(Bell())
    assert pipe.heard() == [*replies, Bell()]


def test_what_is_said_later_is_said_by_itself_before_it_becomes_long(pipe: Pipe) -> None:
    said = 0
    while not (heard := pipe.heard()):
        pipe.voice.say_later(Progress(count=said))
        said += 1
    assert heard == [Progress(count=number) for number in range(said)]
    assert said * len(frame(Progress(count=0))) < 1 << 16


def test_a_bell_never_rings_inside_a_long_message(pipe: Pipe) -> None:
    """The pipe is smaller than the message: the writer stops half way, and the bell has to wait."""
    message = SmallReply(file=SmallFile(path=b"x", content=bytes(1 << 20), stat=source_stat(os.stat("/"))))
    writer = threading.Thread(target=pipe.voice.say, args=(message,))
    ringer = threading.Thread(target=pipe.voice.say, args=(Bell(),))
    writer.start()
    head = os.read(pipe.read_end, 1)  # the writer is in the middle
    ringer.start()
    data = bytearray(head)
    while len(data) < len(frame(message)) + len(frame(Bell())):
        data += os.read(pipe.read_end, 1 << 16)
    writer.join()
    ringer.join()
    pipe.buffer.feed(bytes(data))
    assert [pipe.buffer.next_message(), pipe.buffer.next_message()] == [message, Bell()]


def test_what_is_to_be_said_later_is_said_although_the_work_hangs(pipe: Pipe) -> None:
    pipe.voice.speak_in_time()
    pipe.voice.say_later(Progress(count=1))
    pipe.voice.say_later(Progress(count=2))
    assert pipe.heard() == []
    assert select.select([pipe.read_end], [], [], 20)[0], "nobody spoke"
    assert pipe.heard() == [Progress(count=1), Progress(count=2)]
