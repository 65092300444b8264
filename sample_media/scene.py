"""What the camera sees: two views of an invented yard at night, and the van and the figures that cross them.

Nothing here knows a file or a codec. A picture depends on its take and its moment alone; sensor noise comes from a
generator whose stream is frozen, so that the footage can be made again anywhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from sample_media.canvas import Canvas, Colour, Plane

Path = tuple[tuple[float, float], ...]  # (seconds, x) in picture heights; between two points the speed is even

# A pixel that differs by less from the empty view is not seen as moving (the soft rim of a headlight).
_SEEN_DIFFERENCE = 10.0
_NOISE_PLANES = 8


class Mover(Protocol):
    """Something that crosses the view."""

    @property
    def what(self) -> str:
        """Return the words for the list of events."""

    @property
    def path(self) -> Path:
        """Return where it is when; before the first and after the last point it is not there."""

    def draw(self, canvas: Canvas, at_s: float) -> None:
        """Draw it as it is at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Van:
    """A plain van seen from the side; its headlights go before it."""

    what: str
    path: Path
    height: float = 0.26
    ground: float = 0.86
    body: Colour = (150, 152, 146)

    def draw(self, canvas: Canvas, at_s: float) -> None:
        x, size, ground = position(self.path, at_s), self.height, self.ground
        ahead = direction(self.path, at_s)
        front, back = x + ahead * size, x - ahead * size
        canvas.glow(front + ahead * size * 1.1, ground, size * 1.4, size * 0.42, (120, 112, 82))
        canvas.ellipse(x, ground + 0.01, size * 1.1, size * 0.07, (8, 9, 11))
        cargo = sorted((back, front - ahead * size * 0.62))
        canvas.box(cargo[0], ground - size, cargo[1], ground - size * 0.16, self.body)
        cab = sorted((front, front - ahead * size * 0.66))
        canvas.box(cab[0], ground - size * 0.72, cab[1], ground - size * 0.16, _dimmed(self.body, 0.9))
        pane = sorted((front - ahead * size * 0.08, front - ahead * size * 0.4))
        canvas.box(pane[0], ground - size * 0.66, pane[1], ground - size * 0.42, (30, 38, 48))
        canvas.box(cargo[0], ground - size * 0.5, cargo[1], ground - size * 0.44, _dimmed(self.body, 0.45))
        for axle in (-0.58, 0.62):
            canvas.ellipse(x + ahead * axle * size, ground - size * 0.08, size * 0.16, size * 0.16, (14, 14, 16))
            canvas.ellipse(x + ahead * axle * size, ground - size * 0.08, size * 0.07, size * 0.07, (92, 92, 94))
        canvas.ellipse(front, ground - size * 0.3, size * 0.05, size * 0.06, (255, 250, 215))
        canvas.ellipse(back, ground - size * 0.34, size * 0.035, size * 0.06, (190, 26, 20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A walking figure of ellipses and strokes, with a torch or a box if wanted."""

    what: str
    path: Path
    height: float = 0.27
    ground: float = 0.84
    coat: Colour = (104, 92, 86)
    torch: bool = False
    box: bool = False

    def draw(self, canvas: Canvas, at_s: float) -> None:
        x, size, ground = position(self.path, at_s), self.height, self.ground
        ahead = direction(self.path, at_s)
        # One step per 0.4 body heights walked; whoever stands still has closed legs.
        swing = math.sin(x / (size * 0.4) * math.pi) * 0.14 * size
        hip, shoulder = ground - size * 0.48, ground - size * 0.8
        canvas.ellipse(x, ground + 0.004, size * 0.22, size * 0.04, (9, 10, 12))
        for foot in (swing, -swing):
            canvas.line((x, hip), (x + foot, ground - size * 0.02), size * 0.085, _dimmed(self.coat, 0.5))
        canvas.line((x, shoulder + size * 0.02), (x, hip), size * 0.2, self.coat)
        hand = (x + ahead * size * 0.2, hip - size * 0.02)
        canvas.line((x, shoulder + size * 0.02), hand, size * 0.065, _dimmed(self.coat, 0.75))
        canvas.ellipse(x, ground - size * 0.91, size * 0.075, size * 0.09, (148, 120, 102))
        if self.box:
            left, right = hand[0] - size * 0.12, hand[0] + size * 0.12
            canvas.box(left, hip - size * 0.16, right, hip + size * 0.06, (120, 92, 56))
        if self.torch:
            canvas.glow(hand[0] + ahead * size * 0.8, ground, size * 0.9, size * 0.3, (110, 108, 92))
            canvas.ellipse(*hand, size * 0.04, size * 0.04, (255, 252, 230))


def position(path: Path, at_s: float) -> float:
    """Return x at this moment."""
    return float(np.interp(at_s, [moment for moment, _ in path], [x for _, x in path]))


def direction(path: Path, at_s: float) -> int:
    """Return 1 if it moves, or last moved, to the right, else -1."""
    sign = 1 if path[1][1] > path[0][1] else -1
    for (start_s, x0), (_, x1) in itertools.pairwise(path):
        if start_s <= at_s and x1 != x0:
            sign = 1 if x1 > x0 else -1
    return sign


def yard(canvas: Canvas) -> None:
    """Draw the empty yard: a shed with a roller door, a fence, a lamp, crates."""
    canvas.gradient(0, 0.5, (9, 12, 22), (26, 30, 40))
    canvas.gradient(0.5, 1, (44, 45, 46), (62, 61, 58))
    for post in np.arange(0.62, canvas.aspect, 0.075):
        canvas.line((float(post), 0.36), (float(post), 0.55), 0.008, (58, 58, 56))
    for rail in (0.38, 0.46, 0.53):
        canvas.line((0.6, rail), (canvas.aspect, rail), 0.006, (66, 66, 63))
    canvas.box(0, 0.14, 0.6, 0.58, (52, 46, 43))
    canvas.box(0, 0.11, 0.64, 0.15, (30, 28, 28))
    canvas.box(0.12, 0.28, 0.46, 0.58, (74, 78, 80))
    for slat in np.arange(0.31, 0.58, 0.03):
        canvas.line((0.12, float(slat)), (0.46, float(slat)), 0.004, (50, 54, 56))
    for crate, top in ((1.52, 0.5), (1.62, 0.5), (1.57, 0.41)):
        canvas.box(crate, top, crate + 0.095, top + 0.09, (84, 66, 42))
        canvas.box(crate + 0.01, top + 0.01, crate + 0.085, top + 0.08, (64, 50, 33))
    canvas.box(1.115, 0.08, 1.13, 0.6, (40, 40, 42))
    canvas.box(1.03, 0.075, 1.13, 0.09, (40, 40, 42))
    canvas.glow(1.05, 0.1, 0.3, 0.3, (120, 92, 42))
    canvas.glow(1.0, 0.72, 0.75, 0.26, (74, 58, 28))
    canvas.ellipse(1.05, 0.095, 0.026, 0.014, (255, 226, 160))


def gate(canvas: Canvas) -> None:
    """Draw the second view, after the camera was turned: a pale wall, a barred gate, a lit lane behind it."""
    canvas.gradient(0, 0.42, (34, 36, 44), (58, 58, 60))
    canvas.gradient(0.42, 1, (96, 94, 88), (70, 68, 64))
    canvas.glow(0.9, 0.4, 0.7, 0.35, (86, 74, 46))
    canvas.box(0, 0.1, 0.42, 0.7, (112, 106, 98))
    canvas.box(1.38, 0.1, canvas.aspect, 0.7, (104, 99, 92))
    for course in np.arange(0.16, 0.7, 0.06):
        canvas.line((0, float(course)), (0.42, float(course)), 0.003, (88, 83, 76))
        canvas.line((1.38, float(course)), (canvas.aspect, float(course)), 0.003, (84, 79, 72))
    for bar in np.arange(0.46, 1.36, 0.06):
        canvas.line((float(bar), 0.24), (float(bar), 0.6), 0.01, (24, 25, 28))
    for rail in (0.26, 0.58):
        canvas.line((0.42, rail), (1.38, rail), 0.014, (24, 25, 28))
    canvas.box(0.05, 0.2, 0.2, 0.32, (40, 52, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """The camera pointing one way from one moment on, until the next take begins."""

    view: Callable[[Canvas], None]
    starts_s: float = 0.0
    movers: tuple[Mover, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LightStep:
    """From this moment on everything is brighter or darker."""

    at_s: float
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something crossed the view: the first frame that shows it, the frame that shows most of it, the last frame."""

    start_s: float
    peak_s: float
    end_s: float
    what: str


class Camera:
    """Draws the pictures of one recording and remembers in which of them something moved."""

    def __init__(
        self, *, width: int, height: int, takes: Sequence[Take], light_steps: Sequence[LightStep], started: datetime
    ) -> None:
        self._takes, self._light_steps, self._started = takes, light_steps, started
        self._pixel_size = max(1, height // 180)
        self._empty = [_empty_view(take, width=width, height=height) for take in takes]
        # RandomState, not Generator: numpy promises that this stream never changes (NEP 19).
        noise = np.random.RandomState(2031)
        shape = (_NOISE_PLANES, height, width)
        self._noise: Plane = noise.standard_normal(shape).astype(np.float32)
        self._seen: list[tuple[float, int, str]] = []

    def picture(self, at_s: float, *, noise: float) -> bytes:
        """Return the picture of this moment as raw RGB; ``noise`` is the standard deviation of the sensor noise."""
        index = max(n for n, take in enumerate(self._takes) if take.starts_s <= at_s)
        canvas = self._empty[index].copy()
        present = [mover for mover in self._takes[index].movers if mover.path[0][0] <= at_s <= mover.path[-1][0]]
        for mover in present:
            mover.draw(canvas, at_s)
        moving = _differing_pixels(canvas, self._empty[index]) if present else 0
        self._seen.append((at_s, moving, " and ".join(mover.what for mover in present)))
        canvas.pixels[:] *= np.float32(self._gain(at_s))
        canvas.pixels[:] += self._noise_plane(len(self._seen))[..., np.newaxis] * np.float32(noise)
        clock = self._started + timedelta(seconds=at_s)
        canvas.clock(clock.strftime("%Y-%m-%d %H:%M:%S"), pixel_size=self._pixel_size)
        return canvas.bytes_rgb()

    def events(self) -> list[Event]:
        """Return what the pictures drawn so far show, in order; a frame without movement ends an event."""
        runs: list[list[tuple[float, int, str]]] = [[]]
        for seen in self._seen:
            if seen[1]:
                runs[-1].append(seen)
            elif runs[-1]:
                runs.append([])
        return [_event(run) for run in runs if run]

    def _gain(self, at_s: float) -> float:
        return math.prod(step.gain for step in self._light_steps if step.at_s <= at_s)

    def _noise_plane(self, number: int) -> Plane:
        # A plane is used again, but shifted: no two frames of a recording have the same noise.
        shift = (number * 7919 % 331, number * 6007 % 577)
        return np.roll(self._noise[number % _NOISE_PLANES], shift, axis=(0, 1))


def _differing_pixels(canvas: Canvas, empty: Canvas) -> int:
    difference = np.abs(canvas.pixels - empty.pixels).max(axis=2)
    return int(np.count_nonzero(difference > _SEEN_DIFFERENCE))


def _event(run: list[tuple[float, int, str]]) -> Event:
    peak = max(run, key=lambda seen: seen[1])
    return Event(start_s=run[0][0], peak_s=peak[0], end_s=run[-1][0], what=max((what for *_, what in run), key=len))


def _empty_view(take: Take, *, width: int, height: int) -> Canvas:
    canvas = Canvas.blank(width=width, height=height)
    take.view(canvas)
    return canvas


def _dimmed(colour: Colour, share: float) -> Colour:
    red, green, blue = colour
    return red * share, green * share, blue * share
