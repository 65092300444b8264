"""JPEG. Source: ITU-T T.81, B.1.1 marker codes, B.2.2 frame header. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from media.formats.family import Family

_SOI = b"\xff\xd8"
_START_OF_SCAN = 0xDA
# SOF0-SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def recognise(head: bytes) -> Family | None:
    """Return the family with the size that the frame header states, where it lies within ``head``."""
    if head[:2] != _SOI or head[2:3] != b"\xff":
        return None
    return Family(name="jpeg", kind="still", media_type="image/jpeg", still=True, size=stated_size(head))


def stated_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height as the first frame header states them, or None."""
    for marker, start, end in segments(data):
        if marker in _START_OF_FRAME and end - start >= 5:
            return int.from_bytes(data[start + 3 : start + 5], "big"), int.from_bytes(
                data[start + 1 : start + 3], "big"
            )
    return None


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each marker segment's content before the first scan, as far as ``data`` reaches."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2 or marker == _START_OF_SCAN:
            return
        yield marker, position + 4, min(position + 2 + length, len(data))
        position += 2 + length
