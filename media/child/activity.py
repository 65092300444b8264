"""How much one intra frame differs from the one before. Integer sums only, so that the figures are reproducible.

This is the simple measure of tier 1: it sees what is different at the moment of an intra frame, never what came and
went between two of them. It must not be read as "nothing happened".
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from media.child.decoder import Picture

WIDTH, HEIGHT = 320, 180
_CELL_COLUMNS, _CELL_ROWS = 32, 18
_CELL_PIXELS = (WIDTH // _CELL_COLUMNS) * (HEIGHT // _CELL_ROWS)
CELL_CHANGE = 12  # of 255: a cell whose mean luma moved by more has changed
CUT_SHARE_PERCENT = 70  # of the cells: more, and a new scene stands there


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed from one intra frame to the next."""

    luma: Fraction  # mean absolute difference, 0 to 255
    changed_cells_percent: int

    @property
    def is_cut(self) -> bool:
        return self.changed_cells_percent > CUT_SHARE_PERCENT


def luma(picture: Picture) -> Picture:
    """Return ``picture`` (colour, or grey already) as a small grey one of fixed size."""
    # In two steps, because averaging all pixels of a large frame costs three times as much (1.8, not 0.5 ms).
    if picture.shape[1] > 2 * WIDTH and picture.shape[0] > 2 * HEIGHT:
        picture = np.asarray(cv2.resize(picture, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_LINEAR), np.uint8)
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def difference(before: Picture, after: Picture) -> Difference:
    """Return the difference of two pictures made by `luma`."""
    total = int(cv2.absdiff(before, after).sum(dtype=np.int64))
    moved = np.abs(_cell_sums(after) - _cell_sums(before)) > CELL_CHANGE * _CELL_PIXELS
    changed = int(np.count_nonzero(moved)) * 100 // (_CELL_COLUMNS * _CELL_ROWS)
    return Difference(luma=Fraction(total, WIDTH * HEIGHT), changed_cells_percent=changed)


def _cell_sums(picture: Picture) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    cells = picture.reshape(_CELL_ROWS, HEIGHT // _CELL_ROWS, _CELL_COLUMNS, WIDTH // _CELL_COLUMNS)
    sums: np.ndarray[tuple[int, int], np.dtype[np.int64]] = cells.sum(axis=(1, 3), dtype=np.int64)
    return sums
