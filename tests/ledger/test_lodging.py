"""Lodging: what leaves is kept and recorded first, what comes back is believed only from a witness that is set."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from log_oracles import problems_of
from store_of_log import arrive, copied, receive

from base.config import Settings, WitnessSetting
from hashing.checkpoint import open_checkpoint
from hashing.cosignature import FalseCosignatureError, RequestError, Status, cosign
from hashing.note import Algorithm, parse_note
from hashing.policy import PolicyNotMetError, parse_policy
from hashing.receipt import verify_receipt
from ledger.check import check_log
from ledger.layout import StoreLayout
from ledger.lodging import (
    accept,
    best_note,
    last_cosigned,
    lodge_copy,
    request_to,
)
from ledger.memories import RememberedError, lodged_notes
from ledger.proofs import NotSealedError, prove_all
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.recovery import start
from ledger.seal import seal
from ledger.witness import Witness
from ledger.witness_settings import WitnessSettingError, policy_of, witness_keys

MOMENT = datetime(2026, 11, 24, 8, 15, 30, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def witnesses(layout: StoreLayout, tmp_path: Path) -> list[Witness]:
    """Three witnesses that know the log."""
    made = [Witness.create(tmp_path / f"witness-{n}", f"witness.example/{n}") for n in range(3)]
    with LogReader(layout) as log:
        for witness in made:
            witness.trust(str(log.trust.log_key))
    return made


def settings(witnesses: list[Witness], quorum: str = "none") -> Settings:
    settings = tuple(WitnessSetting(vkey=str(witness.key.verifier)) for witness in witnesses)
    return Settings(witnesses=settings, witness_quorum=quorum)


def grow(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        arrive(recorder, receive(recorder, arrival_key=os.urandom(32)), [b"1.mp4", b"2.mp4"])
        seal(recorder)


def entries(layout: StoreLayout) -> list[tuple[object, ...]]:
    with LogReader(layout) as log:
        return [
            (opened.entry.facts["kind"], opened.entry.facts["size"], opened.entry.facts["key"], opened.values["where"])
            for opened in log.opened(0, log.recorded())
            if opened.entry.type == "checkpoint.lodged"
        ]


def cosigned_by(layout: StoreLayout, witness: Witness, **options: int) -> int:
    """Let ``witness`` cosign the newest checkpoint, keep that, and return its size."""
    answer = witness.answer(request_to(layout, witness.key.verifier, **options).encode(), moment=MOMENT)
    assert answer.status is Status.COSIGNED
    return accept(layout, answer.body, [witness.key.verifier], where=None).checkpoint.size


def test_a_copy_is_kept_recorded_and_everything_is_in_order(layout: StoreLayout) -> None:
    grow(layout)
    lodged = lodge_copy(layout, where="the safe of the court")
    assert [note.note for note in lodged_notes(layout)] == [lodged.note]
    assert entries(layout) == [("copy", 5, None, "the safe of the court")]
    with LogReader(layout) as log:
        assert open_checkpoint(lodged.note, log.trust.log_key) == lodged.checkpoint
        assert (lodged.checkpoint.size, log.sealed().size) == (5, 6)
        entry = next(log.opened(5, 6))
        assert str(entry.values["actor"]).startswith("actor_")
    assert check_log(layout).findings == []
    assert problems_of(layout.root) == []
    with start(layout):
        pass


def test_the_published_checkpoint_is_never_changed_by_a_cosignature(
    layout: StoreLayout, witnesses: list[Witness]
) -> None:
    size = cosigned_by(layout, witnesses[0])
    assert entries(layout) == [("witness", 2, witnesses[0].key.key_id.hex(), "witness.example/0")]
    assert len(parse_note(layout.checkpoint.read_bytes()).signatures) == 1
    (kept,) = lodged_notes(layout)
    assert len(parse_note(kept.note).signatures) == 2
    assert size == 2
    assert check_log(layout).findings == []
    assert problems_of(layout.root) == []


def test_several_witnesses_of_one_checkpoint_stand_in_one_note(layout: StoreLayout, witnesses: list[Witness]) -> None:
    requests = [request_to(layout, witness.key.verifier) for witness in witnesses]
    for witness, request in zip(witnesses, requests, strict=True):
        answer = witness.answer(request.encode(), moment=MOMENT)
        accept(layout, answer.body, [witness.key.verifier], where=None)
    (kept,) = lodged_notes(layout)
    assert [line.name for line in parse_note(kept.note).signatures[1:]] == [w.key.name for w in witnesses]


def test_a_second_request_starts_where_that_witness_stopped(layout: StoreLayout, witnesses: list[Witness]) -> None:
    first, second = witnesses[:2]
    cosigned_by(layout, first)
    grow(layout)
    assert request_to(layout, first.key.verifier).old_size == 2
    assert request_to(layout, second.key.verifier).old_size == 0
    assert cosigned_by(layout, first) == 6
    with LogReader(layout) as log:
        key = log.trust.log_key
    assert [last_cosigned(layout, key, witness.key.verifier) for witness in witnesses] == [6, 0, 0]


def test_a_witness_that_knows_more_than_we_kept_is_asked_from_there(
    layout: StoreLayout, witnesses: list[Witness]
) -> None:
    witness = witnesses[0]
    witness.answer(request_to(layout, witness.key.verifier).encode(), moment=MOMENT)  # the stick was lost
    grow(layout)
    assert cosigned_by(layout, witness, old_size=2) == 5
    with pytest.raises(RememberedError, match="ROLLED BACK"):
        request_to(layout, witness.key.verifier, old_size=99)


def test_an_answer_finds_the_checkpoint_that_it_is_about(layout: StoreLayout, witnesses: list[Witness]) -> None:
    """The log went on while the stick was away."""
    witness = witnesses[0]
    answer = witness.answer(request_to(layout, witness.key.verifier).encode(), moment=MOMENT)
    grow(layout)
    grow(layout)
    assert accept(layout, answer.body, [witness.key.verifier], where=None).checkpoint.size == 2


def test_an_ml_dsa_witness_beside_one_with_ed25519(
    layout: StoreLayout, witnesses: list[Witness], tmp_path: Path
) -> None:
    later = Witness.create(tmp_path / "pq", "witness.example/pq", Algorithm.ML_DSA_44)
    with LogReader(layout) as log:
        later.trust(str(log.trust.log_key))
    both = [witnesses[0], later]
    set_witnesses(layout, both, quorum=2)
    requests = [(witness, request_to(layout, witness.key.verifier)) for witness in both]
    for witness, request in requests:
        accept(layout, witness.answer(request.encode(), moment=MOMENT).body, [witness.key.verifier], where=None)
    verdict = check_log(layout)
    assert verdict.findings == []
    assert verdict.witnesses is not None
    assert verdict.witnesses.quorum_size == 2
    assert problems_of(layout.root) == []


def test_a_stranger_and_a_forger_are_not_believed(layout: StoreLayout, witnesses: list[Witness]) -> None:
    first, second = witnesses[:2]
    answer = first.answer(request_to(layout, first.key.verifier).encode(), moment=MOMENT)
    with pytest.raises(RequestError, match="no line of a witness"):
        accept(layout, answer.body, [second.key.verifier], where=None)
    with LogReader(layout) as log:
        other = log.sealed()
    forged = cosign(type(other)(origin=other.origin, size=1, root=other.root), first.key, timestamp=1)
    with pytest.raises(FalseCosignatureError, match="does not fit"):
        accept(layout, forged.line.encode(), [first.key.verifier], where=None)
    assert (lodged_notes(layout), entries(layout)) == ([], [])


# ------------------------------------------------------------------------------------------------------- policies


def test_the_policy_asks_for_the_quorum_that_is_set(layout: StoreLayout, witnesses: list[Witness]) -> None:
    with LogReader(layout) as log:
        key, newest = log.trust.log_key, log.newest()
    for quorum, threshold in (("any", 1), ("all", 3), ("2", 2)):
        policy = policy_of(key, settings(witnesses, quorum))
        assert parse_policy(policy.text().encode()).groups[policy.quorum].threshold == threshold
        with pytest.raises(PolicyNotMetError):
            policy.verify(newest.note)
    assert policy_of(key, settings(witnesses)).verify(newest.note).checkpoint == newest.checkpoint


def test_a_receipt_stands_under_the_newest_note_that_meets_the_quorum(
    layout: StoreLayout, witnesses: list[Witness]
) -> None:
    with LogReader(layout) as log:
        policy = policy_of(log.trust.log_key, settings(witnesses, "2"))
    requests = [(witness, request_to(layout, witness.key.verifier)) for witness in witnesses[:2]]
    for witness, request in requests:
        accept(layout, witness.answer(request.encode(), moment=MOMENT).body, [witness.key.verifier], where=None)
    grow(layout)
    cosigned_by(layout, witnesses[2])
    covering = best_note(layout, policy, above=1)
    assert covering is not None
    assert policy.verify(covering).checkpoint.size == 2
    assert set(policy.verify(covering).cosignatures) == {"witness.example/0", "witness.example/1"}
    assert best_note(layout, policy, above=2) is None  # nobody cosigned what came later, or too few did
    receipt, other = prove_all(layout, [1, 0], under=covering)
    with LogReader(layout) as log:
        for one in (receipt, other):
            assert verify_receipt(one, log.entry(one.index).raw, log.trust.log_key).size == 2
    with pytest.raises(NotSealedError):
        prove_all(layout, [2], under=covering)


# ---------------------------------------------------------------------------------------------------------- verify


def test_verify_tells_what_each_witness_cosigned_and_where_the_quorum_is_met(
    layout: StoreLayout, witnesses: list[Witness]
) -> None:
    set_witnesses(layout, witnesses, quorum=2)
    requests = [(witness, request_to(layout, witness.key.verifier)) for witness in witnesses[:2]]
    for witness, request in requests:
        accept(layout, witness.answer(request.encode(), moment=MOMENT).body, [witness.key.verifier], where=None)
    grow(layout)
    size = cosigned_by(layout, witnesses[0])
    verdict = check_log(layout)
    assert verdict.findings == []
    assert verdict.witnesses is not None
    assert (verdict.witnesses.quorum, verdict.witnesses.quorum_size) == ("2", 2)
    time = int(MOMENT.timestamp())
    found = [(one.size, one.timestamp) for one in verdict.witnesses.cosigned]
    assert found == [(size, time), (2, time), (None, None)]


def test_verify_of_a_store_that_was_put_back_beside_its_lodged_notes(layout: StoreLayout, tmp_path: Path) -> None:
    before = Path(shutil.copytree(layout.root, tmp_path / "before"))
    grow(layout)
    lodge_copy(layout, where=None)
    lodged = Path(shutil.copytree(layout.lodged, tmp_path / "lodged"))
    shutil.rmtree(layout.root)
    shutil.copytree(before, layout.root)
    shutil.copytree(lodged, layout.lodged, dirs_exist_ok=True)
    assert [(one.code, one.object) for one in check_log(layout).findings] == [
        ("log-rolled-back", "lodged checkpoint of size 5")
    ]


def test_verify_finds_a_cosignature_that_was_changed(layout: StoreLayout, witnesses: list[Witness]) -> None:
    set_witnesses(layout, witnesses, quorum=1)
    cosigned_by(layout, witnesses[0])
    (path,) = layout.lodged.glob("*/*.checkpoint")
    data = bytearray(path.read_bytes())
    data[-10] = ord("A") if data[-10] != ord("A") else ord("B")
    path.chmod(0o644)
    path.write_bytes(data)
    verdict = check_log(layout)
    assert [one.code for one in verdict.findings] == ["checkpoint-invalid"]
    assert verdict.witnesses is not None
    assert verdict.witnesses.quorum_size is None


def set_witnesses(layout: StoreLayout, witnesses: list[Witness], *, quorum: int) -> None:
    lines = [f"witness_quorum = {quorum}", *(f'[[witness]]\nvkey = "{w.key.verifier}"' for w in witnesses)]
    layout.settings.write_text("\n".join([layout.settings.read_text(), *lines, ""]))


@pytest.mark.parametrize("vkey", ["", "nonsense", "LOG"])
def test_a_witness_that_can_be_none_is_refused(layout: StoreLayout, vkey: str) -> None:
    with LogReader(layout) as log:
        text = str(log.trust.log_key) if vkey == "LOG" else vkey
    with pytest.raises(WitnessSettingError):
        witness_keys(Settings(witnesses=(WitnessSetting(vkey=text),)))


def test_a_witness_is_set_once(witnesses: list[Witness]) -> None:
    with pytest.raises(WitnessSettingError, match="twice"):
        witness_keys(settings([witnesses[0], witnesses[0]]))


@pytest.mark.parametrize("url", ["http://127.0.0.1/a b", "http://127.0.0.1/\nquorum none"])
def test_a_witness_whose_url_would_spoil_the_policy_of_a_receipt_is_refused(
    layout: StoreLayout, witnesses: list[Witness], url: str
) -> None:
    setting = WitnessSetting(vkey=str(witnesses[0].key.verifier), url=url)
    with LogReader(layout) as log, pytest.raises(WitnessSettingError, match="policy"):
        policy_of(log.trust.log_key, Settings(witnesses=(setting,)))
