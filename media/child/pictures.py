"""The pictures that are kept: encoded here, inside the sandbox, so that the parent never decodes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from media.child.decoder import Picture
from media.formats import jpeg

QUALITY = 85
LONGEST_SIDE = 1280
_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPicture:
    """A JPEG with its size; ``rotation`` is what is still to be applied for showing."""

    data: bytes
    width: int
    height: int
    rotation: Literal[0, 90, 180, 270]
    original: bool


def encoded(picture: Picture, *, rotation: int) -> KeptPicture | None:
    """Return ``picture`` as a JPEG, at most `LONGEST_SIDE` on its longer side, turned as it should be shown."""
    shown = shrunk(picture)
    if rotation in _TURNS:
        shown = np.asarray(cv2.rotate(shown, _TURNS[rotation]), np.uint8)
    done, data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        return None
    height, width = shown.shape[:2]
    return KeptPicture(data=data.tobytes(), width=width, height=height, rotation=0, original=False)


def original_jpeg(packet: bytes, *, rotation: int) -> KeptPicture | None:
    """Return the stored JPEG itself, byte for byte; it cannot be turned without being made anew."""
    size = jpeg.stated_size(packet)
    if size is None or 0 in size:
        return None
    return KeptPicture(data=packet, width=size[0], height=size[1], rotation=quarter_turn(rotation) or 0, original=True)


def shrunk(picture: Picture) -> Picture:
    """Return ``picture`` with its longer side at most `LONGEST_SIDE`."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= LONGEST_SIDE:
        return picture
    size = (max(1, width * LONGEST_SIDE // longest), max(1, height * LONGEST_SIDE // longest))
    # Below a factor of two nothing is skipped by interpolating, which costs a quarter of averaging.
    how = cv2.INTER_LINEAR if longest < 2 * LONGEST_SIDE else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def quarter_turn(rotation: int) -> Literal[0, 90, 180, 270] | None:
    """Return ``rotation`` when it is a number of quarter turns."""
    match rotation:
        case 0 | 90 | 180 | 270:
            return rotation
    return None
