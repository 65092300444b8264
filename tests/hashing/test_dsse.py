from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_json

from hashing.dsse import (
    PAYLOAD_TYPE,
    DsseError,
    Envelope,
    Signature,
    encode_envelope,
    pae,
    parse_entry_envelope,
    parse_envelope,
    verify_envelope,
)
from hashing.ed25519 import Ed25519Key, SignatureError
from hashing.merkle import leaf_hash

PUBLISHED: dict[str, Any] = vector_json("dsse/dsse.json")
EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
ENTRY = EXAMPLES["env"].encode()
OPERATOR = Ed25519Key(bytes.fromhex(EXAMPLES["op_pub"]))
KEYID = "ab" * 32


@dataclass(frozen=True)
class PublishedKey:
    """The ECDSA P-256 key of the only published DSSE vector, whose signatures are r and s, 32 bytes each."""

    key: ec.EllipticCurvePublicKey
    keyid: str

    @property
    def spki(self) -> bytes:
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def verify(self, message: bytes, signature: bytes) -> None:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            self.key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        except InvalidSignature as err:
            raise SignatureError("the published signature does not fit") from err


def signed(seeds: list[int], *, body: bytes = b"body", keyids: list[str] | None = None) -> Envelope:
    privates = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in seeds]
    names = keyids or [key_of(seed).keyid for seed in seeds]
    signatures = [
        Signature(name, private.sign(pae(PAYLOAD_TYPE, body))) for name, private in zip(names, privates, strict=True)
    ]
    return Envelope(payload_type=PAYLOAD_TYPE, payload=body, signatures=tuple(signatures))


