"""One file, read once: which format it is, what its video track holds, which pictures are kept, what it says of itself.

Tier 1 only: all packets are listed and the intra frames decoded. Everything here runs in a locked worker; the tools and
the strength of the lock are added by the worker.
"""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction

import puremagic

from media.child import device_time, stills, video
from media.child.budget import Budget
from media.child.decoder import Packets, VideoFile
from media.child.findings import Findings, decimal
from media.child.metadata import Metadata, Reader
from media.child.movie import movie_box
from media.child.pictures import KeptPicture, quarter_turn
from media.formats import HEAD_BYTES, Family, recognise
from media.formats.iso import counts_its_frames, edited_track
from media.limits import Limits
from media.report import TIER_INTRA_FRAMES, Failure, FailureOutcome, Keyframe, Kind, Reason, Report

METHOD = 1  # goes up with every change that may change the report of the same file
_UNKNOWN_MEDIA_TYPE = "application/octet-stream"
_TAIL_BYTES = 4096
_EXIF_FAMILIES = frozenset({"jpeg", "tiff", "png", "webp", "heif"})
_EXIF_TURNS = {"Rotated 90 CW": 90, "Rotated 180": 180, "Rotated 90 CCW": 270}
_TIMED_BY_START = frozenset({"mpeg-ts", "mpeg-ps", "matroska", "webm"})


class Analysis:
    """The analysis of one open file."""

    def __init__(self, descriptor: int, *, limits: Limits) -> None:
        self._descriptor = descriptor
        self._limits = limits
        self._budget = Budget(limits)
        self._findings = Findings()
        self._size_bytes = os.fstat(descriptor).st_size

    def run(self) -> Report | Failure:
        """Return what the file holds, or why that cannot be said."""
        if self._size_bytes == 0:
            return Failure(outcome="empty", detail="the file has no bytes")
        head = os.pread(self._descriptor, HEAD_BYTES, 0)
        family = recognise(head) or Family(name="unknown", kind="other", media_type=self._puremagic_type(head))
        if family.still:
            return self._still(family)
        if family.demuxer:
            return self._moving(family)
        return self._report(family, self._metadata(family), kind=family.kind)

    def _still(self, family: Family) -> Report | Failure:
        metadata = self._metadata(family)
        refusal = self._still_refusal(family)
        if refusal is not None:
            return self._failure("limit", refusal, family, metadata)
        still = stills.read(self._descriptor, family, size_bytes=self._size_bytes)
        if still is None:
            return self._failure("not-decodable", "no picture could be decoded", family, metadata)
        if still.truncated:
            self._findings.add("damaged", "the picture ends before its end marker")
        shown: list[tuple[Reason, KeptPicture]] = [("first", still.preview)]
        inside = stills.thumbnail(metadata.thumbnail) if metadata.thumbnail else None
        if inside is not None:
            shown.append(("thumbnail", inside))
        return replace(
            self._report(family, metadata, kind="still"),
            width=still.width,
            height=still.height,
            rotation=quarter_turn(_EXIF_TURNS.get(metadata.first("exif", "Image Orientation") or "", 0)),
            keyframes=tuple(_untimed(index, reason, picture) for index, (reason, picture) in enumerate(shown)),
            device_time=device_time.of_still(lambda key: metadata.first("exif", key)),
        )

    def _still_refusal(self, family: Family) -> str | None:
        """Return why the picture must not be decoded: said by its header, before any memory is taken."""
        if self._size_bytes > stills.MAX_STILL_BYTES:
            return self._findings.limit("still-bytes", f"more than {stills.MAX_STILL_BYTES} bytes are not decoded")
        if family.size is not None and family.size[0] * family.size[1] > self._limits.pixels:
            return self._findings.limit("pixels", f"{family.size[0]} x {family.size[1]} is not decoded")
        return None

    def _moving(self, family: Family) -> Report | Failure:
        file = VideoFile(self._descriptor, family)
        packets = file.packets(max_frames=self._limits.frames, budget=self._budget)
        if packets is None or not packets.pts:
            return self._without_video(family, packets)
        movie = movie_box(self._descriptor, size_bytes=self._size_bytes) if family.demuxer == "mov" else None
        found = video.analyse(
            file,
            packets,
            declared=packets.track.declared if _counts_its_frames(family, movie) else None,
            limits=self._limits,
            budget=self._budget,
            findings=self._findings,
        )
        metadata = self._metadata(family)
        if not found.offered:
            outcome: FailureOutcome = "limit" if self._findings.limits else "not-decodable"
            tried = f"none of {len(packets.keys)} intra frames of codec {packets.track.codec!r} gave a picture"
            return self._failure(outcome, tried, family, metadata)
        self._note_edits(movie, packets)
        return self._video_report(family, found, metadata)

    def _without_video(self, family: Family, packets: Packets | None) -> Report | Failure:
        """Return an audio report when MediaInfo finds sound and no video; else the promise of video was not kept."""
        metadata = self._metadata(family)
        audio = metadata.first("mediainfo", "audio1.format") is not None
        if packets is None and audio and metadata.first("mediainfo", "video1.format", "video1.codec_id") is None:
            return self._report(family, metadata, kind="audio")
        return self._failure("not-decodable", "no frame of video is stored", family, metadata)

    def _video_report(self, family: Family, found: video.Video, metadata: Metadata) -> Report:
        packets, track = found.packets, found.packets.track
        turn = quarter_turn(packets.rotation)
        if turn is None:
            self._findings.add("contradiction", f"a turn by {packets.rotation} degrees is not applied to the pictures")
        return replace(
            self._report(family, metadata, kind="video"),
            tiers=(TIER_INTRA_FRAMES,),
            codec=track.codec,
            width=track.width,
            height=track.height,
            rotation=turn,
            time_base=f"{track.time_base.numerator}/{track.time_base.denominator}" if packets.timed else None,
            start_pts=_start_pts(family, packets, metadata),
            duration_s=decimal(packets.duration),
            frames=found.frames(),
            packets=video.packet_times(packets, packets.pts),
            key_packets=video.packet_times(packets, packets.keys),
            keyframes=found.keyframes,
            cuts=tuple(decimal(cut) for cut in found.cuts),
            device_time=device_time.of_video(lambda key: metadata.first("mediainfo", key), duration=packets.duration),
        )

    def _note_edits(self, movie: bytes | None, packets: Packets) -> None:
        """An edit list may hide what is stored; players then show less than what is counted and decoded here."""
        track = edited_track(movie) if movie else None
        if track is None or not packets.duration:
            return
        two_frames = 2 * packets.duration / len(packets.pts)
        if abs(track.stored_s - track.shown_s) > two_frames:
            stored, shown = decimal(track.stored_s), decimal(track.shown_s)
            self._findings.add("contradiction", f"an edit list lets players show {shown} s of {stored} s stored")

    def _metadata(self, family: Family) -> Metadata:
        reader = Reader(self._descriptor, most=self._limits.metadata)
        metadata = reader.read(exif=family.name in _EXIF_FAMILIES)
        if metadata.cut:
            self._findings.limit("metadata", f"only the first {self._limits.metadata} values are kept")
        for source in metadata.failed:
            self._findings.add("damaged", f"the metadata could not be read to the end: {source}")
        return metadata

    def _report(self, family: Family, metadata: Metadata, *, kind: Kind) -> Report:
        """Return the report of a file of which nothing but its metadata is known."""
        findings = self._findings.all()
        return Report(
            media_type=_media_type(family, kind),
            kind=kind,
            outcome="partial" if self._findings.limits else "complete",
            tiers=(),
            container=family.name,
            codec=None,
            width=None,
            height=None,
            rotation=None,
            time_base=None,
            start_pts=None,
            duration_s=None,
            frames=None,
            packets=None,
            key_packets=None,
            keyframes=(),
            cuts=(),
            findings=findings,
            metadata=tuple(metadata.values),
            device_time=None,
            tools=(),
            parameters={"method": METHOD, **self._limits.parameters()},
            limits=tuple(self._findings.limits),
            strength=(),
        )

    def _failure(self, outcome: FailureOutcome, detail: str, family: Family, metadata: Metadata) -> Failure:
        return Failure(
            outcome=outcome,
            limits=tuple(self._findings.limits),
            detail=detail,
            media_type=family.media_type,
            metadata=tuple(metadata.values),
        )

    def _puremagic_type(self, head: bytes) -> str:
        tail = os.pread(self._descriptor, _TAIL_BYTES, max(0, self._size_bytes - _TAIL_BYTES))
        data = head if self._size_bytes <= len(head) else head + tail
        try:
            matches = puremagic.magic_string(data)
        except (puremagic.PureError, ValueError, LookupError):
            return _UNKNOWN_MEDIA_TYPE
        return next((match.mime_type.lower() for match in matches if match.mime_type), _UNKNOWN_MEDIA_TYPE)


