"""Untrusted text never does anything but be read."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.escape import code_of, csv_cell, shown

HOSTILE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
any_text = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=300)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("DCIM/clip 1.mp4", "DCIM/clip 1.mp4"),
        ("\u00e9t\u00e9 \u6c34", "\u00e9t\u00e9 \u6c34"),
        ("a\nb", "a\\u000ab"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("\U000e0041", "\\U000e0041"),
        ("\u00a0", "\\u00a0"),
        ("back\\slash", "back\\\\slash"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"ok \xe2\x80\xae", "ok \\u202e"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_shown(text: str | bytes, safe: str) -> None:
    assert shown(text) == safe


@given(any_text | st.binary(max_size=300))
def test_what_is_shown_holds_nothing_that_a_terminal_obeys(text: str | bytes) -> None:
    output = shown(text)
    assert not {unicodedata.category(character) for character in output} & HOSTILE
    assert not [character for character in output if character.isspace() and character != " "]
    output.encode("utf-8")


@given(any_text.filter(lambda text: len(text) < 50), any_text.filter(lambda text: len(text) < 50))
def test_two_texts_are_never_shown_the_same(one: str, other: str) -> None:
    """Else a file could be shown as another. Lone surrogates of the byte range stand for bytes, and are bytes."""
    assert (shown(one) == shown(other)) == (one == other)


@given(st.text(max_size=2000), st.integers(1, 300))
def test_what_is_shown_is_never_long(text: str, limit: int) -> None:
    assert len(shown(text, limit=limit)) <= 4 * limit + 30


def test_a_long_text_says_that_it_was_cut() -> None:
    assert shown("x" * 201) == "x" * 200 + "\u2026 (201 characters)"
    assert shown("x" * 200) == "x" * 200
    assert shown("\x00" * 200).endswith("(200 characters)")


@given(any_text)
def test_a_code_is_a_code(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]{1,40}", code_of(text))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "x", "1=1", " =1"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert csv_cell(text) == text
