"""Footage for tests: made by ffmpeg into a temporary folder, and what ffprobe says of a file."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

TEST_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4")
H264 = ("-c:v", "libx264", "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p")

# One file per container family and trait. The name is the file's; the rest are ffmpeg's arguments behind the source.
RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": H264,
    "plain.mkv": H264,
    "plain.ts": H264,
    "plain.m2ts": (*H264, "-mpegts_m2ts_mode", "1", "-f", "mpegts"),
    "fragmented.mp4": (*H264, "-movflags", "frag_keyframe+empty_moov"),
    "hevc.mp4": ("-c:v", "libx265", "-g", "25", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p"),
    "ten_bit.mkv": ("-c:v", "libx265", "-g", "25", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"),
    "plain.webm": ("-c:v", "libvpx-vp9", "-g", "25", "-deadline", "realtime"),
    "motion_jpeg.avi": ("-c:v", "mjpeg", "-q:v", "4"),
    "motion_jpeg.mov": ("-c:v", "mjpeg", "-q:v", "4"),
    "divx.avi": ("-c:v", "mpeg4", "-g", "12"),
    "plain.mpg": ("-c:v", "mpeg2video", "-g", "12"),
    "plain.wmv": ("-c:v", "wmv2", "-g", "12"),
    "plain.flv": ("-c:v", "flv", "-g", "12"),
    "phone.3gp": ("-c:v", "mpeg4", "-g", "12", "-s", "352x288"),
    "variable_rate.mp4": ("-vf", "select=not(mod(n\\,3))+not(mod(n\\,7))", "-vsync", "vfr", *H264),
    "variable_rate.mkv": ("-vf", "select=not(mod(n\\,3))+not(mod(n\\,7))", "-vsync", "vfr", *H264),
}


@dataclass(frozen=True, slots=True)
class ProbedPackets:
    """The packets of the first video stream as ffprobe lists them: stamps from the stream's start, ascending."""

    start_pts: int
    time_base: str
    pts: list[int]
    keys: list[int]


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly; its failure fails the test."""
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def make(folder: Path, name: str) -> Path:
    """Return the new recording ``name`` of `RECIPES` in ``folder``."""
    path = folder / name
    ffmpeg(*TEST_PICTURE, *RECIPES[name], path)
    return path


def probed_packets(path: Path) -> ProbedPackets:
    """Return what ffprobe lists. Edit lists are not applied, because what is stored is what is compared."""
    ignore = ["-ignore_editlist", "1"] if path.suffix in {".mp4", ".mov", ".3gp"} else []
    entries = "packet=pts,dts,flags:stream=start_pts,time_base"
    command = ["ffprobe", "-v", "quiet", *ignore, "-select_streams", "v:0", "-show_entries", entries, "-of", "json"]
    found = json.loads(subprocess.run([*command, str(path)], check=True, capture_output=True).stdout)
    stream = found["streams"][0]
    start = int(stream["start_pts"])
    # A packet without a presentation stamp is shown when it is decoded.
    packets = [(int(one.get("pts", one.get("dts"))) - start, "K" in one["flags"]) for one in found["packets"]]
    return ProbedPackets(
        start_pts=start,
        time_base=stream["time_base"],
        pts=sorted(pts for pts, _ in packets),
        keys=sorted(pts for pts, key in packets if key),
    )


def turn_by_90_degrees(path: Path) -> None:
    """Write a clockwise quarter turn into the track header of an MP4 (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    values = (0, 0x10000, 0, -0x10000, 0, 0, 180 << 16, 0, 0x40000000)
    data[matrix : matrix + 36] = struct.pack(">9i", *values)
    path.write_bytes(data)


def stamps_sha256(stamps: list[int]) -> str:
    """Return the digest of a list of stamps, as docs/reference/media-formats.md tells a stranger to make it."""
    return hashlib.sha256("".join(f"{stamp}\n" for stamp in stamps).encode()).hexdigest()
