"""RIFF: AVI, WAVE, WebP. Source: Multimedia Programming Interface 1.0 (IBM, Microsoft 1991); RFC 9649. PURE."""

from __future__ import annotations

from media.formats.family import Family


def recognise(head: bytes) -> Family | None:
    """Return the family that the form type names."""
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        return None
    match head[8:12]:
        case b"AVI " | b"AVIX":
            return Family(name="avi", kind="video", media_type="video/vnd.avi", demuxer="avi")
        case b"WAVE":
            return Family(name="wav", kind="audio", media_type="audio/vnd.wave")
        case b"WEBP":
            return Family(name="webp", kind="still", media_type="image/webp", still=True, size=_webp_size(head))
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Return the size that the first chunk states. Source: RFC 9649, 2.5-2.7; RFC 6386, 9.1."""
    data = head[20:30]
    if len(data) < 10:
        return None
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
        case b"VP8L":
            bits = int.from_bytes(data[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    return None
