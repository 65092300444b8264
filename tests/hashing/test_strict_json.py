from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.strict_json import (
    MAX_DEPTH,
    Json,
    StrictJsonError,
    canonical,
    canonical_document,
    parse_canonical,
    parse_document,
    parse_strict,
    refuse_unless_document,
)

LIMIT = 2**53

plain_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'), max_size=12)
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
integers = st.integers(1 - LIMIT, LIMIT - 1)


def values(text: st.SearchStrategy[str], *, smallest: int) -> st.SearchStrategy[Json]:
    return st.recursive(
        st.none() | st.booleans() | integers | text,
        lambda inner: (
            st.lists(inner, min_size=smallest, max_size=4) | st.dictionaries(text, inner, min_size=smallest, max_size=4)
        ),
        max_leaves=12,
    )


entry_values = values(plain_text, smallest=1)
document_values = values(any_text, smallest=0)


def nested(depth: int) -> Json:
    value: Json = 0
    for _ in range(depth):
        value = [value]
    return value


def strictly(data: bytes) -> Json:
    return parse_strict(data, max_bytes=10_000_000)


# ------------------------------------------------------------------------------------------------ entries


@given(entry_values)
def test_an_entry_value_is_read_back_and_written_as_the_standard_library_would(value: Json) -> None:
    data = canonical(value)
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    assert parse_canonical(data) == value
    assert strictly(data) == value


@given(document_values)
def test_a_value_is_written_as_an_entry_only_in_the_bytes_of_the_profile(value: Json) -> None:
    try:
        data = canonical(value)
    except StrictJsonError:
        return
    assert all(0x20 <= byte <= 0x7E for byte in data)
    assert b"\\" not in data
    assert parse_canonical(data) == value


@given(st.binary(max_size=30) | st.text('[]{}",:0123456789.-+eEtrufalsn \\', max_size=30).map(str.encode))
def test_any_bytes_are_the_canonical_bytes_of_their_value_or_refused(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except StrictJsonError:
        return
    assert canonical(value) == data


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (
            {"b": 1, "a": None, "B": True, "_": "~ !", "aa": [False, 0]},
            b'{"B":true,"_":"~ !","a":null,"aa":[false,0],"b":1}',
        ),
        ({"": [""]}, b'{"":[""]}'),
        (LIMIT - 1, b"9007199254740991"),
        (1 - LIMIT, b"-9007199254740991"),
        ({"a": "1.5", "b": "12345678901234567890"}, b'{"a":"1.5","b":"12345678901234567890"}'),
        ({"a": "{}", "b": "[]"}, b'{"a":"{}","b":"[]"}'),
        (nested(MAX_DEPTH), b"[" * MAX_DEPTH + b"0" + b"]" * MAX_DEPTH),
        ([[1]] * 100, b"[" + b",".join([b"[1]"] * 100) + b"]"),  # many brackets, but not deep
    ],
)
def test_canonical_bytes(value: Json, data: bytes) -> None:
    assert canonical(value) == data
    assert parse_canonical(data) == value


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": {}},
        [[]],
        {"a": [{}]},
        1.0,
        {"a": 0.5},
        1e300,
        float("nan"),
        float("inf"),
        LIMIT,
        -LIMIT,
        2**64,
        10**5000,
        "é",
        'say "no"',
        "back\\slash",
        "line\nbreak",
        "\x7f",
        "\0",
        "\ud800",
        {"é": 1},
        {'a"': 1},
        {1: "a"},
        {None: "a"},
        {True: "a"},
        (1, 2),
        {1, 2},
        b"bytes",
        bytearray(b"bytes"),
        datetime(2026, 11, 24, tzinfo=UTC),
        Decimal("1.5"),
        object(),
        nested(MAX_DEPTH + 1),
        nested(5000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_canonical_bytes_is_refused(value: Any) -> None:
    with pytest.raises(StrictJsonError):
        canonical(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    knot: list[Json] = []
    knot.append(knot)
    for write in (canonical, canonical_document):
        with pytest.raises(StrictJsonError):
            write(knot)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b"1 ",
        b"1\n",
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'"\\u0061"',
        b'"\\/"',
        b'"\xc3\xa9"',
        b'"\xff"',
        b'"\x7f"',
        b'"\x01"',
        b"\xef\xbb\xbf1",
        b"-0",
        b"01",
        b"1.0",
        b"1e2",
        b"1E2",
        b"9007199254740992",
        b"-9007199254740992",
        b"9" * 60_000,
        b"NaN",
        b"{}",
        b"[]",
        b"[1,]",
        b"1 2",
        b"[" * 65 + b"1" + b"]" * 65,
        b"[" * 60_000,
        b'"' + b"a" * 65_534 + b'"',
    ],
    ids=lambda data: repr(data[:20]),
)
def test_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(StrictJsonError):
        parse_canonical(data)


def test_the_size_limit_is_that_of_an_entry() -> None:
    assert parse_canonical(b'"' + b"a" * 65_533 + b'"') == "a" * 65_533
    with pytest.raises(StrictJsonError, match="at most 3"):
        parse_canonical(b"1234", max_bytes=3)


