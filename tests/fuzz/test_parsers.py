"""Whatever bytes come, each parser gives a value or its declared error, and a value has one way back to bytes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import Edit, JsonEdit, edited, edits, json_edited, json_edits
from parser_table import PARSERS
from parsers import Parser, judged

# How many examples for each parser and kind of damage: a minute for all in the gate, hours are the business of atheris.
EXAMPLES = pytest.mark.parametrize("examples", [100, pytest.param(4000, marks=pytest.mark.long)], ids=["gate", "long"])
EACH = pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
EACH_JSON = pytest.mark.parametrize(
    "parser", [parser for parser in PARSERS if parser.is_json], ids=lambda parser: parser.name
)


def fuzzing(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@EACH
def test_samples_are_taken(parser: Parser) -> None:
    """Otherwise the damage below would be done to what was refused anyway."""
    taken = [judged(parser, sample) for sample in parser.samples]
    assert any(taken)
    assert all(taken) or parser.name == "statement"  # the published ones that are not valid


@EACH
@EXAMPLES
def test_arbitrary_bytes(parser: Parser, examples: int) -> None:
    @fuzzing(examples // 3)
    @given(st.binary(max_size=400))
    def holds(data: bytes) -> None:
        judged(parser, data)

    holds()


@EACH
@EXAMPLES
def test_damaged_samples(parser: Parser, examples: int) -> None:
    @fuzzing(examples)
    @given(st.sampled_from(parser.samples), edits())
    def holds(sample: bytes, damage: list[Edit]) -> None:
        judged(parser, edited(sample, damage))

    holds()


@EACH_JSON
@EXAMPLES
def test_samples_with_other_members(parser: Parser, examples: int) -> None:
    @fuzzing(2 * examples)
    @given(st.sampled_from(parser.samples), json_edits())
    def holds(sample: bytes, damage: list[JsonEdit]) -> None:
        judged(parser, json_edited(sample, damage))

    holds()