def key_of(seed: int) -> Ed25519Key:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Ed25519Key(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def changed(**members: Any) -> bytes:
    """Return the worked entry with members of the envelope put in or replaced, still canonical."""
    return json.dumps(json.loads(ENTRY) | members, sort_keys=True, separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------------------ encodings


def test_published_encoding() -> None:
    assert pae(PUBLISHED["payloadType"], PUBLISHED["payload"].encode()).decode() == PUBLISHED["pae"]


def test_the_length_of_a_type_counts_bytes() -> None:
    assert pae("application/x-é", b"\x00\xff").hex() == EXAMPLES["pae_nonascii"]


def test_published_envelope_verifies() -> None:
    envelope = parse_envelope(json.dumps(PUBLISHED["envelope"]).encode())
    numbers = PUBLISHED["ecdsa_p256_sha256_raw_rs"]
    curve_key = ec.EllipticCurvePublicNumbers(int(numbers["X"]), int(numbers["Y"]), ec.SECP256R1()).public_key()
    key = PublishedKey(curve_key, "66301bbf")
    assert verify_envelope(envelope, [key]) == (key,)
    forged = Envelope(payload_type=envelope.payload_type, payload=b"hello worlds", signatures=envelope.signatures)
    with pytest.raises(DsseError):
        verify_envelope(forged, [key])


def test_the_worked_entry_is_read_verified_and_written_again() -> None:
    assert (len(ENTRY), sha256(ENTRY).hexdigest()) == (EXAMPLES["env_len"], EXAMPLES["env_sha"])
    assert leaf_hash(ENTRY).hex() == EXAMPLES["env_leaf"]
    envelope = parse_entry_envelope(ENTRY)
    assert envelope.payload.decode() == EXAMPLES["stmt"]
    assert sha256(envelope.signed_bytes).hexdigest() == EXAMPLES["pae_sha"]
    assert envelope.signatures == (Signature(EXAMPLES["op_keyid"], bytes.fromhex(EXAMPLES["dsse_sig_hex"])),)
    assert verify_envelope(envelope, [OPERATOR]) == (OPERATOR,)
    pairs = [(each.keyid, each.sig) for each in envelope.signatures]
    assert encode_envelope(PAYLOAD_TYPE, envelope.payload, pairs) == ENTRY


@given(
    body=st.binary(max_size=80),
    pairs=st.lists(
        st.tuples(st.text("0123456789abcdef", min_size=64, max_size=64), st.binary(max_size=70)),
        min_size=1,
        max_size=4,
        unique_by=lambda pair: pair[0],
    ),
)
def test_an_envelope_is_read_back_by_both_readers(body: bytes, pairs: list[tuple[str, bytes]]) -> None:
    data = encode_envelope(PAYLOAD_TYPE, body, pairs)
    expected = Envelope(payload_type=PAYLOAD_TYPE, payload=body, signatures=tuple(Signature(*pair) for pair in pairs))
    assert parse_entry_envelope(data) == parse_envelope(data) == expected
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("payload_type", "pairs"),
    [
        (PAYLOAD_TYPE, []),
        ("", [(KEYID, b"s")]),
        ("application/é", [(KEYID, b"s")]),
        ('a"b', [(KEYID, b"s")]),
        ("a\\b", [(KEYID, b"s")]),
        (PAYLOAD_TYPE, [("", b"s")]),
        (PAYLOAD_TYPE, [('","sig":"', b"s")]),
        (PAYLOAD_TYPE, [("a\n", b"s")]),
    ],
)
def test_an_envelope_that_would_need_an_escape_is_not_written(
    payload_type: str, pairs: list[tuple[str, bytes]]
) -> None:
    with pytest.raises(DsseError):
        encode_envelope(payload_type, b"body", pairs)


# ------------------------------------------------------------------------------------------------ entries


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        ENTRY + b"\n",
        ENTRY.replace(b'":"', b'": "'),
        ENTRY.replace(b'{"payload"', b'{"payload":"","payload"'),
        json.dumps(dict(reversed(json.loads(ENTRY).items())), separators=(",", ":")).encode(),
        changed(more=1),
        changed(payloadType="application/vnd.in-toto.x+json"),
        changed(payloadType="application/json"),
        changed(payload="a-_b"),
        changed(payload="YQ"),
        changed(payload="YR=="),
        changed(payload=None),
        changed(signatures=None),
        changed(signatures="none"),
        changed(signatures=[1]),
        changed(signatures=[{"keyid": KEYID}]),
        changed(signatures=[{"sig": "YQ=="}]),
        changed(signatures=[{"keyid": None, "sig": "YQ=="}]),
        changed(signatures=[{"keyid": "short", "sig": "YQ=="}]),
        changed(signatures=[{"keyid": KEYID.upper(), "sig": "YQ=="}]),
        changed(signatures=[{"keyid": KEYID, "sig": "YQ"}]),
        changed(signatures=[{"keyid": KEYID, "sig": 1}]),
        changed(signatures=[{"keyid": KEYID, "sig": "YQ==", "cert": "x"}]),
        changed(signatures=[{"keyid": KEYID, "sig": "YQ=="}, {"keyid": KEYID, "sig": "Yg=="}]),
        changed(signatures=[{"keyid": f"{n:064x}", "sig": "YQ=="} for n in range(101)]),
        changed(payload="AAAA" * 16_384),
    ],
    ids=range(27),
)
def test_an_envelope_that_is_not_exactly_an_entry_is_refused(data: bytes) -> None:
    with pytest.raises(DsseError):
        parse_entry_envelope(data)


def test_the_largest_statement_with_one_signature_fits_an_entry() -> None:
    """The figures of the format sheet: 48,963 bytes of statement fill an entry of 65,535 bytes to within one group."""
    assert len(encode_envelope(PAYLOAD_TYPE, bytes(48_963), [(KEYID, bytes(64))])) <= 65_535
    assert len(encode_envelope(PAYLOAD_TYPE, bytes(48_964), [(KEYID, bytes(64))])) > 65_535


@given(st.binary(max_size=60) | st.text('{}[]":,payloadTypesignatureskeyid=', max_size=80).map(str.encode))
def test_any_bytes_are_an_envelope_or_refused_by_the_declared_error(data: bytes) -> None:
    for read in (parse_entry_envelope, parse_envelope):
        with pytest.raises(DsseError):
            read(data)


# ------------------------------------------------------------------------------------------------ the lenient reader


