"""Questions as people type them: understood, or refused with a suggestion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import UsageError
from catalog.display import time_text
from catalog.questions import Position, question


@pytest.mark.parametrize(
    ("text", "closes", "meant"),
    [
        ("2026-11-23", False, "2026-11-23T00:00:00Z"),
        ("2026-11-23", True, "2026-11-24T00:00:00Z"),  # a day counts whole
        ("2026-11-23T22:00", False, "2026-11-23T22:00:00Z"),
        ("2026-11-23 22:00", True, "2026-11-23T22:00:00Z"),
        ("2026-11-23T22:00:00+01:00", False, "2026-11-23T21:00:00Z"),
        ("2026-11-23T22:00:00.25Z", False, "2026-11-23T22:00:00.250000Z"),
        ("2024-02-29", True, "2024-03-01T00:00:00Z"),
    ],
)
def test_times_are_understood(text: str, closes: bool, meant: str) -> None:
    asked = question(end=text) if closes else question(begin=text)
    assert time_text(asked.to_us if closes else asked.from_us) == meant
    assert meant in asked.in_words()


@pytest.mark.parametrize(
    "text",
    [
        "2/5/2026",
        "last night",
        "half ten",
        "2026-02-30",
        "9999-12-31T23:59:59.999999-23:59",  # a moment of the year 10000
        "0001-01-01T00:00+01:00",
        "22:00",
        "",
        "2026-11-23T25:00",
        "9999-12-31",
        "２０２６-11-23",
    ],
)
def test_what_is_no_time_is_refused_with_a_suggestion(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time") as caught:
        question(end=text)
    assert "2026-11-23T22:00" in caught.value.next_step


@pytest.mark.parametrize(("begin", "end"), [("2026-11-23", "2026-11-22"), ("2026-11-23T10:00", "2026-11-23T10:00")])
def test_an_interval_that_ends_before_it_begins_is_refused(begin: str, end: str) -> None:
    with pytest.raises(UsageError, match="not after its beginning"):
        question(begin=begin, end=end)


@pytest.mark.parametrize("digest", ["abc", "xyzw", "0" * 65, "", "12 34", "%%%%"])
def test_what_is_no_beginning_of_a_hash_is_refused(digest: str) -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        question(digest=digest)


def test_a_hash_may_be_typed_in_capitals() -> None:
    assert question(digest="ABCDEF").hash_prefix == "abcdef"


@pytest.mark.parametrize("word", ["", "***", '"', "  ", "--", "()"])
def test_a_word_without_a_letter_or_digit_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="no letter or digit"):
        question(words=[word])


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_the_limit_has_limits(limit: int) -> None:
    with pytest.raises(UsageError, match="--limit"):
        question(limit=limit)


@given(start=st.none() | st.integers(-(2**61), 2**61), item=st.text(max_size=20))
def test_a_cursor_comes_back_as_it_went(start: int | None, item: str) -> None:
    position = Position(start, item)
    assert question(after=position.as_text()).after == position


@given(st.text(max_size=40) | st.sampled_from(["W10", "W251bGwsMV0", "e30", "Ww", "W25hbiwgImEiXQ", "WzFlOTksImEiXQ"]))
def test_no_cursor_however_wrong_is_more_than_wrong_usage(text: str) -> None:
    try:
        after = question(after=text).after
    except UsageError:
        return
    assert isinstance(after, Position)


def test_the_question_that_is_recorded_holds_text_that_a_log_can_keep() -> None:
    """A word from a shell that is not UTF-8 comes as lone surrogates, which no JSON reader takes."""
    told = question(words=["caf\udce9"], drop="\udcff").as_json()
    assert told["words"] == ["caf\\xe9"]
    assert told["drop"] == "\\xff"


@pytest.mark.parametrize("microseconds", [10**18, -(10**18), 2**62])
def test_a_time_outside_the_calendar_is_not_known_and_no_error(microseconds: int) -> None:
    assert time_text(microseconds) is None
