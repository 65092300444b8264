"""Exit codes: one meaning each, and the worst wins."""

from __future__ import annotations

import itertools

import pytest

from base import errors
from base.errors import WORST_FIRST, EvidenceError, worst_exit_code

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, EvidenceError)]


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ([], 0),
        ([0], 0),
        ([0, 5], 5),
        ([5, 6], 6),  # not checked is worse than waiting
        ([6, 3], 3),
        ([3, 4], 4),
        ([4, 7], 7),
        ([7, 9], 9),
        ([9, 8], 8),
        ([8, 10], 10),
        ([10, 1], 1),
        ([1, 22], 22),
        ([22, 20], 20),
        ([20, 21], 21),
        ([20, 22, 21, 0, 5], 21),
    ],
)
def test_the_worst_code_wins(codes: list[int], worst: int) -> None:
    for order in itertools.permutations(codes):
        assert worst_exit_code(order) == worst


@pytest.mark.parametrize("code", [2, 130, 143, 99])
def test_a_code_that_is_not_ranked_outranks_all(code: int) -> None:
    assert worst_exit_code([21, code, 0]) == code


def test_the_order_is_the_one_of_the_command_line_page() -> None:
    assert WORST_FIRST == (21, 20, 22, 1, 10, 8, 9, 7, 4, 3, 6, 5, 0)


def test_each_code_belongs_to_one_class() -> None:
    codes = [kind.exit_code for kind in CLASSES]
    assert len(codes) == len(set(codes)) == 13
    assert set(codes) | {0} == {*WORST_FIRST, 2}
    assert len({kind.code for kind in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_to_do_next(kind: type[EvidenceError]) -> None:
    assert kind("message").next_step == kind.next_step != ""
    error = kind("message", next_step="Do this.", refs=["item_7K3M9QZV2D8HN"])
    assert (str(error), error.next_step, error.refs) == ("message", "Do this.", ("item_7K3M9QZV2D8HN",))
