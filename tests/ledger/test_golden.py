"""The frozen entries of tests/vectors/events/: made again byte for byte, and read by programs that are not ours."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from golden import ORIGIN, RECORDER_SIGNER, build_golden, golden_events, golden_text
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey
from vectors import VECTORS, vector_bytes, vector_files, vector_json

from hashing.digest import Digest
from ledger.chain import ChainCheck
from ledger.entry import PREDICATE_TYPE, parse_entry
from ledger.events import EVENT_TYPES
from ledger.openings import open_entry

TYPES = sorted(EVENT_TYPES)


def golden(name: str) -> Any:
    return vector_json(f"events/{name}.json")


def test_every_event_type_has_a_golden_entry_and_none_has_two() -> None:
    files = [Path(name).stem for name in vector_files("events", count=len(TYPES))]
    assert files == TYPES
    assert sorted(golden_events()) == TYPES


@pytest.mark.parametrize("name", TYPES)
def test_the_golden_entry_is_made_again_byte_for_byte(name: str) -> None:
    assert vector_bytes(f"events/{name}.json").decode("utf-8") == golden_text(golden_events()[name])


@pytest.mark.parametrize("name", TYPES)
def test_the_golden_entry_is_read_back_with_all_its_values(name: str) -> None:
    document = golden(name)
    entry = parse_entry(document["entry"].encode())
    opened = open_entry(entry, {Digest.parse(o["commitment"]): o["text"] for o in document["openings"]})
    assert entry.known
    assert opened.withheld == frozenset()
    assert {**entry.facts} == (document["event"]["facts"] or {})
    for member, value in document["event"]["values"].items():
        found = opened.values[member]
        listed = EVENT_TYPES[name].all_committed[member].listed and value is not None
        assert (sorted(found, key=repr) == sorted(value, key=repr)) if listed else (found == value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in TYPES if name != "log.opened"])
def test_the_golden_entry_follows_the_golden_first_entry(name: str) -> None:
    chain = ChainCheck(ORIGIN)
    assert chain.check(0, golden("log.opened")["entry"].encode())
    assert chain.check(1, golden(name)["entry"].encode())
    assert chain.findings == []


# ------------------------------------------------------------------------------------------- programs of others


def recorder_key(public: bytes = RECORDER_SIGNER.public) -> SSlibKey:
    """Return the recorder's key for securesystemslib, which knows it by the keyid in the envelope."""
    return SSlibKey(RECORDER_SIGNER.keyid, "ed25519", "ed25519", {"public": public.hex()})


@pytest.mark.parametrize("name", TYPES)
def test_securesystemslib_verifies_the_signature(name: str) -> None:
    envelope = Envelope.from_dict(json.loads(golden(name)["entry"]))
    assert list(envelope.verify([recorder_key()], 1)) == [RECORDER_SIGNER.keyid]


def test_securesystemslib_refuses_a_golden_entry_under_another_key() -> None:
    envelope = Envelope.from_dict(json.loads(golden("master.defined")["entry"]))
    with pytest.raises(VerificationError):
        envelope.verify([recorder_key(build_golden(golden_events()["log.opened"]).digest.raw)], 1)


@pytest.mark.parametrize("name", TYPES)
def test_in_toto_attestation_accepts_the_statement(name: str) -> None:
    from google.protobuf import json_format
    from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

    document = golden(name)
    payload = Envelope.from_dict(json.loads(document["entry"])).payload
    statement = Statement.copy_from_pb(json_format.Parse(payload, StatementMessage()))
    statement.validate()
    assert statement.pb.predicate_type == PREDICATE_TYPE
    assert {s.name: s.digest["sha256"] for s in statement.pb.subject} == document["event"]["subjects"]


@pytest.mark.parametrize("name", TYPES)
def test_plain_sha256_gives_the_digests_the_file_states(name: str) -> None:
    document = golden(name)
    raw = document["entry"].encode()
    assert document["sha256"] == hashlib.sha256(raw).hexdigest()
    assert document["leaf_hash"] == hashlib.sha256(b"\0" + raw).hexdigest()
    for opening in document["openings"]:
        assert opening["commitment"] == hashlib.sha256(opening["text"].encode()).hexdigest()


def test_the_keyid_is_what_openssl_prints() -> None:
    """`openssl pkey -pubin -outform DER | sha256sum`: the DER of pyca/cryptography is the same."""
    der = load_der_public_key(RECORDER_SIGNER.spki).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert RECORDER_SIGNER.keyid == hashlib.sha256(der).hexdigest()


def test_the_sources_page_names_the_folder() -> None:
    assert "`events/`" in (VECTORS / "SOURCES.md").read_text("utf-8")
