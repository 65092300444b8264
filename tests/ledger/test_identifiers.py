"""Identifiers: random, and of one form."""

from __future__ import annotations

import re

import pytest

from ledger.identifiers import (
    ALPHABET,
    EVENT_ID,
    FILE_KINDS,
    IDENTIFIER,
    REGISTERED_KINDS,
    kind_of,
    new_event_id,
    new_identifier,
    random_characters,
)


@pytest.mark.parametrize("kind", sorted(FILE_KINDS | REGISTERED_KINDS))
def test_an_identifier_has_the_form_that_is_written_down(kind: str) -> None:
    """Source: custody log, section 4, "Subjects"."""
    made = [new_identifier(kind) for _ in range(50)]
    assert all(re.fullmatch(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{13}", name) for name in made)
    assert all(IDENTIFIER.fullmatch(name) and kind_of(name) == kind for name in made)
    assert len(set(made)) == 50


def test_an_event_has_128_random_bits() -> None:
    made = [new_event_id() for _ in range(50)]
    assert all(EVENT_ID.fullmatch(name) for name in made)
    assert len(set(made)) == 50
    assert max(len({name[position] for name in made}) for position in range(6, 38)) > 8


def test_no_character_is_mistaken_for_another_over_the_radio() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("ILOU")
    assert set(random_characters(5000)) == set(ALPHABET)


@pytest.mark.parametrize(
    "name", ["item_7K3M9QZV2D8HN\n", "item_7k3m9qzv2d8hn", "Item_7K3M9QZV2D8HN", "item7K3M9QZV2D8HN"]
)
def test_another_spelling_is_no_identifier(name: str) -> None:
    assert IDENTIFIER.fullmatch(name) is None


def test_the_log_is_a_kind_of_its_own() -> None:
    assert kind_of("log") == "log"
    assert kind_of("item_7K3M9QZV2D8HN") == "item"
