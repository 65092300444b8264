"""A picture to draw on: soft-edged boxes, ellipses, lines, pools of light and a small clock font.

Lengths are in picture heights: y runs from 0 at the top to 1 at the bottom, x from 0 at the left to the aspect ratio at
the right. A scene therefore looks the same at every size. Shapes may lie partly or wholly outside the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
Plane = npt.NDArray[np.floating[Any]]
Colour = tuple[float, float, float]  # red, green, blue; 0 to 255

# Seven rows of five pixels, the highest bit on the left: all that a camera's clock needs.
_GLYPHS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    "-": (0, 0, 0, 31, 0, 0, 0),
    ":": (0, 12, 12, 0, 12, 12, 0),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
_GLYPH_COLUMNS = 6  # one empty column between two glyphs


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of the picture that a shape can touch, with the coordinates of its pixel centres."""

    pixels: Pixels
    x: Plane
    y: Plane


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture in the making: rows x columns x (red, green, blue), 0 to 255 but not yet clipped."""

    pixels: Pixels

    @classmethod
    def blank(cls, *, width: int, height: int) -> Canvas:
        """Return a black picture."""
        return cls(np.zeros((height, width, 3), dtype=np.float32))

    @property
    def aspect(self) -> float:
        """Return the x of the right edge."""
        height, width, _ = self.pixels.shape
        return float(width / height)

    def copy(self) -> Canvas:
        """Return a second picture that shares nothing with this one."""
        return Canvas(self.pixels.copy())

    def gradient(self, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
        """Fill the band from ``top`` to ``bottom`` over the whole width, one colour running into the other."""
        window = self._window(0, top, self.aspect, bottom, margin=0)
        share = np.clip((window.y - top) / (bottom - top), 0, 1)[..., np.newaxis]
        window.pixels[:] = _as_pixels(upper) * (1 - share) + _as_pixels(lower) * share

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Draw a filled rectangle."""
        window = self._window(left, top, right, bottom)
        across = np.abs(window.x - (left + right) / 2) - (right - left) / 2
        down = np.abs(window.y - (top + bottom) / 2) - (bottom - top) / 2
        self._blend(window, np.maximum(across, down), colour)

    def ellipse(self, x: float, y: float, half_width: float, half_height: float, colour: Colour) -> None:
        """Draw a filled ellipse round (``x``, ``y``)."""
        window = self._window(x - half_width, y - half_height, x + half_width, y + half_height)
        radius = np.hypot((window.x - x) / half_width, (window.y - y) / half_height)
        self._blend(window, (radius - 1) * min(half_width, half_height), colour)

    def line(self, start: tuple[float, float], end: tuple[float, float], thickness: float, colour: Colour) -> None:
        """Draw a stroke with round ends; start and end differ."""
        (x0, y0), (x1, y1) = start, end
        half = thickness / 2
        window = self._window(min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
        across, down = x1 - x0, y1 - y0
        share = np.clip(((window.x - x0) * across + (window.y - y0) * down) / (across**2 + down**2), 0, 1)
        distance = np.hypot(window.x - x0 - share * across, window.y - y0 - share * down)
        self._blend(window, distance - half, colour)

    def glow(self, x: float, y: float, half_width: float, half_height: float, light: Colour) -> None:
        """Add light that is strongest at (``x``, ``y``) and gone at the rim of the ellipse."""
        window = self._window(x - half_width, y - half_height, x + half_width, y + half_height)
        radius = np.hypot((window.x - x) / half_width, (window.y - y) / half_height)
        window.pixels[:] += _as_pixels(light) * (np.clip(1 - radius, 0, 1) ** 2)[..., np.newaxis]

    def clock(self, text: str, *, pixel_size: int) -> None:
        """Write ``text`` on a black bar in the lower left corner, as cameras do: hard pixels, no soft edges."""
        bitmap = np.hstack([_glyph(letter) for letter in text])
        ink = np.kron(bitmap, np.ones((pixel_size, pixel_size), dtype=np.float32))
        bar = np.pad(ink, pixel_size)
        height, width = bar.shape
        self.pixels[-height:, :width] = bar[..., np.newaxis] * np.float32(225)

    def bytes_rgb(self) -> bytes:
        """Return the finished picture as raw 8-bit RGB."""
        finished: bytes = np.clip(self.pixels + np.float32(0.5), 0, 255).astype(np.uint8).tobytes()
        return finished

    def _window(self, left: float, top: float, right: float, bottom: float, *, margin: int = 1) -> _Window:
        height, width = self.pixels.shape[:2]
        rows = slice(_within(top * height - margin, height), _within(bottom * height + margin, height))
        columns = slice(_within(left * height - margin, width), _within(right * height + margin, width))
        y = (np.arange(height, dtype=np.float32)[rows, np.newaxis] + np.float32(0.5)) / np.float32(height)
        x = (np.arange(width, dtype=np.float32)[np.newaxis, columns] + np.float32(0.5)) / np.float32(height)
        return _Window(self.pixels[rows, columns], x, y)

    def _blend(self, window: _Window, distance: Plane, colour: Colour) -> None:
        """Lay ``colour`` over the window where ``distance`` (to the rim, negative inside) says so, one pixel soft."""
        cover = np.clip(np.float32(0.5) - distance * self.pixels.shape[0], 0, 1)[..., np.newaxis]
        window.pixels[:] += (_as_pixels(colour) - window.pixels) * cover


def _glyph(letter: str) -> Plane:
    shifts = range(_GLYPH_COLUMNS - 1, -1, -1)
    return np.array([[row << 1 >> shift & 1 for shift in shifts] for row in _GLYPHS[letter]], dtype=np.float32)


def _within(edge: float, size: int) -> int:
    return min(max(round(edge), 0), size)


def _as_pixels(colour: Colour) -> Pixels:
    return np.array(colour, dtype=np.float32)
