"""Times: one spelling, always with a zone, and back again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.clock import format_time, from_microseconds, now, parse_time, synchronisation, to_microseconds

offsets = st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=offsets)  # noqa: DTZ001


@given(moments)
def test_a_moment_comes_back_from_its_spelling(moment: datetime) -> None:
    text = format_time(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert parse_time(text) == moment
    assert from_microseconds(to_microseconds(moment)) == moment


@given(moments, moments)
def test_the_order_of_the_spelling_is_the_order_of_time(one: datetime, other: datetime) -> None:
    assert (format_time(one) < format_time(other)) == (one < other)


def test_digits_stand_there_even_where_they_are_zero() -> None:
    assert format_time(datetime(2026, 11, 24, 8, 15, 30, tzinfo=UTC)) == "2026-11-24T08:15:30.000000Z"
    assert format_time(datetime(7, 1, 2, tzinfo=UTC)) == "0007-01-02T00:00:00.000000Z"


def test_a_time_without_a_zone_is_no_moment() -> None:
    with pytest.raises(ValueError, match="zone"):
        format_time(datetime(2026, 11, 24))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24T08:15:30Z",
        "2026-11-24T08:15:30.123Z",
        "2026-11-24T08:15:30.123456",
        "2026-11-24T08:15:30.123456+00:00",
        "2026-11-24 08:15:30.123456Z",
        "2026-13-24T08:15:30.123456Z",
        "2026-02-30T08:15:30.123456Z",
        "2026-11-24T24:00:00.000000Z",
        "2026-11-24T08:15:60.000000Z",
        "2026-11-24T08:15:30.123456Z\n",
        "\u0662026-11-24T08:15:30.123456Z",
        "0000-01-01T00:00:00.000000Z",
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_time(text)


def test_the_epoch_is_zero() -> None:
    assert to_microseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert to_microseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


def test_now_has_a_zone_and_goes_on() -> None:
    first, second = now(), now()
    assert first.tzinfo is UTC
    assert first <= second


def test_the_kernel_says_whether_its_clock_is_synchronised() -> None:
    assert synchronisation() in {"synchronised", "unsynchronised", None}
