"""A recording that is not what was drawn is refused before anything is written about it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from sample_media.recipes import CLIPS, Clip, Damage
from sample_media.truth import Packet, Probe, SampleError, check_against_recipe

CLIP = next(clip for clip in CLIPS if clip.frame_rate == 12)


def found(clip: Clip) -> Probe:
    """Return what ffprobe would find in a Matroska file of this clip: stamps rounded to milliseconds."""
    pts = tuple(round(Fraction(stamp, 90)) for stamp in clip.stamps_90k)
    return Probe(
        container="matroska,webm",
        codec="h264",
        width=clip.width,
        height=clip.height,
        time_base=Fraction(1, 1000),
        start_pts=0,
        duration_s="25.000000",
        packets=tuple(Packet(pts=stamp, key=stamp == 0, offset=0, size_bytes=1) for stamp in pts),
        decoded_pts=pts,
    )


def test_what_was_drawn_is_accepted_although_its_stamps_were_rounded() -> None:
    check_against_recipe(CLIP, found(CLIP))


GOOD = found(CLIP)


@pytest.mark.parametrize(
    ("probe", "complaint"),
    [
        (replace(GOOD, width=GOOD.width + 2), "642x360, not 640x360"),
        (replace(GOOD, packets=GOOD.packets[1:]), "299 frames stored, 300 drawn"),
        (replace(GOOD, packets=(*GOOD.packets[:-1], replace(GOOD.packets[-1], pts=24_918))), "pts 24918 stands where"),
        (replace(GOOD, decoded_pts=GOOD.decoded_pts[:-1]), "1 frames cannot be decoded, 0 should be lost"),
        (replace(GOOD, decoded_pts=(*GOOD.decoded_pts, 7)), r"decoding gives frames that are not stored, at pts \[7\]"),
    ],
)
def test_a_difference_from_the_recipe_is_refused_by_name(probe: Probe, complaint: str) -> None:
    with pytest.raises(SampleError, match=f"^{CLIP.name}: {complaint}"):
        check_against_recipe(CLIP, probe)


def test_a_damaged_recording_that_loses_nothing_is_refused() -> None:
    with pytest.raises(SampleError, match="0 frames cannot be decoded, 5 should be lost"):
        check_against_recipe(replace(CLIP, damage=Damage(first_frame=55, frames=5)), GOOD)
