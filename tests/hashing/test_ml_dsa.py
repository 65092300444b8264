"""ML-DSA-44 cosignatures: a worked note, an independent signer, and readers that do not know the key."""

from __future__ import annotations

from typing import Any

import pytest
import tlog_scales.signing
import tlog_scales.tlog
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import vector_bytes, vector_json

from hashing.checkpoint import Checkpoint, CheckpointError, open_checkpoint, open_cosigned
from hashing.digest import Digest
from hashing.ed25519 import SignatureError
from hashing.ml_dsa import PUBLIC_BYTES, SIGNATURE_BYTES, checkpoint_message, load_public, verify
from hashing.note import Algorithm, NoteError, NoteSignature, add_signatures, parse_note, parse_vkey, vkey
from hashing.policy import parse_policy

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
LOG = parse_vkey(EXAMPLES["log_vkey"])
PQ = parse_vkey(vector_bytes("computed/log7-mldsa.vkey").decode().strip())
NOTE = vector_bytes("computed/log7-mldsa.checkpoint")
NOTE_7 = vector_bytes("computed/log7/checkpoint")


def test_the_worked_cosignature_verifies() -> None:
    assert (PQ.algorithm, PQ.key_id.hex()) == (Algorithm.ML_DSA_44, "6e0b8717")
    checkpoint, cosignatures = open_cosigned(NOTE, LOG, (PQ,))
    assert checkpoint.size == 7
    assert [(one.witness, one.timestamp) for one in cosignatures] == [("witness.example/pq1", 1790000000)]


def test_the_message_is_the_worked_one() -> None:
    message = checkpoint_message(PQ.name, parse_note(NOTE).text, 1790000000)
    assert message == bytes.fromhex(
        "737562747265652f76310a00"
        "13" + b"witness.example/pq1".hex() + "000000006ab13b80"
        "15" + b"ledger.example/unit-7".hex() + "0000000000000000" + "0000000000000007" + EXAMPLES["roots"]["7"]
    )


def test_whoever_does_not_know_the_key_is_not_concerned() -> None:
    assert open_checkpoint(NOTE, LOG).size == 7
    assert open_cosigned(NOTE, LOG, ())[1] == []


def test_a_policy_may_ask_for_such_a_witness() -> None:
    policy = parse_policy(f"log {LOG}\nwitness pq {PQ}\nquorum pq\n".encode())
    assert set(policy.verify(NOTE).cosignatures) == {"pq"}
    assert not policy.is_met_by(policy.read(NOTE_7).cosignatures)


@settings(max_examples=20, deadline=None)
@given(position=st.integers(0, 8 + SIGNATURE_BYTES - 1), flip=st.integers(1, 255))
def test_a_changed_cosignature_is_refused(position: int, flip: int) -> None:
    (line,) = [line for line in parse_note(NOTE).signatures if line.name == PQ.name]
    changed = bytearray(line.signature)
    changed[position] ^= flip
    note = add_signatures(_bare(NOTE), [NoteSignature(line.name, line.key_id, bytes(changed))])
    with pytest.raises(CheckpointError):
        open_cosigned(note, LOG, (PQ,))


def _bare(note: bytes) -> bytes:
    """Return ``note`` with the log's own line only."""
    parsed = parse_note(note)
    return (parsed.text + "\n" + parsed.signatures[0].line).encode()


@settings(max_examples=10, deadline=None)
@given(size=st.integers(1, 2**40), root=st.binary(min_size=32, max_size=32))
def test_we_accept_what_tlog_scales_signs(size: int, root: bytes) -> None:
    signer = tlog_scales.signing.MLDSA44CosignatureSigner("witness.example/pq2", bytes(range(32)))
    line = signer.sign(tlog_scales.tlog.Checkpoint("log.example/a", size, root, []))
    key = parse_vkey(vkey("witness.example/pq2", signer.vkey.pubkey, Algorithm.ML_DSA_44))
    (ours,) = parse_note(f"x\n\n{line.serialize()}\n".encode()).signatures
    key.verify(Checkpoint(origin="log.example/a", size=size, root=Digest(root)).text(), ours.signature)
    with pytest.raises(SignatureError):
        key.verify(Checkpoint(origin="log.example/a", size=size + 1, root=Digest(root)).text(), ours.signature)


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "a\n1\n", "a\nx\nAAAA\n", "a\n1\nAAAA\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\n!\n", "a\n1\n\nmore\n"],
)
def test_only_a_checkpoint_can_be_cosigned_like_this(text: str) -> None:
    with pytest.raises(SignatureError):
        checkpoint_message("w", text, 1)


def test_what_does_not_fit_is_refused() -> None:
    for public in (b"", bytes(PUBLIC_BYTES - 1)):
        with pytest.raises(SignatureError):
            load_public(public)
    with pytest.raises(SignatureError):
        verify(PQ.public, b"x", b"short")
    with pytest.raises(SignatureError):
        checkpoint_message("n" * 256, parse_note(NOTE).text, 1)
    with pytest.raises(SignatureError):
        PQ.verify(parse_note(NOTE).text, b"x" * 72)
    with pytest.raises(NoteError):
        parse_vkey(str(LOG).replace("+AQ", "+Bg"))  # a key of 32 bytes as type 6
