"""The checker finds nothing wrong with valid stores and logs, and shares nothing with the product."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from checker import Checker, check_log, codes
from checker_tree import parse_checkpoint
from small_log import (
    DROP,
    LOG_KEY,
    LOG_SUBJECT,
    STRANGER,
    SmallStore,
    change,
    hex_digest,
    open_log,
    small_store,
    vkey_of,
)
from tlog_scales import reader, signing, tlog
from tlog_scales.backend import LocalBackend
from vectors import VECTORS

VECTOR_VKEY = "ledger.example/unit-7+39c2d025+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


def test_a_valid_store_has_no_problem(tmp_path: Path) -> None:
    checker = Checker(small_store(tmp_path / "store").root)
    assert checker.check() == []
    assert checker.notes == []
    assert checker.vkey_from == "entry 0"


def test_a_given_verifier_key_is_used_and_said(tmp_path: Path) -> None:
    root = small_store(tmp_path / "store").root
    assert Checker(root, vkey=vkey_of(LOG_KEY)).check() == []
    assert Checker(root, vkey=vkey_of(LOG_KEY)).vkey_from == "given"
    assert codes(Checker(root, vkey=vkey_of(STRANGER)).check()) == {"checkpoint.signature"}


@pytest.mark.parametrize("name", ["log7", "log600"])
def test_the_computed_logs_pass(name: str) -> None:
    assert check_log(VECTORS / "computed" / name, VECTOR_VKEY) == []


def test_a_log_over_several_tiles_agrees_with_another_implementation(tmp_path: Path) -> None:
    """tlog-scales reads the tiles, proves each checkpoint to the next and verifies; our checker finds nothing."""
    store = SmallStore(tmp_path / "store")
    open_log(store)
    notes = []
    for size in (255, 256, 257, 520):
        while len(store.raws) < size:
            store.record("selftest.run", LOG_SUBJECT)
        notes.append(store.seal())
    assert Checker(store.root).check() == []
    tiles = reader.TilesReader(LocalBackend(store.root / "log"))
    newest = tiles.get_checkpoint()
    newest.verify(signing.Vkey.from_string(vkey_of(LOG_KEY)))
    assert tiles.mth(0, 520) == newest.root_hash
    for note in notes[:-1]:
        older = tlog.Checkpoint.from_text(note.decode())
        assert tiles.mth(0, older.size) == older.root_hash == parse_checkpoint(note).root


def test_only_the_published_checkpoint_going_back_is_found(tmp_path: Path) -> None:
    store = SmallStore(tmp_path / "store")
    open_log(store)
    old = store.seal()
    store.record("selftest.run", LOG_SUBJECT)
    store.seal()
    (store.root / "log" / "checkpoint").write_bytes(old)
    assert codes(Checker(store.root).check()) == {"checkpoint.behind"}
    assert Checker(store.root, idle=False).check() == []  # as a crash between commit and publication leaves it


def test_recorded_entries_beyond_the_checkpoint_are_checked_too(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    store.record("selftest.run", LOG_SUBJECT)
    checker = Checker(store.root)
    assert checker.check() == []
    assert codes(checker.notes) == {"log.unsealed"}
    store.record("selftest.run", LOG_SUBJECT, edit=lambda statement: change(statement, "prev", "1" * 64))
    assert codes(Checker(store.root).check()) == {"entry.prev"}


def test_an_object_without_an_entry_is_only_noted(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    store.add_object("vault", b"left by a crash")
    checker = Checker(store.root)
    assert checker.check() == []
    assert codes(checker.notes) == {"vault.unrecorded"}


def test_an_erased_opening_is_no_problem_unless_it_is_still_there(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    with closing(sqlite3.connect(store.root / "private" / "openings.db")) as connection:
        query = "SELECT hex(commitment) FROM opening WHERE seq = 1 AND member = 'depositor'"
        (commitment,) = connection.execute(query).fetchone()
    subjects = {DROP: hex_digest(DROP.encode())}
    store.record("openings.erased", subjects, facts={"commitments": [commitment.lower()], "basis": "order"})
    store.seal()
    assert codes(Checker(store.root).check()) == {"opening.erased"}
    assert store.sql("openings.db", "DELETE FROM opening WHERE hex(commitment) = ?", commitment) == 1
    assert Checker(store.root).check() == []


def test_a_killed_recorder_is_seen_as_the_database_would_recover(tmp_path: Path) -> None:
    """A transaction that was written to the file but not committed leaves a hot journal: it never happened."""
    store = small_store(tmp_path / "store")
    database = store.root / "private" / "log.db"
    before = database.read_bytes()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        for seq in range(7, 200):
            row = (seq, f"e{seq}", "a.b", b"d", bytes(2000))
            connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", row)
        torn, journal = database.read_bytes(), database.with_name("log.db-journal").read_bytes()
        connection.rollback()
    database.write_bytes(torn)
    database.with_name("log.db-journal").write_bytes(journal)
    assert torn != before  # the kill really fell between write and commit
    assert Checker(store.root).check() == []
    assert database.read_bytes() == torn  # and looking changed nothing


def test_the_checker_shares_nothing_with_the_product() -> None:
    own = Path(__file__).resolve().parents[1] / "support"
    rooms = {path.name for path in own.parents[1].iterdir() if path.is_dir()} - {"tests"}
    files = [own / "small_log.py", *own.glob("checker*.py")]
    assert {"hashing", "ledger", "vault"} <= rooms
    assert len(files) > 5
    for file in files:
        imported = set(re.findall(r"^\s*(?:import|from) (\w+)", file.read_text(), re.MULTILINE))
        assert imported & rooms == set(), f"{file.name} imports from the product"
