"""ASF: WMV, WMA, and recorders that use it. Source: Advanced Systems Format 01.20.06, section 3.1. PURE."""

from __future__ import annotations

from media.formats.family import Family

_HEADER_OBJECT = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


def recognise(head: bytes) -> Family | None:
    """Return the family when the file starts with the header object."""
    if not head.startswith(_HEADER_OBJECT):
        return None
    return Family(name="asf", kind="video", media_type="video/x-ms-asf", demuxer="asf")
