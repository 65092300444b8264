"""FLV. Source: Adobe Flash Video File Format 10.1, E.2. PURE."""

from __future__ import annotations

from media.formats.family import Family


def recognise(head: bytes) -> Family | None:
    """Return the family when signature, version and a header of the usual length are there."""
    if head[:4] != b"FLV\x01" or len(head) < 9 or head[5:9] != b"\x00\x00\x00\x09":
        return None
    return Family(name="flv", kind="video", media_type="video/x-flv", demuxer="flv")
