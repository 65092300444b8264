from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_bytes, vector_json

from hashing.checkpoint import Checkpoint, CheckpointError, open_checkpoint, open_cosigned, parse_checkpoint
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT
from hashing.note import Algorithm, NoteSignature, add_signatures, cosignature_message, parse_note, parse_vkey, vkey

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
LOG = parse_vkey(EXAMPLES["log_vkey"])
WITNESS = parse_vkey(EXAMPLES["wit_vkey"])
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(EXAMPLES["wit_seed"]))
LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(EXAMPLES["log_seed"]))
NOTE_7 = vector_bytes("computed/log7/checkpoint")
ROOT = "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw="


def signed(text: str) -> bytes:
    line = NoteSignature(LOG.name, LOG.key_id, LOG_KEY.sign(text.encode())).line
    return f"{text}\n{line}".encode()


def cosigned(note: bytes, timestamp: int) -> bytes:
    signature = WITNESS_KEY.sign(cosignature_message(parse_note(note).text, timestamp))
    line = NoteSignature(WITNESS.name, WITNESS.key_id, timestamp.to_bytes(8, "big") + signature)
    return add_signatures(note, [line])


def test_the_worked_checkpoint_is_opened_and_written_again() -> None:
    checkpoint = open_checkpoint(NOTE_7, LOG)
    assert (checkpoint.origin, checkpoint.size) == ("ledger.example/unit-7", 7)
    assert str(checkpoint.root) == EXAMPLES["roots"]["7"]
    assert NOTE_7.decode() == EXAMPLES["cp7"]
    assert signed(checkpoint.text()).decode().splitlines() == EXAMPLES["cp7"].splitlines()[:5]


def test_the_worked_cosignature_verifies_and_is_made_again() -> None:
    checkpoint, cosignatures = open_cosigned(NOTE_7, LOG, (WITNESS,))
    assert checkpoint.size == 7
    assert [(each.witness, each.timestamp) for each in cosignatures] == [("witness.example/w1", 1790000000)]
    assert cosigned(signed(checkpoint.text()), 1790000000) == NOTE_7


@pytest.mark.parametrize("size", [0, 1, 3, 255, 256, 257, 599])
def test_the_computed_checkpoints_of_the_log_of_600_open(size: int) -> None:
    checkpoint = open_checkpoint(vector_bytes(f"computed/log600-at{size}.checkpoint"), LOG)
    assert checkpoint.size == size


def test_the_checkpoint_of_the_empty_log() -> None:
    assert open_checkpoint(EXAMPLES["cp0"].encode(), LOG) == Checkpoint(
        origin=LOG.name, size=0, root=Digest(EMPTY_ROOT)
    )


def test_lines_of_unknown_algorithms_are_ignored() -> None:
    note = vector_bytes("computed/log7-mldsa.checkpoint")
    assert len(parse_note(note).signatures) > 1
    assert open_checkpoint(note, LOG).size == 7


def test_the_published_checkpoint_without_a_key_is_parsed_and_not_opened() -> None:
    note = vector_json("c2sp/examples.json")["checkpoint_unverifiable_no_key_published"].encode()
    assert parse_checkpoint(parse_note(note).text).size == 20852163
    with pytest.raises(CheckpointError, match="none of the known keys"):
        open_checkpoint(note, LOG)


@pytest.mark.parametrize("case", vector_json("formats-checkpoint/parse.json"), ids=lambda case: case["m"][:20])
def test_published_parse_case(case: dict[str, Any]) -> None:
    """All are refused. Only the first is accepted by transparency-dev/formats: C2SP asks for a root of 32 bytes."""
    assert (case["ok"] is not False) == (case["m"] == "Log\n123\nYmFuYW5hcw==\n")
    with pytest.raises(CheckpointError):
        parse_checkpoint(case["m"])


