"""Which objects a sample takes: a pure function of a seed and a digest, so that whoever comes next gets the same.

PURE. Take SHA-256 of the seed, a newline and the 64 hex digits of the digest; read its first 8 bytes as a big-endian
number; the object is in the sample of P percent when that number is below P/100 of 2^64. Anybody can do it by hand:
``printf '%s\\n%s' SEED DIGEST | sha256sum``. A larger P takes all that a smaller one takes.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction

import msgspec

from base.errors import UsageError
from hashing.digest import Digest

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%?", re.ASCII)
_NUMBER_BYTES = 8


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A part of all objects, and the seed that decides which."""

    percent: str  # as given, without the sign
    seed: str

    def takes(self, digest: Digest) -> bool:
        """Return whether this object is in the sample."""
        number = hashlib.sha256(f"{self.seed}\n{digest}".encode()).digest()[:_NUMBER_BYTES]
        return bool(int.from_bytes(number, "big") * 100 < Fraction(self.percent) * 2 ** (8 * _NUMBER_BYTES))


def parse_sample(percent: str, seed: str) -> Sample:
    """Return the sample that ``percent`` ("5", "5%", "0.1%") and ``seed`` ask for. Raises UsageError."""
    match = _PERCENT.fullmatch(percent)
    if match is None or not 0 < Fraction(match[1]) < 100:
        raise UsageError(f"not a part to sample: {percent!r}.", next_step="Give a percentage above 0 and below 100.")
    # A lone surrogate is what a command line gives for bytes that are no UTF-8: nobody could tell it to the next one.
    if not seed or "\n" in seed or any("\ud800" <= character <= "\udfff" for character in seed):
        raise UsageError(
            "a sample needs a seed, one line of text.", next_step="Give --seed, and tell the next auditor."
        )
    return Sample(percent=match[1], seed=seed)