def test_the_lenient_reader_accepts_what_the_specification_asks_for() -> None:
    body = bytes(range(248, 256))
    texts = [base64.b64encode(body), base64.urlsafe_b64encode(body), base64.urlsafe_b64encode(body).rstrip(b"=")]
    for text in texts:
        data = json.dumps(
            {
                "signatures": [{"sig": text.decode(), "cert": None}],
                "payloadType": "a/b",
                "more": {},
                "payload": text.decode(),
            },
            indent=1,
        ).encode()
        assert parse_envelope(data) == Envelope(payload_type="a/b", payload=body, signatures=(Signature("", body),))


def test_a_missing_keyid_and_an_empty_one_mean_the_same() -> None:
    written = [{"sig": "YQ=="}, {"keyid": "", "sig": "YQ=="}, {"keyid": None, "sig": "YQ=="}]
    assert parse_envelope(changed(signatures=written)).signatures == (Signature("", b"a"),) * 3


@pytest.mark.parametrize(
    "data",
    [
        b'{"payload":"","payload":"","payloadType":"a","signatures":[{"sig":""}]}',
        b'{"payload":"","payloadType":"a","signatures":[{"sig":"","sig":""}]}',
        b'{"payload":"","payloadType":"a","signatures":[]}',
        b'{"payload":"","payloadType":"","signatures":[{"sig":""}]}',
        b'{"payload":"","signatures":[{"sig":""}]}',
        b'{"payload":"!","payloadType":"a","signatures":[{"sig":""}]}',
        b'{"payload":"YQ==YQ==","payloadType":"a","signatures":[{"sig":""}]}',
        b'{"payload":"","payloadType":"a","signatures":[{"keyid":7,"sig":""}]}',
        b'{"payload":"","payloadType":"a","signatures":{"sig":""}}',
        b"[]",
    ],
)
def test_the_lenient_reader_still_refuses(data: bytes) -> None:
    with pytest.raises(DsseError):
        parse_envelope(data)


def test_the_lenient_reader_looks_at_the_size_first() -> None:
    with pytest.raises(DsseError, match="at most 10"):
        parse_envelope(ENTRY, max_bytes=10)


# ------------------------------------------------------------------------------------------------ verification


def test_a_threshold_counts_distinct_keys() -> None:
    keys = [key_of(1), key_of(2), key_of(3)]
    assert verify_envelope(signed([1, 2]), keys, threshold=2) == (keys[0], keys[1])
    with pytest.raises(DsseError, match="2 of the 3 accepted keys signed, 3 must have"):
        verify_envelope(signed([1, 2]), keys, threshold=3)
    for repeated in (signed([1, 1]), signed([1, 1], keyids=["one", "two"])):
        with pytest.raises(DsseError, match="1 of the 3"):
            verify_envelope(repeated, keys, threshold=2)
    # The same key listed twice is one key.
    with pytest.raises(DsseError, match="1 of the 1"):
        verify_envelope(signed([1]), [key_of(1), key_of(1)], threshold=2)


def test_a_keyid_is_a_hint_and_decides_nothing() -> None:
    key = key_of(1)
    for keyid in ("", "unknown"):
        assert verify_envelope(signed([1], keyids=[keyid]), [key_of(2), key]) == (key,)
    with pytest.raises(DsseError):  # the keyid of an accepted key on a signature of another
        verify_envelope(signed([2], keyids=[key.keyid]), [key])


@pytest.mark.parametrize(
    ("envelope", "keys"),
    [
        (signed([1]), []),
        (signed([1]), [key_of(2)]),
        (Envelope(payload_type="other/type", payload=b"body", signatures=signed([1]).signatures), [key_of(1)]),
        (Envelope(payload_type=PAYLOAD_TYPE, payload=b"Body", signatures=signed([1]).signatures), [key_of(1)]),
        (Envelope(payload_type=PAYLOAD_TYPE, payload=b"body", signatures=()), [key_of(1)]),
    ],
)
def test_an_envelope_that_no_accepted_key_signed_is_refused(envelope: Envelope, keys: list[Ed25519Key]) -> None:
    with pytest.raises(DsseError):
        verify_envelope(envelope, keys)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_that_accepts_anything_is_refused(threshold: int) -> None:
    with pytest.raises(DsseError, match="accept anything"):
        verify_envelope(signed([1]), [key_of(1)], threshold=threshold)
