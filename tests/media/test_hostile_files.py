"""Files made to deceive or to harm: playlists under the name of a video, bombs, and bytes that are simply wrong."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recordings import RECIPES, ffmpeg, make, probed_packets

from media.limits import Limits
from media.report import Failure, Report
from media.sandbox import Sandbox

Analyse = Callable[[Path], Report | Failure]

MUTATIONS = 100
SEED = 20261124

PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {neighbour}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\n{neighbour}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT4S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="1000" width="320" height="180" codecs="avc1.4d401f">'
    "<BaseURL>{neighbour}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "smil": '<smil><body><video src="{neighbour}"/></body></smil>',
    "m3u": "{neighbour}\n",
}


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_under_the_name_of_a_video_shows_no_other_file(analyse: Analyse, tmp_path: Path, kind: str) -> None:
    """A plain open by the same library follows some of these, and shows the neighbour's frames as this file's."""
    neighbour = make(tmp_path, "plain.ts")
    playlist = tmp_path / "evidence.mp4"
    playlist.write_text(PLAYLISTS[kind].format(neighbour=neighbour.name))
    report = analyse(playlist)
    assert isinstance(report, Report), report
    assert (report.kind, report.frames, report.keyframes) == ("other", None, ())


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(("family", "head_bytes"), [("plain.mp4", 64), ("plain.mkv", 64), ("plain.ts", 5 * 188)])
def test_a_playlist_behind_the_first_bytes_of_a_video_opens_nothing(
    analyse: Analyse, tmp_path: Path, family: str, head_bytes: int
) -> None:
    """The recogniser is satisfied; then only the demuxer that it named may open the file, and only this file."""
    neighbour = make(tmp_path, family)
    disguise = tmp_path / "evidence.mp4"
    disguise.write_bytes(
        neighbour.read_bytes()[:head_bytes] + PLAYLISTS["ffconcat"].format(neighbour=neighbour).encode()
    )
    outcome = analyse(disguise)
    assert isinstance(outcome, Failure) and outcome.outcome == "not-decodable", outcome


def test_the_pattern_of_an_image_series_is_only_a_name(analyse: Analyse, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"frame{number:03}.png").write_bytes(png(8, 8))
    pattern = tmp_path / "frame%03d.png"
    pattern.write_bytes(png(16, 8))
    report = analyse(pattern)
    assert isinstance(report, Report) and (report.kind, report.width, report.height) == ("still", 16, 8)


@pytest.mark.parametrize(
    "data",
    [
        *(b"\x00", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"RIFF", b"RIFF\0\0\0\0AVI ", b"\x1a\x45\xdf\xa3"),
        *(b"\x89PNG\r\n\x1a\n", b"II*\x00\x08\x00\x00\x00", b"\0\0\0\x08ftyp", b"\0\0\0\x01moov", b"\0\0\x01\xba"),
        *(b"FLV\x01\x01\0\0\0\x09", b"\x47" * 1000, b"DHAV", b"\0\0\0\x01\x67\x42\0\x1e\x95", b"ID3", bytes(4096)),
    ],
)
def test_the_start_of_a_file_alone_is_a_finding_or_nothing(analyse: Analyse, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "start"
    path.write_bytes(data)
    outcome = analyse(path)
    assert isinstance(outcome, Report) or outcome.outcome == "not-decodable", outcome


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (2**31 - 1, 1 << 20), (70_000_000, 1)])
def test_a_picture_bomb_is_refused_by_its_header(analyse: Analyse, tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(8, 8, stated=(width, height)))
    failure = analyse(path)
    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.limits) == ("limit", ("pixels",))


@pytest.mark.needs("ffmpeg")
def test_a_video_of_too_large_frames_is_not_decoded(tmp_path: Path) -> None:
    path = make(tmp_path, "plain.mp4")
    limits = Limits(pixels=320 * 180 - 1)
    with Sandbox(limits=limits) as small, path.open("rb") as file:
        failure = small.analyse(file.fileno(), size_bytes=path.stat().st_size)
    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.limits) == ("limit", ("pixels",))
    assert failure.metadata


@pytest.mark.needs("ffmpeg")
def test_a_video_bomb_costs_no_more_memory_than_is_allowed(tmp_path: Path) -> None:
    """Some kilobytes that want hundreds of megabytes as soon as the demuxer looks at the first frame."""
    path = tmp_path / "bomb.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=8192x8192:r=1:d=2", "-c:v", "libx264", "-preset", "ultrafast", path)
    assert path.stat().st_size < 200_000
    with Sandbox(limits=Limits(memory_bytes=128 << 20)) as small, path.open("rb") as file:
        outcome = small.analyse(file.fileno(), size_bytes=path.stat().st_size)
    assert isinstance(outcome, Failure) and outcome.outcome in {"memory", "not-decodable", "crash"}


@pytest.mark.needs("ffmpeg")
def test_the_frame_limit_ends_the_list_and_says_so(tmp_path: Path) -> None:
    path = make(tmp_path, "plain.mp4")
    with Sandbox(limits=Limits(frames=30)) as small, path.open("rb") as file:
        report = small.analyse(file.fileno(), size_bytes=path.stat().st_size)
    assert isinstance(report, Report)
    assert (report.outcome, report.limits) == ("partial", ("frames",))
    assert report.frames and report.frames.counted == 30


@pytest.mark.needs("ffmpeg")
def test_pictures_beyond_what_a_reply_may_hold_are_given_up_and_counted(tmp_path: Path) -> None:
    path = make(tmp_path, "divx.avi")
    with Sandbox(limits=Limits(reply_bytes=40 << 10)) as small, path.open("rb") as file:
        report = small.analyse(file.fileno(), size_bytes=path.stat().st_size)
    assert isinstance(report, Report), report
    assert {"first", "last"} >= {keyframe.reason for keyframe in report.keyframes}
    assert any("given up" in finding.detail for finding in report.findings)


@pytest.mark.needs("ffmpeg", "ffprobe")
@pytest.mark.parametrize("name", ["plain.mkv", "plain.ts", "divx.avi", "plain.mpg"])
def test_behind_a_hole_no_fewer_frames_are_seen_than_ffprobe_sees(analyse: Analyse, tmp_path: Path, name: str) -> None:
    """A loop that stops at the first frame that cannot be read would lose everything behind it."""
    path = make(tmp_path, name)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    path.write_bytes(data)
    report = analyse(path)
    assert isinstance(report, Report) and report.frames
    probed = probed_packets(path)
    assert 60 < len(probed.pts) <= report.frames.counted <= 100


@pytest.mark.needs("ffmpeg")
def test_mutated_recordings_always_end_in_a_report_or_a_finding(analyse: Analyse, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    originals = [make(tmp_path, name).read_bytes() for name in _small_recipes()]
    path = tmp_path / "mutated"
    for data in _mutations(chance, originals):
        path.write_bytes(data)
        outcome = analyse(path)
        if isinstance(outcome, Failure):
            # A decoder may well crash on such bytes: in its worker. It must never try to break out.
            assert outcome.outcome in {"not-decodable", "limit", "memory", "crash", "empty"}, outcome


def _small_recipes() -> list[str]:
    return [name for name in RECIPES if name.startswith(("plain", "divx", "motion", "fragmented"))]


def _mutations(chance: random.Random, originals: list[bytes]) -> Iterator[bytes]:
    for number in range(MUTATIONS):
        data = bytearray(originals[number % len(originals)])
        match number % 4:
            case 0:
                del data[chance.randrange(len(data)) :]
            case 1:
                for _ in range(20):
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 2:
                for _ in range(8):  # the headers, where lengths and counts stand
                    data[chance.randrange(min(1024, len(data)))] = chance.randrange(256)
            case 3:
                start = chance.randrange(len(data))
                data[start : start + chance.randrange(5000)] = chance.randbytes(chance.randrange(5000))
        yield bytes(data)


def png(width: int, height: int, *, stated: tuple[int, int] | None = None) -> bytes:
    """Return a grey PNG; ``stated`` is the size that its header gives instead of the real one."""
    header = struct.pack(">IIBBBBB", *(stated or (width, height)), 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(width)) * height)
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
