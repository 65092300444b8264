"""Public keys of every algorithm that may speak in a custody log, and the strict check of their signatures.

PURE. Recorder keys are Ed25519; root keys and the keys of people may be of two further kinds, because cards and tokens
offer those. An algorithm that is not known here is not an error of the log: what it signed *could not be checked*.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from base.errors import LedgerError, UncheckedError
from hashing import ed25519
from hashing.ed25519 import SignatureError

ED25519 = ed25519.ALGORITHM
ECDSA_P256 = "ecdsa-p256-sha256"  # signatures in DER
RSA_PSS = "rsa-pss-sha256"  # MGF1 with SHA-256, salt of 32 bytes
ALGORITHMS = (ED25519, ECDSA_P256, RSA_PSS)

MAX_SPKI_BYTES = 2_100  # an RSA key of 16,384 bits
_RSA_BITS = range(2048, 16_385)
_PSS_SALT_BYTES = 32


class PublicKeyError(LedgerError):
    """Not a public key that may speak in a log."""


class UnknownAlgorithmError(UncheckedError):
    """A key or signature of an algorithm that this version does not know."""

    next_step = "Check it with a newer version of this program."


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key with its algorithm. Made by `public_key`, or as it stands in a log of an unknown algorithm."""

    algorithm: str
    spki: bytes  # DER SubjectPublicKeyInfo

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of `spki`, as ``openssl pkey -pubin -outform DER | sha256sum`` prints it."""
        return sha256(self.spki).hexdigest()

    @property
    def is_known(self) -> bool:
        """Whether this version can check what the key signs."""
        return self.algorithm in ALGORITHMS

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise SignatureError unless ``signature`` is one of ``message``; UnknownAlgorithmError where nobody knows."""
        match self.algorithm:
            case "ed25519":
                ed25519.verify(ed25519.public_from_spki(self.spki), message, signature)
            case "ecdsa-p256-sha256":
                _verify_ecdsa(self.spki, message, signature)
            case "rsa-pss-sha256":
                _verify_rsa(self.spki, message, signature)
            case _:
                raise UnknownAlgorithmError(f"a signature of the algorithm {self.algorithm} could not be checked.")


def public_key(algorithm: str, spki: bytes) -> PublicKey:
    """Return the key after its checks; one of an unknown algorithm is returned unchecked.

    Raises: PublicKeyError for a key that is not of its algorithm, too weak, or not in its one canonical spelling.
    """
    if len(spki) > MAX_SPKI_BYTES:
        raise PublicKeyError(f"a public key of {len(spki)} bytes, at most {MAX_SPKI_BYTES} are allowed")
    key = PublicKey(algorithm=algorithm, spki=spki)
    if key.is_known and algorithm_of(spki) != algorithm:
        raise PublicKeyError(f"not a public key of the algorithm {algorithm}")
    return key


def public_key_of(spki: bytes) -> PublicKey:
    """Return the key in the DER ``spki``, whose kind says its algorithm. Raises PublicKeyError for any other kind."""
    return public_key(algorithm_of(spki), spki)


def algorithm_of(spki: bytes) -> str:
    """Return the algorithm with which the key in ``spki`` signs. Raises PublicKeyError."""
    try:
        ed25519.public_from_spki(spki)
        return ED25519
    except SignatureError:
        pass  # of another kind, or an Ed25519 key that nobody should use, which falls through to the end
    # Here, because the other kinds of key bring much along: most logs have none.
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    try:
        key = load_der_public_key(spki)
        written = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm, InternalError) as error:
        raise PublicKeyError("not a DER SubjectPublicKeyInfo of a known kind of key") from error
    if written != spki:
        raise PublicKeyError("a public key in another spelling than the canonical one")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return ECDSA_P256
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return RSA_PSS
    raise PublicKeyError("a public key that is neither Ed25519, nor ECDSA P-256, nor RSA of 2048 bits or more")


def _verify_ecdsa(spki: bytes, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureError("not an ECDSA key")
    try:
        if encode_dss_signature(*decode_dss_signature(signature)) != signature:
            raise SignatureError("an ECDSA signature that is not the DER of its two numbers")
        key.verify(signature, message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("the ECDSA signature does not fit the message and the key") from error


def _verify_rsa(spki: bytes, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise SignatureError("not an RSA key")
    pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=_PSS_SALT_BYTES)
    try:
        key.verify(signature, message, pss, SHA256())
    except InvalidSignature as error:
        raise SignatureError("the RSA signature does not fit the message and the key") from error
