"""Base64 with exactly one spelling for each byte string.

Python's decoders skip foreign characters and accept stray trailing bits, so that many texts mean the same bytes. In a
signed format that is a hole: here a text that is not what the encoder writes is refused.
"""

from __future__ import annotations

import binascii

from base.errors import LedgerError

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")


class Base64Error(LedgerError):
    """Not base64, or not the one canonical spelling of its bytes."""


def encode(raw: bytes) -> str:
    """Return ``raw`` in standard base64 with padding (RFC 4648 section 4)."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def decode(text: str | bytes) -> bytes:
    """Return the bytes that `encode` wrote as ``text``. Raises Base64Error for any other spelling."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as err:  # binascii.Error, and str with characters beyond ASCII
        raise Base64Error(f"not standard base64: {len(text)} characters") from err
    written = binascii.b2a_base64(raw, newline=False)
    # Strict mode still accepts set bits behind the last byte; only writing it again finds them.
    if written != (text.encode("ascii") if isinstance(text, str) else text):
        raise Base64Error(f"not the canonical base64 of its bytes: {len(text)} characters")
    return raw


def encode_url(raw: bytes) -> str:
    """Return ``raw`` in URL-safe base64 without padding (RFC 4648 section 5)."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def decode_url(text: str) -> bytes:
    """Return the bytes that `encode_url` wrote as ``text``. Raises Base64Error for any other spelling."""
    try:
        raw = binascii.a2b_base64(text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4))
    except ValueError as err:  # binascii.Error, and str with characters beyond ASCII
        raise Base64Error(f"not URL-safe base64: {len(text)} characters") from err
    if encode_url(raw) != text:
        raise Base64Error(f"not the canonical unpadded URL-safe base64 of its bytes: {len(text)} characters")
    return raw