def _counts_its_frames(family: Family, movie: bytes | None) -> bool:
    """Return whether the container has a count of its own: elsewhere FFmpeg works one out of duration and rate."""
    return family.name == "avi" or (movie is not None and counts_its_frames(movie))


def _media_type(family: Family, kind: Kind) -> str:
    """Return the type of the content; a container that turned out to hold sound alone is named so."""
    if kind == "audio" and family.media_type.startswith("video/"):
        return "audio/" + family.media_type.removeprefix("video/")
    return family.media_type


def _start_pts(family: Family, packets: Packets, metadata: Metadata) -> int | None:
    """Return the first stamp as the container stores it, where two libraries agree on it; None where they do not.

    OpenCV gives it rounded to whole frames, MediaInfo as a delay: either alone is not exact.
    """
    delay_ms = metadata.first("mediainfo", "video1.delay")
    if family.name not in _TIMED_BY_START or delay_ms is None or not packets.timed:
        return None
    try:
        exact = Fraction(delay_ms) / 1000 / packets.track.time_base
    except (ValueError, ZeroDivisionError):
        return None
    start = round(exact)
    frames = start * packets.track.time_base * packets.frame_rate
    agreed = abs(exact - start) < Fraction(1, 100) and abs(frames - packets.start_frames) <= 1
    return start if agreed else None


def _untimed(index: int, reason: Reason, picture: KeptPicture) -> Keyframe:
    return Keyframe(
        index=index,
        pts=None,
        time_base=None,
        time_s=None,
        frame=None,
        reason=reason,
        width=picture.width,
        height=picture.height,
        rotation=picture.rotation,
        luma_difference=None,
        original=picture.original,
        media_type="image/jpeg",
        picture=picture.data,
    )
