"""A witness: what it remembers is on its disk before it answers, and it never signs two histories."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tlog_scales.signing
import tlog_scales.tlog
from other_process import run_killed
from store_of_log import arrive, copied, receive

from base.errors import BusyError, EvidenceError, LedgerError, NotFoundError, RefusedError, UsageError, WaitingError
from base.fsio import Lock
from hashing.checkpoint import open_cosigned
from hashing.cosignature import AddCheckpoint, RequestError, Status, origin_hash
from hashing.note import Algorithm, NoteSignature, parse_vkey, vkey
from ledger.layout import StoreLayout
from ledger.memories import LogRoots
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal
from ledger.witness import Answer, InconsistentError, OtherSizeError, Witness, WitnessRefusedError, read_answer

NAME = "witness.example/desk-4"
MOMENT = datetime(2026, 11, 24, 8, 15, 30, tzinfo=UTC)


def grow(layout: StoreLayout, count: int = 3) -> None:
    with Recorder.open(layout) as recorder:
        drop = receive(recorder, arrival_key=os.urandom(32))
        arrive(recorder, drop, [b"%d.mp4" % n for n in range(count - 1)])
        seal(recorder)


def request(layout: StoreLayout, old: int) -> bytes:
    """Return the request that starts at size ``old``, as another program would write it: no code of `lodging`."""
    with LogReader(layout) as log:
        newest = log.newest()
    proof = LogRoots(layout.log, newest.checkpoint).proof(old)
    return AddCheckpoint(old_size=old, proof=tuple(proof), note=newest.note).encode()


def log_vkey(layout: StoreLayout) -> str:
    with LogReader(layout) as log:
        return str(log.trust.log_key)


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def witness(layout: StoreLayout, tmp_path: Path) -> Witness:
    """A witness that knows the log and has cosigned nothing."""
    made = Witness.create(tmp_path / "witness", NAME)
    made.trust(log_vkey(layout))
    return made


def remembered(witness: Witness, layout: StoreLayout) -> int | None:
    """Return the size that the witness would tell whoever monitors it."""
    key = parse_vkey(log_vkey(layout))
    note = witness.newest(origin_hash(key.name))
    return None if note is None else open_cosigned(note, key, (witness.key.verifier,))[0].size


def test_it_cosigns_a_log_that_only_grows(layout: StoreLayout, witness: Witness) -> None:
    old = 0
    for _ in range(4):
        answer = witness.answer(request(layout, old), moment=MOMENT)
        assert answer.status is Status.COSIGNED
        note = layout.checkpoint.read_bytes() + answer.body
        checkpoint, (cosignature,) = open_cosigned(note, parse_vkey(log_vkey(layout)), (witness.key.verifier,))
        assert (cosignature.witness, cosignature.timestamp) == (NAME, int(MOMENT.timestamp()))
        assert remembered(witness, layout) == checkpoint.size
        old = checkpoint.size
        grow(layout)


def test_a_witness_that_is_opened_again_remembers(layout: StoreLayout, witness: Witness, tmp_path: Path) -> None:
    assert witness.answer(request(layout, 0), moment=MOMENT).status is Status.COSIGNED
    grow(layout)
    again = Witness.open(tmp_path / "witness")
    assert again.answer(request(layout, 0), moment=MOMENT) == Answer(status=Status.OTHER_SIZE, body=b"2\n")
    assert again.answer(request(layout, 2), moment=MOMENT).status is Status.COSIGNED


@pytest.mark.parametrize("others", [1, 99])
def test_lines_that_a_stranger_added_do_not_spoil_what_it_remembers(
    layout: StoreLayout, witness: Witness, others: int
) -> None:
    """Anybody may add lines to a note: one in the name of the witness, or so many that ours would be one too many."""
    name, key_id = (NAME, witness.key.key_id) if others == 1 else ("stranger.example/x", b"abcd")
    line = NoteSignature(name, key_id, bytes(72)).line
    spoiled = request(layout, 0) + line.encode() * others
    assert witness.answer(spoiled, moment=MOMENT).status is Status.COSIGNED
    grow(layout)
    assert witness.answer(request(layout, 2), moment=MOMENT).status is Status.COSIGNED
    assert remembered(witness, layout) == 5


def test_another_history_of_the_log_is_never_cosigned(layout: StoreLayout, witness: Witness, tmp_path: Path) -> None:
    twin = copied(tmp_path / "twin")  # the same keys
    grow(layout)
    grow(twin)
    assert witness.answer(request(layout, 0), moment=MOMENT).status is Status.COSIGNED
    for _ in range(2):
        answer = witness.answer(request(twin, 5), moment=MOMENT)
        assert answer.status is Status.INCONSISTENT
        with pytest.raises(InconsistentError) as raised:
            answer.check()
        assert raised.value.exit_code == 21
        assert remembered(witness, layout) == 5
        grow(twin)


def test_a_witness_with_an_ml_dsa_key_does_the_same(layout: StoreLayout, tmp_path: Path) -> None:
    """And tlog-scales accepts its line."""
    made = Witness.create(tmp_path / "pq", "witness.example/pq", Algorithm.ML_DSA_44)
    made.trust(log_vkey(layout))
    witness = Witness.open(tmp_path / "pq")
    assert witness.answer(request(layout, 0), moment=MOMENT).status is Status.COSIGNED
    grow(layout)
    answer = witness.answer(request(layout, 2), moment=MOMENT)
    assert (answer.status, remembered(witness, layout)) == (Status.COSIGNED, 5)
    theirs = tlog_scales.signing.MLDSA44CosignatureVerifier(
        tlog_scales.signing.Vkey.from_string(str(made.key.verifier))
    )
    with LogReader(layout) as log:
        newest = log.sealed()
    line = tlog_scales.signing.NoteSignature.from_line(answer.body.decode().rstrip("\n"))
    theirs.verify_note(line, tlog_scales.tlog.Checkpoint(newest.origin, newest.size, newest.root.raw, []))


@pytest.mark.parametrize("change", ["missing", "open", "other"])
def test_an_ml_dsa_key_that_may_not_be_used_is_refused(tmp_path: Path, change: str) -> None:
    Witness.create(tmp_path / "pq", "witness.example/pq", Algorithm.ML_DSA_44)
    Witness.create(tmp_path / "ed", "witness.example/ed")
    path = tmp_path / "pq" / "witness.pem"
    if change == "missing":
        path.unlink()
    elif change == "open":
        path.chmod(0o644)
    else:
        path.write_bytes((tmp_path / "ed" / "witness.pem").read_bytes())
    with pytest.raises(NotFoundError if change == "missing" else RefusedError):
        Witness.open(tmp_path / "pq")


@pytest.mark.parametrize("failpoint", ["write", "fsync", "rename"])
def test_a_crash_before_it_remembers_leaves_it_as_it_was(
    layout: StoreLayout, witness: Witness, tmp_path: Path, failpoint: str
) -> None:
    witness.answer(request(layout, 0), moment=MOMENT)
    grow(layout)
    (tmp_path / "request").write_bytes(request(layout, 2))
    run_killed(_ANSWER, tmp_path, failpoint=f"{failpoint}@1", fired=tmp_path / "fired")
    assert not (tmp_path / "answer").exists()
    assert remembered(witness, layout) == 2
    assert Witness.open(tmp_path / "witness").answer(request(layout, 2), moment=MOMENT).status is Status.COSIGNED


def test_a_crash_between_remembering_and_answering_costs_one_more_question(
    layout: StoreLayout, witness: Witness, tmp_path: Path
) -> None:
    """The answer is lost: the log hears the size, and gets a cosignature of the very same checkpoint."""
    witness.answer(request(layout, 0), moment=MOMENT)
    grow(layout)
    (tmp_path / "request").write_bytes(request(layout, 2))
    # The sync of the folder is the last call before the answer: the new state has its name by then.
    run_killed(_ANSWER, tmp_path, failpoint="fsync@2", fired=tmp_path / "fired")
    assert not (tmp_path / "answer").exists()
    assert remembered(witness, layout) == 5
    again = Witness.open(tmp_path / "witness")
    assert again.answer(request(layout, 2), moment=MOMENT) == Answer(status=Status.OTHER_SIZE, body=b"5\n")
    assert again.answer(request(layout, 5), moment=MOMENT).status is Status.COSIGNED


_ANSWER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ledger.witness import Witness
folder = Path(sys.argv[1])
answer = Witness.open(folder / "witness").answer((folder / "request").read_bytes(), moment=datetime.now(UTC))
(folder / "answer").write_bytes(answer.body)
"""


