"""ML-DSA-44 cosignatures (FIPS 204; c2sp.org/tlog-cosignature, "subtree/v1"): a second signature for the day when an
Ed25519 one can be forged. Whoever does not know the key ignores the line.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hashing.base64_text import Base64Error, decode
from hashing.ed25519 import SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

PUBLIC_BYTES = 1312
SIGNATURE_BYTES = 2420
_LABEL = b"subtree/v1\n\0"
_MAX_NAME_BYTES = 255


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureError unless ``signature`` is one of ``message`` by the holder of ``public``; empty context."""
    from cryptography.exceptions import InvalidSignature

    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"an ML-DSA-44 signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    try:
        load_public(public).verify(signature, message)
    except InvalidSignature:
        raise SignatureError("the ML-DSA-44 signature does not fit the message and the key") from None


@lru_cache(maxsize=64)
def load_public(public: bytes) -> MLDSA44PublicKey:
    """Return the key object for ``public``. Raises SignatureError, also where the library here has no ML-DSA."""
    if len(public) != PUBLIC_BYTES:
        raise SignatureError(f"an ML-DSA-44 public key has {PUBLIC_BYTES} bytes, not {len(public)}")
    try:  # here: few stores need it, and an older library does not have it
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    except ImportError as err:
        raise SignatureError("the cryptography library that is installed has no ML-DSA-44") from err
    try:
        return MLDSA44PublicKey.from_public_bytes(public)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise SignatureError("not an ML-DSA-44 public key, or OpenSSL here has no ML-DSA-44") from err


def checkpoint_message(name: str, text: str, timestamp: int) -> bytes:
    """Return the bytes that the cosigner ``name`` signs for the checkpoint ``text``: the whole tree from 0 to its size.

    Raises SignatureError for a text that is no checkpoint: nothing else can be signed like this.
    """
    try:
        origin, size, root_text, end = text.split("\n")
        root = decode(root_text)
        numbers = timestamp.to_bytes(8, "big"), (0).to_bytes(8, "big") + int(size).to_bytes(8, "big")
    except (ValueError, OverflowError, Base64Error) as err:
        raise SignatureError("an ML-DSA-44 cosignature of something that is no checkpoint") from err
    if end or len(root) != 32 or not size.isdecimal():
        raise SignatureError("an ML-DSA-44 cosignature of something that is no checkpoint")
    return _LABEL + _short(name) + numbers[0] + _short(origin) + numbers[1] + root


def _short(text: str) -> bytes:
    data = text.encode("utf-8")
    if len(data) > _MAX_NAME_BYTES:
        raise SignatureError(f"a name of {len(data)} bytes does not fit an ML-DSA-44 cosignature")
    return bytes([len(data)]) + data
