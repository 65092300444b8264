"""Values in one line for people: whatever they hold, no control or bidirectional character goes out."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.strict_json import Json
from ledger.value_text import EMPTY, value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        ("clip.mp4", "clip.mp4"),
        ("a\x1b[2J\u202eb", "a\\u001b[2J\\u202eb"),
        ({"base64": base64.b64encode(b"a\xff\n").decode()}, "a\\xff\\u000a"),
        ({"base64": ""}, EMPTY),
        ({"base64": "no base64"}, '{"base64": "no base64"}'),
        ({"uid": 7, "user": "jdoe"}, "uid 7  user jdoe"),
        ({"a": ["x", 1], "b": None}, 'a ["x", 1]  b null'),
        ([1, "x"], '[1, "x"]'),
        ({}, ""),
    ],
)
def test_a_value_in_one_line(value: Json, text: str) -> None:
    assert value_text(value) == text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_whatever_a_value_holds_its_line_is_printable(value: Json) -> None:
    assert value_text(value).isprintable()


@given(st.binary(max_size=60))
def test_raw_bytes_are_printable_and_never_nothing(data: bytes) -> None:
    text = value_text({"base64": base64.b64encode(data).decode("ascii")})
    assert text and text.isprintable()