@pytest.mark.parametrize(
    "body", [b"", b"old 0\n\n", b"old x\n\nnote", b"GET / HTTP/1.1\r\n\r\n", b"old 0\n\na\nb\n\n\xff\n"]
)
def test_what_is_no_request_gets_400(witness: Witness, body: bytes) -> None:
    answer = witness.answer(body, moment=MOMENT)
    assert answer.status is Status.OLD_TOO_LARGE
    with pytest.raises(WitnessRefusedError):
        answer.check()


def test_an_unknown_log_gets_404(layout: StoreLayout, tmp_path: Path) -> None:
    answer = Witness.create(tmp_path / "other", NAME).answer(request(layout, 0), moment=MOMENT)
    assert answer.status is Status.UNKNOWN_LOG


def test_a_log_with_another_key_gets_403(layout: StoreLayout, tmp_path: Path) -> None:
    witness = Witness.create(tmp_path / "other", NAME)
    stranger = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    witness.trust(vkey(parse_vkey(log_vkey(layout)).name, stranger))
    assert witness.answer(request(layout, 0), moment=MOMENT).status is Status.UNTRUSTED


def test_a_log_has_one_key_for_ever(layout: StoreLayout, witness: Witness) -> None:
    witness.trust(log_vkey(layout))  # a second time the same changes nothing
    stranger = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    with pytest.raises(RefusedError, match="another key"):
        witness.trust(vkey(parse_vkey(log_vkey(layout)).name, stranger))


