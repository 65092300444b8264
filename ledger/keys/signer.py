"""What a signing key must do, whoever keeps it: a file now, a token later."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """An Ed25519 key that signs; its private part never leaves the implementation."""

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""

    @property
    def spki(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of `spki`, as ``openssl pkey -pubin -outform DER | sha256sum`` prints it."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of ``message``."""
