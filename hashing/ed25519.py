"""Ed25519 verification that every careful implementation agrees with.

RFC 8032 leaves room: libraries differ on keys and signatures that only an attacker makes. What is accepted here is
accepted by all of them: the scalar S below the group order, A and R in their one canonical spelling, A not of small
order (with such a key one signature can fit many messages). Signing is not here: keys belong to the ledger.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from base.errors import LedgerError

ALGORITHM = "ed25519"
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_Y_MASK = 2**255 - 1  # the top bit is the sign of x
_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: SEQUENCE, id-Ed25519, BIT STRING of 32 bytes
# The y coordinates of the eight points whose order divides 8: 1 and -1 belong to one point each, the others to two.
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD - 1, _ORDER_8_Y, _FIELD - _ORDER_8_Y})


class SignatureError(LedgerError):
    """A signature does not fit, or a key or signature is malformed."""


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureError unless ``signature`` is one of ``message`` by the holder of the key ``public``."""
    key = load_public(public)
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"an Ed25519 signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    if int.from_bytes(signature[32:], "little") >= _ORDER:
        raise SignatureError("an Ed25519 signature with S not below the group order: made from another one")
    if int.from_bytes(signature[:32], "little") & _Y_MASK >= _FIELD:
        raise SignatureError("an Ed25519 signature with R in another spelling than the canonical one")
    try:
        key.verify(signature, message)
    except InvalidSignature:
        # Without `from`: the library's error says nothing more, and has no message.
        raise SignatureError(f"the Ed25519 signature does not fit the message and the key {public.hex()}") from None


@lru_cache(maxsize=1024)
def load_public(public: bytes) -> Ed25519PublicKey:
    """Return the checked key object for ``public`` (32 bytes). Raises SignatureError for a key nobody should use."""
    if len(public) != PUBLIC_BYTES:
        raise SignatureError(f"an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(public)}")
    y = int.from_bytes(public, "little") & _Y_MASK
    if y >= _FIELD:
        raise SignatureError("an Ed25519 public key in another spelling than the canonical one")
    if y in _SMALL_ORDER_Y:
        raise SignatureError("an Ed25519 public key of small order: anybody can sign for it")
    try:
        return Ed25519PublicKey.from_public_bytes(public)
    except ValueError as err:
        raise SignatureError(f"not an Ed25519 public key: {public.hex()}") from err


def spki(public: bytes) -> bytes:
    """Return the DER SubjectPublicKeyInfo of ``public``, as ``openssl pkey -pubin -outform DER`` writes it."""
    if len(public) != PUBLIC_BYTES:
        raise SignatureError(f"an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(public)}")
    return _SPKI_PREFIX + public


def public_from_spki(data: bytes) -> bytes:
    """Return the 32 bytes of the key in the DER SubjectPublicKeyInfo ``data``, after the checks of `load_public`."""
    if not data.startswith(_SPKI_PREFIX):
        raise SignatureError("not the SubjectPublicKeyInfo of an Ed25519 key")
    public = data[len(_SPKI_PREFIX) :]
    load_public(public)
    return public


def keyid(public: bytes) -> str:
    """Return the keyid of ``public``: hex SHA-256 of its SubjectPublicKeyInfo (custody log, section 4)."""
    return sha256(spki(public)).hexdigest()


class Ed25519Key(msgspec.Struct, frozen=True):
    """A public key as `hashing.dsse.verify_envelope` wants it."""

    public: bytes

    def __post_init__(self) -> None:
        load_public(self.public)

    @property
    def keyid(self) -> str:
        return keyid(self.public)

    @property
    def spki(self) -> bytes:
        return spki(self.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise SignatureError unless ``signature`` is one of ``message`` by the holder of this key."""
        verify(self.public, message, signature)
