from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.base64_text import Base64Error, decode, decode_url, encode, encode_url


@given(st.binary(max_size=70))
def test_what_was_encoded_is_decoded(raw: bytes) -> None:
    assert decode(encode(raw)) == raw
    assert decode(encode(raw).encode()) == raw
    assert decode_url(encode_url(raw)) == raw


@pytest.mark.parametrize(
    "text",
    [
        "QQ",  # no padding
        "QQ=",
        "QR==",  # bits behind the last byte
        "QQ==\n",
        " QQ==",
        "Q Q==",
        "QQ==QQ==",
        "-_8=",  # the other alphabet
        "=",
        "Qé==",
    ],
)
def test_another_spelling_of_standard_base64_is_refused(text: str) -> None:
    with pytest.raises(Base64Error):
        decode(text)


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "+/8", "Q Q", "QQ\n", "Qé", "QQ.", "Q\ud800"])
def test_another_spelling_of_url_safe_base64_is_refused(text: str) -> None:
    with pytest.raises(Base64Error):
        decode_url(text)


@given(st.text(max_size=12))
def test_any_text_is_decoded_to_bytes_that_encode_to_it_or_refused(text: str) -> None:
    for read, write in ((decode, encode), (decode_url, encode_url)):
        try:
            raw = read(text)
        except Base64Error:
            continue
        assert write(raw) == text
