"""Every value that MediaInfo and exifread read from a file, each with its source. Nothing is merged or corrected.

Left out: MediaInfo's ``other_...`` values (the same values again, worded for people), and the bytes of thumbnails.
"""

from __future__ import annotations

import os
import struct
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import exifread
from exifread.core.exceptions import ExifNotFound, InvalidExif
from pymediainfo import MediaInfo

from media.child.libraries import MEDIAINFO_LIBRARY
from media.child.technical import is_sensitive
from media.report import MAX_VALUE_CHARACTERS, Metadatum, storable

_CUT_MARK = "… (cut)"
_MAX_KEY = 200
_MAX_THUMBNAIL_BYTES = 1024 * 1024
_OTHER = "other_"

# What a parser of hostile bytes, written in Python, is known to raise; LookupError: IndexError and KeyError.
PARSER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ET.ParseError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    ExifNotFound,
    InvalidExif,
)


@dataclass(slots=True, kw_only=True)
class Metadata:
    """What was found; ``failed`` names the sources that gave up, ``cut`` says that the limit was reached."""

    values: list[Metadatum] = field(default_factory=list)
    thumbnail: bytes | None = None
    failed: list[str] = field(default_factory=list)
    cut: bool = False

    def first(self, source: str, *keys: str) -> str | None:
        """Return the value of the first of ``keys`` that ``source`` gave."""
        found = {value.key: value.value for value in reversed(self.values) if value.source == source}
        return next((found[key] for key in keys if key in found), None)

    def keys(self, source: str) -> frozenset[str]:
        return frozenset(value.key for value in self.values if value.source == source)


class Reader:
    """Collects metadata from one open file, at most ``most`` values."""

    def __init__(self, descriptor: int, *, most: int) -> None:
        self._descriptor = descriptor
        self._most = most
        self._found = Metadata()

    def read(self, *, exif: bool) -> Metadata:
        """Return what MediaInfo says, and exifread too for a still."""
        if exif:
            self._collect("exif", self._exif())
        self._collect("mediainfo", self._mediainfo())
        return self._found

    def _collect(self, source: str, values: Iterator[tuple[str, object]]) -> None:
        try:
            for key, value in values:
                if len(self._found.values) >= self._most:
                    self._found.cut = True
                    return
                self._found.values.append(metadatum(source, key, value))
        except PARSER_ERRORS as err:
            self._found.failed.append(f"{source}: {type(err).__name__}")

    def _mediainfo(self) -> Iterator[tuple[str, object]]:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            parsed = MediaInfo.parse(file, library_file=MEDIAINFO_LIBRARY)
        numbers: Counter[str] = Counter()
        for track in parsed.tracks:
            kind = str(track.track_type).lower()
            numbers[kind] += 1
            prefix = kind if kind == "general" else f"{kind}{numbers[kind]}"
            for key, value in sorted(track.to_data().items()):
                if not key.startswith(_OTHER):
                    yield f"{prefix}.{key}", value

    def _exif(self) -> Iterator[tuple[str, object]]:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            tags = exifread.process_file(file, details=True, truncate_tags=False)
        thumbnail = tags.pop("JPEGThumbnail", None)
        tags.pop("TIFFThumbnail", None)
        if isinstance(thumbnail, bytes) and len(thumbnail) <= _MAX_THUMBNAIL_BYTES:
            self._found.thumbnail = thumbnail
        yield from sorted(tags.items())


def metadatum(source: str, key: str, value: object) -> Metadatum:
    """Return one value as text, cut to what a report carries."""
    text = storable(str(value))
    if len(text) > MAX_VALUE_CHARACTERS:
        text = text[: MAX_VALUE_CHARACTERS - len(_CUT_MARK)] + _CUT_MARK
    name = storable(key)[:_MAX_KEY]
    return Metadatum(source=source, key=name, value=text, sensitive=is_sensitive(source, name))
