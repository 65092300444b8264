"""An independent reader finds in the still what was written by hand."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from fractions import Fraction

import exifread
import pytest

from sample_media import DROPS, expected_path
from sample_media.exif import Camera, with_exif

STILL = "card-b/IMG_0001.JPG"
PLACE = ((12, 34, 5678), (0, 59, 1))
CAMERA = Camera(make="EXAMPLE OPTICS", model="M", serial="SAMPLE-0000", owner="ODD", position=PLACE)
TAKEN = datetime(2031, 3, 14, 22, 10, tzinfo=UTC)
EMPTY_JPEG = b"\xff\xd8\xff\xd9"


def test_the_committed_still_says_what_its_expected_file_says() -> None:
    truth = json.loads(expected_path(STILL).read_text(encoding="utf-8"))
    with (DROPS / STILL).open("rb") as file:
        tags = exifread.process_file(file)
    exif = truth["exif"]
    assert str(tags["Image Make"]) == exif["make"]
    assert str(tags["Image Model"]) == exif["model"]
    assert str(tags["EXIF BodySerialNumber"]) == exif["serial"]
    assert str(tags["EXIF CameraOwnerName"]) == exif["owner"]
    assert degrees(tags["GPS GPSLatitude"].values) == Fraction(exif["latitude"])
    assert degrees(tags["GPS GPSLongitude"].values) == Fraction(exif["longitude"])
    taken = datetime.strptime(f"{tags['EXIF DateTimeOriginal']} +0000", "%Y:%m:%d %H:%M:%S %z")
    assert taken == datetime.fromisoformat(truth["device_time"])
    assert hashlib.sha256(tags["JPEGThumbnail"]).hexdigest() == truth["thumbnail"]["sha256"]


def test_values_short_and_long_odd_and_even_are_found_again() -> None:
    thumbnail = b"\xff\xd8odd\xff\xd9"
    jpeg = with_exif(EMPTY_JPEG, camera=CAMERA, taken=TAKEN, thumbnail=thumbnail)
    tags = exifread.process_file(io.BytesIO(jpeg))
    # "M" and "ODD" stand in the entry itself, the others behind the directory.
    found = [str(tags[name]) for name in ("Image Model", "EXIF CameraOwnerName", "Image Make", "Image DateTime")]
    assert found == ["M", "ODD", "EXAMPLE OPTICS", "2031:03:14 22:10:00"]
    assert degrees(tags["GPS GPSLatitude"].values) == 12 + Fraction(34, 60) + Fraction(5678, 360_000)
    assert degrees(tags["GPS GPSLongitude"].values) == Fraction(59, 60) + Fraction(1, 360_000)
    assert tags["JPEGThumbnail"] == thumbnail
    assert jpeg.endswith(EMPTY_JPEG[2:])


def test_a_thumbnail_that_does_not_fit_into_one_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65533 fit"):
        with_exif(EMPTY_JPEG, camera=CAMERA, taken=TAKEN, thumbnail=bytes(65_500))


def degrees(values: list[Fraction]) -> Fraction:
    whole, minutes, seconds = map(Fraction, values)
    return whole + minutes / 60 + seconds / 3600
