"""The committed samples are what their expected files say, and can be made again from the recipes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sample_media
from sample_media import DROPS, EXPECTED, expected_path
from sample_media.make_samples import make_all
from sample_media.recipes import CLIPS, STILLS, TICKS_PER_SECOND, Clip
from sample_media.truth import probe

ROOM = Path(sample_media.__file__).parent
SUFFIX = ".expected.json"
SIZE_LIMIT_BYTES = 5_000_000
# The encoder of another year may spend its bits otherwise. A cell is a 32nd of the width: a shape elsewhere shows.
CELLS = (32, 18)
CELL_TOLERANCE = 6.0

Cells = npt.NDArray[np.float32]
# These follow from the bytes, and the bytes from the version of the encoder.
MEMBERS_OF_THE_BYTES = {"size_bytes", "sha256", "made_with", "damage", "thumbnail"}


def names_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def truth_of(path: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return truth


NAMES = names_below(DROPS)
PICTURES = [recipe.name for recipe in (*CLIPS, *STILLS)]
clips = pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)


def test_every_sample_has_its_expected_file_and_the_other_way_round() -> None:
    assert [name + SUFFIX for name in NAMES] == names_below(EXPECTED)
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_the_bytes_that_its_expected_file_names(name: str) -> None:
    truth, content = truth_of(expected_path(name)), (DROPS / name).read_bytes()
    assert truth["name"] == name
    assert (truth["size_bytes"], truth["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in ROOM.rglob("*") if path.is_file()) < SIZE_LIMIT_BYTES


def test_the_set_holds_one_of_each_kind() -> None:
    truths = [truth_of(expected_path(name)) for name in NAMES]
    assert {truth["kind"] for truth in truths} == {"video", "still", "side-file", "marker"}
    videos = [truth for truth in truths if truth["kind"] == "video"]
    assert {(Path(video["name"]).suffix, video["codec"]) for video in videos} == {
        (".MP4", "h264"),
        (".MKV", "h264"),
        (".AVI", "mjpeg"),
    }
    for feature in ("variable_frame_rate", "damaged", "cuts", "light_steps"):
        assert sum(bool(video[feature]) for video in videos) == 1, feature
    assert all(video["events"] for video in videos)


def test_the_manifest_of_card_a_names_every_other_file_of_it() -> None:
    card = DROPS / "card-a"
    lines = (card / "SHA256SUMS").read_text("ascii").splitlines()
    listed = {file: digest for digest, file in (line.split("  ") for line in lines)}
    assert listed == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in card.iterdir() if path.name != "SHA256SUMS"
    }


@clips
def test_stamps_and_moments_agree_with_the_recipe(clip: Clip) -> None:
    truth = truth_of(expected_path(clip.name))
    time_base, pts = Fraction(truth["time_base"]), truth["pts"]
    assert [round(stamp / time_base / TICKS_PER_SECOND) for stamp in clip.stamps_90k] == pts
    assert truth["frames"] == {"stored": len(pts), "counted": len(pts) - len(truth["lost_pts"])}
    assert set(truth["key_frames"]) | set(truth["lost_pts"]) <= set(pts)
    assert len(set(np.diff(clip.stamps_90k).tolist())) == 1 or truth["variable_frame_rate"]
    for event in truth["events"]:
        assert 0 < event["start_s"] <= event["peak_s"] <= event["end_s"] < float(truth["duration_s"])
    for cut in truth["cuts"]:
        assert cut["pts"] in pts


def test_no_neighbouring_gaps_are_equal_while_the_uneven_recording_is_busy() -> None:
    (clip,) = (clip for clip in CLIPS if clip.frame_rate is None)
    busy = [stamp for stamp in clip.stamps_90k if 9 * TICKS_PER_SECOND <= stamp < 15 * TICKS_PER_SECOND]
    gaps = np.diff(busy)
    assert len(gaps) > 50
    assert np.all(gaps[1:] != gaps[:-1])


def test_the_damage_lies_where_the_expected_file_says() -> None:
    (clip,) = (clip for clip in CLIPS if clip.damage)
    damage = truth_of(expected_path(clip.name))["damage"]
    content, end = (DROPS / clip.name).read_bytes(), damage["offset"] + damage["size_bytes"]
    assert content[damage["offset"] : end] == b"\xff" * damage["size_bytes"]
    assert content[end : end + 4] != b"\xff" * 4
    assert damage["size_bytes"] > 500


@pytest.mark.parametrize("name", [*NAMES, *(name + SUFFIX for name in NAMES)])
def test_no_file_tells_of_the_machine_it_was_made_on(name: str) -> None:
    content = ((EXPECTED if name.endswith(SUFFIX) else DROPS) / name).read_bytes()
    readable = b"\n".join(re.findall(rb"[\x20-\x7e]{6,}", content)).decode("ascii")
    # Two folders of plain letters, and no address of a web page: a path. Compressed data does not look like that.
    assert not re.search(r"(?<![/\w])/[a-z][a-z0-9_.-]{2,}/[a-z][a-z0-9_.-]{2,}", readable)


@pytest.mark.parametrize("name", PICTURES)
def test_no_picture_tells_who_made_it(name: str) -> None:
    readable = b"\n".join(re.findall(rb"[\x20-\x7e]{6,}", (DROPS / name).read_bytes())).decode("ascii")
    who = {platform.node(), os.environ.get("USER"), os.environ.get("LOGNAME"), Path.home().name} - {"", None}
    assert [word for word in who if word in re.findall(r"[\w.-]+", readable)] == []


def test_the_sources_page_names_every_sample_and_the_encoder() -> None:
    page = (ROOM / "SOURCES.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if Path(name).name not in page] == []
    made_with = {truth_of(expected_path(name))["made_with"] for name in PICTURES}
    assert len(made_with) == 1
    assert f"Made with: {made_with.pop()} " in page


@pytest.mark.needs("ffprobe")
@clips
def test_ffprobe_finds_what_the_expected_file_says(clip: Clip) -> None:
    truth, found = truth_of(expected_path(clip.name)), probe(DROPS / clip.name)
    assert sorted(packet.pts for packet in found.packets) == truth["pts"]
    assert sorted(packet.pts for packet in found.packets if packet.key) == truth["key_frames"]
    assert sorted(set(truth["pts"]) - set(found.decoded_pts)) == truth["lost_pts"]
    assert len(found.decoded_pts) == truth["frames"]["counted"]
    assert (found.width, found.height, found.codec) == (truth["width"], truth["height"], truth["codec"])
    assert (found.start_pts, str(found.time_base)) == (truth["start_pts"], truth["time_base"])


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-again")
    make_all(folder)
    return folder


@pytest.mark.needs("ffmpeg", "ffprobe")
def test_made_again_the_same_files_appear(made_again: Path) -> None:
    assert names_below(made_again / "drops") == NAMES
    assert names_below(made_again / "expected") == names_below(EXPECTED)


@pytest.mark.needs("ffmpeg", "ffprobe")
@pytest.mark.parametrize("name", PICTURES)
def test_made_again_the_truth_is_the_same(made_again: Path, name: str) -> None:
    old, new = truth_of(expected_path(name)), truth_of(made_again / "expected" / (name + SUFFIX))
    for member in MEMBERS_OF_THE_BYTES:
        old.pop(member, None)
        new.pop(member, None)
    assert new == old


@pytest.mark.needs("ffmpeg", "ffprobe")
@pytest.mark.parametrize("name", PICTURES)
def test_made_again_the_pictures_show_the_same(made_again: Path, name: str) -> None:
    assert largest_difference(cells(DROPS / name), cells(made_again / "drops" / name)) <= CELL_TOLERANCE


@pytest.mark.needs("ffmpeg")
def test_the_comparison_of_pictures_sees_a_figure_that_walks_half_a_second_late() -> None:
    shown = cells(DROPS / "card-a/CLIP0002.MKV")
    assert largest_difference(shown[6:240], shown[:234]) > CELL_TOLERANCE


def largest_difference(one: Cells, other: Cells) -> float:
    """Return how far the luma of a cell differs at most between two recordings of equal length."""
    assert one.shape == other.shape and one.size > 0
    return float(np.abs(one - other).max())


def cells(path: Path) -> Cells:
    """Return the mean luma of each cell of each decoded frame."""
    width, height = CELLS
    shrink = ["-vf", f"scale={width}:{height}:flags=area", "-fps_mode", "passthrough", "-pix_fmt", "gray"]
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-i", str(path), *shrink, "-f", "rawvideo", "pipe:1"]
    luma = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(luma, dtype=np.uint8).reshape(-1, height, width).astype(np.float32)
