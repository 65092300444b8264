"""The messages between the processes of the program, and the heads of recordings, for the table of parsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from parsers import Parser

from hashing.digest import Digest
from ingest.porter import Done, Failed, Mismatch, PorterDiedError, parse_answer
from ingest.share_facts import Copied, Found, Kind, Reason
from ingest.share_messages import (
    Bell,
    CopiedReply,
    CopyBatch,
    CopyOrder,
    FoundChunk,
    FrameBuffer,
    Progress,
    Reply,
    Request,
    RootLost,
    ShareMessageError,
    Start,
    frame,
    reply_buffer,
    request_buffer,
)
from ledger.events.item import SourceStat
from media import formats, wire
from media.formats.iso import edited_track
from media.formats.jpeg import stated_size
from media.limits import Limits
from media.report import Failure, Tool

_STAT = SourceStat(size_bytes=1, mtime_ns=-5, ctime_ns=2**62, inode=2**64 - 1, device=7, mode=0o100644)


def _first_message(make: Callable[[], FrameBuffer[Any]]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        buffer = make()
        buffer.feed(data)
        return buffer.next_message()

    return read


def _write_frame(message: Any) -> bytes:
    return b"" if message is None else frame(message)


def _wire(kind: Any, *samples: Any) -> Parser:
    return Parser(
        name=f"{kind.__name__} of the sandbox",
        read=lambda data: wire.decode(data, kind),
        errors=(wire.WireError,),
        write=wire.encode,
        one_spelling=False,
        samples=tuple(map(wire.encode, samples)),
    )


_REPLIES: tuple[Reply, ...] = (
    Bell(),
    Progress(count=3),
    RootLost(code=5, detail="x"),
    FoundChunk(found=[Found(path=b"\xff", kind=Kind.FIFO, stat=_STAT, uid=0, problem=Reason.NOT_A_FILE, detail="x")]),
    CopiedReply(copied=Copied(path=b"a", staging_name="b", sha256=Digest.of(b""), size_bytes=0, stat=_STAT)),
)
_REQUESTS: tuple[Request, ...] = (
    Start(root=b"/srv", staging=b"/s", watch=True),
    CopyBatch(orders=[CopyOrder(path=b"\xff", stat=_STAT, staging_name="b")]),
)
_ANSWERS = (
    Done(read_back="direct", mismatches=[Mismatch(index=0, found=Digest.of(b""))]),
    Failed(message="x", next_step="y", is_sync=False),
)


def messages() -> list[Parser]:
    """MessagePack has many spellings of one value, and unknown members are dropped."""
    return [
        _wire(wire.Job, wire.Job(task="probe", require="require-seccomp", limits=Limits())),
        _wire(wire.Ready, wire.Ready(tools=(Tool(name="a", version="1"),), problem="nothing is there")),
        _wire(wire.Ended, wire.Ended(exit_code=None, signal=11, timed_out=False)),
        _wire(wire.Reply, wire.Reply(failure=Failure(outcome="crash"))),
        Parser(
            name="reply of a share reader",
            read=_first_message(reply_buffer),
            errors=(ShareMessageError,),
            write=_write_frame,
            one_spelling=False,
            samples=tuple(frame(reply) for reply in _REPLIES),
        ),
        Parser(
            name="request to a share reader",
            read=_first_message(request_buffer),
            errors=(ShareMessageError,),
            write=_write_frame,
            one_spelling=False,
            samples=tuple(frame(request) for request in _REQUESTS),
        ),
        Parser(
            name="answer of the porter",
            read=parse_answer,
            errors=(PorterDiedError,),
            write=msgspec.msgpack.encode,
            one_spelling=False,
            samples=tuple(map(msgspec.msgpack.encode, _ANSWERS)),
        ),
    ]


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def media_heads() -> list[Parser]:
    timing = bytes(12) + (600).to_bytes(4, "big") + (6000).to_bytes(4, "big")
    edits = bytes(4) + (1).to_bytes(4, "big") + (6000).to_bytes(4, "big") + bytes(4) + b"\0\1\0\0"
    media = _box(b"mdhd", timing) + _box(b"hdlr", bytes(8) + b"vide" + bytes(12))
    track = _box(b"trak", _box(b"edts", _box(b"elst", edits)) + _box(b"mdia", media))
    jpeg = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc00011080010002003012200021101031101ffda0000")
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes([0, 0, 0, 16, 0, 0, 0, 32, 8, 2, 0, 0, 0])
    heads = (
        _box(b"ftyp", b"isom\0\0\2\0isomiso2") + _box(b"moov", track),
        *(jpeg, png, b"RIFF\x24\0\0\0AVI LIST", b"RIFF\x24\0\0\0WEBPVP8X" + bytes(16), b"II*\0\x08\0\0\0\1\0\0\1\3\0"),
        *(b"\x1aE\xdf\xa3\x93B\x82\x88matroska", b"\0\0\1\xba" + bytes(60), b"G\x40\0\x10" + bytes(184) + b"G" * 400),
        *(
            b"FLV\1\5\0\0\0\x09",
            b"DHAV" + bytes(40),
            b"\0\0\0\1\x67\x42\0\x1e",
            b"ID3\3\0\0\0\0\0\0",
            b"fLaC" + bytes(40),
        ),
    )
    return [
        Parser(name="head of a recording", read=formats.recognise, errors=(), samples=heads),
        Parser(name="edit list", read=edited_track, errors=(), samples=(_box(b"mvhd", timing) + track,)),
        Parser(name="size of a JPEG", read=stated_size, errors=(), samples=(jpeg,)),
    ]