# ------------------------------------------------------------------------------------------------ documents


@given(document_values)
def test_a_document_is_ascii_and_read_back(value: Json) -> None:
    data = canonical_document(value)
    assert data.isascii()
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    assert strictly(data) == value


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        float("nan"),
        LIMIT,
        -LIMIT,
        "\0",
        "a\0b",
        {"\0": 1},
        "\ud800",
        ["\udfff"],
        {"\ud800": 1},
        {1: 2},
        (1,),
        b"b",
        nested(65),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_document_refuses_what_readers_disagree_about(value: Any) -> None:
    with pytest.raises(StrictJsonError):
        canonical_document(value)


def test_a_document_holds_any_text_and_empty_things() -> None:
    assert canonical_document({"b": {}, "a": [], "é": '"\\\n\U0001f4f7'}) == (
        b'{"a":[],"b":{},"\\u00e9":"\\"\\\\\\n\\ud83d\\udcf7"}'
    )


# ------------------------------------------------------------------------------------------------ the strict reader


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' { "b" : [ ] , "a" : { } } \n', {"a": {}, "b": []}),
        (b'"\\ud83d\\udcf7 \\u0000 \xc3\xa9"', "\U0001f4f7 \0 é"),
        (b'"[[[[ \\" ]"', '[[[[ " ]'),
        (b'"\\"' + b"[" * 100 + b'"', '"' + "[" * 100),
        (b"9007199254740991", LIMIT - 1),
        (b"-9007199254740991", 1 - LIMIT),
        (b'"\\\\ud800"', "\\ud800"),
        (b"[" * 64 + b"]" * 64, cast(Json, json.loads("[" * 64 + "]" * 64))),
    ],
)
def test_the_strict_reader_accepts_any_spelling_of_a_value(data: bytes, value: Json) -> None:
    assert strictly(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"a":1,"a":1}',
        b'[{"b":{"a":1,"\\u0061":2}}]',
        b"1.0",
        b"1e2",
        b"-1E5",
        b"NaN",
        b"-Infinity",
        b"9007199254740992",
        b"-9007199254740992",
        b"9" * 100_000,
        b'"\\ud800"',
        b'"\\uDFFF\\ud800"',
        b'{"\\ud800":1}',
        b"{} {}",
        b"{}x",
        b"[1,]",
        b"{'a':1}",
        b"[" * 65 + b"]" * 65,
        b"[" * 1_000_000,
        b'{"a":' * 500_000,
        b'["\\"",' + b"[" * 100_000,  # an escaped quote hides no bracket from the count
        b'"',
        b'"\\',
        b'"tab\there"',
        b"// comment\n1",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_the_strict_reader_refuses_what_readers_disagree_about(data: bytes) -> None:
    with pytest.raises(StrictJsonError):
        strictly(data)


def test_the_strict_reader_looks_at_the_size_first() -> None:
    with pytest.raises(StrictJsonError, match="at most 4"):
        parse_strict(b"\xff" * 5, max_bytes=4)


@given(st.binary(max_size=40) | st.text('[]{}",:0123456789.-+eEtrufalsn \\ud8', max_size=40).map(str.encode))
def test_the_strict_reader_raises_only_its_own_error(data: bytes) -> None:
    try:
        value = strictly(data)
    except StrictJsonError:
        return
    # What is accepted means the same to the plain parser of the standard library.
    assert json.loads(data) == value


SPELLINGS = st.sampled_from(
    [
        *(b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a":{"b":1,"b":2}}', b"[1.0]", b"[1e3]", b"[-0]", b"[ 1]", b"[1]\n"),
        *(b"[9007199254740992]", b"[-9007199254740992]", b"[9007199254740991]", b'["\\u0000"]', b'["\\ud800"]'),
        *(b'["\\u00e9"]', b'["a/b"]', b'["\\/"]', b'["\x7f"]', b"[NaN]", b"[]", b"{}", b"[[],{}]", b"", b"[", b"[1],"),
        *(b"[" * 70 + b"]" * 70, b"[" * 6 + b"]" * 6, b'{"":""}', b"true", b"null", b'["\xc3\xa9"]', b'["\x00"]'),
    ]
)


@given(SPELLINGS | st.binary(max_size=12) | st.text('{}[]",:0123456789.-eE \\u/ab', max_size=14).map(str.encode))
def test_the_quick_way_reads_what_the_slow_one_reads_and_refuses_what_it_refuses(data: bytes) -> None:
    try:
        slow: object = parse_strict(data, max_bytes=1000)
        refuse_unless_document(slow)
    except StrictJsonError:
        with pytest.raises(StrictJsonError):
            parse_document(data, max_bytes=1000)
    else:
        quick = parse_document(data, max_bytes=1000)
        assert quick == slow
        assert repr(quick) == repr(slow)  # True is not 1


@given(document_values)
def test_every_document_is_read_as_it_was_written(value: Json) -> None:
    assert parse_document(canonical_document(value), max_bytes=1 << 20) == value
