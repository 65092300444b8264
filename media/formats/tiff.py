"""TIFF and the raw formats of cameras built on it. Source: TIFF 6.0, sections 2 and 8. PURE."""

from __future__ import annotations

from typing import Literal

from media.formats.family import Family

_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\x00": "little", b"MM\x00*": "big"}
_IMAGE_WIDTH, _IMAGE_LENGTH = 256, 257
_VALUE_BYTES = {3: 2, 4: 4}  # SHORT, LONG
_MAX_TAGS = 4096


def recognise(head: bytes) -> Family | None:
    """Return the family with the size that the first directory states, where it lies within ``head``."""
    order = _BYTE_ORDERS.get(head[:4])
    if order is None:
        return None
    return Family(name="tiff", kind="still", media_type="image/tiff", still=True, size=_stated_size(head, order))


def _stated_size(head: bytes, order: Literal["little", "big"]) -> tuple[int, int] | None:
    directory = int.from_bytes(head[4:8], order)
    tags = int.from_bytes(head[directory : directory + 2], order)
    values = {}
    for index in range(min(tags, _MAX_TAGS)):
        entry = head[directory + 2 + 12 * index : directory + 14 + 12 * index]
        if len(entry) < 12:
            return None
        size = _VALUE_BYTES.get(int.from_bytes(entry[2:4], order))
        if size:
            values[int.from_bytes(entry[:2], order)] = int.from_bytes(entry[8 : 8 + size], order)
    if _IMAGE_WIDTH in values and _IMAGE_LENGTH in values:
        return values[_IMAGE_WIDTH], values[_IMAGE_LENGTH]
    return None
