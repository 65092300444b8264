"""The SHA-256 digest as a type, so that no string is ever mistaken for one."""

from __future__ import annotations

import hashlib
from typing import Self

import msgspec

from base.errors import UsageError

DIGEST_BYTES = 32


class DigestFormatError(UsageError):
    """Not 64 lower-case hexadecimal digits."""

    next_step = "A SHA-256 digest is 64 digits of 0-9 and a-f, as `sha256sum` prints it."


class Digest(msgspec.Struct, frozen=True, order=True):
    """A SHA-256 digest of 32 bytes. ``str()`` gives lower-case hex."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != DIGEST_BYTES:
            raise DigestFormatError(f"a SHA-256 digest has {DIGEST_BYTES} bytes, not {len(self.raw)}")

    def __str__(self) -> str:
        return self.raw.hex()

    @property
    def hex(self) -> str:
        return self.raw.hex()

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the digest of ``data``."""
        return cls(hashlib.sha256(data).digest())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the digest that ``text`` spells. Raises DigestFormatError unless 64 lower-case hex digits."""
        # Written again it must be the same text: that refuses capitals and white space, in half the time of a pattern.
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if len(raw) != DIGEST_BYTES or raw.hex() != text:
            raise DigestFormatError(f"not a SHA-256 digest: {text[:80]!r}")
        return cls(raw)


ZERO_DIGEST = Digest(bytes(32))  # stands for "no earlier entry" in prev and subject_prev
