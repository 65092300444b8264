from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hashing.ed25519 import (
    Ed25519Key,
    SignatureError,
    keyid,
    load_public,
    public_from_spki,
    spki,
    verify,
)

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493

# RFC 8032, section 7.1, TEST 1, 2, 3 and TEST SHA(abc): public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
            "c027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
            "2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a"
            "d9bef1177331a704"
        ),
    ),
]

# The eight points of small order, in every spelling a lax decoder takes: y, y + 2^255 - 19, and the other sign of x.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def key_pair(seed: bytes) -> tuple[Ed25519PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


PRIVATE, PUBLIC = key_pair(bytes(range(32)))
SIGNATURE = PRIVATE.sign(b"message")


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_verify(public: str, message: str, signature: str) -> None:
    verify(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
    with pytest.raises(SignatureError):
        verify(bytes.fromhex(public), bytes.fromhex(message) + b"\0", bytes.fromhex(signature))


@given(bit=st.integers(0, 64 * 8 - 1))
def test_a_signature_with_any_bit_changed_is_refused(bit: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureError):
        verify(PUBLIC, b"message", bytes(changed))


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=40))
def test_whatever_a_key_signs_verifies_under_it_alone(seed: bytes, message: bytes) -> None:
    private, public = key_pair(seed)
    verify(public, message, private.sign(message))
    if public != PUBLIC:
        with pytest.raises(SignatureError):
            verify(PUBLIC, message, private.sign(message))


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_a_key_of_small_order_is_refused_in_every_spelling(public: str) -> None:
    with pytest.raises(SignatureError):
        verify(bytes.fromhex(public), b"message", bytes([1]) + bytes(63))
    with pytest.raises(SignatureError):
        load_public(bytes.fromhex(public))


def test_the_list_of_small_order_points_is_needed() -> None:
    """With A the neutral element, R neutral and S = 0 fit every message: the library alone says yes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    neutral = bytes([1]) + bytes(31)
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), b"anything at all")
    with pytest.raises(SignatureError, match="small order"):
        verify(neutral, b"anything at all", neutral + bytes(32))


@pytest.mark.parametrize("y", [FIELD, FIELD + 3, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 2**255])
def test_a_key_in_another_spelling_is_refused(y: int, sign: int) -> None:
    with pytest.raises(SignatureError, match="another spelling"):
        load_public((y | sign).to_bytes(32, "little"))


def test_a_key_that_is_no_point_of_the_curve_never_verifies() -> None:
    with pytest.raises(SignatureError):
        verify((2).to_bytes(32, "little"), b"message", SIGNATURE)


def test_s_beyond_the_group_order_is_refused() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little")
    for other in (s + ORDER, ORDER, 2**256 - 1):
        with pytest.raises(SignatureError, match="group order"):
            verify(PUBLIC, b"message", SIGNATURE[:32] + other.to_bytes(32, "little"))


@pytest.mark.parametrize("y", [FIELD, FIELD + 1, 2**255 - 1])
def test_r_in_another_spelling_is_refused(y: int) -> None:
    with pytest.raises(SignatureError, match="R in another spelling"):
        verify(PUBLIC, b"message", y.to_bytes(32, "little") + SIGNATURE[32:])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    for use in (load_public, spki, keyid):
        with pytest.raises(SignatureError, match="32 bytes"):
            use(bytes(length))


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:63], SIGNATURE + b"\0"])
def test_a_signature_of_another_length_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureError, match="64 bytes"):
        verify(PUBLIC, b"message", signature)


def test_the_spki_is_what_others_write() -> None:
    written = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert spki(PUBLIC) == written
    assert public_from_spki(written) == PUBLIC
    assert len(keyid(PUBLIC)) == 64


@pytest.mark.parametrize("data", [b"", spki(PUBLIC)[:-1], spki(PUBLIC) + b"\0", b"\x30" + bytes(43), spki(bytes(32))])
def test_another_spki_is_refused(data: bytes) -> None:
    with pytest.raises(SignatureError):
        public_from_spki(data)


def test_a_key_object_knows_its_keyid_and_refuses_to_exist_for_a_bad_key() -> None:
    key = Ed25519Key(PUBLIC)
    assert (key.keyid, key.spki) == (keyid(PUBLIC), spki(PUBLIC))
    key.verify(b"message", SIGNATURE)
    with pytest.raises(SignatureError):
        key.verify(b"massage", SIGNATURE)
    with pytest.raises(SignatureError):
        Ed25519Key(bytes(32))


def test_the_list_of_small_order_points_is_complete_and_right() -> None:
    """By plain arithmetic on the curve: 8 times each point is the neutral element, and there are eight of them."""
    spelled = {int.from_bytes(bytes.fromhex(public), "little") & (2**255 - 1) for public in SMALL_ORDER}
    points = {(x, y) for y in spelled if y < FIELD for x in roots_of_x(y)}
    assert len(points) == 8
    for point in points:
        doubled = point
        for _ in range(3):
            doubled = added(doubled, doubled)
        assert doubled == (0, 1)


D = -121665 * pow(121666, -1, FIELD) % FIELD


def added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    product = D * one[0] * other[0] * one[1] * other[1] % FIELD
    x = (one[0] * other[1] + other[0] * one[1]) * pow(1 + product, -1, FIELD)
    y = (one[1] * other[1] + one[0] * other[0]) * pow(1 - product, -1, FIELD)
    return x % FIELD, y % FIELD


def roots_of_x(y: int) -> set[int]:
    square = (y * y - 1) * pow(D * y * y + 1, -1, FIELD) % FIELD
    root = pow(square, (FIELD + 3) // 8, FIELD)
    if (root * root - square) % FIELD:
        root = root * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    assert (root * root - square) % FIELD == 0
    return {root, -root % FIELD}
