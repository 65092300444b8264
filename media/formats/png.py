"""PNG. Source: PNG specification (ISO/IEC 15948), 5.2 signature, 11.2.2 IHDR. PURE."""

from __future__ import annotations

from media.formats.family import Family

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def recognise(head: bytes) -> Family | None:
    """Return the family with the size that IHDR states."""
    if not head.startswith(_SIGNATURE):
        return None
    size = None
    if head[12:16] == b"IHDR" and len(head) >= 24:
        size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return Family(name="png", kind="still", media_type="image/png", still=True, size=size)
