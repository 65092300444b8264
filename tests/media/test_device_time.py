"""What a recording claims about its time, in one form, without pretending to know the zone."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.child.device_time import of_still, of_video


@pytest.mark.parametrize(
    ("values", "start", "zone"),
    [
        ({"EXIF DateTimeOriginal": "2031:03:14 09:26:53"}, "2031-03-14T09:26:53.000000Z", "unknown"),
        (
            {"EXIF DateTimeOriginal": "2031:03:14 09:26:53", "EXIF OffsetTimeOriginal": "+02:00"},
            "2031-03-14T07:26:53.000000Z",
            "offset",
        ),
        (
            {"EXIF DateTimeOriginal": "2031:03:14 09:26:53", "EXIF OffsetTimeOriginal": "-05:30"},
            "2031-03-14T14:56:53.000000Z",
            "offset",
        ),
        (
            {"EXIF DateTimeOriginal": "2031:03:14 09:26:53", "EXIF SubSecTimeOriginal": "25"},
            "2031-03-14T09:26:53.250000Z",
            "unknown",
        ),
        ({"Image DateTime": "2031:03:14 09:26:53"}, "2031-03-14T09:26:53.000000Z", "unknown"),
    ],
)
def test_the_time_of_a_still(values: dict[str, str], start: str, zone: str) -> None:
    claim = of_still(values.get)
    assert claim is not None and (claim.start, claim.zone, claim.end) == (start, zone, None)


@pytest.mark.parametrize(
    ("text", "start", "zone"),
    [
        ("2031-03-14 09:26:53 UTC", "2031-03-14T09:26:53.000000Z", "utc"),
        ("UTC 2031-03-14 09:26:53", "2031-03-14T09:26:53.000000Z", "utc"),
        ("2031-03-14T09:26:53Z", "2031-03-14T09:26:53.000000Z", "utc"),
        ("2031-03-14T09:26:53+0200", "2031-03-14T07:26:53.000000Z", "offset"),
        ("2031-03-14 09:26:53", "2031-03-14T09:26:53.000000Z", "unknown"),
    ],
)
def test_the_time_of_a_recording(text: str, start: str, zone: str) -> None:
    claim = of_video({"general.encoded_date": text}.get, duration=Fraction(3, 2))
    assert claim is not None and (claim.start, claim.zone) == (start, zone)
    assert claim.end is not None and claim.end > claim.start


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "1904-01-01 00:00:00 UTC", "1970-01-01 00:00:00 UTC", "2031-02-30 00:00:00 UTC", "2031-03-14"],
)
def test_a_clock_that_was_never_set_and_what_is_no_time_claim_nothing(text: str) -> None:
    assert of_video({"general.encoded_date": text}.get, duration=None) is None


def test_the_end_of_time_is_no_crash() -> None:
    assert of_video({"general.encoded_date": "9999-12-31 23:59:59 UTC"}.get, duration=Fraction(10)) is None


@given(text=st.text(), offset=st.text())
def test_no_text_raises(text: str, offset: str) -> None:
    of_still({"EXIF DateTimeOriginal": text, "EXIF OffsetTimeOriginal": offset}.get)
    of_video({"general.encoded_date": text}.get, duration=None)


@given(
    parts=st.tuples(*[st.integers(0, 99)] * 5),
    year=st.integers(0, 9999),
    sign=st.sampled_from("+-"),
    hours=st.integers(0, 99),
    minutes=st.integers(0, 99),
)
def test_no_numbers_raise(parts: tuple[int, ...], year: int, sign: str, hours: int, minutes: int) -> None:
    month, day, hour, minute, second = parts
    text = f"{year:04}:{month:02}:{day:02} {hour:02}:{minute:02}:{second:02}"
    of_still({"Image DateTime": text, "EXIF OffsetTime": f"{sign}{hours:02}:{minutes:02}"}.get)
