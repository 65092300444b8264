"""What is true of a sample, written beside the drops: measured with ffprobe, checked against what was drawn.

Stamps are those of the stored frames, in the order they are shown, in units of ``time_base``. ``counted`` frames are
those that ffprobe could decode; only damage makes the two differ. Moments ending in ``_s`` are seconds from the start
of the recording; ``device_time`` is what the recorder's own clock claimed at that start.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from sample_media.recipes import TICKS_PER_SECOND, Clip, Still
from sample_media.scene import Event

Truth = dict[str, Any]  # the members of an expected file


class SampleError(Exception):
    """A sample did not become what its recipe says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One stored frame."""

    pts: int
    key: bool
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What ffprobe found in one recording."""

    container: str
    codec: str
    width: int
    height: int
    time_base: Fraction
    start_pts: int
    duration_s: str
    packets: tuple[Packet, ...]  # in the order of storage
    decoded_pts: tuple[int, ...]


def probe(path: Path) -> Probe:
    """Return what ffprobe finds in the only stream of ``path``; every frame is decoded."""
    found = _ffprobe(path, "-show_streams", "-show_format", "-show_packets")
    (stream,) = found["streams"]
    frames = _ffprobe(path, "-show_entries", "frame=pts,best_effort_timestamp")["frames"]
    return Probe(
        container=found["format"]["format_name"],
        codec=stream["codec_name"],
        width=stream["width"],
        height=stream["height"],
        time_base=Fraction(stream["time_base"]),
        start_pts=stream["start_pts"],
        duration_s=found["format"]["duration"],
        packets=tuple(map(_packet, found["packets"])),
        decoded_pts=tuple(sorted(frame.get("pts", frame["best_effort_timestamp"]) for frame in frames)),
    )


def video_truth(path: Path, clip: Clip, *, events: Sequence[Event], damage: Mapping[str, int] | None) -> Truth:
    """Return the members of the expected file of one recording. Raises SampleError if it is not what was drawn."""
    found = probe(path)
    check_against_recipe(clip, found)
    shown = sorted(packet.pts for packet in found.packets)
    return {
        "name": clip.name,
        "kind": "video",
        "made_with": encoder_version(),
        **_content(path),
        "container": found.container,
        "codec": found.codec,
        "width": found.width,
        "height": found.height,
        "device_time": _moment(clip.device_time),
        "time_base": str(found.time_base),
        "start_pts": found.start_pts,
        "duration_s": found.duration_s,
        "frames": {"stored": len(shown), "counted": len(found.decoded_pts)},
        "pts": shown,
        "key_frames": sorted(packet.pts for packet in found.packets if packet.key),
        "variable_frame_rate": clip.frame_rate is None,
        "cuts": [{"at_s": at_s, "pts": _first_shown(shown, at_s, found.time_base)} for at_s in clip.cuts_s],
        "light_steps": [{"at_s": step.at_s, "gain": step.gain} for step in clip.light_steps],
        "events": [_rounded(event) for event in events],
        "damaged": clip.damage is not None,
        "damage": damage,
        "lost_pts": sorted(set(shown) - set(found.decoded_pts)),
    }


def still_truth(path: Path, still: Still, *, exif: Mapping[str, str], thumbnail: bytes) -> Truth:
    """Return the members of the expected file of one photograph."""
    width, height = still.thumbnail
    return {
        "name": still.name,
        "kind": "still",
        "made_with": encoder_version(),
        **_content(path),
        "codec": "mjpeg",
        "width": still.width,
        "height": still.height,
        "device_time": _moment(still.device_time),
        "exif": dict(exif),
        "thumbnail": {"width": width, "height": height, "sha256": hashlib.sha256(thumbnail).hexdigest()},
        "damaged": False,
    }


def plain_truth(path: Path, name: str, *, kind: str, what: str) -> Truth:
    """Return the members of the expected file of a side file or a marker."""
    return {"name": name, "kind": kind, **_content(path), "what": what}


def check_against_recipe(clip: Clip, found: Probe) -> None:
    """Raise SampleError unless the recording has the drawn frames at the drawn moments (to half a tick)."""
    shown = sorted(packet.pts for packet in found.packets)
    if (found.width, found.height) != (clip.width, clip.height):
        raise SampleError(f"{clip.name}: {found.width}x{found.height}, not {clip.width}x{clip.height}")
    if len(shown) != len(clip.stamps_90k):
        raise SampleError(f"{clip.name}: {len(shown)} frames stored, {len(clip.stamps_90k)} drawn")
    for pts, ticks in zip(shown, clip.stamps_90k, strict=True):
        if abs((pts - found.start_pts) * found.time_base - Fraction(ticks, TICKS_PER_SECOND)) > found.time_base / 2:
            raise SampleError(f"{clip.name}: pts {pts} stands where tick {ticks} of 1/{TICKS_PER_SECOND} s was drawn")
    lost = set(shown) - set(found.decoded_pts)
    wanted = clip.damage.frames if clip.damage else 0
    if len(lost) != wanted:
        raise SampleError(f"{clip.name}: {len(lost)} frames cannot be decoded, {wanted} should be lost")
    if strays := sorted(set(found.decoded_pts) - set(shown)):
        raise SampleError(f"{clip.name}: decoding gives frames that are not stored, at pts {strays}")


@functools.cache
def encoder_version() -> str:
    """Return the name and version of the encoder on this machine."""
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True, text=True).stdout
    return "ffmpeg " + said.split()[2]


def write_truth(path: Path, truth: Truth) -> None:
    """Write an expected file: JSON, one member a line, so that a change can be read in a diff."""
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in truth.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def _ffprobe(path: Path, *wanted: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "quiet", *wanted, "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _packet(packet: Mapping[str, Any]) -> Packet:
    key = packet["flags"].startswith("K")
    return Packet(pts=packet["pts"], key=key, offset=int(packet["pos"]), size_bytes=int(packet["size"]))


def _content(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _first_shown(shown: Sequence[int], at_s: float, time_base: Fraction) -> int:
    return next(pts for pts in shown if pts * time_base >= Fraction(at_s) - time_base / 2)


def _rounded(event: Event) -> Truth:
    """Return the members of an event; a microsecond is far below any frame."""
    return {name: value if isinstance(value, str) else round(value, 6) for name, value in asdict(event).items()}


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
