"""Our formats in other people's hands: what we write they accept, what they write we accept, and both say the same.

tlog-scales is an independent reader and writer of tlog-tiles; securesystemslib and in-toto-attestation are the
reference libraries of DSSE and in-toto in Python; OpenSSL verifies with keys as we name them.
"""

from __future__ import annotations

import json
import random
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
import tlog_scales.backend
import tlog_scales.reader
import tlog_scales.signing
import tlog_scales.tlog
import tlog_scales.writer
from google.protobuf.json_format import Parse, ParseError
from in_toto_attestation.v1.statement import Statement as ReferenceStatement
from in_toto_attestation.v1.statement_pb2 import Statement as ReferenceMessage
from reference_log import LOG, ORIGIN, PRIVATE, PUBLIC, LogSigner, halves, random_entries, write_log
from securesystemslib.dsse import Envelope as ReferenceEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey
from vectors import vector_json

from hashing.checkpoint import Checkpoint, open_checkpoint
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
from hashing.ed25519 import Ed25519Key, SignatureError, verify
from hashing.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.note import NoteSignature, parse_vkey, sign_note
from hashing.receipt import Receipt, verify_receipt
from hashing.statement import build_statement, parse_statement
from hashing.strict_json import canonical
from hashing.tiles import (
    ENTRIES,
    TileSubtrees,
    bundles_at,
    parse_path,
    tiles_at,
)

SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513]

SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513]


# ------------------------------------------------------------------------------------------------ tlog-scales


@pytest.mark.parametrize("size", SIZES)
def test_tlog_scales_reads_a_log_that_we_wrote(tmp_path: Path, size: int) -> None:
    entries = random_entries(size, seed=size)
    checkpoint = write_log(tmp_path, halves(entries, seed=size))
    reader = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(tmp_path))
    theirs = reader.get_checkpoint()
    theirs.verify(tlog_scales.signing.Vkey.from_string(str(LOG)))
    assert (theirs.origin, theirs.size, theirs.root_hash) == (ORIGIN, size, checkpoint.root.raw)
    assert reader.calculate_root_hash() == checkpoint.root.raw
    assert [reader.get_entry(index) for index in range(size)] == entries


@pytest.mark.parametrize("size", SIZES[1:])
def test_we_read_a_log_that_tlog_scales_wrote(tmp_path: Path, size: int) -> None:
    entries = random_entries(size, seed=size)
    writer = tlog_scales.writer.TilesWriter.create(tmp_path / "log", ORIGIN)
    for step in halves(entries, seed=size):
        for entry in step:
            writer.add_leaf(entry)
        writer.commit([tlog_scales.signing.PlainEd25519Signer(ORIGIN, PRIVATE)])
    checkpoint = open_checkpoint((tmp_path / "log" / "checkpoint").read_bytes(), LOG)
    ours = write_log(tmp_path / "ours", [entries])
    assert checkpoint == ours
    for ref in (*tiles_at(size), *bundles_at(size)):
        assert (tmp_path / "log" / ref.path).read_bytes() == (tmp_path / "ours" / ref.path).read_bytes()
    found = [path.relative_to(tmp_path / "log") for path in (tmp_path / "log" / "tile").rglob("*") if path.is_file()]
    assert all(parse_path(str(path)).level >= ENTRIES for path in found)


@pytest.mark.parametrize("size", SIZES[1:])
def test_proofs_are_the_same_and_each_side_verifies_the_other(tmp_path: Path, size: int) -> None:
    entries = random_entries(size, seed=size)
    root = write_log(tmp_path, [entries]).root.raw
    reader = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(tmp_path))
    reader.set_size(size)
    subtrees = TileSubtrees(lambda ref: (tmp_path / ref.path).read_bytes(), size)
    for index in random.Random(size).sample(range(size), min(size, 12)):
        ours, theirs = inclusion_proof(index, size, subtrees), reader.get_inclusion_proof(index, size)
        assert ours == theirs.node_hashes
        verify_inclusion(leaf_hash(entries[index]), index, size, theirs.node_hashes, root)
        tlog_scales.tlog.InclusionProof(index, size, ours).check(leaf_hash(entries[index]), root)
    for old in random.Random(-size).sample(range(1, size + 1), min(size, 12)):
        old_root = tree_root(old, subtrees)
        proof, reference = consistency_proof(old, size, subtrees), reader.get_consistency_proof(old, size)
        assert proof == reference.node_hashes
        verify_consistency(old, size, reference.node_hashes, old_root, root)
        if old < size:
            tlog_scales.tlog.ConsistencyProof(old, size, proof).check(old_root, root)


