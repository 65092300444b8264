"""What a witness answers to each request of the protocol, against published exchanges and its table."""

from __future__ import annotations

from typing import Any

import pytest
import tlog_scales.signing
import tlog_scales.tlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_bytes, vector_json

from hashing.checkpoint import Checkpoint, open_checkpoint
from hashing.cosignature import (
    MAX_REQUEST_BYTES,
    AddCheckpoint,
    FalseCosignatureError,
    RequestError,
    Status,
    Verdict,
    claimed_origin,
    cosign,
    judge,
    origin_hash,
    parse_answer,
    parse_request,
    verified_lines,
)
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, node_hash, root
from hashing.note import Algorithm, key_id, parse_note, parse_vkey, sign_note, vkey

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
PUBLISHED: dict[str, Any] = vector_json("torchwood-witness/add_checkpoint.json")
NOTE_7 = vector_bytes("computed/log7/checkpoint")
LEAVES = [leaf_hash(b"%d" % n) for n in range(40)]
TIME = 1_800_000_000


class Signer:
    """A key by its seed; of a log, or of a witness."""

    def __init__(self, name: str, seed: int, algorithm: Algorithm = Algorithm.ED25519) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))
        self.name = name
        public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id(name, algorithm, public)
        self.verifier = parse_vkey(vkey(name, public, algorithm))

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


LOG = Signer("ledger.example/unit-9", 1)
STRANGER = Signer("ledger.example/unit-9", 2)
WITNESS = Signer("witness.example/w9", 3, Algorithm.COSIGNATURE_V1)


def subtree(height: int, index: int) -> bytes:
    if height == 0:
        return LEAVES[index]
    return node_hash(subtree(height - 1, 2 * index), subtree(height - 1, 2 * index + 1))


def checkpoint(size: int, its_root: bytes | None = None) -> Checkpoint:
    return Checkpoint(origin=LOG.name, size=size, root=Digest(its_root or root(LEAVES[:size])))


def note(size: int, its_root: bytes | None = None, *, signer: Signer = LOG) -> bytes:
    return sign_note(checkpoint(size, its_root).text(), [signer])


def request(old: int, size: int, *, proof: list[bytes] | None = None, of: bytes | None = None) -> AddCheckpoint:
    if proof is None:
        proof = consistency_proof(old, size, subtree) if 0 < old < size else []
    return AddCheckpoint(old_size=old, proof=tuple(proof), note=of or note(size))


OTHER = bytes(32)


@pytest.mark.parametrize(
    ("asked", "key", "last", "status"),
    [
        (request(0, 7), LOG, None, Status.COSIGNED),
        (request(0, 0), LOG, None, Status.COSIGNED),
        (request(0, 0), LOG, 0, Status.COSIGNED),
        (request(7, 7), LOG, 7, Status.COSIGNED),  # a second time the same: a fresh time
        (request(7, 20), LOG, 7, Status.COSIGNED),
        (request(0, 7), None, None, Status.UNKNOWN_LOG),
        (request(0, 7, of=note(7, signer=STRANGER)), LOG, None, Status.UNTRUSTED),
        (request(0, 7, of=note(7).replace(b"\n7\n", b"\n8\n")), LOG, None, Status.UNTRUSTED),
        (request(9, 7), LOG, 9, Status.OLD_TOO_LARGE),
        (request(9, 7), LOG, 3, Status.OLD_TOO_LARGE),  # before 409
        (request(0, 20), LOG, 7, Status.OTHER_SIZE),
        (request(7, 20), LOG, None, Status.OTHER_SIZE),
        (request(7, 20), LOG, 20, Status.OTHER_SIZE),
        (request(7, 20, proof=[]), LOG, 7, Status.INCONSISTENT),
        (request(7, 20, proof=[OTHER]), LOG, 7, Status.INCONSISTENT),
        (request(0, 20, proof=[OTHER]), LOG, None, Status.INCONSISTENT),
        (request(7, 7, proof=[OTHER]), LOG, 7, Status.INCONSISTENT),
        (request(7, 7, of=note(7, OTHER)), LOG, 7, Status.INCONSISTENT),  # a split view
        (request(7, 20, of=note(20, OTHER)), LOG, 7, Status.INCONSISTENT),  # a fork
    ],
)
def test_each_request_has_the_answer_of_the_protocol(
    asked: AddCheckpoint, key: Signer | None, last: int | None, status: Status
) -> None:
    found = judge(asked, None if key is None else key.verifier, None if last is None else checkpoint(last))
    assert found.status is status
    assert (found.checkpoint is not None) == (status is Status.COSIGNED)
    assert found.reason


def test_an_empty_log_with_another_root_is_inconsistent_and_not_malformed() -> None:
    text = checkpoint(0).text().replace(checkpoint(0).text().split("\n")[2], checkpoint(7).text().split("\n")[2])
    asked = parse_request(b"old 0\n\n" + sign_note(text, [LOG]))
    assert judge(asked, LOG.verifier, None).status is Status.INCONSISTENT


