"""Openings: a value is shown only where its commitment stands."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from golden import build_golden, golden_events
from hypothesis import given
from hypothesis import strategies as st

from base.errors import LedgerError
from hashing.commitment import commitment, make_opening
from hashing.strict_json import Json
from ledger.entry import parse_entry
from ledger.events.drop import raw_bytes
from ledger.openings import OpeningMismatchError, bytes_of, open_entry, opened_value

BUILT = build_golden(golden_events()["drop.received"])
ENTRY = parse_entry(BUILT.raw)
TEXTS = {opening.commitment: opening.text for opening in BUILT.openings}
EVENT = ENTRY.event


def test_every_opening_is_the_text_that_is_written_down() -> None:
    """Source: custody log, section 4: base64url of [salt, "<event>/<member>", value]; its SHA-256 is the commitment."""
    for opening in BUILT.openings:
        text = base64.urlsafe_b64decode(opening.text + "=" * (-len(opening.text) % 4))
        salt, place, value = json.loads(text)
        assert len(base64.urlsafe_b64decode(salt + "==")) == 16
        assert place == f"{EVENT}/{opening.member}"
        assert value == golden_events()["drop.received"].values.get(opening.member)
        assert hashlib.sha256(opening.text.encode()).digest() == opening.commitment.raw


def test_an_entry_is_opened_with_everything_that_is_there() -> None:
    opened = open_entry(ENTRY, TEXTS)
    assert opened.withheld == frozenset()
    assert bytes_of(opened.values["name"]) == b"card \xff\n\xe2\x80\xae A"


def test_what_is_not_there_is_withheld_and_the_rest_is_shown() -> None:
    digest = ENTRY.commitments["name"]
    opened = open_entry(ENTRY, {key: text for key, text in TEXTS.items() if key != digest})
    assert opened.withheld == {"name"}
    assert "name" not in opened.values
    assert "share" in opened.values


def other_opening(event: str = EVENT, member: str = "name", value: Json = "x") -> str:
    return make_opening(salt=bytes(16), event=event, member=member, value=value)


def test_a_text_kept_for_another_commitment_is_refused() -> None:
    digest = ENTRY.commitments["name"]
    assert not isinstance(digest, tuple)
    with pytest.raises(OpeningMismatchError, match="does not fit"):
        open_entry(ENTRY, {**TEXTS, digest: other_opening()})


@pytest.mark.parametrize(
    "text", [other_opening(event="event_" + "0" * 32), other_opening(member="share"), other_opening(member="name/0")]
)
def test_a_fitting_text_that_names_another_place_is_refused(text: str) -> None:
    with pytest.raises(OpeningMismatchError, match="another member"):
        opened_value(EVENT, "name", commitment(text), text)


@pytest.mark.parametrize("text", ["", "W10", "not base64!", "\u00e9", other_opening() + "="])
def test_a_text_that_is_no_opening_is_refused_with_the_declared_error(text: str) -> None:
    with pytest.raises(LedgerError):
        opened_value(EVENT, "name", commitment(text), text)


@given(st.binary(max_size=300))
def test_raw_bytes_come_back(data: bytes) -> None:
    assert bytes_of(raw_bytes(data)) == data


@pytest.mark.parametrize(
    "value", [None, "eA==", {}, {"base64": 1}, {"base64": "eA==", "x": 1}, {"base64": "\u00e9"}, {"base64": "e"}]
)
def test_what_is_not_raw_bytes_is_refused(value: Json) -> None:
    with pytest.raises(OpeningMismatchError):
        bytes_of(value)
