"""MPEG programme and transport streams. Source: ITU-T H.222.0 (ISO/IEC 13818-1), 2.4.3.2 and 2.5.3.3. PURE."""

from __future__ import annotations

from media.formats.family import Family

_PACK_START = b"\x00\x00\x01\xba"
_SYSTEM_HEADER = b"\x00\x00\x01\xbb"
_SYNC = 0x47
# Packet lengths: plain; with a time stamp before each packet (M2TS: AVCHD, BDAV); with error correction behind it.
_PACKETS = ((188, 0), (192, 4), (204, 0))
_NEEDED_SYNCS = 5


def recognise_programme_stream(head: bytes) -> Family | None:
    """Return the family when a pack or system header stands first."""
    if not head.startswith((_PACK_START, _SYSTEM_HEADER)):
        return None
    return Family(name="mpeg-ps", kind="video", media_type="video/mpeg", demuxer="mpeg")


def recognise_transport_stream(head: bytes) -> Family | None:
    """Return the family when sync bytes stand where every packet must start."""
    for length, offset in _PACKETS:
        syncs = head[offset : offset + length * _NEEDED_SYNCS : length]
        if len(syncs) == _NEEDED_SYNCS and set(syncs) == {_SYNC}:
            return Family(name="mpeg-ts", kind="video", media_type="video/mp2t", demuxer="mpegts")
    return None
