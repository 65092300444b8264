"""What the outside knows, against the store: sources, lines told, kept checkpoints, words that must not be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from checker import Acknowledged, Checker, Problem, codes
from small_log import (
    ARRIVAL_KEY,
    DROP_NAME,
    ITEM_A,
    ITEM_B,
    LOG_SUBJECT,
    MASTER_A,
    MASTER_B,
    ORIGIN,
    PATH_A,
    PATH_B,
    SHARE,
    Edit,
    define_master,
    hex_digest,
    member,
    signed_checkpoint,
    small_store,
)

SOURCES = {
    SHARE + b"/" + DROP_NAME + b"/" + PATH_A: hex_digest(MASTER_A),
    SHARE + b"/" + DROP_NAME + b"/" + PATH_B: hex_digest(MASTER_B),
}


def test_every_source_is_accounted_for(tmp_path: Path) -> None:
    checker = Checker(small_store(tmp_path / "store").root)
    assert checker.account_for(SOURCES, nothing_else=True) == []
    more = {**SOURCES, b"/srv/share/card seventeen/new.mp4": hex_digest(MASTER_A)}
    assert codes(checker.account_for(more)) == {"source.missing"}
    other = {path: hex_digest(b"other bytes") for path in SOURCES}
    assert [problem.code for problem in checker.account_for(other)] == ["source.missing"] * 2
    fewer = dict(list(SOURCES.items())[:1])
    assert [problem.object for problem in checker.account_for(fewer, nothing_else=True)] == ["entry 3"]


def test_an_arrival_recorded_again_is_found_and_a_return_after_other_bytes_is_not(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    define_master(store, "item_7K3M9QZV2D8HC", b"other bytes", PATH_A, 1)
    define_master(store, "item_7K3M9QZV2D8HD", MASTER_A, PATH_A, 2)
    store.seal()
    assert Checker(store.root).check() == []
    define_master(store, "item_7K3M9QZV2D8HE", MASTER_A, PATH_A, 3)
    store.seal()
    assert Checker(store.root).check() == [Problem("source.twice", "entry 8", "is the arrival of entry 7 again")]


def test_an_event_that_is_not_its_arrival_is_found(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    define_master(store, "item_7K3M9QZV2D8HC", b"other bytes", PATH_A, generation=5)
    store.seal()
    assert codes(Checker(store.root).check()) == {"source.event"}


def test_what_was_told_as_sealed_stays(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    seq = define_master(store, "item_7K3M9QZV2D8HC", b"more", b"more.mp4")
    right = Acknowledged(ITEM_A, hex_digest(MASTER_A), 2)
    told = [
        Acknowledged(ITEM_A, hex_digest(MASTER_B), 2),
        Acknowledged(ITEM_B, hex_digest(MASTER_B), 2),
        Acknowledged(ITEM_A, hex_digest(MASTER_A), 99),
        Acknowledged("item_7K3M9QZV2D8HC", hex_digest(b"more"), seq),  # recorded, but not sealed
    ]
    assert Checker(store.root).acknowledged([right]) == []
    lost = [Problem("acknowledged.lost", line.item, f"entry {line.seq} does not seal {line.sha256}") for line in told]
    assert Checker(store.root).acknowledged(told) == lost


def test_a_log_extends_every_checkpoint_it_had_and_no_other(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    kept = (store.root / "log" / "checkpoint").read_bytes()
    store.record("selftest.run", LOG_SUBJECT)
    store.seal()
    assert Checker(store.root).extends(kept) == []
    forked = signed_checkpoint(f"{ORIGIN}\n6\n{'A' * 43}=\n".encode())
    assert codes(Checker(store.root).extends(forked)) == {"checkpoint.root"}
    later = signed_checkpoint(f"{ORIGIN}\n8\n{'A' * 43}=\n".encode())
    assert codes(Checker(store.root).extends(later)) == {"checkpoint.size"}


CANARY = b"Harbour Road 7 \xff north"


@pytest.mark.parametrize(
    ("edit", "places"),
    [
        (member("role", "harbour-road-7-north"), {"tile/entries/000.p/7", "private/log.db", "entry 6"}),
        (member("facts", {"x": b"harbour-road-7-north".hex()}), {"entry 6"}),  # found in the decoded payload only
    ],
    ids=["raw", "as hex"],
)
def test_a_word_that_leaks_into_an_entry_is_found(tmp_path: Path, edit: Edit, places: set[str]) -> None:
    store = small_store(tmp_path / "store")
    store.record("selftest.run", LOG_SUBJECT, facts={"outcome": "passed"}, edit=edit)
    store.seal()
    found = Checker(store.root).canaries([b"harbour-road-7-north", CANARY])
    assert {problem.object for problem in found} == places


def test_a_word_in_the_journal_of_the_log_is_found(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    (store.root / "private" / "log.db-journal").write_bytes(b"\0" * 600 + CANARY)
    assert [problem.object for problem in Checker(store.root).canaries([CANARY])] == ["private/log.db-journal"]


def test_values_of_openings_do_not_stand_in_the_log(tmp_path: Path) -> None:
    checker = Checker(small_store(tmp_path / "store").root)
    assert checker.canaries([PATH_A, PATH_B, DROP_NAME, ARRIVAL_KEY]) == []
    with pytest.raises(ValueError, match="too short"):
        checker.canaries([b"short"])


def test_a_drop_whose_key_is_unknown_or_wrong_is_said(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    find = "seq = 1 AND member = 'arrival_key'"
    assert store.sql("openings.db", f"DELETE FROM opening WHERE {find}") == 1
    assert store.sql("openings.db", "DELETE FROM opening WHERE seq = 3 AND member = 'source_path'") == 1
    checker = Checker(store.root)
    assert codes(checker.check()) == {"opening.missing"}
    assert [(note.code, note.object) for note in checker.notes] == [
        ("source.unkeyed", "entry 2"),
        ("source.unknown", "entry 3"),
    ]
