"""The verifier's own Ed25519: published vectors, every edge, and agreement with the library of the product."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hashing import ed25519
from verifier.verify_evidence import L, P, PublicKey, Refused, key_of

VECTORS = Path(__file__).parents[1] / "vectors" / "wycheproof" / "ed25519_test.json"
# RFC 8032, section 7.1: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


def accepts(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        return key_of(public).verifies(message, signature)
    except Refused:
        return False


def product_accepts(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        ed25519.verify(public, message, signature)
    except ed25519.SignatureError:
        return False
    return True


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(secret: str, public: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert key.public_key().public_bytes_raw() == bytes.fromhex(public)
    assert accepts(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
    assert not accepts(bytes.fromhex(public), bytes.fromhex(message) + b"\0", bytes.fromhex(signature))


def wycheproof() -> Iterator[tuple[bytes, bytes, bytes, bool]]:
    for group in json.loads(VECTORS.read_text())["testGroups"]:
        for test in group["tests"]:
            yield (
                bytes.fromhex(group["key"]["pk"]),
                bytes.fromhex(test["msg"]),
                bytes.fromhex(test["sig"]),
                test["result"] == "valid",
            )


def test_the_vectors_of_wycheproof() -> None:
    cases = list(wycheproof())
    assert len(cases) == 145
    assert sum(valid for *_, valid in cases) == 84
    assert [accepts(*case[:3]) for case in cases] == [case[3] for case in cases]


SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SEED.public_key().public_bytes_raw()
SIGNATURE = SEED.sign(b"message")


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def spelled(value: int) -> bytes:
    return value.to_bytes(32, "little")


ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL = [0, 1, P - 1, ORDER_8_Y, P - ORDER_8_Y]


@pytest.mark.parametrize("y", SMALL)
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_key_of_small_order_is_refused(y: int, sign: int) -> None:
    with pytest.raises(Refused):
        PublicKey(spelled(y | sign))


@pytest.mark.parametrize("y", [P, P + 1, P + 3, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_key_in_another_spelling_is_refused(y: int, sign: int) -> None:
    with pytest.raises(Refused):
        PublicKey(spelled(y | sign))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Refused):
        PublicKey(bytes(length))


def test_a_key_that_is_no_point_is_refused() -> None:
    with pytest.raises(Refused):
        PublicKey(spelled(2))


@pytest.mark.parametrize(
    "signature",
    [
        SIGNATURE[:32] + spelled(number(SIGNATURE[32:]) + L),  # the same S, spelled larger
        SIGNATURE[:32] + spelled(L),
        SIGNATURE[:32] + spelled(2**256 - 1),
        SIGNATURE[:32] + bytes(32),
        SIGNATURE[:31] + bytes([SIGNATURE[31] ^ 128]) + SIGNATURE[32:],
        spelled(P + 1) + SIGNATURE[32:],
        SIGNATURE[:63],
        SIGNATURE + b"\0",
        b"",
    ],
)
def test_another_signature_is_none(signature: bytes) -> None:
    assert accepts(PUBLIC, b"message", SIGNATURE)
    assert not accepts(PUBLIC, b"message", signature)


def test_r_of_small_order_in_another_spelling_is_refused() -> None:
    """With S = k * a the sum is the neutral point, y = 1: whoever compares points accepts its spelling y = P + 1."""
    a = number(hashlib.sha512(bytes(range(32))).digest()[:32]) & (1 << 254) - 8 | 1 << 254
    for r, is_good in ((spelled(1), True), (spelled(P + 1), False), (spelled(1 | 1 << 255), False)):
        k = number(hashlib.sha512(r + PUBLIC + b"m").digest())
        assert accepts(PUBLIC, b"m", r + spelled(k * a % L)) is is_good
        assert product_accepts(PUBLIC, b"m", r + spelled(k * a % L)) is is_good


@settings(max_examples=40, deadline=None)
@given(
    secret=st.binary(min_size=32, max_size=32),
    message=st.binary(max_size=200),
    bit=st.integers(0, 511),
    of=st.sampled_from(["signature", "message", "key", "nothing"]),
)
def test_it_agrees_with_the_library_of_the_product(secret: bytes, message: bytes, bit: int, of: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public, signature = bytearray(key.public_key().public_bytes_raw()), bytearray(key.sign(message))
    if of == "signature":
        signature[bit // 8] ^= 1 << bit % 8
    elif of == "message":
        message += b"x"
    elif of == "key":
        public[bit // 8 % 32] ^= 1 << bit % 8
    given_ = (bytes(public), message, bytes(signature))
    assert accepts(*given_) == product_accepts(*given_) == (of == "nothing")


def test_a_signature_is_checked_in_bearable_time() -> None:
    key = key_of(PUBLIC)
    best = 1.0
    for _ in range(10):
        start = time.perf_counter()
        assert key.verifies(b"message", SIGNATURE)
        best = min(best, time.perf_counter() - start)
    assert best < 0.01  # some 0.5 ms; the bar allows a slow and busy machine
