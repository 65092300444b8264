"""Endorsements: one spelling, one signature, about exactly one event."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from in_toto_attestation.v1.statement import Statement
from msgspec.structs import replace
from securesystemslib.dsse import Envelope as OthersEnvelope
from securesystemslib.signer._key import SSlibKey

from hashing import ed25519
from hashing.digest import Digest
from hashing.dsse import encode_envelope
from hashing.endorsement import (
    ENDORSEMENT_TYPE,
    EndorsementError,
    Matter,
    endorsement_envelope,
    endorsement_payload,
    endorsers,
    read_endorsement,
    signed_bytes,
)
from hashing.public_key import PublicKey, UnknownAlgorithmError
from hashing.strict_json import Json, canonical, parse_canonical

MOMENT = datetime(2026, 11, 24, 8, 15, 30, 123456, tzinfo=UTC)
MATTER = Matter(
    log="strongroom/4XH7K3M9QZV2D",
    event="event_" + "5a" * 16,
    type="key.revoked",
    subjects={"log": Digest.of(b"strongroom/4XH7K3M9QZV2D")},
    facts={"keyid": "ab" * 32, "good_size": 7},
    commitments={"actor": "cd" * 32, "listed": ["01" * 32, "02" * 32]},
)
SEEN = {"log": Digest.of(b"the last entry")}


class Key:
    """An endorser."""

    def __init__(self, number: int) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        self.public = PublicKey(algorithm="ed25519", spki=ed25519.spki(self.private.public_key().public_bytes_raw()))
        self.keyid = self.public.keyid

    def endorse(self, matter: Matter = MATTER) -> bytes:
        return self.sign(endorsement_payload(matter, seen=SEEN, signed_at=MOMENT))

    def sign(self, payload: bytes) -> bytes:
        return endorsement_envelope(payload, keyid=self.keyid, signature=self.private.sign(signed_bytes(payload)))


A, B = sorted([Key(1), Key(2)], key=lambda key: key.keyid)
KEYS = {key.keyid: key.public for key in (A, B)}


def test_an_endorsement_is_read_back_as_it_was_made() -> None:
    read = read_endorsement(A.endorse())
    assert (read.matter, read.seen, read.signed_at, read.keyid) == (MATTER, SEEN, MOMENT, A.keyid)
    assert endorsers([A.endorse(), B.endorse()], MATTER, KEYS) == (A.keyid, B.keyid)


def test_programs_of_others_read_it_and_verify_its_signature() -> None:
    envelope = OthersEnvelope.from_dict(json.loads(A.endorse()))
    key = SSlibKey(A.keyid, "ed25519", "ed25519", {"public": A.private.public_key().public_bytes_raw().hex()})
    assert list(envelope.verify([key], 1)) == [A.keyid]
    from google.protobuf import json_format
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, Message()))
    statement.validate()
    assert statement.pb.predicate_type == ENDORSEMENT_TYPE


@pytest.mark.parametrize(
    "changed",
    [
        replace(MATTER, log="strongroom/0000000000000"),
        replace(MATTER, event="event_" + "5b" * 16),
        replace(MATTER, type="key.enrolled"),
        replace(MATTER, subjects={"log": Digest.of(b"another")}),
        replace(MATTER, facts={**MATTER.facts, "good_size": 8}),
        replace(MATTER, facts={}),
        replace(MATTER, commitments={**MATTER.commitments, "actor": "ce" * 32}),
        replace(MATTER, commitments={**MATTER.commitments, "listed": ["02" * 32, "01" * 32]}),
    ],
)
def test_an_endorsement_of_something_else_does_not_count(changed: Matter) -> None:
    with pytest.raises(EndorsementError, match="about another event"):
        endorsers([A.endorse(changed)], MATTER, KEYS)


@pytest.mark.parametrize(
    ("envelopes", "what"),
    [
        ([], "1 to 16"),
        ([B.endorse(), A.endorse()], "ascend"),
        ([A.endorse(), A.endorse()], "two by one key"),
        ([Key(3).endorse()], "no key that counts"),
        ([A.endorse()] * 17, "1 to 16"),
    ],
)
def test_endorsements_that_do_not_stand_together_rightly_are_refused(envelopes: list[bytes], what: str) -> None:
    with pytest.raises(EndorsementError, match=what):
        endorsers(envelopes, MATTER, KEYS)


def test_what_is_wrong_outranks_what_could_not_be_checked() -> None:
    keys = {**KEYS, A.keyid: PublicKey(algorithm="ml-dsa-44", spki=A.public.spki)}
    with pytest.raises(UnknownAlgorithmError):
        endorsers([A.endorse(), B.endorse()], MATTER, keys)
    with pytest.raises(EndorsementError):
        endorsers([A.endorse(), B.endorse(replace(MATTER, type="log.closed"))], MATTER, keys)


def statement(**members: Json) -> bytes:
    """Return a payload with some members of its predicate changed."""
    value = parse_canonical(endorsement_payload(MATTER, seen=SEEN, signed_at=MOMENT))
    assert isinstance(value, dict)
    assert isinstance(value["predicate"], dict)
    return canonical({**value, "predicate": {**value["predicate"], **members}})


@pytest.mark.parametrize(
    "payload",
    [
        statement(purpose="look"),
        statement(extra="x"),
        statement(facts="text"),
        statement(commitments=None),
        statement(seen={"another": "ab" * 32}),
        statement(seen={"log": "ab"}),
        statement(signed_at="2026-11-24"),
        statement(log=None),
        statement().replace(b"custody-endorsement", b"custody-event"),
        statement().replace(b'"log":', b'"log": '),
        statement().replace(b'"digest":{', b'"digest":{"md5":"ab",'),  # beside SHA-256 there is nothing to compare with
        statement().replace(b'"digest":{', b'"digest":{"sha224":"%b",' % (b"0" * 56)),  # would be lost when read
        b"{}",
    ],
)
def test_a_statement_in_another_form_is_refused(payload: bytes) -> None:
    with pytest.raises(EndorsementError):
        read_endorsement(A.sign(payload))


def test_an_envelope_with_two_signatures_is_refused() -> None:
    payload = endorsement_payload(MATTER, seen=SEEN, signed_at=MOMENT)
    pairs = [(key.keyid, key.private.sign(signed_bytes(payload))) for key in (A, B)]
    with pytest.raises(EndorsementError, match="one signature"):
        read_endorsement(encode_envelope("application/vnd.in-toto+json", payload, pairs))


@given(at=st.integers(0, len(A.endorse()) - 1), byte=st.integers(0, 255))
def test_no_changed_byte_of_an_endorsement_goes_unnoticed(at: int, byte: int) -> None:
    good = A.endorse()
    spoiled = good[:at] + bytes([byte]) + good[at + 1 :]
    if spoiled != good:
        with pytest.raises(EndorsementError):
            endorsers([spoiled], MATTER, KEYS)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_declared(data: bytes) -> None:
    with pytest.raises(EndorsementError):
        read_endorsement(data)
