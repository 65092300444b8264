"""Matroska and WebM. Source: RFC 8794 (EBML header), RFC 9559 (Matroska). PURE."""

from __future__ import annotations

from media.formats.family import Family

_EBML = b"\x1a\x45\xdf\xa3"
_DOC_TYPE = b"\x42\x82"
_HEADER_BYTES = 256  # the header is some 40 bytes; the document type stands within it


def recognise(head: bytes) -> Family | None:
    """Return the family; the document type tells WebM from Matroska."""
    if not head.startswith(_EBML):
        return None
    _, found, rest = head[:_HEADER_BYTES].partition(_DOC_TYPE)
    webm = bool(found) and rest[1:5] == b"webm"
    media_type = "video/webm" if webm else "video/matroska"
    return Family(name="webm" if webm else "matroska", kind="video", media_type=media_type, demuxer="matroska")
