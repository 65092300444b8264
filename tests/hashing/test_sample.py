"""A sample: the same for everybody, and a fair part."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import UsageError
from hashing.digest import Digest
from hashing.sample import Sample, parse_sample

DIGESTS = [Digest.of(b"%d" % n) for n in range(4000)]


def test_the_choice_is_the_one_that_the_documentation_describes() -> None:
    """Recomputed with printf and sha256sum, as an auditor without our program does it."""
    sample, limit = Sample(percent="30", seed="visit 7"), 30 * 2**64 // 100
    for digest in DIGESTS[:20]:
        line = subprocess.run(
            ["sh", "-c", 'printf \'%s\\n%s\' "$1" "$2" | sha256sum', "sh", "visit 7", str(digest)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert sample.takes(digest) == (int(line[:16], 16) < limit)


@pytest.mark.parametrize("percent", ["1", "5", "50", "99.9"])
def test_the_part_is_about_what_was_asked_for(percent: str) -> None:
    taken = sum(Sample(percent=percent, seed="s").takes(digest) for digest in DIGESTS)
    assert abs(taken / len(DIGESTS) - float(percent) / 100) < 0.03


@given(st.text(min_size=1, max_size=20).filter(lambda seed: "\n" not in seed), st.binary(max_size=8))
def test_a_larger_sample_has_all_of_a_smaller_one(seed: str, content: bytes) -> None:
    digest = Digest.of(content)
    taken = [Sample(percent=percent, seed=seed).takes(digest) for percent in ("1", "5", "50", "99")]
    assert taken == sorted(taken)


def test_another_seed_takes_others() -> None:
    chosen = [{d for d in DIGESTS if Sample(percent="10", seed=seed).takes(d)} for seed in ("a", "b")]
    assert chosen[0] != chosen[1]


@pytest.mark.parametrize(
    ("given_percent", "percent"), [("5", "5"), ("5%", "5"), ("0.25%", "0.25"), ("99.999999", "99.999999")]
)
def test_a_part_is_a_percentage(given_percent: str, percent: str) -> None:
    assert parse_sample(given_percent, "x") == Sample(percent=percent, seed="x")


@pytest.mark.parametrize("percent", ["", "0", "0%", "100", "101", "-1", "5 %", "five", "1e1", "٥", "0.0000001"])
def test_anything_else_is_refused(percent: str) -> None:
    with pytest.raises(UsageError):
        parse_sample(percent, "x")


@pytest.mark.parametrize("seed", ["", "a\nb", "\udcff"])
def test_a_seed_is_one_line(seed: str) -> None:
    with pytest.raises(UsageError):
        parse_sample("5", seed)
