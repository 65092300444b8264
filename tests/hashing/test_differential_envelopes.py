"""Random envelopes, statements and notes, ours and those of the reference libraries: each side reads the other's.

What is damaged is judged by both. Ours may be stricter, never laxer: what it takes, they take, and with the same bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
import tlog_scales.signing
import tlog_scales.tlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.json_format import MessageToJson, Parse
from hypothesis import given, settings
from hypothesis import strategies as st
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement as ReferenceStatement
from in_toto_attestation.v1.statement_pb2 import Statement as ReferenceMessage
from mutations import Edit, JsonEdit, edited, edits, json_edited, json_edits
from reference_log import LOG, ORIGIN, PRIVATE, LogSigner
from securesystemslib.dsse import Envelope as ReferenceEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import Key, SSlibKey

from hashing.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from hashing.digest import Digest
from hashing.dsse import (
    PAYLOAD_TYPE,
    DsseError,
    encode_envelope,
    pae,
    parse_entry_envelope,
    parse_envelope,
    verify_envelope,
)
from hashing.ed25519 import Ed25519Key
from hashing.note import sign_note
from hashing.statement import StatementError, build_statement, parse_statement
from hashing.strict_json import canonical

PRIVATES = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 4)]
KEYS = [Ed25519Key(key.public_key().public_bytes_raw()) for key in PRIVATES]
REFERENCE_KEYS: list[Key] = [SSlibKey(key.keyid, "ed25519", "ed25519", {"public": key.public.hex()}) for key in KEYS]
THRESHOLDS = st.integers(1, 3)
SIGNERS = st.lists(st.integers(0, 2), min_size=1, max_size=4, unique=True)
PAYLOADS = st.binary(max_size=200)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_/.0123456789", min_size=1, max_size=20)


def signed(payload: bytes, signers: list[int], *, payload_type: str = PAYLOAD_TYPE) -> bytes:
    message = pae(payload_type, payload)
    return encode_envelope(payload_type, payload, [(KEYS[n].keyid, PRIVATES[n].sign(message)) for n in signers])


def our_verdict(data: bytes, threshold: int) -> tuple[bytes, set[str]] | None:
    """Return the payload and the keyids of those who signed it; None where it is refused."""
    try:
        envelope = parse_envelope(data)
        return envelope.payload, {key.keyid for key in verify_envelope(envelope, KEYS, threshold=threshold)}
    except DsseError:
        return None


def their_verdict(data: bytes, threshold: int) -> tuple[bytes, set[str]] | None:
    try:
        envelope = ReferenceEnvelope.from_dict(json.loads(data))
        return envelope.payload, set(envelope.verify(REFERENCE_KEYS, threshold))
    except (VerificationError, ValueError, KeyError, TypeError, AttributeError):
        return None


def agree(data: bytes, threshold: int) -> bool:
    """Return whether both take ``data``. Theirs stops looking when the threshold is reached, ours names all."""
    ours, theirs = our_verdict(data, threshold), their_verdict(data, threshold)
    if ours is not None and theirs is not None:
        assert ours[0] == theirs[0]
        assert theirs[1] <= ours[1]
        assert len(theirs[1]) >= threshold
    assert (ours is None) is (theirs is None)
    return ours is not None


# ------------------------------------------------------------------------------------------------------------- DSSE


@given(PAYLOADS, SIGNERS, THRESHOLDS)
def test_an_envelope_of_ours_is_judged_alike(payload: bytes, signers: list[int], threshold: int) -> None:
    data = signed(payload, signers)
    assert agree(data, threshold) is (len(signers) >= threshold)
    assert parse_entry_envelope(data).payload == payload


@given(PAYLOADS, NAMES, SIGNERS, THRESHOLDS)
def test_an_envelope_of_theirs_is_judged_alike(
    payload: bytes, payload_type: str, signers: list[int], threshold: int
) -> None:
    theirs = ReferenceEnvelope(payload, payload_type, {})
    document = {
        **theirs.to_dict(),
        "signatures": [
            {"keyid": KEYS[n].keyid, "sig": b64encode(PRIVATES[n].sign(theirs.pae())).decode()} for n in signers
        ],
    }
    data = json.dumps(document).encode()
    assert theirs.pae() == parse_envelope(data).signed_bytes
    assert agree(data, threshold) is (len(signers) >= threshold)


@settings(max_examples=300, deadline=None)
@given(SIGNERS, edits())
def test_what_we_take_of_damaged_envelopes_they_take_too(signers: list[int], damage: list[Edit]) -> None:
    data = edited(signed(b"payload of an envelope", signers), damage)
    if our_verdict(data, 1) is None:
        return
    # A keyid is a hint: we look for the key that fits, they look only where it points.
    if [signature.keyid for signature in parse_envelope(data).signatures] == [KEYS[n].keyid for n in signers]:
        assert agree(data, 1)


# ---------------------------------------------------------------------------------------------------------- in-toto


SUBJECTS = st.dictionaries(NAMES, st.binary(max_size=9).map(Digest.of), min_size=1, max_size=5)
TEXTS = st.none() | st.booleans() | NAMES


def predicates(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(NAMES, values, min_size=1, max_size=4)


@given(SUBJECTS, predicates(TEXTS | st.integers(-(2**53) + 1, 2**53 - 1)))
def test_a_statement_of_ours_is_read_alike(subjects: dict[str, Digest], predicate: dict[str, Any]) -> None:
    data = canonical(build_statement(subjects, predicate_type="https://x.example/1", predicate=predicate))
    reference = ReferenceStatement.copy_from_pb(Parse(data, ReferenceMessage()))
    reference.validate()
    assert {each.name: dict(each.digest) for each in reference.pb.subject} == {
        name: {"sha256": str(digest)} for name, digest in subjects.items()
    }
    assert json.loads(MessageToJson(reference.pb))["predicate"] == predicate
    assert parse_statement(data).predicate == predicate


@given(SUBJECTS, predicates(TEXTS))
def test_a_statement_of_theirs_is_read_alike(subjects: dict[str, Digest], predicate: dict[str, Any]) -> None:
    descriptors = [ResourceDescriptor(name=name, digest={"sha256": str(each)}).pb for name, each in subjects.items()]
    reference = ReferenceStatement(descriptors, "https://x.example/1", predicate)
    reference.validate()
    read = parse_statement(MessageToJson(reference.pb).encode())
    assert {each.name: each.digest["sha256"] for each in read.subjects} == {n: str(d) for n, d in subjects.items()}
    assert read.predicate == predicate


def test_their_numbers_are_written_as_doubles_and_so_refused_by_us_not_misread() -> None:
    descriptor = ResourceDescriptor(name="a", digest={"sha256": "0a" * 32}).pb
    reference = ReferenceStatement([descriptor], "https://x.example/1", {"n": 7})
    written = MessageToJson(reference.pb)
    assert "7.0" in written
    with pytest.raises(StatementError):
        parse_statement(written.encode())


@settings(max_examples=300, deadline=None)
@given(SUBJECTS, json_edits())
def test_what_we_take_of_changed_statements_they_take_too(subjects: dict[str, Digest], damage: list[JsonEdit]) -> None:
    good = canonical(build_statement(subjects, predicate_type="https://x.example/1", predicate={"a": {"b": 1}}))
    data = json_edited(good, damage)
    with suppress(StatementError):
        read = parse_statement(data)
        reference = ReferenceStatement.copy_from_pb(Parse(data, ReferenceMessage(), ignore_unknown_fields=True))
        assert [each.name for each in read.subjects] == [each.name for each in reference.pb.subject]
        assert read.predicate_type == reference.pb.predicate_type


# ------------------------------------------------------------------------------------------------------------ notes


@given(st.integers(1, 2**63 - 1), st.binary(max_size=9))
def test_a_checkpoint_is_made_and_read_alike(size: int, seed: bytes) -> None:
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=Digest.of(seed))
    signers: list[tlog_scales.signing.CheckpointSigner] = [tlog_scales.signing.PlainEd25519Signer(ORIGIN, PRIVATE)]
    theirs = tlog_scales.tlog.Checkpoint.make_signed(ORIGIN, size, checkpoint.root.raw, signers).serialize().encode()
    assert theirs == sign_note(checkpoint.text(), [LogSigner()])
    assert open_checkpoint(theirs, LOG) == checkpoint


@settings(max_examples=300, deadline=None)
@given(edits())
def test_what_we_take_of_damaged_checkpoints_they_take_too(damage: list[Edit]) -> None:
    good = Checkpoint(origin=ORIGIN, size=7, root=Digest.of(b"root"))
    data = edited(sign_note(good.text(), [LogSigner()]), damage)
    with suppress(CheckpointError):
        ours = open_checkpoint(data, LOG)
        theirs = tlog_scales.tlog.Checkpoint.from_text(data.decode())
        theirs.verify(tlog_scales.signing.Vkey.from_string(str(LOG)))
        assert (theirs.origin, theirs.size, theirs.root_hash) == (ours.origin, ours.size, ours.root.raw)
