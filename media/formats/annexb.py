"""Bare H.264 and H.265 streams. Source: ITU-T H.264, 7.3.1 and annex B; ITU-T H.265, 7.3.1.2 and annex B. PURE."""

from __future__ import annotations

from media.formats.family import Family

_START_CODES = (b"\x00\x00\x00\x01", b"\x00\x00\x01")
_H264_FIRST = frozenset({7, 9})  # sequence parameter set, access unit delimiter
_H265_FIRST = frozenset({32, 33, 35})  # video and sequence parameter sets, access unit delimiter


def recognise(head: bytes) -> Family | None:
    """Return the family when the stream starts with the unit that a decoder needs first."""
    for code in _START_CODES:
        if head.startswith(code) and len(head) > len(code) + 4:
            first, second = head[len(code)], head[len(code) + 1]
            # H.265 first: its two-byte header has layer 0 and temporal id 1 here, which no H.264 unit 7 or 9 shows.
            if first & 0x81 == 0 and first >> 1 & 0x3F in _H265_FIRST and second == 1:
                return Family(name="h265", kind="video", media_type="video/h265", demuxer="hevc")
            if first & 0x80 == 0 and first & 0x1F in _H264_FIRST:
                return Family(name="h264", kind="video", media_type="video/h264", demuxer="h264")
    return None
