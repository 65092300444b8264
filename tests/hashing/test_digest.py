from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.digest import ZERO_DIGEST, Digest, DigestFormatError


@given(st.binary(max_size=60))
def test_a_digest_prints_as_sha256sum_prints_it_and_is_read_back(data: bytes) -> None:
    digest = Digest.of(data)
    assert str(digest) == digest.hex == hashlib.sha256(data).hexdigest()
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", " " + "a" * 63, "٠" * 64]
)
def test_another_spelling_of_a_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestFormatError):
        Digest.parse(text)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_digest_has_32_bytes(length: int) -> None:
    with pytest.raises(DigestFormatError):
        Digest(bytes(length))


def test_no_file_has_the_digest_that_stands_for_nothing() -> None:
    assert str(ZERO_DIGEST) == "0" * 64
