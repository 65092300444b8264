"""Frames between recorder and reader: whole messages of the declared types, or a declared error."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.digest import Digest
from ingest.share_facts import Copied, Found, Kind, Reason
from ingest.share_messages import (
    MAX_FRAME_BYTES,
    Bell,
    CopiedReply,
    FoundChunk,
    Progress,
    Reply,
    Scan,
    ShareMessageError,
    WriteReceipt,
    frame,
    reply_buffer,
    request_buffer,
)
from ledger.events.item import SourceStat

STAT = SourceStat(size_bytes=1, mtime_ns=-5, ctime_ns=2**62, inode=2**64 - 1, device=7, mode=0o100644)
FOUND = Found(path=b"\xff\n/\xc3", kind=Kind.FIFO, stat=STAT, uid=0, problem=Reason.NOT_A_FILE, detail="x")
COPIED = Copied(path=b"a", staging_name="b", sha256=Digest.of(b""), size_bytes=0, stat=STAT)
REPLIES: list[Reply] = [Bell(), Progress(count=3), FoundChunk(found=[FOUND, FOUND]), CopiedReply(copied=COPIED)]


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@given(cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_messages_arrive_whole_however_the_pipe_cuts_them(cuts: list[int]) -> None:
    data = b"".join(map(frame, REPLIES))
    buffer = reply_buffer()
    arrived: list[Reply] = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        buffer.feed(data[start:end])
        while (message := buffer.next_message()) is not None:
            arrived.append(message)
    assert arrived == REPLIES


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),  # refused before its bytes are waited for
        framed(b""),
        framed(b"\xc1"),
        framed(msgspec.msgpack.encode({"type": "Unknown"})),
        framed(msgspec.msgpack.encode({"type": "Progress", "count": "3"})),
        framed(msgspec.msgpack.encode({"type": "Progress"})),
        framed(
            msgspec.msgpack.encode({"type": "FoundChunk", "found": [{"path": "text", "kind": "file", "stat": None}]})
        ),
        framed(msgspec.msgpack.encode({"type": "FoundChunk", "found": [{"path": b"", "kind": "door", "stat": None}]})),
        framed(msgspec.msgpack.encode(Bell()) + b"\x00"),
        framed(b"\x82\xa4type\xa4Bell\xa1x" + b"\x91" * 100_000),  # an unknown member, nested deep
        frame(Scan()),  # a request is no reply
        framed(frame(CopiedReply(copied=COPIED))[4:].replace(Digest.of(b"").raw, b"\0" * 31 + b"")),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    buffer = reply_buffer()
    buffer.feed(data)
    with pytest.raises(ShareMessageError):
        buffer.next_message()


@given(body=st.binary(max_size=200))
def test_any_bytes_give_a_message_or_the_declared_error(body: bytes) -> None:
    for buffer in (reply_buffer(), request_buffer()):
        buffer.feed(framed(body))
        try:
            assert buffer.next_message() is not None
        except ShareMessageError:
            continue


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ShareMessageError):
        frame(WriteReceipt(temporary=b"x", content=bytes(MAX_FRAME_BYTES)))
