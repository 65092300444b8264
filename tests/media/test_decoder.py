"""The arithmetic that turns OpenCV's floating-point times back into the integers of the container."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.child.decoder import exact_ratio
from media.child.findings import decimal

COMMON_TIME_BASES = ("1/90000", "1/12800", "1/1000", "1001/30000", "66667/1000000", "3/89", "1/1200000", "1/200000")


@pytest.mark.parametrize("text", COMMON_TIME_BASES)
def test_a_time_base_is_found_again_behind_its_quotient(text: str) -> None:
    base = Fraction(text)
    assert exact_ratio(base.numerator / base.denominator) == base


@given(numerator=st.integers(1, 2**16), denominator=st.integers(1, 2**24))
def test_whatever_is_found_divides_out_to_the_same_quotient(numerator: int, denominator: int) -> None:
    found = exact_ratio(numerator / denominator)
    assert found.numerator / found.denominator == numerator / denominator


@given(text=st.sampled_from(COMMON_TIME_BASES), pts=st.integers(-(2**40), 2**40))
def test_a_stamp_survives_the_way_through_milliseconds(text: str, pts: int) -> None:
    """As OpenCV computes it: pts times time base, in doubles, times 1000."""
    base = Fraction(text)
    ratio = base.numerator / base.denominator
    assert round(pts * ratio * 1000 / 1000 / float(exact_ratio(ratio))) == pts


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e300])
def test_what_is_no_ratio_becomes_one(ratio: float) -> None:
    assert exact_ratio(ratio) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(40), "40"),
        (Fraction(1, 3), "0.333333"),
        (Fraction(-1, 25), "-0.04"),
        (Fraction(1, 10_000_000), "0"),
        (Fraction(-1, 10_000_000), "0"),
        (Fraction(19999999, 10_000_000), "2"),
    ],
)
def test_decimals_have_six_places_at_most_and_no_idle_zeroes(value: Fraction, text: str) -> None:
    assert decimal(value) == text
