"""Whoever looks is written down first; who may not look gets nothing, and that is written down too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from store_of_footage import FootageStore, footage_store

from base import fsio
from base.errors import SurroundingsError
from catalog.consultation import AccessDeniedError, Consultation
from hashing.digest import Digest
from ledger.actors import Login
from ledger.events.actor import actor_registered
from ledger.identifiers import new_identifier
from ledger.layout import StoreLayout
from ledger.machine import MovedError
from ledger.openings import OpenedEntry
from ledger.reader import LogReader
from ledger.record import Recorder

TESTER, AUDITOR, STRANGER = 4001, 4002, 4003


@pytest.fixture
def looked_at(tmp_path: Path) -> Iterator[FootageStore]:
    with footage_store(tmp_path / "store", uid=TESTER) as store:
        auditor = actor_registered(new_identifier("actor"), uid=AUDITOR, user="aud", roles=["auditor"], by=None)
        store.record(auditor)
        store.settle()
        yield store


def log_in(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr("catalog.consultation.current_login", lambda _owner: Login(uid=uid, user="someone"))


def entries(store: FootageStore, kind: str) -> list[OpenedEntry]:
    with LogReader(store.layout) as log:
        return [opened for opened in log.opened(0, log.recorded()) if opened.entry.type == kind]


def is_sealed(store: FootageStore, entry: OpenedEntry) -> bool:
    with LogReader(store.layout) as log:
        return log.sealed().size > entry.entry.seq


def test_a_search_is_recorded_with_its_question_and_its_results(
    looked_at: FootageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, TESTER)
    with Consultation(looked_at.layout, "find") as consultation:
        consultation.searched(terms={"words": ["van"]}, results=["item_7K3M9QZV2D8HN"])
        (found,) = entries(looked_at, "consulted.search")
        assert is_sealed(looked_at, found)
    assert found.entry.facts == {"command": "find", "count": 1, "rule": "investigator"}
    assert found.values["terms"] == {"words": ["van"]}
    assert found.values["results"] == ["item_7K3M9QZV2D8HN"]
    assert found.values["actor"] == consultation.actor.actor
    assert found.entry.role == "investigator"


def test_a_view_has_its_items_as_subjects(looked_at: FootageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch, TESTER)
    items = {new_identifier("item"): Digest.of(bytes([number])) for number in range(150)}
    with Consultation(looked_at.layout, "sheet") as consultation:
        consultation.viewed(items=items)
    parts = entries(looked_at, "consulted.view")
    assert {name for part in parts for name in part.entry.subjects} == set(items)
    assert [part.entry.facts["part"] for part in parts] == [1, 2]


def test_a_view_of_a_drop_without_items_names_the_drop(
    looked_at: FootageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, TESTER)
    with Consultation(looked_at.layout, "show") as consultation:
        consultation.viewed(items={}, links={"drop": "drop_7K3M9QZV2D8HN"})
    (view,) = entries(looked_at, "consulted.view")
    assert list(view.entry.subjects) == ["log"]
    assert view.values["links"] == {"drop": "drop_7K3M9QZV2D8HN"}


@pytest.mark.parametrize(
    ("uid", "rule", "words"),
    [
        (STRANGER, "not-registered", "not registered"),
        (AUDITOR, "role-missing", "investigator or supervisor or custodian would"),
    ],
)
def test_who_may_not_look_gets_nothing_and_that_is_recorded_and_sealed(
    looked_at: FootageStore, monkeypatch: pytest.MonkeyPatch, uid: int, rule: str, words: str
) -> None:
    log_in(monkeypatch, uid)
    with pytest.raises(AccessDeniedError, match=words) as caught, Consultation(looked_at.layout, "find"):
        pytest.fail("was let in")
    assert caught.value.exit_code == 4
    (denied,) = entries(looked_at, "access.denied")
    assert denied.entry.facts == {"command": "find", "rule": rule}
    assert denied.values["login"] == {"uid": uid, "user": "someone"}
    assert (denied.values["actor"] is None) is (rule == "not-registered")
    assert is_sealed(looked_at, denied)


def test_if_the_look_cannot_be_recorded_the_error_goes_up(
    looked_at: FootageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, TESTER)

    def disk_full(_self: Recorder, _events: Sequence[object]) -> None:
        raise SurroundingsError("the disk of the log database is full.")

    monkeypatch.setattr(Recorder, "record", disk_full)
    with Consultation(looked_at.layout, "find") as consultation, pytest.raises(SurroundingsError):
        consultation.searched(terms={}, results=[])


def test_while_another_process_seals_nobody_waits_and_the_entry_stands(
    looked_at: FootageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, TESTER)
    lock = fsio.Lock(looked_at.layout.seal_lock)
    lock.acquire(holder="the test")
    try:
        with Consultation(looked_at.layout, "find") as consultation:
            consultation.searched(terms={}, results=[])
        (found,) = entries(looked_at, "consulted.search")
        assert not is_sealed(looked_at, found)
    finally:
        lock.release()


def test_nobody_looks_at_a_clone_so_that_no_second_history_begins(
    looked_at: FootageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, TESTER)
    clone = StoreLayout(Path(shutil.copytree(looked_at.layout.root, tmp_path / "clone")))
    before = clone.log_db.read_bytes()
    with pytest.raises(MovedError, match="another machine, disk or path"), Consultation(clone, "find"):
        pytest.fail("somebody was let in")
    assert clone.log_db.read_bytes() == before
