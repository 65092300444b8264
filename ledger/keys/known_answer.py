"""What `strongroom selftest` asks of the library that signs: a signature that RFC 8032 publishes, and its version."""

from __future__ import annotations

from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.keys.file import FileSigner


def signature_by_seed(seed: bytes, message: bytes) -> bytes:
    """Return the signature of ``message`` by the key that ``seed`` is, made as the recorder makes its own."""
    return FileSigner(Ed25519PrivateKey.from_private_bytes(seed)).sign(message)


def openssl_version() -> str:
    """Return the version of the OpenSSL that signs and verifies."""
    return backend.openssl_version_text()