@given(size=st.integers(1, 2**63 - 1), root=st.binary(min_size=32, max_size=32))
def test_a_checkpoint_is_read_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin="ledger.example/unit-7", size=size, root=Digest(root))
    assert parse_checkpoint(checkpoint.text()) == checkpoint
    assert open_checkpoint(signed(checkpoint.text()), LOG) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"log\n7\n{ROOT}",
        f"log\n7\n{ROOT}\n\n",
        f"log\n7\n{ROOT}\nextension\n",
        f"log\n7\n{ROOT}\nextension",
        f"\n7\n{ROOT}\n",
        f"log\n\n{ROOT}\n",
        "log\n7\n\n",
        f"log\r\n7\r\n{ROOT}\r\n",
        f"log\t\n7\n{ROOT}\n",
        f"log\n07\n{ROOT}\n",
        f"log\n+7\n{ROOT}\n",
        f"log\n-7\n{ROOT}\n",
        f"log\n 7\n{ROOT}\n",
        f"log\n7 \n{ROOT}\n",
        f"log\n0x7\n{ROOT}\n",
        f"log\n٧\n{ROOT}\n",
        f"log\n9223372036854775808\n{ROOT}\n",
        f"log\n{'9' * 100}\n{ROOT}\n",
        f"log\n7\n{ROOT[:-1]}\n",
        f"log\n7\n{ROOT[:-2]}x=\n",
        f"log\n7\n{ROOT} \n",
        "log\n7\nAAAA\n",
        f"log\n0\n{ROOT}\n",
    ],
)
def test_another_spelling_of_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_checkpoint(text)


@given(st.text("log0129\n =AB", max_size=60))
def test_any_text_is_a_checkpoint_or_refused_by_the_declared_error(text: str) -> None:
    try:
        checkpoint = parse_checkpoint(text)
    except CheckpointError:
        return
    assert checkpoint.text() == text


def test_a_checkpoint_of_another_origin_signed_by_this_log_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"signed with the key of"):
        open_checkpoint(signed(f"ledger.example/unit-8\n7\n{ROOT}\n"), LOG)


def test_a_checkpoint_that_only_a_witness_signed_is_refused() -> None:
    witness_alone = cosigned(NOTE_7, 1)
    text, _, lines = witness_alone.decode().partition("\n\n")
    only = "".join(f"{line}\n" for line in lines.splitlines() if "witness" in line)
    with pytest.raises(CheckpointError, match="did not sign"):
        open_cosigned(f"{text}\n\n{only}".encode(), LOG, (WITNESS,))


def test_a_bad_line_of_a_listed_witness_makes_the_checkpoint_worthless() -> None:
    note = add_signatures(signed(f"{LOG.name}\n7\n{ROOT}\n"), [NoteSignature(WITNESS.name, WITNESS.key_id, bytes(72))])
    assert open_checkpoint(note, LOG).size == 7
    with pytest.raises(CheckpointError):
        open_cosigned(note, LOG, (WITNESS,))


def test_a_cosignature_with_another_time_is_bad() -> None:
    line = parse_note(cosigned(signed(f"{LOG.name}\n7\n{ROOT}\n"), 1790000000)).signatures[1]
    for timestamp in (1790000001, 2**63):
        later = NoteSignature(line.name, line.key_id, timestamp.to_bytes(8, "big") + line.signature[8:])
        note = add_signatures(signed(f"{LOG.name}\n7\n{ROOT}\n"), [later])
        with pytest.raises(CheckpointError):
            open_cosigned(note, LOG, (WITNESS,))


def test_a_witness_key_is_no_log_key_and_the_other_way_round() -> None:
    as_log = parse_vkey(vkey(LOG.name, LOG.public, Algorithm.COSIGNATURE_V1))
    with pytest.raises(CheckpointError, match="type 1"):
        open_checkpoint(NOTE_7, as_log)
    with pytest.raises(CheckpointError, match="type 4"):
        open_cosigned(NOTE_7, LOG, (LOG,))


@pytest.mark.parametrize("name", ["fork300", "fork600", "future601"])
def test_evidence_of_a_fork_carries_a_good_signature_and_another_root(name: str) -> None:
    """Such a checkpoint opens: that it contradicts the log is found by a proof, never by the signature."""
    forked = open_checkpoint(vector_bytes(f"computed/{name}.checkpoint"), LOG)
    honest = open_checkpoint(vector_bytes("computed/log600/checkpoint"), LOG)
    assert forked.root != honest.root


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, bytes(32)), ("a\nb", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 2**63, bytes(32)), ("a", 0, bytes(32))],
)
def test_a_checkpoint_that_cannot_exist_is_not_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint(origin=origin, size=size, root=Digest(root))
