"""ISO base media: MP4, QuickTime, 3GP, M4A, HEIC, AVIF; and what an edit list hides. PURE.

Source: ISO/IEC 14496-12 (boxes; 8.6.6 edit list), QuickTime File Format (movie without ``ftyp``), mp4ra.org (brands).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from media.formats.family import Family

_DEMUXER = "mov"
# Boxes with which a movie may start when there is no ``ftyp``.
_FIRST_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"sidx", b"moof", b"uuid"})
_STILL_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"heif": "image/heif", b"mif1": "image/heif"}
_STILL_BRANDS |= {b"avif": "image/avif", b"avis": "image/avif", b"msf1": "image/heif", b"hevc": "image/heic"}
_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})
_MAX_BOXES = 10_000  # in one level


def recognise(head: bytes) -> Family | None:
    """Return the family that the brand names, or QuickTime for a movie without one."""
    if len(head) < 8:
        return None
    kind = head[4:8]
    if kind != b"ftyp":
        plausible = kind in _FIRST_BOXES and int.from_bytes(head[:4], "big") not in range(2, 8)
        return _video("mov", "video/quicktime") if plausible else None
    brand = head[8:12]
    if brand in _STILL_BRANDS:
        return Family(name="heif", kind="still", media_type=_STILL_BRANDS[brand])
    if brand in _AUDIO_BRANDS:
        return Family(name="mp4", kind="audio", media_type="audio/mp4", demuxer=_DEMUXER)
    if brand == b"qt  ":
        return _video("mov", "video/quicktime")
    if brand[:3] in (b"3gp", b"3g2"):
        return _video("3gp", "video/3gpp" if brand[:3] == b"3gp" else "video/3gpp2")
    return _video("mp4", "video/mp4")


def _video(name: str, media_type: str) -> Family:
    return Family(name=name, kind="video", media_type=media_type, demuxer=_DEMUXER)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedTrack:
    """The video track's stored length, and how much of it the edit list lets a player show."""

    stored_s: Fraction
    shown_s: Fraction


def counts_its_frames(movie: bytes) -> bool:
    """Return whether the sample tables hold all frames: not where fragments add more (8.8.1, ``mvex``)."""
    return b"mvex" not in {kind for kind, _ in boxes(movie)}


def edited_track(movie: bytes) -> EditedTrack | None:
    """Return the lengths of the first video track that has an edit list; None without one.

    ``movie`` is the content of the ``moov`` box. Whatever in it is not as it should be gives None, never an error.
    """
    try:
        return _edited_track(movie)
    except (struct.error, ZeroDivisionError):
        return None


def _edited_track(movie: bytes) -> EditedTrack | None:
    movie_scale = None
    for kind, content in boxes(movie):
        if kind == b"mvhd":
            movie_scale = _timing(content)[0]
        if kind == b"trak" and movie_scale:
            track = dict(boxes(content))
            media = dict(boxes(track.get(b"mdia", b"")))
            edits = dict(boxes(track.get(b"edts", b""))).get(b"elst")
            if media.get(b"hdlr", b"")[8:12] == b"vide" and edits is not None and b"mdhd" in media:
                scale, duration = _timing(media[b"mdhd"])
                shown = sum(_shown_durations(edits))
                return EditedTrack(stored_s=Fraction(duration, scale), shown_s=Fraction(shown, movie_scale))
    return None


def _timing(header: bytes) -> tuple[int, int]:
    """Return time scale and duration of an ``mvhd`` or ``mdhd`` box (8.2.2, 8.4.2)."""
    if header[:1] == b"\x01":
        scale, duration = struct.unpack_from(">IQ", header, 20)
    else:
        scale, duration = struct.unpack_from(">II", header, 12)
    return int(scale), int(duration)


def _shown_durations(edits: bytes) -> Iterator[int]:
    """Yield the durations of those edits that show media; a media time of -1 is a gap (8.6.6)."""
    count = struct.unpack_from(">I", edits, 4)[0]
    form = struct.Struct(">Qq4x" if edits[:1] == b"\x01" else ">Ii4x")
    for index in range(min(count, (len(edits) - 8) // form.size)):
        duration, media_time = form.unpack_from(edits, 8 + index * form.size)
        if media_time >= 0:
            yield duration


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box of one level, as far as ``data`` reaches."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 8 > len(data):
            return
        size, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = len(data) if size == 0 else position + size
        if end < start:
            return
        yield data[position + 4 : position + 8], data[start:end]
        position = end