def test_only_the_key_of_a_log_can_be_trusted(witness: Witness) -> None:
    for text in (str(witness.key.verifier), "nonsense", ""):
        with pytest.raises(UsageError):
            witness.trust(text)


def test_two_never_answer_from_one_memory(layout: StoreLayout, witness: Witness, tmp_path: Path) -> None:
    lock = Lock(tmp_path / "witness" / "witness.lock")
    lock.acquire()
    with pytest.raises(BusyError):
        witness.answer(request(layout, 0), moment=MOMENT)
    lock.release()


@pytest.mark.parametrize("name", ["", "a b", "a+b", "\u2003"])
def test_a_name_that_no_note_can_carry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Witness.create(tmp_path / "w", name)
    assert not (tmp_path / "w").exists()


def test_a_witness_is_made_only_in_an_empty_folder(layout: StoreLayout, witness: Witness, tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        Witness.create(tmp_path / "witness", NAME)
    with pytest.raises(NotFoundError):
        Witness.open(tmp_path / "nowhere")
    (tmp_path / "witness" / "witness.vkey").unlink()  # what an interrupted `create` leaves
    with pytest.raises(NotFoundError):
        Witness.open(tmp_path / "witness")


def test_a_key_that_was_swapped_is_noticed(witness: Witness, tmp_path: Path) -> None:
    other = Witness.create(tmp_path / "other", NAME)
    assert other.key.verifier != witness.key.verifier
    (tmp_path / "witness" / "witness.pem").write_bytes((tmp_path / "other" / "witness.pem").read_bytes())
    with pytest.raises(RefusedError, match="not the key"):
        Witness.open(tmp_path / "witness")


def test_a_memory_that_it_did_not_cosign_is_no_memory(layout: StoreLayout, witness: Witness, tmp_path: Path) -> None:
    witness.answer(request(layout, 0), moment=MOMENT)
    (state,) = (tmp_path / "witness").glob("*.checkpoint")
    state.write_bytes(layout.checkpoint.read_bytes())
    with pytest.raises(LedgerError, match="not cosigned by it"):
        witness.answer(request(layout, 2), moment=MOMENT)


@pytest.mark.parametrize(
    ("status", "body", "error", "exit_code"),
    [
        (Status.OLD_TOO_LARGE, b"from size 9 to the smaller 7\n", WitnessRefusedError, 4),
        (Status.UNTRUSTED, b"not signed\n", WitnessRefusedError, 4),
        (Status.UNKNOWN_LOG, b"no such log\n", WitnessRefusedError, 4),
        (Status.OTHER_SIZE, b"17\n", OtherSizeError, 5),
        (Status.INCONSISTENT, b"a fork\n", InconsistentError, 21),
    ],
)
def test_every_refusal_goes_over_a_stick_and_has_its_exit_code(
    status: Status, body: bytes, error: type[EvidenceError], exit_code: int
) -> None:
    answer = Answer(status=status, body=body)
    assert read_answer(answer.as_file()) == answer
    with pytest.raises(error) as raised:
        answer.check()
    assert raised.value.exit_code == exit_code
    if isinstance(raised.value, WaitingError):
        assert "--old 17" in raised.value.next_step


@pytest.mark.parametrize(
    "data", [b"refused ", b"refused 200 x", b"refused 999 x", b"refused 404", b"refused 404x", b"refused \xff\n"]
)
def test_a_refusal_in_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        read_answer(data)


@pytest.mark.parametrize("body", [b"", b"x\n", b"-1\n", b"1" * 30])
def test_a_409_without_a_size_is_no_answer(body: bytes) -> None:
    with pytest.raises(RequestError):
        Answer(status=Status.OTHER_SIZE, body=body).check()
