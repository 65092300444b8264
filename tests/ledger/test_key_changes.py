"""Keys that change while a store works: who may record, what is sealed, and what `verify` says of a hostile hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checker import Checker, codes
from key_log import person
from msgspec.structs import replace
from store_of_log import ORIGIN, copied

from base.clock import now
from base.errors import LedgerError, NotFoundError, RefusedError
from hashing.digest import Digest
from ledger.check import check_log
from ledger.entry import Place, RecorderSigner, Software, SubjectHead, build_entry, fixed
from ledger.events.actor import role_granted
from ledger.events.event import Event
from ledger.events.key import ProvenKey, key_enrolled, key_revoked
from ledger.events.log import config_changed
from ledger.keys.file import RECORDER_KEY, FileSigner, KeyNotValidError, create_key, create_recorder_key, load_key
from ledger.keys.pending import (
    ProposalError,
    encode_proposal,
    endorse,
    endorsed_by,
    forget,
    keep,
    kept_proposal,
    new_proposal,
    parse_proposal,
    pending,
)
from ledger.keys.persons import proven
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import CHANCE, Recorder, write_entries
from ledger.seal import seal
from ledger.trust import UntrustedError

ACTOR = "actor_7K3M9QZV2D8HN"


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def recorder(layout: StoreLayout) -> Iterator[Recorder]:
    with Recorder.open(layout) as recorder:
        yield recorder


def enrol(key: ProvenKey, purpose: str = "recorder", *, holder: str | None = None) -> Event:
    return key_enrolled(ORIGIN, key, purpose=purpose, holder=holder, reason=None, by=None, role=None)


def revoke(keyid: str) -> Event:
    return key_revoked(
        ORIGIN, keyid, purpose="recorder", good_size=None, holder=None, reason="gone", by=None, role=None
    )


def setting() -> Event:
    return config_changed(ORIGIN, setting="settle_seconds", before=None, after="5")


def signer_of(layout: StoreLayout, seq: int) -> str:
    with LogReader(layout) as log:
        return log.entry(seq).envelope.signatures[0].keyid


def forge(recorder: Recorder, event: Event, signer: RecorderSigner | None = None) -> int:
    """Write an entry as a hostile process with the key would: past everything that `record` checks."""
    size, last = recorder.end()
    count, head = recorder.connection.execute("SELECT count, digest FROM main.head WHERE name = 'log'").fetchone()
    heads = {"log": SubjectHead(count=count, entry=Digest(head))} if "log" in event.subjects else {}
    with LogReader(recorder.layout) as log:
        software = log.entry(size - 1).software
    place = Place(
        log=ORIGIN,
        seq=size,
        prev=last,
        recorded_at=now(),
        clock=None,
        software=Software(name=str(software["name"]), version=str(software["version"]), build=None),
    )
    built = build_entry(event, place=place, heads=heads, signer=signer or recorder.signer, chance=CHANCE)
    recorder.connection.execute("BEGIN IMMEDIATE")
    write_entries(recorder.connection, [built])
    for name in event.subjects:
        recorder.connection.execute(
            "INSERT INTO main.head (name, count, digest) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET count = excluded.count, digest = excluded.digest",
            (name, heads[name].count + 1 if name in heads else 1, built.digest.raw),
        )
    recorder.connection.execute("COMMIT")
    recorder.own_digests[size] = built.digest  # so that it is sealed as our own
    return size


# -------------------------------------------------------------------------------------------------------- recording


def test_a_recorder_that_runs_takes_the_new_key_that_another_process_enrolled(
    layout: StoreLayout, recorder: Recorder
) -> None:
    old = recorder.signer.keyid
    new = create_recorder_key(layout)
    with Recorder.open(layout) as other:
        other.record([enrol(proven(new, log=ORIGIN, purpose="recorder"))])
        other.record([revoke(old)])
    (recorded,) = recorder.record([setting()])
    assert signer_of(layout, recorded.seq) == new.keyid != old
    seal(recorder)
    assert check_log(layout).findings == []
    assert codes(Checker(layout.root).check()) == set()


def test_what_comes_behind_a_change_of_keys_is_signed_with_the_new_key(layout: StoreLayout, recorder: Recorder) -> None:
    old, new = recorder.signer.keyid, create_recorder_key(layout)
    enrolment = enrol(proven(new, log=ORIGIN, purpose="recorder"))
    recorded = recorder.record([enrolment, setting(), revoke(old), setting()])
    assert [signer_of(layout, one.seq) for one in recorded] == [old, new.keyid, new.keyid, new.keyid]
    assert damage_of(layout, recorder) == ([], set())


def test_the_last_key_that_is_here_is_not_revoked(layout: StoreLayout, recorder: Recorder) -> None:
    new = create_recorder_key(layout)
    (layout.keys / f"recorder-{new.keyid[:16]}.pem").unlink()
    recorder.record([enrol(proven(new, log=ORIGIN, purpose="recorder"))])  # another machine has it
    size = recorder.end()[0]
    with pytest.raises(KeyNotValidError, match="was revoked by entry"):
        recorder.record([revoke(recorder.signer.keyid)])
    assert recorder.end()[0] == size
    assert recorder.record([setting()])


def test_a_machine_without_a_valid_key_records_nothing(layout: StoreLayout, recorder: Recorder) -> None:
    old, new = recorder.signer.keyid, create_recorder_key(layout)
    recorder.record([enrol(proven(new, log=ORIGIN, purpose="recorder")), revoke(old)])
    (layout.keys / f"recorder-{new.keyid[:16]}.pem").unlink()
    with pytest.raises(KeyNotValidError, match="was revoked by entry"):
        Recorder.open(layout)


def test_a_key_that_this_log_never_named_records_nothing(layout: StoreLayout) -> None:
    (layout.keys / RECORDER_KEY).unlink()
    create_key(layout.keys / RECORDER_KEY)
    with pytest.raises(KeyNotValidError, match="never enrolled"):
        Recorder.open(layout)


def test_an_enrolled_key_without_its_file_leaves_the_old_one_in_use(layout: StoreLayout, recorder: Recorder) -> None:
    new = create_recorder_key(layout)
    (layout.keys / f"recorder-{new.keyid[:16]}.pem").unlink()
    recorder.record([enrol(proven(new, log=ORIGIN, purpose="recorder"))])
    with Recorder.open(layout) as other:
        assert other.signer.keyid == load_key(layout.keys / RECORDER_KEY).keyid


@pytest.mark.parametrize(
    "event",
    [
        lambda key: enrol(ProvenKey(public=proven(key, log=ORIGIN, purpose="recorder").public, proof=bytes(64))),
        lambda key: enrol(proven(key, log=ORIGIN, purpose="root")),
        lambda key: revoke(key.keyid),
        lambda key: enrol(
            ProvenKey(public=proven(key, log=ORIGIN, purpose="personal").public, proof=bytes(64)), "personal"
        ),
    ],
    ids=["no proof", "another purpose", "unknown", "personal without proof"],
)
def test_a_change_of_keys_that_does_not_hold_is_not_recorded(
    layout: StoreLayout, recorder: Recorder, event: Callable[[FileSigner], Event]
) -> None:
    key = create_recorder_key(layout)
    size = recorder.end()[0]
    with pytest.raises(UntrustedError):
        recorder.record([setting(), event(key)])
    assert recorder.end()[0] == size
    recorder.record([setting(), enrol(proven(key, log=ORIGIN, purpose="recorder"))])  # nothing of it was kept in mind


def test_a_key_entry_whose_transaction_failed_is_forgotten(layout: StoreLayout, recorder: Recorder) -> None:
    good = enrol(proven(create_recorder_key(layout), log=ORIGIN, purpose="recorder"))
    with pytest.raises(UntrustedError):
        recorder.record([good, revoke("0" * 64)])
    assert recorder.record([setting()])
    assert len(recorder.register().keys) == 1
    recorder.record([good])
    assert len(recorder.register().keys) == 2


# ---------------------------------------------------------------------------------------------------------- sealing


@pytest.mark.parametrize("revoked", [False, True], ids=["never enrolled", "revoked"])
def test_what_another_process_signed_with_a_key_that_is_not_valid_is_not_sealed(
    layout: StoreLayout, recorder: Recorder, revoked: bool
) -> None:
    foreign: FileSigner = create_recorder_key(layout)
    if revoked:
        recorder.record([enrol(proven(foreign, log=ORIGIN, purpose="recorder"))])
        recorder.record([revoke(foreign.keyid)])
    seal(recorder)
    seq = forge(recorder, setting(), foreign)
    recorder.own_digests.pop(seq)
    with pytest.raises(LedgerError, match=f"entry {seq} is signed by a key that"):
        seal(recorder)


# ------------------------------------------------------------------------------------------- what people vouch for


def vouched(recorder: Recorder, *, enrolled: bool = True) -> Event:
    """Return a granted role that the officer vouches for."""
    officer = person("p256")
    if enrolled:
        recorder.record([enrol(proven(officer, log=ORIGIN, purpose="personal"), "personal", holder=ACTOR)])
    event = role_granted(ACTOR, roles=["auditor"], by=ACTOR, role="custodian")
    proposal = new_proposal(recorder, event)
    envelope = endorse(proposal.matter, officer, seen=proposal.seen, signed_at=now())
    return replace(proposal.event, endorsements=(envelope,))


def damage_of(layout: StoreLayout, recorder: Recorder) -> tuple[list[tuple[str, str]], set[str]]:
    seal(recorder)
    verdict = check_log(layout)
    return [(finding.code, finding.object) for finding in verdict.findings], codes(Checker(layout.root).check())


def test_an_entry_that_a_person_vouches_for_is_verified_by_both(layout: StoreLayout, recorder: Recorder) -> None:
    recorder.record([vouched(recorder)])
    assert damage_of(layout, recorder) == ([], set())
    told = [one.told() for one in check_log(layout).endorsed]
    assert told == [f"entry {recorder.end()[0] - 1} (role.granted): 1 persons"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: replace(event, event="event_" + "0" * 32, openings=None),  # of another event
        lambda event: fixed(replace(event, openings=None), CHANCE),  # of other commitments
        lambda event: replace(event, role=None, endorsements=(*event.endorsements, event.endorsements[0])),
        lambda event: replace(event, endorsements=(b"not an endorsement",)),
    ],
    ids=["event", "commitments", "twice", "nonsense"],
)
def test_an_endorsement_that_does_not_hold_is_not_recorded_and_found_where_somebody_wrote_it(
    layout: StoreLayout, recorder: Recorder, spoil: Callable[[Event], Event]
) -> None:
    event = spoil(vouched(recorder))
    with pytest.raises(UntrustedError):
        recorder.record([event])
    seq = forge(recorder, event)
    assert damage_of(layout, recorder) == ([("endorsement-not-sound", f"entry {seq}")], {"entry.endorsements"})


def test_an_endorsement_by_a_key_that_nobody_enrolled_is_found(layout: StoreLayout, recorder: Recorder) -> None:
    seq = forge(recorder, vouched(recorder, enrolled=False))
    assert damage_of(layout, recorder) == ([("endorsement-not-sound", f"entry {seq}")], {"entry.endorsements"})


def test_a_personal_key_without_a_valid_proof_is_found(layout: StoreLayout, recorder: Recorder) -> None:
    wrong = ProvenKey(public=proven(person("p256"), log=ORIGIN, purpose="personal").public, proof=b"no proof")
    seq = forge(recorder, enrol(wrong, "personal", holder=ACTOR))
    assert damage_of(layout, recorder) == ([("endorsement-not-sound", f"entry {seq}")], {"entry.key"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE openings.opening SET class = 'text' WHERE member = 'endorsements'", "opening-mismatch"),
        ("DELETE FROM openings.opening WHERE member = 'endorsements'", "opening-mismatch"),
    ],
)
def test_an_opening_of_endorsements_that_was_changed_or_taken_away_is_found(
    layout: StoreLayout, recorder: Recorder, change: str, code: str
) -> None:
    recorder.record([vouched(recorder)])
    seq = recorder.end()[0] - 1
    assert recorder.connection.execute(change).rowcount == 1
    assert (code, f"entry {seq}") in damage_of(layout, recorder)[0]


def test_without_openings_it_is_said_that_nobody_knows_who_vouched(layout: StoreLayout, recorder: Recorder) -> None:
    recorder.record([vouched(recorder)])
    seal(recorder)
    layout.openings_db.unlink()
    for path in layout.keys.iterdir():
        path.unlink()
    verdict = check_log(layout)
    assert verdict.endorsed == []
    assert any("who vouched for what" in sentence for sentence in verdict.not_checked)


def test_a_key_that_is_not_personal_vouches_for_nothing(layout: StoreLayout, recorder: Recorder) -> None:
    event = role_granted(ACTOR, roles=["auditor"], by=ACTOR, role="custodian")
    with pytest.raises(RefusedError, match="no personal key"):
        endorsed_by(recorder, event, [person("p256")])


# -------------------------------------------------------------------------------------------------------- proposals


def test_a_proposal_is_kept_listed_and_forgotten(layout: StoreLayout, recorder: Recorder) -> None:
    event = enrol(proven(create_recorder_key(layout), log=ORIGIN, purpose="recorder"))
    proposal = new_proposal(recorder, event)
    keep(layout, proposal)
    assert [one.event.event for one in pending(layout)] == [event.event]
    kept = kept_proposal(layout, event.event)
    assert kept.matter == proposal.matter
    forget(layout, event.event)
    assert pending(layout) == []
    with pytest.raises(NotFoundError):
        kept_proposal(layout, event.event)
    forget(layout, event.event)  # twice is as good as once


@pytest.mark.parametrize("name", ["../escape", "event_" + "0" * 31, ""])
def test_a_proposal_is_looked_for_under_an_event_identifier_only(layout: StoreLayout, name: str) -> None:
    with pytest.raises(NotFoundError):
        kept_proposal(layout, name)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:-20],
        lambda data: data.replace(b"strongroom-proposal/1", b"strongroom-proposal/2"),
        lambda data: data.replace(b'"key.enrolled"', b'"key.revoked"'),
        lambda data: data.replace(b'"key.enrolled"', b'"key.unheard"'),
        lambda data: data.replace(b'"purpose":"recorder"', b'"purpose":"king"'),
        lambda data: data.replace(b'["actor",', b'["links",'),
        lambda data: data.replace(b'"role":null', b'"role":7').replace(b'"seen":{', b'"seen":{"x":"y",'),
        lambda data: b"[" * 100_000,
    ],
)
def test_a_spoiled_proposal_is_refused_as_declared(
    layout: StoreLayout, recorder: Recorder, change: Callable[[bytes], bytes]
) -> None:
    good = encode_proposal(
        new_proposal(recorder, enrol(proven(create_recorder_key(layout), log=ORIGIN, purpose="recorder")))
    )
    assert parse_proposal(good).log == ORIGIN
    assert change(good) != good
    with pytest.raises(ProposalError):
        parse_proposal(change(good))
