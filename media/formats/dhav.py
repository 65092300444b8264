"""DHAV, the stream format of many video recorders (.dav). There is no public specification; the signature is. PURE."""

from __future__ import annotations

from media.formats.family import Family

_PREFIX = b"DAHUA"  # some recorders put a block with their name first


def recognise(head: bytes) -> Family | None:
    """Return the family when a frame header stands at the start or behind the maker's block."""
    if not head.startswith(b"DHAV") and not (head.startswith(_PREFIX) and b"DHAV" in head[:4096]):
        return None
    return Family(name="dhav", kind="video", media_type="video/x-dhav", demuxer="dhav")
