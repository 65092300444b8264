"""The EXIF block of a still, written by hand: none of the locked libraries writes one.

Layout: TIFF 6.0, big-endian; IFD0 with the camera, the Exif and GPS directories below it, IFD1 with the thumbnail.
Source: CIPA DC-008 (Exif 2.32), sections 4.5 to 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
_IFD_ENTRY = struct.Struct(">HHI4s")
_APP1_LIMIT_BYTES = 65_533


Angle = tuple[int, int, int]  # degrees, minutes, hundredths of seconds
Value = tuple[int, int, bytes]  # type, count, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """What a camera says of itself."""

    make: str
    model: str
    serial: str
    owner: str
    position: tuple[Angle, Angle]  # north, east


def with_exif(jpeg: bytes, *, camera: Camera, taken: datetime, thumbnail: bytes) -> bytes:
    """Return the picture with an EXIF segment behind its start marker. Raises ValueError if that is too long."""
    segment = b"Exif\0\0" + _tiff(camera, taken, thumbnail)
    if len(segment) > _APP1_LIMIT_BYTES:
        raise ValueError(f"an EXIF segment of {len(segment)} bytes: at most {_APP1_LIMIT_BYTES} fit")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def _tiff(camera: Camera, taken: datetime, thumbnail: bytes) -> bytes:
    moment = _ascii(taken.strftime("%Y:%m:%d %H:%M:%S"))
    exif = {
        0x9000: (_UNDEFINED, 4, b"0232"),
        0x9003: moment,  # DateTimeOriginal
        0x9011: _ascii(taken.strftime("%z")[:3] + ":" + taken.strftime("%z")[3:]),  # OffsetTimeOriginal
        0xA430: _ascii(camera.owner),
        0xA431: _ascii(camera.serial),
    }
    north, east = camera.position
    gps = {
        0x0000: (_BYTE, 4, bytes((2, 3, 0, 0))),
        0x0001: _ascii("N"),
        0x0002: _degrees(north),
        0x0003: _ascii("E"),
        0x0004: _degrees(east),
    }
    first = {0x010F: _ascii(camera.make), 0x0110: _ascii(camera.model), 0x0132: moment}
    second = {0x0103: _short(6), 0x0201: _long(0), 0x0202: _long(len(thumbnail))}
    # Offsets count from the byte order mark; the directories follow each other, and the thumbnail is last.
    exif_at = 8 + len(_directory({**first, 0x8769: _long(0), 0x8825: _long(0)}, at=8))
    gps_at = exif_at + len(_directory(exif, at=exif_at))
    second_at = gps_at + len(_directory(gps, at=gps_at))
    second[0x0201] = _long(second_at + len(_directory(second, at=second_at)))
    first |= {0x8769: _long(exif_at), 0x8825: _long(gps_at)}
    parts: Sequence[bytes] = (
        b"MM\0\x2a" + struct.pack(">I", 8),
        _directory(first, at=8, following=second_at),
        _directory(exif, at=exif_at),
        _directory(gps, at=gps_at),
        _directory(second, at=second_at),
        thumbnail,
    )
    return b"".join(parts)


def _directory(values: Mapping[int, Value], *, at: int, following: int = 0) -> bytes:
    """Return one IFD that begins at offset ``at``: its entries in the order of their tags, then the longer values."""
    spill_at = at + 2 + len(values) * _IFD_ENTRY.size + 4
    entries, spill = b"", b""
    for tag, (kind, count, content) in sorted(values.items()):
        if len(content) <= 4:
            entries += _IFD_ENTRY.pack(tag, kind, count, content.ljust(4, b"\0"))
        else:
            entries += _IFD_ENTRY.pack(tag, kind, count, struct.pack(">I", spill_at + len(spill)))
            spill += content + b"\0" * (len(content) % 2)  # values begin at even offsets
    return struct.pack(">H", len(values)) + entries + struct.pack(">I", following) + spill


def _ascii(text: str) -> Value:
    content = text.encode("ascii") + b"\0"
    return _ASCII, len(content), content


def _short(number: int) -> Value:
    return _SHORT, 1, struct.pack(">H", number)


def _long(number: int) -> Value:
    return _LONG, 1, struct.pack(">I", number)


def _degrees(angle: Angle) -> Value:
    degrees, minutes, hundredths = angle
    return _RATIONAL, 3, struct.pack(">6I", degrees, 1, minutes, 1, hundredths, 100)
