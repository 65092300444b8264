"""Reading video through OpenCV's FFmpeg: the list of packets, and the intra frames. One forward pass each, no seeking.

The file is opened as ``fd:`` with one allowed protocol and the one demuxer that the recogniser named, so that a
playlist under the name of a video opens nothing (a plain open follows it to another file: false testimony).
Edit lists are not applied: what is stored is counted and decoded, and what a list hides is reported beside it.
Time stamps are counted from the stream's start: ``round(POS_MSEC / 1000 / POS_AVI_RATIO)``, exact on variable rates
too, because ``POS_AVI_RATIO`` is the time base of the stream here.
"""

from __future__ import annotations

import math
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median_low
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from media.child.budget import Budget
from media.formats import Family

Picture: TypeAlias = NDArray[np.uint8]

# After damage `grab` gives false and goes on at the next try; at the end of the file it gives false for ever.
MISSES_IN_A_ROW = 256
_MAX_STREAMS = 64
_MAX_DENOMINATOR = 2**31
_NO_TIMEOUT = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 0, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 0]  # the zygote holds the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What the container claims of its first video track."""

    codec: str
    width: int
    height: int
    time_base: Fraction
    declared: int | None


@dataclass(slots=True, kw_only=True)
class Packets:
    """The packets of the video track in stored order, as one pass found them."""

    track: Track
    pts: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))  # pts of those marked as intra frames
    damaged: list[tuple[int | None, int]] = field(default_factory=list)  # pts before and after what could not be read
    stopped_by: str | None = None  # the code of the limit that ended the pass early
    start_frames: Fraction = Fraction(0)  # the first stamp as OpenCV tells it: in frames, rounded
    frame_rate: Fraction = Fraction(0)  # the container's, a claim

    rotation: int = 0  # clockwise degrees to be applied for showing; known when a decoder is opened, not before
    timed: bool = True  # false for bare streams, whose packets carry no stamps: then their order stands in for them

    def settle(self, key_numbers: array[int]) -> None:
        """Put the stamps into order of presentation, once the pass is over."""
        # Without stamps OpenCV gives 0 for each.
        self.timed = len(self.pts) <= 1 or min(self.pts) != max(self.pts)
        self.pts = array("q", sorted(self.pts) if self.timed else range(len(self.pts)))
        self.keys = array("q", sorted(self.keys)) if self.timed else key_numbers

    @property
    def duration(self) -> Fraction | None:
        """Return seconds from the first stamp to the end of the last frame, taken to be as long as the median one."""
        if not self.timed or not self.pts:
            return None
        gaps = [after - before for before, after in zip(self.pts, self.pts[1:], strict=False) if after > before]
        return (self.pts[-1] - self.pts[0] + (median_low(gaps) if gaps else 0)) * self.track.time_base

    def number(self, pts: int) -> int | None:
        """Return the index of the frame stamped ``pts`` among all in order of presentation."""
        index = bisect_left(self.pts, pts)
        found = self.timed and index < len(self.pts) and self.pts[index] == pts
        return index if found else None

    def seconds(self, pts: int) -> Fraction:
        """Return the time of ``pts``; of a bare stream a guess from the stated rate, for spreading pictures only."""
        return pts * self.unit

    @property
    def unit(self) -> Fraction:
        return self.track.time_base if self.timed else 1 / (self.frame_rate or Fraction(25))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntraFrame:
    """One decoded intra frame. For motion JPEG ``packet`` is the stored picture, and ``picture`` a small grey one."""

    pts: int
    picture: Picture
    packet: bytes | None = None


