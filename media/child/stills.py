"""Stills: the master is the picture; one preview of it, and the thumbnail that the camera put inside."""

from __future__ import annotations

import os
from dataclasses import dataclass

import cv2
import numpy as np

from media.child.pictures import LONGEST_SIDE, KeptPicture, encoded
from media.formats import Family, jpeg

MAX_STILL_BYTES = 256 * 1024 * 1024
# What OpenCV decodes here; other stills (HEIC, AVIF) are listed with their metadata only.
_MODES = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
    (1, cv2.IMREAD_COLOR),
)
_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 4096  # some cameras write a few bytes behind the end of the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """The stored size (before the turn that the EXIF orientation asks for), and the preview."""

    width: int
    height: int
    preview: KeptPicture
    truncated: bool


def read(descriptor: int, family: Family, *, size_bytes: int) -> Still | None:
    """Return the picture in the file, or None when it gives none. Its stated size was checked by the caller."""
    if family.size is None or size_bytes > MAX_STILL_BYTES:
        return None
    data = os.pread(descriptor, size_bytes, 0)
    width, height = family.size
    mode = next(mode for shrink, mode in _MODES if shrink == 1 or max(width, height) // shrink >= LONGEST_SIDE)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), mode)  # 8 bits a channel, turned as EXIF says
    preview = None if picture is None else encoded(np.asarray(picture, np.uint8), rotation=0)
    if preview is None:
        return None
    truncated = family.name == "jpeg" and _END_OF_IMAGE not in data[-_TAIL_BYTES:]
    return Still(width=width, height=height, preview=preview, truncated=truncated)


def thumbnail(data: bytes) -> KeptPicture | None:
    """Return the embedded thumbnail as it is, when it is a JPEG with a size."""
    family = jpeg.recognise(data)
    if family is None or family.size is None or 0 in family.size:
        return None
    width, height = family.size
    return KeptPicture(data=data, width=width, height=height, rotation=0, original=True)
