"""Analysis of whole files, through the sandbox, against ffprobe and against what was put into the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recordings import H264, RECIPES, TEST_PICTURE, ffmpeg, make, probed_packets, stamps_sha256, turn_by_90_degrees

from media.report import Failure, Json, Report
from media.sandbox import Sandbox

Analyse = Callable[[Path], Report | Failure]

# Every video of the corpus that ffprobe can list. Not compared: bad/mp4_mopt_*.mp4, see below.
CORPUS_VIDEOS = (
    "cctv/car-detection.mp4",
    "cctv/one-by-one-person-detection.mp4",
    "cctv/tree.avi",
    "cctv/vtest.avi",
    "containers/asl_walk.mkv",
    "containers/bigbuckbunny.mp4",
    "containers/bikes.mp4",
    "containers/scene_cuts.mp4",
    "metadata/gopro_max_heromode.mp4",
    "bad/avi_mjpeg.avi",
    "bad/avi_xvid.avi",
    "bad/mkv_matroska.mkv",
    "bad/mp4_mozilla_fragmented.mp4",
)


def report_of(outcome: Report | Failure) -> Report:
    assert isinstance(outcome, Report), outcome
    return outcome


def assert_lists_what_ffprobe_lists(report: Report, path: Path) -> None:
    probed = probed_packets(path)
    assert report.frames and report.packets and report.key_packets
    assert report.time_base == probed.time_base
    assert report.frames.counted == len(probed.pts)
    assert report.frames.key == len(probed.keys)
    assert report.packets.sha256 == stamps_sha256(probed.pts)
    assert report.key_packets.sha256 == stamps_sha256(probed.keys)
    if report.start_pts is not None:
        assert report.start_pts == probed.start_pts
    for keyframe in report.keyframes:
        assert keyframe.pts in probed.keys
        assert keyframe.frame is not None and probed.pts[keyframe.frame] == keyframe.pts


@pytest.mark.needs("ffmpeg", "ffprobe")
@pytest.mark.parametrize("name", RECIPES)
def test_frames_key_frames_and_stamps_are_those_of_an_independent_demuxer(
    analyse: Analyse, tmp_path: Path, name: str
) -> None:
    path = make(tmp_path, name)
    report = report_of(analyse(path))
    assert_lists_what_ffprobe_lists(report, path)
    assert report.outcome == "complete" and report.findings == ()
    assert report.frames and report.frames.missed == 0
    assert report.kind == "video" and report.tiers == (1,)


@pytest.mark.needs("corpus", "ffprobe")
@pytest.mark.parametrize("name", CORPUS_VIDEOS)
def test_footage_of_others_is_listed_as_an_independent_demuxer_lists_it(
    analyse: Analyse, corpus: Path, name: str
) -> None:
    path = corpus / "media" / name
    assert_lists_what_ffprobe_lists(report_of(analyse(path)), path)


@pytest.mark.needs("corpus")
def test_no_file_of_the_corpus_breaks_the_sandbox(analyse: Analyse, corpus: Path) -> None:
    """The damaged ones included: whatever is in a file, the caller gets a report or a finding, never an error."""
    outcomes = {path.name: analyse(path) for path in sorted((corpus / "media").glob("*/*"))}
    assert len(outcomes) > 60
    broken = {name: one for name, one in outcomes.items() if isinstance(one, Failure)}
    assert {one.outcome for one in broken.values()} <= {"not-decodable", "limit"}, broken


@pytest.mark.needs("ffmpeg")
def test_an_edit_list_hides_no_stored_frame_and_is_reported(analyse: Analyse, tmp_path: Path) -> None:
    plain = make(tmp_path, "plain.mp4")
    edited = tmp_path / "edited.mp4"
    ffmpeg("-ss", "1.5", "-i", plain, "-c", "copy", edited)
    report = report_of(analyse(edited))
    assert report.frames and report.frames.counted == 75  # players show 62
    assert [finding.code for finding in report.findings] == ["contradiction"]
    assert "edit list" in report.findings[0].detail


@pytest.mark.needs("ffmpeg")
def test_a_rotated_recording_is_shown_upright_and_its_stored_size_is_kept(analyse: Analyse, tmp_path: Path) -> None:
    path = make(tmp_path, "plain.mp4")
    turn_by_90_degrees(path)
    report = report_of(analyse(path))
    assert (report.width, report.height, report.rotation) == (320, 180, 90)
    assert {(keyframe.width, keyframe.height) for keyframe in report.keyframes} == {(180, 320)}


@pytest.mark.needs("ffmpeg")
def test_kept_pictures_of_motion_jpeg_are_bytes_of_the_recording(analyse: Analyse, tmp_path: Path) -> None:
    path = make(tmp_path, "motion_jpeg.avi")
    report = report_of(analyse(path))
    stored = path.read_bytes()
    assert report.keyframes
    for keyframe in report.keyframes:
        assert keyframe.original and keyframe.picture in stored


@pytest.mark.needs("ffmpeg")
def test_the_first_and_the_last_intra_frame_are_always_kept(analyse: Analyse, tmp_path: Path) -> None:
    report = report_of(analyse(make(tmp_path, "plain.mkv")))
    reasons = [keyframe.reason for keyframe in report.keyframes]
    assert reasons[0] == "first" and reasons[-1] == "last"
    assert report.key_packets and report.keyframes[-1].pts == report.key_packets.last_pts


@pytest.mark.needs("ffmpeg")
def test_a_change_of_scene_is_a_cut_at_its_exact_time(analyse: Analyse, tmp_path: Path) -> None:
    scenes = ["color=black:s=320x180:r=25:d=3", "color=white:s=320x180:r=25:d=3"]
    sources = [argument for scene in scenes for argument in ("-f", "lavfi", "-i", scene)]
    path = tmp_path / "scenes.mp4"
    ffmpeg(*sources, "-filter_complex", "[0][1]concat=n=2:v=1", *H264, "-sc_threshold", "0", path)
    report = report_of(analyse(path))
    assert report.cuts == ("3",)
    assert [keyframe.time_s for keyframe in report.keyframes if keyframe.reason == "cut"] == ["3"]


@pytest.mark.needs("ffmpeg")
def test_the_strongest_change_between_intra_frames_becomes_a_peak(analyse: Analyse, tmp_path: Path) -> None:
    still = "color=gray:s=320x180:r=25:d=60"
    box = "drawbox=x=20:y=20:w=120:h=120:color=white:t=fill:enable='between(t,30.5,31.5)'"
    path = tmp_path / "event.mp4"
    ffmpeg("-f", "lavfi", "-i", still, "-vf", box, *H264, "-sc_threshold", "0", path)
    peaks = [keyframe for keyframe in report_of(analyse(path)).keyframes if keyframe.reason == "activity-peak"]
    assert "31" in {keyframe.time_s for keyframe in peaks}


@pytest.mark.needs("ffmpeg")
def test_a_file_that_declares_fewer_frames_than_it_holds_hides_none(analyse: Analyse, tmp_path: Path) -> None:
    path = make(tmp_path, "motion_jpeg.avi")
    data = bytearray(path.read_bytes())
    for header, offset in ((b"strh", 8 + 32), (b"avih", 8 + 16)):
        position = data.index(header) + offset
        data[position : position + 4] = (5).to_bytes(4, "little")
    path.write_bytes(data)
    report = report_of(analyse(path))
    assert report.frames and (report.frames.declared, report.frames.counted) == (5, 100)
    assert [finding.code for finding in report.findings] == ["contradiction"]


@pytest.mark.needs("ffmpeg")
def test_a_bare_stream_without_stamps_claims_no_time(analyse: Analyse, tmp_path: Path) -> None:
    path = tmp_path / "stream.264"
    ffmpeg(*TEST_PICTURE, *H264, "-f", "h264", path)
    report = report_of(analyse(path))
    assert report.frames and report.frames.counted == 100
    assert report.packets is None and report.duration_s is None and report.time_base is None
    assert len(report.keyframes) >= 3
    assert {keyframe.time_s for keyframe in report.keyframes} == {None}


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("name", ["sound.m4a", "sound.mp4", "sound.mkv", "sound.wav", "sound.mp3", "sound.flac"])
def test_sound_alone_is_listed_not_decoded(analyse: Analyse, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", path)
    report = report_of(analyse(path))
    assert report.kind == "audio" and report.media_type.startswith("audio/")
    assert report.keyframes == () and report.metadata and report.tiers == ()


@pytest.mark.needs("ffmpeg")
def test_a_codec_without_decoder_is_a_failure_that_still_has_the_metadata(analyse: Analyse, tmp_path: Path) -> None:
    path = tmp_path / "lossless.mkv"
    ffmpeg(*TEST_PICTURE, "-frames:v", "3", "-c:v", "libaom-av1", "-cpu-used", "8", path)
    failure = analyse(path)
    assert isinstance(failure, Failure) and failure.outcome == "not-decodable"
    assert failure.media_type == "video/matroska"
    assert any(value.key == "video1.format" and value.value == "AV1" for value in failure.metadata)


@pytest.mark.needs("corpus")
def test_a_still_has_a_preview_its_thumbnail_and_its_time(analyse: Analyse, corpus: Path) -> None:
    report = report_of(analyse(corpus / "media" / "metadata" / "DSCN0010.jpg"))
    assert [keyframe.reason for keyframe in report.keyframes] == ["first", "thumbnail"]
    assert (report.width, report.height, report.kind) == (640, 480, "still")
    assert report.device_time and report.device_time.start == "2008-10-22T16:28:39.000000Z"
    assert report.device_time.zone == "unknown"


@pytest.mark.needs("corpus")
def test_positions_serials_and_free_text_are_sensitive(analyse: Analyse, corpus: Path) -> None:
    still = report_of(analyse(corpus / "media" / "metadata" / "DSCN0010.jpg"))
    video = report_of(analyse(corpus / "media" / "metadata" / "gopro_max_heromode.mp4"))
    found = {value.key: value.sensitive for value in (*still.metadata, *video.metadata)}
    assert found["GPS GPSLatitude"] and found["general.xyz"]
    assert not found["EXIF ExposureTime"] and not found["video1.width"]


@pytest.mark.needs("ffmpeg")
def test_the_same_file_gives_the_same_document_and_pictures(tmp_path: Path) -> None:
    """Two sandboxes: nothing may depend on what a process did before."""
    path = make(tmp_path, "plain.mp4")
    documents: list[dict[str, Json]] = []
    for _ in range(2):
        with Sandbox() as fresh, path.open("rb") as file:
            report = report_of(fresh.analyse(file.fileno(), size_bytes=path.stat().st_size))
        documents.append(report.document())  # names every picture by its digest
    assert documents[0] == documents[1]
