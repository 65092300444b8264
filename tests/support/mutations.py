"""Damage that an attacker, a bad cable or a wrong program does to bytes: what the fuzz tests feed to every parser.

A damaged message is a valid one with a few edits, so that the reader comes far before it meets what is wrong. `edits`
and `json_edits` are Hypothesis strategies; `edited` applies them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

# What the formats are made of, and what readers stumble over.
TOKENS = (
    *(b"\n", b"\n\n", b"\r\n", b"\0", b" ", b"\t", b"=", b"==", b"+", b"/", b"-", b"_", b".", b"x", b"0", b"00", b"-1"),
    *(b"{", b"}", b"[", b"]", b"{}", b"[]", b'"', b'""', b",", b":", b"\\", b"\\u0000", b"\\ud800", b"null", b"1e9"),
    *(
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\x7f",
        b"\xc3\xa9",
        b"\xed\xb3\xbf",
        b"\xe2\x80\x94 ",
        b"\xef\xbb\xbf",
        b"\xc2\xa0",
    ),
    *(b"9007199254740992", b"9223372036854775808", b"1" * 5000, b"[" * 2000, b"\x91" * 2000, b"\xdd\xff\xff\xff\xff"),
)
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**53,
        2**53 - 1,
        -(2**63),
        10**30,
        0.5,
        "",
        "x",
        "log",
        "log/x",
        "\0",
        "\ud800",
        "é",
    ),
    *(
        "a" * 64,
        "A" * 64,
        "event_" + "0" * 32,
        "item_7K3M9QZV2D8HN",
        "AA==",
        "AB==",
        "../x",
        [],
        {},
        [[]],
        [{}],
        [None],
    ),
    *({"x": 1}, {"sha256": "0" * 64}, [0] * 300, "2026-02-30T00:00:00.000000Z", "2026-11-24T24:00:00.000000Z"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One piece of damage; places are taken modulo the length of what is damaged."""

    kind: str
    first: int
    second: int
    token: bytes


def _flip(data: bytes, edit: Edit) -> bytes:
    place = edit.first % len(data)
    return data[:place] + bytes([data[place] ^ 1 << edit.second % 8]) + data[place + 1 :]


def _cut(data: bytes, edit: Edit) -> bytes:
    return data[: edit.first % len(data)]


def _insert(data: bytes, edit: Edit) -> bytes:
    place = edit.first % (len(data) + 1)
    return data[:place] + edit.token + data[place:]


def _append(data: bytes, edit: Edit) -> bytes:
    return data + edit.token


def _remove(data: bytes, edit: Edit) -> bytes:
    begin, end = sorted((edit.first % len(data), edit.second % len(data)))
    return data[:begin] + data[end:]


def _replace(data: bytes, edit: Edit) -> bytes:
    place = edit.first % len(data)
    return data[:place] + edit.token + data[place + len(edit.token) :]


def _duplicate(data: bytes, edit: Edit) -> bytes:
    begin, end = sorted((edit.first % len(data), edit.second % len(data)))
    return data[:end] + data[begin:end] + data[end:]


def _swap_lines(data: bytes, edit: Edit) -> bytes:
    lines = data.split(b"\n")
    one, other = edit.first % len(lines), edit.second % len(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _duplicate_line(data: bytes, edit: Edit) -> bytes:
    lines = data.split(b"\n")
    one = edit.first % len(lines)
    return b"\n".join([*lines[:one], lines[one], *lines[one:]])


_KINDS: dict[str, Callable[[bytes, Edit], bytes]] = {
    "flip": _flip,
    "cut": _cut,
    "insert": _insert,
    "append": _append,
    "remove": _remove,
    "replace": _replace,
    "duplicate": _duplicate,
    "swap lines": _swap_lines,
    "duplicate line": _duplicate_line,
}
_PLACES = st.integers(0, 20_000)


def edits() -> st.SearchStrategy[list[Edit]]:
    """Return one to three pieces of damage."""
    edit = st.builds(
        Edit, kind=st.sampled_from(sorted(_KINDS)), first=_PLACES, second=_PLACES, token=st.sampled_from(TOKENS)
    )
    return st.lists(edit, min_size=1, max_size=3)


def edited(data: bytes, damage: Sequence[Edit]) -> bytes:
    """Return ``data`` with ``damage`` done to it."""
    for edit in damage:
        data = _KINDS[edit.kind](data, edit) if data else edit.token
    return data


# ------------------------------------------------------------------------------------------------------------- JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonEdit:
    """One change of a JSON value: at the place that the numbers lead to."""

    path: tuple[int, ...]
    kind: str
    value: int  # which of the values


def json_edits() -> st.SearchStrategy[list[JsonEdit]]:
    """Return one or two changes of a JSON value."""
    edit = st.builds(
        JsonEdit,
        path=st.lists(st.integers(0, 40), min_size=1, max_size=5).map(tuple),
        kind=st.sampled_from(("replace", "remove", "add", "rename", "swap")),
        value=st.integers(0, len(_VALUES) - 1),
    )
    return st.lists(edit, min_size=1, max_size=2)


def json_edited(data: bytes, damage: Sequence[JsonEdit]) -> bytes:
    """Return the JSON in ``data`` with ``damage`` done to it, compact and with sorted keys."""
    value = json.loads(data)
    for edit in damage:
        value = _changed(value, edit, edit.path)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _value(edit: JsonEdit) -> Any:
    return deepcopy(_VALUES[edit.value])


def _changed(value: Any, edit: JsonEdit, path: tuple[int, ...]) -> Any:
    if not path or not isinstance(value, dict | list) or not value:
        return _value(edit)
    keys: list[Any] = sorted(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    if len(path) > 1 and isinstance(value[key], dict | list):
        value[key] = _changed(value[key], edit, path[1:])
        return value
    return _change_member(value, key, keys, edit)


def _change_member(value: Any, key: Any, keys: list[Any], edit: JsonEdit) -> Any:
    other = keys[edit.value % len(keys)]
    match edit.kind:
        case "remove":
            del value[key]
        case "add" if isinstance(value, list):
            value.append(value[key])
        case "add":
            value[f"{key}x"] = _value(edit)
        case "rename" if isinstance(value, dict):
            value[str(_value(edit))] = value.pop(key)
        case "swap":
            value[key], value[other] = value[other], value[key]
        case _:
            value[key] = _value(edit)
    return value
