"""Claim: tier 1 costs at most 1.3 times the CPU of ``ffmpeg -skip_frame nokey`` on 10 minutes of 1080p H.264.

Both run alternately on one file that is generated first. Ours is the whole thing: starting the sandbox, loading the
libraries, listing all packets, decoding the intra frames, choosing and encoding the pictures, metadata, the reply.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measuring import NOT_MEASURED, cost_of, missing, options, pairs_of, print_machine, run, verdict, workplace

from media.report import Report
from media.sandbox import Sandbox

CLAIM = "tier 1 CPU : ffmpeg -skip_frame nokey"
BAR = 1.3  # of the first version; the design asks for 1.0
LOOPS = 20  # of half a minute
FRAMES_A_LOOP = 30 * 25
NULL_SINK = ("-an", "-f", "null", "-")


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__)
    if missing(CLAIM, "ffmpeg"):
        return NOT_MEASURED
    print_machine(asked, ffmpeg=["ffmpeg", "-version"])
    loops = asked.scaled(LOOPS)
    with workplace(asked) as folder:
        recording = generated(folder, loops)
        ratios: list[float] = []
        for ours_s, peer_s in pairs_of(
            lambda _: our_cpu_s(recording, loops), lambda _: peer_cpu_s(recording), asked.pairs
        ):
            ratios.append(ours_s / peer_s)
            print(f"ours {ours_s:.2f} CPU-s, peer {peer_s:.2f} CPU-s")
    return verdict(CLAIM, ratios, BAR)


def generated(folder: Path, loops: int) -> Path:
    """Return a new recording: half a noisy minute, key frames two seconds apart, repeated without encoding it again."""
    half_minute, recording = folder / "half-minute.mp4", folder / "recording.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25:d=30", "-vf", "noise=alls=12:allf=t"]
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-bf", "2", "-b:v", "6M", "-pix_fmt", "yuv420p"]
    ffmpeg(*picture, *codec, half_minute)
    ffmpeg("-stream_loop", str(loops - 1), "-i", half_minute, "-c", "copy", recording)
    print(f"input: {loops / 2:g} minutes of 1080p H.264, {recording.stat().st_size:,} bytes")
    return recording


def our_cpu_s(recording: Path, loops: int) -> float:
    """Analyse ``recording`` in a sandbox of its own, and return the CPU seconds."""
    reports = []

    def analyse() -> None:
        with Sandbox() as sandbox, recording.open("rb") as file:
            reports.append(sandbox.analyse(file.fileno(), size_bytes=recording.stat().st_size))

    cost = cost_of(analyse)
    report = reports[0]
    if not isinstance(report, Report) or report.frames is None or report.frames.counted != loops * FRAMES_A_LOOP:
        raise SystemExit(f"the analysis did not see the whole recording: {report.document()}")
    return cost.cpu_s


def peer_cpu_s(recording: Path) -> float:
    return cost_of(lambda: ffmpeg("-threads", "1", "-skip_frame", "nokey", "-i", recording, *NULL_SINK)).cpu_s


def ffmpeg(*arguments: str | Path) -> None:
    run(["ffmpeg", "-v", "error", "-y", *arguments])


if __name__ == "__main__":
    sys.exit(main())
