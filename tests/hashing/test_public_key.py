"""Public keys of every algorithm: their one spelling, their signatures, and what nobody knows."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hashing.ed25519 import SignatureError
from hashing.public_key import (
    MAX_SPKI_BYTES,
    PublicKey,
    PublicKeyError,
    UnknownAlgorithmError,
    algorithm_of,
    public_key,
    public_key_of,
)

ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.derive_private_key(7, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
WEAK_RSA = rsa.generate_private_key(65537, 1024)
ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DER, SPKI = Encoding.DER, PublicFormat.SubjectPublicKeyInfo


def spki_of(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(DER, SPKI)


def pss(salt_bytes: int) -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=salt_bytes)


@pytest.mark.parametrize(
    ("spki", "algorithm"),
    [(spki_of(ED25519), "ed25519"), (spki_of(P256), "ecdsa-p256-sha256"), (spki_of(RSA), "rsa-pss-sha256")],
    ids=["ed25519", "p256", "rsa"],
)
def test_the_kind_of_a_key_says_its_algorithm(spki: bytes, algorithm: str) -> None:
    assert algorithm_of(spki) == algorithm
    assert public_key_of(spki) == public_key(algorithm, spki) == PublicKey(algorithm=algorithm, spki=spki)


def compressed_p256() -> bytes:
    point = P256.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point


@pytest.mark.parametrize(
    "spki",
    [
        b"",
        b"no key",
        spki_of(ED25519)[:-1],
        spki_of(ED25519) + b"\0",
        spki_of(ED25519)[:12] + bytes(32),  # of small order: anybody can sign for it
        spki_of(ec.derive_private_key(7, ec.SECP384R1())),
        compressed_p256(),
        spki_of(WEAK_RSA),
        spki_of(RSA) + b"\0",
        x25519.X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes(DER, SPKI),
        dsa.generate_private_key(1024).public_key().public_bytes(DER, SPKI),
    ],
    ids=["empty", "text", "cut", "tail", "small", "p384", "compressed", "rsa-1024", "rsa-tail", "x25519", "dsa"],
)
def test_a_key_that_may_not_speak_is_refused(spki: bytes) -> None:
    with pytest.raises(PublicKeyError):
        public_key_of(spki)


def test_a_key_is_refused_under_another_algorithm_than_its_own() -> None:
    with pytest.raises(PublicKeyError):
        public_key("ed25519", spki_of(P256))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_are_refused_as_declared(data: bytes) -> None:
    try:
        key = public_key_of(data)
    except PublicKeyError:
        return
    assert key.spki == data


def test_a_key_of_an_unknown_algorithm_is_kept_and_can_not_check() -> None:
    key = public_key("ml-dsa-44", b"whatever")
    assert not key.is_known
    with pytest.raises(UnknownAlgorithmError) as raised:
        key.verify(b"message", b"signature")
    assert raised.value.exit_code == 6


def test_a_key_is_not_longer_than_any_that_counts() -> None:
    with pytest.raises(PublicKeyError, match="at most"):
        public_key("ml-dsa-44", bytes(MAX_SPKI_BYTES + 1))


Sign = Callable[[bytes], bytes]


def ecdsa(message: bytes) -> bytes:
    return P256.sign(message, ec.ECDSA(SHA256()))


def long_der(message: bytes) -> bytes:
    """The same two numbers in DER with a length in the long form, which strict readers refuse."""
    signature = ecdsa(message)
    return signature[:1] + b"\x81" + signature[1:]


def plain_numbers(message: bytes) -> bytes:
    r, s = decode_dss_signature(ecdsa(message))
    return r.to_bytes(32) + s.to_bytes(32)


@pytest.mark.parametrize(
    ("spki", "sign"),
    [
        (spki_of(ED25519), lambda m: ED25519.sign(m)[:-1]),
        (spki_of(P256), lambda m: b""),
        (spki_of(P256), long_der),
        (spki_of(P256), lambda m: ecdsa(m) + b"\0"),
        (spki_of(P256), plain_numbers),
        (spki_of(RSA), lambda m: RSA.sign(m, padding.PKCS1v15(), SHA256())),
        (spki_of(RSA), lambda m: RSA.sign(m, pss(20), SHA256())),  # another salt than 32 bytes
        (spki_of(RSA), lambda m: b""),
    ],
    ids=["ed25519-cut", "p256-empty", "p256-long-der", "p256-tail", "p256-plain", "pkcs1", "salt", "rsa-empty"],
)
def test_a_signature_in_another_form_is_refused(spki: bytes, sign: Sign) -> None:
    with pytest.raises(SignatureError):
        public_key_of(spki).verify(b"message", sign(b"message"))


def test_signatures_of_a_library_are_accepted() -> None:
    public_key_of(spki_of(P256)).verify(b"message", ecdsa(b"message"))
    public_key_of(spki_of(RSA)).verify(b"message", RSA.sign(b"message", pss(32), SHA256()))
    public_key_of(spki_of(ED25519)).verify(b"message", ED25519.sign(b"message"))


def test_the_keyid_is_the_digest_that_openssl_prints() -> None:
    """Made with `openssl pkey -pubin -outform DER | sha256sum` from this key."""
    der = base64.b64decode("MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
    assert public_key_of(der).keyid == "a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5"