def test_tlog_scales_refuses_a_proof_of_ours_for_another_entry(tmp_path: Path) -> None:
    """The oracle can say no, so that its yes means something."""
    root = write_log(tmp_path, [random_entries(7, seed=7)]).root.raw
    proof = inclusion_proof(3, 7, TileSubtrees(lambda ref: (tmp_path / ref.path).read_bytes(), 7))
    with pytest.raises(tlog_scales.tlog.InclusionProofInvalid):
        tlog_scales.tlog.InclusionProof(3, 7, proof).check(leaf_hash(b"another"), root)


def test_tlog_scales_makes_and_checks_the_notes_that_we_do() -> None:
    checkpoint = Checkpoint(origin=ORIGIN, size=7, root=Digest.of(b"root"))
    signers: list[tlog_scales.signing.CheckpointSigner] = [tlog_scales.signing.PlainEd25519Signer(ORIGIN, PRIVATE)]
    theirs = tlog_scales.tlog.Checkpoint.make_signed(ORIGIN, 7, checkpoint.root.raw, signers)
    assert theirs.serialize().encode() == sign_note(checkpoint.text(), [LogSigner()])
    assert open_checkpoint(theirs.serialize().encode(), LOG) == checkpoint


def test_tlog_scales_verifies_a_cosignature_as_we_do() -> None:
    examples = vector_json("computed/examples.json")
    theirs = tlog_scales.tlog.Checkpoint.from_text(examples["cp7"])
    theirs.verify(tlog_scales.signing.Vkey.from_string(examples["wit_vkey"]))
    line = NoteSignature(
        theirs.signatures[1].name, parse_vkey(examples["wit_vkey"]).key_id, theirs.signatures[1].payload
    )
    assert line.line in examples["cp7"]


def test_a_receipt_is_made_from_tiles_that_tlog_scales_wrote(tmp_path: Path) -> None:
    entries = random_entries(300, seed=3)
    writer = tlog_scales.writer.TilesWriter.create(tmp_path / "log", ORIGIN)
    for entry in entries:
        writer.add_leaf(entry)
    writer.commit([tlog_scales.signing.PlainEd25519Signer(ORIGIN, PRIVATE)])
    note = (tmp_path / "log" / "checkpoint").read_bytes()
    subtrees = TileSubtrees(lambda ref: (tmp_path / "log" / ref.path).read_bytes(), 300)
    receipt = Receipt(index=256, proof=tuple(inclusion_proof(256, 300, subtrees)), checkpoint=note)
    assert verify_receipt(receipt, entries[256], LOG).size == 300


# ------------------------------------------------------------------------------------------------ DSSE and in-toto


def reference_key(key: Ed25519Key) -> SSlibKey:
    return SSlibKey(key.keyid, "ed25519", "ed25519", {"public": key.public.hex()})


def test_securesystemslib_verifies_an_entry_of_ours_and_finds_the_same_bytes() -> None:
    key = Ed25519Key(PUBLIC)
    statement = build_statement({"a": Digest.of(b"a")}, predicate_type="https://x.example/1", predicate={"k": 1})
    payload = canonical(statement)
    entry = encode_envelope(PAYLOAD_TYPE, payload, [(key.keyid, PRIVATE.sign(pae(PAYLOAD_TYPE, payload)))])
    reference = ReferenceEnvelope.from_dict(json.loads(entry))
    assert reference.pae() == parse_entry_envelope(entry).signed_bytes
    assert list(reference.verify([reference_key(key)], 1)) == [key.keyid]
    reference.payload += b" "
    with pytest.raises(VerificationError):
        reference.verify([reference_key(key)], 1)


