"""The video track of one file in tier 1: packets listed, intra frames decoded, pictures chosen, damage written down."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from media.child import activity, keyframes
from media.child.budget import Budget
from media.child.decoder import IntraFrame, Packets, VideoFile
from media.child.findings import Findings, decimal
from media.limits import Limits
from media.report import MAX_CUTS, Frames, Keyframe, PacketTimes

_JPEG_CODECS = frozenset({"mjpg", "mjpeg", "jpeg", "avrn", "dmb1", "ljpg"})
_JPEG_INTERVAL = Fraction(1)  # seconds between two stored pictures that are looked at
_COUNT_TOLERANCE = 2  # recorders that write the count first are off by one or two at the end


@dataclass(slots=True, kw_only=True)
class Video:
    """What one pass over the packets and one over the intra frames gave."""

    packets: Packets
    declared: int | None  # the container's own count; None where it has none
    keyframes: tuple[Keyframe, ...] = ()
    cuts: list[Fraction] = field(default_factory=list)
    offered: int = 0  # pictures that were looked at
    decoded: set[int] = field(default_factory=set)  # stamps of the intra frames that gave a picture

    @property
    def is_jpeg(self) -> bool:
        return self.packets.track.codec.lower() in _JPEG_CODECS

    def frames(self) -> Frames:
        """Return the counts. Of motion JPEG only some pictures are tried; the others are not missed."""
        counted, key = len(self.packets.pts), len(self.packets.keys)
        missed = 0 if self.is_jpeg or self.packets.stopped_by else max(0, key - self.offered)
        return Frames(declared=self.declared, counted=counted, key=key, decoded=self.offered, missed=missed)


def analyse(
    file: VideoFile, packets: Packets, *, declared: int | None, limits: Limits, budget: Budget, findings: Findings
) -> Video:
    """Return what the track of ``packets`` holds, and add what is wrong with it to ``findings``."""
    video = Video(packets=packets, declared=declared)
    if packets.stopped_by:
        findings.limit(packets.stopped_by, f"the list of packets ends after {len(packets.pts)}")
    if packets.track.width * packets.track.height > limits.pixels:
        size = f"{packets.track.width} x {packets.track.height}"
        findings.limit("pixels", f"frames of {size} are not decoded")
        return video
    _look(file, video, limits=limits, budget=budget, findings=findings)
    _compare_counts(video, findings)
    _note_damage(video, findings)
    return video


def packet_times(packets: Packets, stamps: array[int]) -> PacketTimes | None:
    """Return the summary of a sorted list of stamps; None where the packets carry none."""
    if not packets.timed:
        return None
    gaps = (after - before for before, after in pairwise(stamps))
    longest = max(gaps, default=None)
    text = b"".join(b"%d\n" % stamp for stamp in stamps)
    return PacketTimes(
        count=len(stamps),
        first_pts=stamps[0] if stamps else None,
        last_pts=stamps[-1] if stamps else None,
        longest_gap_s=None if longest is None else decimal(packets.seconds(longest)),
        sha256=hashlib.sha256(text).hexdigest(),
    )


def _look(file: VideoFile, video: Video, *, limits: Limits, budget: Budget, findings: Findings) -> None:
    """Decode the intra frames once, and keep some as pictures."""
    keeper = keyframes.Keeper(video.packets, most=limits.keyframes, most_bytes=limits.reply_bytes // 2)
    before = None
    for frame in _intra_frames(file, video):
        after = activity.luma(frame.picture)
        difference = None if before is None else activity.difference(before, after)
        keeper.offer(frame, difference)
        if difference is not None and difference.is_cut and len(video.cuts) < MAX_CUTS and video.packets.timed:
            video.cuts.append(video.packets.seconds(frame.pts))
        before = after
        video.offered += 1
        video.decoded.add(frame.pts)
        if stopped_by := budget.exceeded():
            findings.limit(stopped_by, f"stopped after {video.offered} of {len(video.packets.keys)} intra frames")
            video.packets.stopped_by = stopped_by
            break
    video.keyframes = tuple(_keyframe(index, kept, video.packets) for index, kept in enumerate(keeper.close()))
    if keeper.dropped:
        findings.add("limit", f"keyframes: {keeper.dropped} pictures were given up, coverage first")


def _intra_frames(file: VideoFile, video: Video) -> Iterator[IntraFrame]:
    if video.is_jpeg:
        return file.motion_jpegs(video.packets, interval=_JPEG_INTERVAL)
    return file.intra_frames(video.packets)


def _keyframe(index: int, kept: keyframes.Kept, packets: Packets) -> Keyframe:
    timed = packets.timed
    base = packets.track.time_base
    return Keyframe(
        index=index,
        pts=kept.pts if timed else None,
        time_base=f"{base.numerator}/{base.denominator}" if timed else None,
        time_s=decimal(packets.seconds(kept.pts)) if timed else None,
        frame=packets.number(kept.pts),
        reason=kept.reason,
        width=kept.picture.width,
        height=kept.picture.height,
        rotation=kept.picture.rotation,
        luma_difference=None if kept.difference is None else decimal(kept.difference.luma),
        original=kept.picture.original,
        media_type="image/jpeg",
        picture=kept.picture.data,
    )


def _compare_counts(video: Video, findings: Findings) -> None:
    declared, counted = video.declared, len(video.packets.pts)
    if declared is None or video.packets.stopped_by:
        return
    if abs(declared - counted) > _COUNT_TOLERANCE:
        findings.add("contradiction", f"the file declares {declared} frames; {counted} are stored")


def _note_damage(video: Video, findings: Findings) -> None:
    packets = video.packets
    for before, after in packets.damaged:
        start = None if before is None else packets.seconds(before)
        end = packets.seconds(after)
        findings.add("damaged", "something between these frames could not be read", start=start, end=end)
    if video.is_jpeg or packets.stopped_by or not packets.timed:
        return
    for pts in packets.keys:
        if pts not in video.decoded:
            findings.add("damaged", "this intra frame gave no picture", start=packets.seconds(pts))
