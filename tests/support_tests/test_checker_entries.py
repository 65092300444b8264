"""Each rule of an entry: one entry breaks it, rightly signed and sealed, and the checker says which."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from checker import Checker, codes
from small_log import (
    DROP,
    ITEM_A,
    LOG_KEY,
    LOG_SUBJECT,
    MASTER_A,
    ORIGIN,
    STRANGER,
    Edit,
    SmallStore,
    base64_text,
    hex_digest,
    key_facts,
    member,
    opened_facts,
    small_store,
    vkey_of,
)


def add(statement: dict[str, Any]) -> None:
    statement["predicate"]["extra"] = 1


def without_drop(statement: dict[str, Any]) -> None:
    del statement["predicate"]["drop"]


def other_subject_digest(statement: dict[str, Any]) -> None:
    statement["subject"][0]["digest"]["sha256"] = "ab" * 32


def subjects_descend(statement: dict[str, Any]) -> None:
    digest = {"sha256": hex_digest(DROP.encode())}
    statement["subject"] = [statement["subject"][0], {"name": DROP, "digest": digest}]
    statement["predicate"]["subject_prev"][DROP] = {"count": 2, "entry": "0" * 64}


def other_count(statement: dict[str, Any]) -> None:
    statement["predicate"]["subject_prev"]["log"]["count"] += 1


def other_head(statement: dict[str, Any]) -> None:
    statement["predicate"]["subject_prev"]["log"]["entry"] = "ab" * 32


def no_actor(statement: dict[str, Any]) -> None:
    del statement["predicate"]["commitments"]["actor"]


def reference(seq: int, entry: str, log: str = ORIGIN) -> dict[str, object]:
    return {"log": log, "seq": seq, "entry": entry}


ENTRY_RULES: list[tuple[str, Edit, str]] = [
    ("a member too many", add, "entry.form"),
    ("a member too few", without_drop, "entry.form"),
    ("an empty object", member("facts", {}), "entry.form"),
    ("an empty list", member("facts", {"list": []}), "entry.form"),
    ("a float", member("facts", {"x": 1.5}), "entry.form"),
    ("an integer of 2^53", member("facts", {"x": 2**53}), "entry.form"),
    ("a letter beyond ASCII", member("facts", {"x": "\u00e9"}), "entry.form"),
    ("a quote", member("facts", {"x": '"'}), "entry.form"),
    ("open free text", member("facts", {"x": "Harbour Road 7"}), "entry.form"),
    ("an open identifier", member("facts", {"x": ITEM_A}), "entry.form"),
    ("a time without six digits", member("recorded_at", "2026-11-24T08:15:30.123Z"), "entry.form"),
    ("a day that is none", member("recorded_at", "2026-02-30T08:15:30.000000Z"), "entry.form"),
    ("another clock word", member("clock", "perhaps"), "entry.form"),
    ("an event that is none", member("event", "event_1"), "entry.form"),
    ("a build that is no digest", member("software", {"name": "s", "version": "1", "build": "x"}), "entry.form"),
    ("endorsements that count nothing", member("endorsements", {"count": 0, "commitment": "ab" * 32}), "entry.form"),
    ("no actor", no_actor, "entry.form"),
    ("a subject below the one before", subjects_descend, "entry.form"),
    ("another log", member("log", "strongroom/0000000000000"), "entry.log"),
    ("a gap", member("seq", 7), "entry.seq"),
    ("another entry before", member("prev", "ab" * 32), "entry.prev"),
    ("an event that is taken", member("event", "event_" + hex_digest(b"event 0")[:32]), "entry.event"),
    ("a drop that was never received", member("drop", "drop_0000000000000"), "entry.drop"),
    ("a registered subject with another digest", other_subject_digest, "entry.subject"),
    ("a wrong count in a chain", other_count, "entry.chain"),
    ("a wrong head of a chain", other_head, "entry.chain"),
    ("a second log.opened", member("type", "log.opened"), "entry.opened"),
    ("a correction of what is not there", member("corrects", reference(5, "ab" * 32)), "entry.corrects"),
    ("a correction of itself", member("corrects", reference(6, "ab" * 32)), "entry.corrects"),
    (
        "an endorsement that nobody can open",
        member("endorsements", {"count": 1, "commitment": "ab" * 32}),
        "opening.missing",
    ),
]


@pytest.mark.parametrize(("edit", "code"), [case[1:] for case in ENTRY_RULES], ids=[case[0] for case in ENTRY_RULES])
def test_each_rule_of_an_entry_is_held(tmp_path: Path, edit: Edit, code: str) -> None:
    store = small_store(tmp_path / "store")
    store.record("selftest.run", LOG_SUBJECT, facts={"outcome": "passed"}, edit=edit)
    store.seal()
    problems = Checker(store.root).check()
    assert any(problem.code == code and problem.object == "entry 6" for problem in problems), problems


def test_an_entry_signed_by_a_stranger_is_found(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    store.record("selftest.run", LOG_SUBJECT, key=STRANGER)
    store.seal()
    assert codes(Checker(store.root).check()) == {"entry.key"}


def test_a_changed_signature_is_found(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    entry = json.loads(store.raws[5])
    sig = entry["signatures"][0]["sig"]
    entry["signatures"][0]["sig"] = ("A" if sig[0] != "A" else "B") + sig[1:]
    raw = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    store.append(raw, "event_" + "0" * 32, "drop.completed")
    store.seal()
    assert "entry.signature" in codes(Checker(store.root).check())


def test_a_revoked_key_signs_nothing_more(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    keyid = opened_keyid()
    store.record("key.revoked", LOG_SUBJECT, facts={"keyid": keyid, "good_size": None})
    store.seal()
    assert Checker(store.root).check() == []  # the revocation itself is still signed with it
    store.record("selftest.run", LOG_SUBJECT)
    store.seal()
    assert codes(Checker(store.root).check()) == {"entry.key"}


def opened_keyid() -> str:
    keys = opened_facts()["recorder_keys"]
    assert isinstance(keys, list)
    return str(keys[0]["keyid"])


@pytest.mark.parametrize(
    "raw",
    [
        b" {}",
        b"{}",
        b'{"payload":"e30=","payload":"e30="}',
        b"[" * 100_000,
        b'{"b":1,"a":2}',
        bytes(70_000),
        b"\xff",
    ],
)
def test_bytes_that_are_no_entry_are_a_problem_and_no_crash(tmp_path: Path, raw: bytes) -> None:
    store = small_store(tmp_path / "store")
    store.append(raw, "event_" + "0" * 32, "a.b")
    assert codes(Checker(store.root).check()) == {"entry.form"}


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"format": "1"}, "entry.opened"),
        ({"origin": "strongroom/0000000000000"}, "entry.opened"),
        ({"recorder_keys": None}, "entry.opened"),
        ({"log_vkey": vkey_of(STRANGER)}, "checkpoint.signature"),
        ({"log_vkey": vkey_of(LOG_KEY, "elsewhere")}, "checkpoint.origin"),
        ({"log_vkey": "x"}, "checkpoint.key"),
        ({"recorder_keys": [{"algorithm": "ed25519", "keyid": "ab" * 32, "spki": "AAAA"}]}, "entry.key"),
    ],
)
def test_entry_0_names_origin_and_keys(tmp_path: Path, facts: dict[str, object], code: str) -> None:
    store = SmallStore(tmp_path / "store")
    store.record("log.opened", LOG_SUBJECT, facts={**opened_facts(), **facts}, values={"reason": None})
    store.seal()
    assert code in codes(Checker(store.root).check())


def base64_url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


SALT = base64_url(bytes(16))
EVENT = "event_" + hex_digest(b"event 6")[:32]


@pytest.mark.parametrize(
    "text",
    [
        base64_url(b'["%s", "%s/actor", null]' % (SALT.encode(), EVENT.encode())),  # another member
        base64_url(b'["%s", "%s/links/0", null]' % (SALT.encode(), EVENT.encode())),  # it is no list
        base64_url(b'["AAAA", "%s/links", null]' % EVENT.encode()),  # a short salt
        base64_url(b'["%s", "%s/links", 1.5]' % (SALT.encode(), EVENT.encode())),
        base64_url(b'["%s", "%s/links", "\\u0000"]' % (SALT.encode(), EVENT.encode())),
        base64_url(b'["%s", "%s/links", "\\ud800"]' % (SALT.encode(), EVENT.encode())),
        base64_url(b'["%s", "%s/links", {"a": 1, "a": 1}]' % (SALT.encode(), EVENT.encode())),
        base64_url(b'["%s", "%s/links"]' % (SALT.encode(), EVENT.encode())),
        base64_url(b'["%s", "%s/links", null]' % (SALT.encode(), EVENT.encode())) + "=",
        "!",
    ],
)
def test_an_opening_that_a_reader_must_refuse_is_found(tmp_path: Path, text: str) -> None:
    store = small_store(tmp_path / "store")
    commitment = hashlib.sha256(text.encode())

    def commit_to_text(statement: dict[str, Any]) -> None:
        statement["predicate"]["commitments"]["links"] = commitment.hexdigest()

    store.record("selftest.run", LOG_SUBJECT, edit=commit_to_text)
    update = "UPDATE opening SET commitment = ?, text = ? WHERE seq = 6 AND member = 'links'"
    assert store.sql("openings.db", update, commitment.digest(), text) == 1
    store.seal()
    assert codes(Checker(store.root).check()) == {"opening.form"}


def test_a_commitment_that_stands_twice_is_found(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")

    def repeat(statement: dict[str, Any]) -> None:
        commitments = statement["predicate"]["commitments"]
        commitments["links"] = commitments["actor"]

    store.record("selftest.run", LOG_SUBJECT, edit=repeat)
    assert "entry.commitment" in codes(Checker(store.root).check())


@pytest.mark.parametrize(
    ("facts", "document", "code"),
    [
        ({"keyframes": 1}, {"keyframes": []}, "derived.count"),
        ({"keyframes": 1}, {"keyframes": [{"sha256": "ab" * 32}]}, "derived.missing"),
        (None, {"keyframes": [{"sha256": "x"}]}, "derived.form"),
        (None, {"findings": []}, "derived.form"),
        (None, [], "derived.form"),
    ],
)
def test_a_result_lists_its_keyframes(tmp_path: Path, facts: object, document: object, code: str) -> None:
    store = small_store(tmp_path / "store")
    result = store.add_object("derived", json.dumps(document).encode())
    subjects = {ITEM_A: hex_digest(MASTER_A)}
    store.record("analysis.completed", subjects, drop=DROP, facts=facts, values={"result": result})
    store.seal()
    assert codes(Checker(store.root).check()) == {code}


def test_an_enrolled_key_signs_from_the_next_entry_on(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    message = f"strongroom-key/1\n{ORIGIN}\n{key_facts(STRANGER)['keyid']}\nrecorder\n".encode()
    enrolment = {**key_facts(STRANGER), "purpose": "recorder", "proof": base64_text(STRANGER.sign(message))}
    store.record("selftest.run", LOG_SUBJECT, key=STRANGER)
    store.record("key.enrolled", LOG_SUBJECT, facts=enrolment)
    store.record("selftest.run", LOG_SUBJECT, key=STRANGER)
    store.seal()
    problems = Checker(store.root).check()
    assert [(problem.code, problem.object) for problem in problems] == [("entry.key", "entry 6")]