def test_we_verify_an_envelope_of_securesystemslib_and_write_it_alike() -> None:
    key = Ed25519Key(PUBLIC)
    reference = ReferenceEnvelope(b"hello world", "http://example.com/HelloWorld", {})
    written = {
        "payload": b64encode(reference.payload).decode(),
        "payloadType": reference.payload_type,
        "signatures": [{"keyid": key.keyid, "sig": b64encode(PRIVATE.sign(reference.pae())).decode()}],
    }
    reference = ReferenceEnvelope.from_dict(cast(dict[str, Any], json.loads(json.dumps(written))))
    envelope = parse_envelope(json.dumps(reference.to_dict(), indent=2).encode())
    assert verify_envelope(envelope, [key]) == (key,)
    pairs = [(each.keyid, each.sig) for each in envelope.signatures]
    rewritten = encode_envelope(envelope.payload_type, envelope.payload, pairs)
    assert json.loads(rewritten) == reference.to_dict()
    with pytest.raises(DsseError):  # a good envelope, but no log entry: another payload type
        parse_entry_envelope(rewritten)


def test_the_worked_entry_verifies_with_both() -> None:
    examples = vector_json("computed/examples.json")
    key = Ed25519Key(bytes.fromhex(examples["op_pub"]))
    theirs = SSlibKey(examples["op_keyid"], "ed25519", "ed25519", {"public": key.public.hex()})
    assert ReferenceEnvelope.from_dict(json.loads(examples["env"])).verify([theirs], 1)
    assert verify_envelope(parse_entry_envelope(examples["env"].encode()), [key]) == (key,)


def test_the_reference_library_accepts_our_statements_and_sees_the_same() -> None:
    subjects = {f"item_{n}": Digest.of(b"%d" % n) for n in range(5)}
    payload = canonical(build_statement(subjects, predicate_type="https://x.example/1", predicate={"n": 2**53 - 1}))
    reference = ReferenceStatement.copy_from_pb(Parse(payload, ReferenceMessage()))
    reference.validate()
    read = parse_statement(payload)
    assert [(each.name, dict(each.digest)) for each in reference.pb.subject] == [
        (each.name, dict(each.digest)) for each in read.subjects
    ]
    assert reference.pb.predicate_type == read.predicate_type
    # Why integers stay below 2^53: the protobuf binding reads them into doubles.
    assert int(reference.pb.predicate["n"]) == read.predicate["n"] == 2**53 - 1


@pytest.mark.parametrize("case", vector_json("in-toto/statements.json"), ids=lambda case: case.get("why", "valid"))
def test_the_reference_library_judges_the_published_statements_as_listed(case: dict[str, Any]) -> None:
    def check() -> None:
        ReferenceStatement.copy_from_pb(Parse(case["json"], ReferenceMessage())).validate()

    if case["valid"]:
        check()
    else:
        with pytest.raises((ValueError, ParseError)):
            check()


# ------------------------------------------------------------------------------------------------ OpenSSL


@pytest.mark.needs("openssl")
def test_openssl_names_and_verifies_with_our_keys(tmp_path: Path) -> None:
    key = Ed25519Key(PUBLIC)
    (tmp_path / "key.der").write_bytes(key.spki)
    checkpoint = Checkpoint(origin=ORIGIN, size=7, root=Digest.of(b"root"))
    (tmp_path / "text").write_text(checkpoint.text())
    (tmp_path / "sig").write_bytes(PRIVATE.sign(checkpoint.text().encode()))
    derived = openssl(tmp_path, "pkey", "-pubin", "-inform", "DER", "-in", "key.der", "-pubout", "-outform", "DER")
    assert sha256(derived.stdout).hexdigest() == key.keyid
    command = ["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-in", "text"]
    assert openssl(tmp_path, *command, "-sigfile", "sig").returncode == 0
    (tmp_path / "sig").write_bytes(bytes(64))
    assert openssl(tmp_path, *command, "-sigfile", "sig").returncode != 0
    with pytest.raises(SignatureError):
        verify(PUBLIC, checkpoint.text().encode(), bytes(64))


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False)
