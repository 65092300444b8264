"""What a signing key must do, whoever keeps it: a file, a card, a token. See tests/contracts/signer.py."""

from __future__ import annotations

from typing import Protocol


class AnySigner(Protocol):
    """A key of any algorithm of `hashing.public_key` that signs; its private part never leaves the implementation."""

    @property
    def algorithm(self) -> str:
        """How it signs, as `hashing.public_key` names it."""

    @property
    def spki(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of `spki`, as ``openssl pkey -pubin -outform DER | sha256sum`` prints it."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``, as `hashing.public_key.PublicKey.verify` accepts it."""


class Signer(AnySigner, Protocol):
    """An Ed25519 key: what signs entries and checkpoints."""

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
