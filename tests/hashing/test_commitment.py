from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.commitment import MAX_OPENING_BYTES, OpeningError, commitment, make_opening, parse_opening
from hashing.strict_json import Json

EVENT = "event_" + "0123456789abcdef" * 2
SALT = bytes(range(16))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.text(max_size=8).filter(lambda text: "\0" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=3), inner, max_size=3),
    max_leaves=8,
)


def opening_of(array: Any) -> str:
    data = array if isinstance(array, bytes) else json.dumps(array).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


SALT_TEXT = base64.urlsafe_b64encode(SALT).rstrip(b"=").decode()


def test_an_opening_is_the_documented_text() -> None:
    text = make_opening(salt=SALT, event=EVENT, member="source_path", value={"base64": "w6k="})
    written = f'["AAECAwQFBgcICQoLDA0ODw","{EVENT}/source_path",{{"base64":"w6k="}}]'
    assert base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) == written.encode()
    assert "=" not in text


@pytest.mark.needs("sha256sum")
def test_a_stranger_checks_a_commitment_with_printf_and_sha256sum() -> None:
    text = make_opening(salt=SALT, event=EVENT, member="actor", value="actor_7K3M9QZV2D8HN")
    command = f"printf %s {text} | sha256sum"
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert output.split()[0] == str(commitment(text))


@given(st.binary(min_size=16, max_size=16), json_values)
def test_what_was_committed_to_is_what_the_opening_says(salt: bytes, value: Json) -> None:
    text = make_opening(salt=salt, event=EVENT, member="links/12", value=value)
    opening = parse_opening(text)
    assert (opening.text, opening.salt, opening.event, opening.member) == (text, salt, EVENT, "links/12")
    assert (opening.name, opening.index) == ("links", 12)
    assert opening.value == value


def test_a_whole_member_has_no_index() -> None:
    opening = parse_opening(make_opening(salt=SALT, event=EVENT, member="links", value=None))
    assert (opening.name, opening.index) == ("links", None)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_another_salt_hides_the_same_value(one: bytes, other: bytes) -> None:
    made = {commitment(make_opening(salt=salt, event=EVENT, member="actor", value="a")) for salt in (one, other)}
    assert len(made) == (1 if one == other else 2)


@pytest.mark.parametrize(
    ("salt", "event", "member", "value"),
    [
        (b"short", EVENT, "actor", None),
        (bytes(17), EVENT, "actor", None),
        (SALT, "event_1", "actor", None),
        (SALT, EVENT.upper(), "actor", None),
        (SALT, EVENT + "/x", "actor", None),
        (SALT, EVENT, "", None),
        (SALT, EVENT, "Actor", None),
        (SALT, EVENT, "actor/", None),
        (SALT, EVENT, "actor/01", None),
        (SALT, EVENT, "actor/-1", None),
        (SALT, EVENT, "actor/1/2", None),
        (SALT, EVENT, 'actor"', None),
        (SALT, EVENT, "actor\n", None),
        (SALT, EVENT, "actor/١", None),  # a digit, but not one of ours
        (SALT, EVENT, "actor", 0.5),
        (SALT, EVENT, "actor", 2**53),
        (SALT, EVENT, "actor", "a\0b"),
        (SALT, EVENT, "actor", "\ud800"),
        (SALT, EVENT, "actor", b"raw"),
    ],
)
def test_an_opening_that_no_reader_would_accept_is_not_made(salt: bytes, event: str, member: str, value: Any) -> None:
    with pytest.raises(OpeningError):
        make_opening(salt=salt, event=event, member=member, value=value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        opening_of([SALT_TEXT, f"{EVENT}/actor", None]) + "=",
        opening_of([SALT_TEXT, f"{EVENT}/actor", 12]) + "é",
        opening_of(b"\xff"),
        opening_of({"salt": SALT_TEXT}),
        opening_of([SALT_TEXT, f"{EVENT}/actor"]),
        opening_of([SALT_TEXT, f"{EVENT}/actor", 1, 2]),
        opening_of([SALT_TEXT, "actor", 1]),
        opening_of([SALT_TEXT, f"{EVENT}/actor/007", 1]),
        opening_of([SALT_TEXT, 7, 1]),
        opening_of([SALT_TEXT + "AA", f"{EVENT}/actor", 1]),
        opening_of([SALT_TEXT[:-1] + "x", f"{EVENT}/actor", 1]),  # bits behind the last byte of the salt
        opening_of([SALT_TEXT + "==", f"{EVENT}/actor", 1]),
        opening_of(["", f"{EVENT}/actor", 1]),
        opening_of([None, f"{EVENT}/actor", 1]),
        opening_of([SALT_TEXT, f"{EVENT}/actor", 1.5]),
        opening_of([SALT_TEXT, f"{EVENT}/actor", 2**53]),
        opening_of([SALT_TEXT, f"{EVENT}/actor", "\0"]),
        opening_of([SALT_TEXT, f"{EVENT}/actor", "\ud800"]),
        opening_of(f'["{SALT_TEXT}","{EVENT}/actor",{{"a":1,"a":2}}]'.encode()),
        opening_of(b"[" * 100 + b"]" * 100),
    ],
)
def test_a_text_that_is_no_opening_is_refused(text: str) -> None:
    with pytest.raises(OpeningError):
        parse_opening(text)


def test_an_opening_written_by_others_may_have_white_space_and_raw_letters() -> None:
    opening = parse_opening(opening_of(f'[ "{SALT_TEXT}", "{EVENT}/actor", "é" ]'.encode()))
    assert opening.value == "é"


def test_an_opening_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(OpeningError, match="at most"):
        parse_opening("A" * (MAX_OPENING_BYTES + 1))


def test_a_commitment_is_taken_over_ascii_only() -> None:
    with pytest.raises(OpeningError):
        commitment("é")


@given(st.text(max_size=40) | st.binary(max_size=60).map(opening_of))
def test_any_text_is_an_opening_or_refused_by_the_declared_error(text: str) -> None:
    with pytest.raises(OpeningError):
        parse_opening(text)