def test_the_published_exchanges_have_the_published_answers() -> None:
    """litewitness of 2025, with 404 in place of 403 for a log that it does not know, as today's page says."""
    origin = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
    log = parse_vkey(vkey(origin, bytes.fromhex(PUBLISHED["log_public_key_hex"])))
    last = None
    for exchange in PUBLISHED["exchanges"]:
        if exchange["assert"] == ['"invalid signature"']:  # its base64 is not canonical: we do not read it at all (400)
            with pytest.raises(RequestError, match="canonical"):
                parse_request(exchange["body"].encode())
            continue
        asked = parse_request(exchange["body"].encode())
        assert asked.encode() == exchange["body"].encode()
        found = judge(asked, log if claimed_origin(asked.note) == origin else None, last)
        is_unknown = exchange["assert"] == ['"unknown log"']
        assert found.status == (404 if is_unknown else exchange["status"]), exchange
        last = found.checkpoint or last
        if found.status is Status.OTHER_SIZE:
            assert exchange["assert"] == [f'== "{last.size if last else 0}\\n"']
    assert last is not None


def test_a_cosignature_is_the_worked_one_byte_for_byte() -> None:
    log, witness = parse_vkey(EXAMPLES["log_vkey"]), parse_vkey(EXAMPLES["wit_vkey"])
    seed = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(EXAMPLES["wit_seed"]))

    class Worked:
        name, key_id = witness.name, witness.key_id

        def sign(self, message: bytes) -> bytes:
            return seed.sign(message)

    line = cosign(open_checkpoint(NOTE_7, log), Worked(), timestamp=1790000000)
    assert line == parse_note(NOTE_7).signatures[1]


@given(size=st.integers(0, 40), time=st.integers(1, 2**63 - 1))
def test_tlog_scales_accepts_our_cosignatures(size: int, time: int) -> None:
    line = cosign(checkpoint(size), WITNESS, timestamp=time)
    theirs = tlog_scales.signing.Ed25519CosignatureVerifier(tlog_scales.signing.Vkey.from_string(str(WITNESS.verifier)))
    signed = tlog_scales.tlog.Checkpoint(LOG.name, size, checkpoint(size).root.raw, [])
    theirs.verify_note(tlog_scales.signing.NoteSignature.from_line(line.line.rstrip("\n")), signed)
    assert parse_answer(line.line.encode(), checkpoint(size)) == (line,)
    assert verified_lines(checkpoint(size), [line], [WITNESS.verifier]) == (line,)


@pytest.mark.parametrize("timestamp", [0, -1])
def test_a_cosignature_without_a_time_is_never_made(timestamp: int) -> None:
    with pytest.raises(RequestError):
        cosign(checkpoint(7), WITNESS, timestamp=timestamp)


def test_a_line_for_another_checkpoint_is_refused() -> None:
    line = cosign(checkpoint(8), WITNESS, timestamp=TIME)
    with pytest.raises(FalseCosignatureError, match="does not fit"):
        verified_lines(checkpoint(7), [line], [WITNESS.verifier])


def test_a_line_of_a_witness_that_nobody_set_is_refused() -> None:
    line = cosign(checkpoint(7), WITNESS, timestamp=TIME)
    with pytest.raises(RequestError, match="no line of a witness"):
        verified_lines(checkpoint(7), [line], [Signer("else", 4, Algorithm.COSIGNATURE_V1).verifier])


@pytest.mark.parametrize(
    "answer",
    [b"", b"not a line\n", note(7), b"\n", b"x\n\n" + cosign(checkpoint(7), WITNESS, timestamp=TIME).line.encode()],
)
def test_an_answer_holds_signature_lines_and_nothing_else(answer: bytes) -> None:
    with pytest.raises(RequestError):
        parse_answer(answer, checkpoint(7))


GOOD = request(7, 20).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        GOOD.replace(b"old 7", b"old 07"),
        GOOD.replace(b"old 7", b"old -7"),
        GOOD.replace(b"old 7", b"Old 7"),
        GOOD.replace(b"old 7\n", b"old 7\r\n"),
        GOOD.replace(b"old 7\n", b"old 7\nAAAA\n"),
        GOOD.replace(b"old 7\n", b"old 7\n!\n"),
        GOOD.replace(b"old 7\n", b"old 7\n" + 64 * (b"A" * 43 + b"=\n")),
        GOOD.replace(b"old 7\n", b"old 9999999999999999999\n"),
        GOOD.replace(b"\n20\n", b"\n020\n"),
        GOOD.replace(b"\n20\n", b"\n20\nmore\n"),
        GOOD[:-9],
        b"old 0\n\n",
        b"old 0\n\n" + bytes(MAX_REQUEST_BYTES),
    ],
)
def test_a_request_in_another_spelling_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        parse_request(body)


@given(
    st.binary(max_size=300)
    | st.builds(lambda at, by: GOOD[:at] + by + GOOD[at + 1 :], st.integers(0, len(GOOD)), st.binary(max_size=2))
)
def test_the_reader_of_requests_raises_only_its_declared_error(body: bytes) -> None:
    try:
        asked = parse_request(body)
    except RequestError:
        return
    assert asked.encode() == body
    assert isinstance(judge(asked, LOG.verifier, checkpoint(7)), Verdict)


@given(old=st.integers(0, 40), size=st.integers(0, 40), last=st.none() | st.integers(0, 40))
def test_a_witness_never_goes_back(old: int, size: int, last: int | None) -> None:
    asked = request(old, size)
    found = judge(asked, LOG.verifier, None if last is None else checkpoint(last))
    if found.checkpoint is not None:
        assert found.checkpoint.size >= (last or 0)


def test_the_monitoring_name_is_the_worked_one() -> None:
    assert origin_hash("ledger.example/unit-7") == "ed2d6ecc282785738d0e9697985c66b1f57d5e4ec87883209252ceb7e8abfb93"


def test_the_empty_root_is_what_a_first_request_starts_from() -> None:
    assert checkpoint(0).root.raw == EMPTY_ROOT
