"""What the recorder and a share reader say to each other, and the frames that carry it.

A frame is a big-endian uint32 length and that many bytes of MessagePack, which carries raw file names as they are.
Each frame is decoded against the declared types: what does not fit is a ShareMessageError, never a half-read message.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from base.errors import EvidenceError, SurroundingsError
from ingest.share_facts import (
    Copied,
    Found,
    Hashed,
    NotCopied,
    NotRead,
    ReceiptFile,
    ReceiptRefused,
    RemovalOutcome,
    RootDescription,
    ScanOutcome,
    SmallFile,
    Watching,
)
from ledger.events.item import SourceStat

MAX_FRAME_BYTES = 64 << 20
_HEAD_BYTES = 4


class ShareMessageError(SurroundingsError):
    """A frame that is too long, or not one of the messages below."""


# --------------------------------------------------------------------------------------------------- requests


class Start(msgspec.Struct, frozen=True, tag=True):
    root: bytes
    staging: bytes
    watch: bool  # hang the doorbell at the first scan: an earlier reader of this root had it


class Scan(msgspec.Struct, frozen=True, tag=True):
    pass


class CopyOrder(msgspec.Struct, frozen=True):
    path: bytes
    stat: SourceStat
    staging_name: str


class CopyBatch(msgspec.Struct, frozen=True, tag=True):
    orders: list[CopyOrder]


class HashFile(msgspec.Struct, frozen=True, tag=True):
    path: bytes


class ReadSmall(msgspec.Struct, frozen=True, tag=True):
    path: bytes
    max_bytes: int


class WriteReceipt(msgspec.Struct, frozen=True, tag=True):
    temporary: bytes
    content: bytes


class NameReceipt(msgspec.Struct, frozen=True, tag=True):
    written: ReceiptFile
    names: list[bytes]  # tried in this order: the first that is free


class RemoveReceipt(msgspec.Struct, frozen=True, tag=True):
    receipt: ReceiptFile
    aside: bytes


class DescribeRoot(msgspec.Struct, frozen=True, tag=True):
    pass


class Watch(msgspec.Struct, frozen=True, tag=True):
    pass


Request = (
    Start | Scan | CopyBatch | HashFile | ReadSmall | WriteReceipt | NameReceipt | RemoveReceipt | DescribeRoot | Watch
)


# ---------------------------------------------------------------------------------------------------- replies


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Still alive: the reader is working. ``count`` are bytes copied or entries seen so far."""

    count: int


class Bell(msgspec.Struct, frozen=True, tag=True):
    """Something happened in the root: look."""


class FoundChunk(msgspec.Struct, frozen=True, tag=True):
    found: list[Found]


class ScanEnd(msgspec.Struct, frozen=True, tag=True):
    outcome: ScanOutcome


class CopiedReply(msgspec.Struct, frozen=True, tag=True):
    copied: Copied


class NotCopiedReply(msgspec.Struct, frozen=True, tag=True):
    not_copied: NotCopied


class CopyEnd(msgspec.Struct, frozen=True, tag=True):
    pass


class HashReply(msgspec.Struct, frozen=True, tag=True):
    hashed: Hashed


class SmallReply(msgspec.Struct, frozen=True, tag=True):
    file: SmallFile


class NotReadReply(msgspec.Struct, frozen=True, tag=True):
    not_read: NotRead


class ReceiptReply(msgspec.Struct, frozen=True, tag=True):
    receipt: ReceiptFile


class ReceiptRefusedReply(msgspec.Struct, frozen=True, tag=True):
    refused: ReceiptRefused


class RemovalReply(msgspec.Struct, frozen=True, tag=True):
    outcome: RemovalOutcome


class RootReply(msgspec.Struct, frozen=True, tag=True):
    root: RootDescription


class WatchReply(msgspec.Struct, frozen=True, tag=True):
    watching: Watching


class RootLost(msgspec.Struct, frozen=True, tag=True):
    """The root itself can't be reached; the reader stays."""

    code: int
    detail: str


class StoreFailed(msgspec.Struct, frozen=True, tag=True):
    """Writing into staging failed: the store's trouble, not the share's."""

    code: int
    detail: str


Reply = (
    Progress
    | Bell
    | FoundChunk
    | ScanEnd
    | CopiedReply
    | NotCopiedReply
    | CopyEnd
    | HashReply
    | SmallReply
    | NotReadReply
    | ReceiptReply
    | ReceiptRefusedReply
    | RemovalReply
    | RootReply
    | WatchReply
    | RootLost
    | StoreFailed
)


# ----------------------------------------------------------------------------------------------------- frames

_encoder = msgspec.msgpack.Encoder()
MessageT = TypeVar("MessageT")


def frame(message: Request | Reply) -> bytes:
    """Return ``message`` as one frame."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise ShareMessageError(f"a message of {len(body)} bytes, at most {MAX_FRAME_BYTES} are allowed")
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


class FrameBuffer(Generic[MessageT]):
    """Bytes as they arrive from a pipe, given back as whole messages of one declared type."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[MessageT]) -> None:
        self._decoder = decoder
        self._pending = bytearray()

    def feed(self, data: bytes) -> None:
        self._pending += data

    def next_message(self) -> MessageT | None:
        """Return the next complete message, or None. Raises: ShareMessageError."""
        if len(self._pending) < _HEAD_BYTES:
            return None
        end = _HEAD_BYTES + int.from_bytes(self._pending[:_HEAD_BYTES], "big")
        if end - _HEAD_BYTES > MAX_FRAME_BYTES:
            raise ShareMessageError(f"a frame of {end - _HEAD_BYTES} bytes, at most {MAX_FRAME_BYTES} are allowed")
        if len(self._pending) < end:
            return None
        body = bytes(self._pending[_HEAD_BYTES:end])
        del self._pending[:end]
        try:
            return self._decoder.decode(body)
        # EvidenceError: a Digest of wrong length. RecursionError: an unknown member that is nested deep.
        except (msgspec.MsgspecError, EvidenceError, UnicodeError, RecursionError) as err:
            raise ShareMessageError(f"not a message of a share reader: {err}") from err


def request_buffer() -> FrameBuffer[Request]:
    """Return a buffer for what the recorder sends."""
    return FrameBuffer(msgspec.msgpack.Decoder(Request))


def reply_buffer() -> FrameBuffer[Reply]:
    """Return a buffer for what a reader sends."""
    return FrameBuffer(msgspec.msgpack.Decoder(Reply))
