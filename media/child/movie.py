"""Finds the ``moov`` box of an ISO media file, wherever it stands. Reads headers only, and the box itself."""

from __future__ import annotations

import os

_MAX_BOXES = 10_000  # a fragmented recording of a day has some; the movie box stands before its fragments
_MAX_MOVIE_BYTES = 64 * 1024 * 1024


def movie_box(descriptor: int, *, size_bytes: int) -> bytes | None:
    """Return the content of the movie box, or None when there is none or it is larger than is reasonable."""
    position = 0
    for _ in range(_MAX_BOXES):
        header = os.pread(descriptor, 16, position)
        if len(header) < 8:
            return None
        length, start = int.from_bytes(header[:4], "big"), position + 8
        if length == 1:
            length, start = int.from_bytes(header[8:16], "big"), position + 16
        end = size_bytes if length == 0 else position + length
        if end < start:
            return None
        if header[4:8] == b"moov":
            return os.pread(descriptor, end - start, start) if end - start <= _MAX_MOVIE_BYTES else None
        position = end
    return None
