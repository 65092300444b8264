"""Whom a log is believed, and at which position: every case is judged by the product and by the checker alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from golden import LOG_SIGNER, ORIGIN, RECORDER_SIGNER, build_golden, golden_events
from hypothesis import given, settings
from hypothesis import strategies as st
from key_log import (
    CHANCE,
    KeyLog,
    by,
    endorsed,
    endorsement,
    enrolment,
    person,
    public,
    revocation,
    signer,
    unknown_key,
)
from msgspec.structs import replace

from base.errors import UncheckedError
from hashing.digest import Digest
from hashing.dsse import encode_envelope
from hashing.note import vkey
from hashing.strict_json import Json
from ledger.entry import Entry, fixed, parse_entry
from ledger.events.event import Event
from ledger.events.log import NamedKey
from ledger.keys.persons import proven
from ledger.keys.signer import AnySigner
from ledger.trust import KeyRegister, UntrustedError, proof_message, require_endorsements, trust_of

ROOTS: list[AnySigner] = [signer(1), person("p256"), person("rsa")]
NEW, OTHER, STRANGER = signer(10), signer(11), signer(12)


def first_entry(**facts: Json) -> Entry:
    event = golden_events()["log.opened"]
    return parse_entry(build_golden(replace(event, facts={**event.facts, **facts})).raw)


def test_the_first_entry_names_the_log_and_its_keys() -> None:
    trust = trust_of(first_entry())
    assert (trust.origin, trust.log_key.name) == (ORIGIN, ORIGIN)
    assert trust.recorder_keys == {RECORDER_SIGNER.keyid: RECORDER_SIGNER.public}
    assert (trust.root_keys, trust.root_threshold) == ({}, 0)


def key_row(**members: str) -> Json:
    return {"algorithm": "ed25519", "keyid": "k", "spki": "AAAA", **members}


def own_rows() -> list[Json]:
    rows = golden_events()["log.opened"].facts["recorder_keys"]
    assert isinstance(rows, list)
    return rows


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"origin": "strongroom/0000000000000"}, "opens another log"),
        ({"log_vkey": vkey("strongroom/0000000000000", LOG_SIGNER.public)}, "names the key of"),
        ({"recorder_keys": [key_row(algorithm="rsa")]}, "not the digest"),
        ({"recorder_keys": [key_row(spki="-")]}, "not standard base64"),
        ({"recorder_keys": [key_row()]}, "that is none"),
        ({"root_threshold": 1}, "demands 1 endorsements and names 0"),
        ({"root_keys": own_rows()}, "for two purposes"),
        ({"recorder_keys": own_rows() * 2}, "twice"),
    ],
)
def test_a_first_entry_that_contradicts_itself_is_not_believed(facts: dict[str, Json], what: str) -> None:
    with pytest.raises(UntrustedError, match=what):
        trust_of(first_entry(**facts))


def test_another_first_entry_is_not_believed() -> None:
    with pytest.raises(UntrustedError, match=r"not log\.opened"):
        trust_of(parse_entry(build_golden(golden_events()["drop.received"]).raw))


# ------------------------------------------------------------------------------------------------------- positions


def test_a_key_signs_from_the_entry_behind_its_enrolment_up_to_its_revocation() -> None:
    log = KeyLog()
    log.add(enrolment(NEW))
    log.add(signer=NEW)
    log.add(revocation(NEW), signer=NEW)  # the revocation itself may still be signed with it
    log.add()
    assert log.damaged() == []


@pytest.mark.parametrize(
    ("build", "damaged"),
    [
        (lambda log: [log.add(signer=NEW)], [1]),  # never enrolled
        (lambda log: [log.add(enrolment(NEW), signer=NEW)], [1]),  # by itself
        (lambda log: [log.add(signer=NEW), log.add(enrolment(NEW)), log.add(signer=NEW)], [1]),  # too early
        (lambda log: [log.add(enrolment(NEW)), log.add(revocation(RECORDER_SIGNER), signer=NEW), log.add()], [3]),
        (lambda log: [log.add(enrolment(NEW)), log.add(enrolment(NEW))], [2]),  # twice
        (lambda log: [log.add(enrolment(LOG_SIGNER))], [1]),  # one key, two purposes
        (lambda log: [log.add(revocation(NEW))], [1]),  # of a key that was never there
        (lambda log: [log.add(enrolment(NEW)), log.add(revocation(NEW)), log.add(revocation(NEW))], [3]),
        (lambda log: [log.add(enrolment(NEW)), log.add(revocation(NEW)), log.add(enrolment(NEW))], [3]),  # for ever
        (lambda log: [log.add(enrolment(person("p256")))], [1]),  # entries are signed with Ed25519
        (lambda log: [log.add(enrolment(NEW, "root")), log.add(signer=NEW)], [2]),  # another purpose
        # A change that nobody vouches for changes nothing.
        (lambda log: [log.add(enrolment(NEW), signer=STRANGER), log.add(signer=NEW)], [1, 2]),
        (lambda log: [log.add(revocation(RECORDER_SIGNER), signer=STRANGER), log.add()], [1]),
    ],
)
def test_a_key_that_is_not_valid_at_a_position_is_found_there(
    build: Callable[[KeyLog], list[Entry]], damaged: list[int]
) -> None:
    log = KeyLog()
    build(log)
    assert log.damaged() == damaged


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        bytes(64),
        NEW.sign(proof_message(ORIGIN, NEW.keyid, "root")),  # for another purpose
        NEW.sign(proof_message("strongroom/0000000000000", NEW.keyid, "recorder")),  # for another log
        STRANGER.sign(proof_message(ORIGIN, NEW.keyid, "recorder")),  # by another key
    ],
    ids=["none", "zeroes", "purpose", "log", "key"],
)
def test_a_wrong_proof_of_possession_is_found_and_the_key_signs_nothing(proof: bytes) -> None:
    log = KeyLog()
    log.add(enrolment(NEW, proof=proof or b"?"))
    log.add(signer=NEW)
    assert log.damaged() == [1, 2]
    assert log.product()[0][0] == ("key-not-sound", 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["enrol", "revoke", "sign"]), st.integers(0, 2)), max_size=12))
def test_validity_by_position_is_that_of_a_plain_list(steps: list[tuple[str, int]]) -> None:
    """The model: per key the position where it was enrolled and where it was revoked, and nothing else."""
    keys = [signer(20 + n) for n in range(3)]
    log = KeyLog()
    enrolled: dict[int, int] = {}
    revoked: dict[int, int] = {}
    expected = []
    for step, n in steps:
        seq = len(log.raws)
        if step == "sign":
            log.add(signer=keys[n])
            valid = enrolled.get(n, seq) < seq and revoked.get(n, seq) >= seq
        elif step == "enrol":
            log.add(enrolment(keys[n]))
            valid = n not in enrolled
            enrolled.setdefault(n, seq)
        else:
            log.add(revocation(keys[n]))
            valid = n in enrolled and n not in revoked
            revoked.update({n: seq} if valid else {})
        expected += [] if valid else [seq]
    assert log.damaged() == expected


def test_what_a_lost_key_signed_after_the_good_size_is_said_to_be_in_doubt() -> None:
    log = KeyLog()
    log.add(enrolment(NEW))
    log.add()
    log.add(revocation(RECORDER_SIGNER, good_size=2), signer=NEW)
    assert log.product() == ([], True)
    register = register_of(log)
    assert list(register.doubted()) == [(RECORDER_SIGNER.keyid, 2, 4)]


def register_of(log: KeyLog) -> KeyRegister:
    register = KeyRegister(parse_entry(log.raws[0]))
    for raw in log.raws[1:]:
        register.apply(parse_entry(raw))
    return register


def test_the_register_answers_for_every_position_also_in_the_past() -> None:
    log = KeyLog()
    log.add(enrolment(NEW))
    log.add(revocation(RECORDER_SIGNER))
    register = register_of(log)
    names = {RECORDER_SIGNER.keyid: "old", NEW.keyid: "new"}
    found = [sorted(names[keyid] for keyid in register.recorder_keys_at(seq)) for seq in range(4)]
    assert found == [["old"], ["old"], ["new", "old"], ["new"]]


# ----------------------------------------------------------------------------------------------- unknown algorithms


def test_a_key_of_an_unknown_algorithm_is_kept_and_what_it_signs_could_not_be_checked() -> None:
    row = unknown_key()
    future = NamedKey(algorithm=str(row["algorithm"]), keyid=str(row["keyid"]), spki=str(row["spki"]))

    class Future:
        keyid = future.keyid

        def sign(self, message: bytes) -> bytes:
            return bytes(64)

    log = KeyLog(recorders=[future])
    log.add(signer=Future())
    log.add()
    assert (log.product(), log.checker()) == (([], True), ([], True))


def also_signed_by(raw: bytes, keyid: str, *, spoiled: bool = False) -> bytes:
    """Return an entry with a second signature, of which nobody here can say anything, behind or before the first."""
    envelope = parse_entry(raw).envelope
    first = envelope.signatures[0]
    sig = first.sig[:-1] + bytes([first.sig[-1] ^ spoiled])
    pairs = [(first.keyid, sig), (keyid, bytes(2420))]
    return encode_envelope(envelope.payload_type, envelope.payload, sorted(pairs))


@pytest.mark.parametrize(
    ("named", "spoiled", "findings"),
    [(True, False, 0), (True, True, 1), (False, False, 1)],
    ids=["beside a good one", "beside a bad one", "by a key that the log does not name"],
)
def test_a_further_signature_of_an_unknown_algorithm_is_neither_good_nor_bad(
    named: bool, spoiled: bool, findings: int
) -> None:
    row = unknown_key()
    future = NamedKey(algorithm=str(row["algorithm"]), keyid=str(row["keyid"]), spki=str(row["spki"]))
    log = KeyLog(recorders=[future] if named else [])
    log.add()
    log.raws[-1] = also_signed_by(log.raws[-1], future.keyid, spoiled=spoiled)
    found, has_unchecked = log.product()
    assert len(found) == findings
    assert has_unchecked == (findings == 0)


def test_an_enrolment_of_an_unknown_algorithm_could_not_be_checked() -> None:
    event = enrolment(NEW)
    log = KeyLog()
    log.add(replace(event, facts={**event.facts, **unknown_key()}))
    assert (log.product(), log.checker()) == (([], True), ([], True))
    with pytest.raises(UncheckedError):
        register_of(log)


# ---------------------------------------------------------------------------------------------------- endorsements


class FutureRoot:
    """A root key of an algorithm that nobody knows here: anybody may have written what it is said to have signed."""

    algorithm, spki = "ml-dsa-44", b"a key of the future"
    keyid = str(Digest.of(spki))

    def sign(self, message: bytes) -> bytes:
        return bytes(64)


@pytest.mark.parametrize(("threshold", "findings", "has_unchecked"), [(1, 0, True), (2, 1, False)])
def test_an_endorsement_of_an_unknown_algorithm_does_not_stand_for_those_that_are_missing(
    threshold: int, findings: int, has_unchecked: bool
) -> None:
    log = KeyLog(roots=[*ROOTS, FutureRoot()], threshold=threshold)
    log.add(by(enrolment(NEW), FutureRoot()))
    found, unchecked = log.product()
    assert (len(found), unchecked) == (findings, has_unchecked)
    assert len(log.checker()[0]) == findings


def rooted(*events: Event, threshold: int = 2) -> KeyLog:
    log = KeyLog(roots=ROOTS, threshold=threshold)
    for event in events:
        log.add(event)
    return log


def test_enough_root_keys_of_whatever_algorithm_let_the_keys_change() -> None:
    log = rooted(by(enrolment(NEW), *ROOTS[:2]), by(revocation(NEW), *ROOTS[1:]), by(enrolment(OTHER), *ROOTS))
    assert (log.product(), log.checker()) == (([], False), ([], False))


def edited(event: Event, **facts: Json) -> Event:
    return replace(event, facts={**event.facts, **facts})


def without_openings(event: Event) -> Event:
    return replace(event, openings=None)


ENROL = enrolment(NEW)
BY_TWO = by(ENROL, *ROOTS[:2])
ENVELOPES = [endorsement(ENROL, key) for key in sorted(ROOTS[:2], key=lambda key: key.keyid)]


@pytest.mark.parametrize(
    "event",
    [
        ENROL,  # by nobody
        by(ENROL, ROOTS[0]),  # by one
        by(ENROL, ROOTS[0], STRANGER),
        endorsed(ENROL, [ENVELOPES[0], ENVELOPES[0]]),  # one key twice
        endorsed(ENROL, ENVELOPES[::-1]),
        endorsed(enrolment(OTHER), ENVELOPES),  # for another event
        endorsed(replace(ENROL, event="event_" + "0" * 32, openings=None), ENVELOPES),
        edited(BY_TWO, algorithm="ecdsa-p256-sha256"),  # other facts
        fixed(without_openings(BY_TWO), CHANCE),  # other commitments
        endorsed(ENROL, [endorsement(ENROL, key, log="strongroom/0000000000000") for key in ROOTS[:2]]),
        endorsed(ENROL, [b"not an endorsement"]),
        endorsed(ENROL, [*ENVELOPES, b"{ }{ }"]),
    ],
)
def test_a_change_of_keys_without_the_endorsements_it_needs_is_found_and_changes_nothing(event: Event) -> None:
    log = rooted(event)
    log.add(signer=NEW)
    assert log.damaged() == [1, 2]


def test_a_spoiled_signature_of_an_endorsement_is_found() -> None:
    good = ENVELOPES[0]
    at = good.index(b'"sig":"') + 12
    spoiled = good[:at] + (b"A" if good[at : at + 1] != b"A" else b"B") + good[at + 1 :]
    assert rooted(endorsed(ENROL, [spoiled, ENVELOPES[1]])).damaged() == [1]


def test_a_revoked_root_key_endorses_nothing_more() -> None:
    log = rooted(by(revocation(ROOTS[0], "root"), *ROOTS[1:]), BY_TWO)
    assert log.damaged() == [2]


def test_a_wrong_endorsement_is_found_also_where_none_is_needed() -> None:
    assert rooted(by(ENROL, STRANGER), threshold=0).damaged() == [1]


def test_two_root_keys_of_one_person_count_once() -> None:
    register = KeyRegister(parse_entry(rooted().raws[0]))
    log = rooted(
        by(enrolment(OTHER, "root", holder="actor_7K3M9QZV2D8HN"), *ROOTS),
        by(enrolment(STRANGER, "root", holder="actor_7K3M9QZV2D8HN"), *ROOTS),
        by(ENROL, OTHER, STRANGER),
    )
    assert log.damaged() == []  # without openings nobody knows the holders
    entries = [parse_entry(raw) for raw in log.raws[1:]]
    for entry in entries[:2]:
        register.apply(entry, {"holder": "actor_7K3M9QZV2D8HN"})
    with pytest.raises(UntrustedError, match="by 1 persons"):
        register.apply(entries[2])


def test_the_root_keys_of_a_predecessor_endorse_the_first_entry_of_its_successor() -> None:
    register = register_of(rooted(by(enrolment(NEW), *ROOTS)))
    successor = rooted()
    first = parse_entry(successor.raws[0])
    with pytest.raises(UntrustedError, match="2 must endorse"):
        require_endorsements(first, root_keys=register.root_keys_at_end(), threshold=register.trust.root_threshold)
    assert require_endorsements(first, root_keys=register.root_keys_at_end(), threshold=0) == 0


def test_a_personal_key_is_not_known_without_its_opening() -> None:
    log = KeyLog()
    entry = log.add(enrolment(person("rsa"), "personal"))
    shown = [entry.facts[name] for name in ("keyid", "spki", "proof")]
    assert shown == [None, None, None]
    assert log.damaged() == []
    key = person("rsa")
    register = register_of(log)
    assert register.keys_at(2, "personal") == {}
    open_register = KeyRegister(parse_entry(log.raws[0]))
    open_register.apply(entry, proven(key, log=ORIGIN, purpose="personal").as_json())
    assert open_register.keys_at(2, "personal") == {key.keyid: public(key)}
    assert key.keyid != str(Digest.of(b""))
