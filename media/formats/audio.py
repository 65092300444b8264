"""Audio alone: FLAC, Ogg, MP3, AAC, AMR. Listed, never decoded here. PURE.

Source: RFC 9639 (FLAC), RFC 3533 (Ogg), ID3v2.4 3.1, ISO/IEC 11172-3 2.4.1.3 (MP3), ISO/IEC 13818-7 6.2 (ADTS),
RFC 4867 5 (AMR).
"""

from __future__ import annotations

from media.formats.family import Family

_SIGNATURES = {
    b"fLaC": ("flac", "audio/flac"),
    b"OggS": ("ogg", "audio/ogg"),
    b"ID3": ("mp3", "audio/mpeg"),
    b"#!AMR": ("amr", "audio/amr"),
}


def recognise(head: bytes) -> Family | None:
    """Return the family that a signature or a frame header shows."""
    for signature, (name, media_type) in _SIGNATURES.items():
        if head.startswith(signature):
            return Family(name=name, kind="audio", media_type=media_type)
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return Family(name="aac", kind="audio", media_type="audio/aac")
    layer_three = head[1] & 0xE6 == 0xE2
    plausible = head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3
    return Family(name="mp3", kind="audio", media_type="audio/mpeg") if layer_three and plausible else None