class VideoFile:
    """A file that a recogniser gave to FFmpeg."""

    def __init__(self, descriptor: int, family: Family) -> None:
        self._descriptor = descriptor
        self._demuxer = family.demuxer

    def packets(self, *, max_frames: int, budget: Budget) -> Packets | None:
        """Return the list of packets, or None when FFmpeg finds no video track or nothing that it can open."""
        capture = self._open("", [cv2.CAP_PROP_FORMAT, -1])
        if not capture.isOpened():
            return None
        packets = Packets(track=_track(capture), frame_rate=_finite(capture.get(cv2.CAP_PROP_FPS)))
        key_numbers = array("q")
        for pts, after_damage in _grabbed(capture, packets.track.time_base):
            if not packets.pts:
                packets.start_frames = _finite(capture.get(cv2.CAP_PROP_PTS))
            if after_damage:
                packets.damaged.append((packets.pts[-1] if packets.pts else None, pts))
            packets.pts.append(pts)
            if capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME) > 0:
                packets.keys.append(pts)
                key_numbers.append(len(packets.pts) - 1)
            packets.stopped_by = "frames" if len(packets.pts) >= max_frames else budget.exceeded()
            if packets.stopped_by:
                break
        packets.settle(key_numbers)
        return packets

    def intra_frames(self, packets: Packets) -> Iterator[IntraFrame]:
        """Decode the intra frames in colour, in stored order. Damaged ones are left out."""
        capture = self._open_decoder(packets)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        keys = set(packets.keys)
        order = iter(packets.keys)
        for stamp, _ in _grabbed(capture, packets.track.time_base):
            pts = stamp if packets.timed else next(order, -1)
            # Some decoders ignore the wish for intra frames only: what the container did not mark is not looked at.
            if pts not in keys:
                continue
            done, picture = capture.retrieve()
            if done and picture is not None and picture.ndim == 3:
                yield IntraFrame(pts=pts, picture=np.asarray(picture, np.uint8))

    def motion_jpegs(self, packets: Packets, *, interval: Fraction) -> Iterator[IntraFrame]:
        """Yield stored pictures that lie ``interval`` seconds or more apart, each with its original bytes."""
        self._open_decoder(packets)
        capture = self._open("", [cv2.CAP_PROP_FORMAT, -1])
        last = packets.pts[-1] if packets.pts else 0
        due = Fraction(0)
        for pts, _ in _grabbed(capture, packets.track.time_base):
            seconds = packets.seconds(pts)
            if seconds < due and pts != last:
                continue
            done, packet = capture.retrieve()
            picture = cv2.imdecode(packet, cv2.IMREAD_REDUCED_GRAYSCALE_4) if done and packet is not None else None
            if picture is not None:
                due = seconds + interval
                yield IntraFrame(pts=pts, picture=np.asarray(picture, np.uint8), packet=packet.tobytes())

    def _open_decoder(self, packets: Packets) -> cv2.VideoCapture:
        parameters = [cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
        capture = self._open("|avdiscard;nonkey", parameters)
        if capture.isOpened():
            packets.rotation = int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        return capture

    def _open(self, options: str, parameters: list[int]) -> cv2.VideoCapture:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        demuxer = self._demuxer
        edits = "|ignore_editlist;1" if demuxer == "mov" else ""
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = (
            f"protocol_whitelist;fd|fd;{self._descriptor}|input_format;{demuxer}|format_whitelist;{demuxer}"
            f"|max_streams;{_MAX_STREAMS}{edits}{options}"
        )
        return cv2.VideoCapture("fd:", cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1, *_NO_TIMEOUT, *parameters])


def _grabbed(capture: cv2.VideoCapture, time_base: Fraction) -> Iterator[tuple[int, bool]]:
    """Yield the stamp of each frame that could be grabbed, and whether something before it could not."""
    ratio = float(time_base)
    misses = 0
    while misses < MISSES_IN_A_ROW:
        if not capture.grab():
            misses += 1
            continue
        yield round(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 / ratio), misses > 0
        misses = 0


def _track(capture: cv2.VideoCapture) -> Track:
    declared = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return Track(
        codec=_codec(int(capture.get(cv2.CAP_PROP_FOURCC))),
        width=max(0, int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))),
        height=max(0, int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))),
        time_base=exact_ratio(capture.get(cv2.CAP_PROP_POS_AVI_RATIO)),
        declared=int(declared) if 0 < declared < 2**53 else None,
    )


def _finite(value: float) -> Fraction:
    return Fraction(value) if math.isfinite(value) else Fraction(0)


def _codec(fourcc: int) -> str:
    letters = (fourcc & 0xFFFFFFFF).to_bytes(4, "little").rstrip(b"\x00 ")
    text = letters.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else letters.hex()


def exact_ratio(ratio: float) -> Fraction:
    """Return the fraction of smallest denominator that, divided out, gives exactly ``ratio``; 1 for what is no ratio.

    FFmpeg's time base is a fraction of two 31-bit numbers; OpenCV hands it over divided.
    """
    if not 0 < ratio < _MAX_DENOMINATOR:
        return Fraction(1)
    bound = 1
    while bound <= _MAX_DENOMINATOR:
        candidate = Fraction(ratio).limit_denominator(bound)
        if candidate.numerator / candidate.denominator == ratio:
            return candidate
        bound *= 2
    return Fraction(ratio).limit_denominator(_MAX_DENOMINATOR)
