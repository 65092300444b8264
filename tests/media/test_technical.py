"""Which metadata is sensitive. The default is yes: an unknown key may hold a name, a place or a serial number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.child.technical import is_sensitive


@pytest.mark.parametrize(
    ("source", "key", "sensitive"),
    [
        ("mediainfo", "video1.width", False),
        ("mediainfo", "general.encoded_date", False),
        ("mediainfo", "audio12.sampling_rate", False),
        ("mediainfo", "general.xyz", True),
        ("mediainfo", "general.title", True),
        ("mediainfo", "general.performer", True),
        ("mediainfo", "general.comment", True),
        ("mediainfo", "general.writing_application", True),
        ("mediainfo", "general.unique_id", True),
        ("mediainfo", "general.something_new", True),
        ("mediainfo", "surprise.width", True),
        ("exif", "EXIF ExposureTime", False),
        ("exif", "Image Orientation", False),
        ("exif", "GPS GPSLatitude", True),
        ("exif", "EXIF BodySerialNumber", True),
        ("exif", "Image Artist", True),
        ("exif", "EXIF UserComment", True),
        ("exif", "EXIF CameraOwnerName", True),
        ("exif", "MakerNote ExposureTime", True),
        ("exif", "ExposureTime", True),
    ],
)
def test_only_what_is_known_to_be_technical_is_open(source: str, key: str, *, sensitive: bool) -> None:
    assert is_sensitive(source, key) is sensitive


@given(source=st.text(), key=st.text())
def test_an_unknown_source_is_sensitive(source: str, key: str) -> None:
    assert is_sensitive(source, key) or source in ("mediainfo", "exif", "cv2")
