"""Everything checked together: what one room lost does not keep the others from being looked at."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from store_of_footage import footage_store

from base.fsio import Lock
from catalog.rebuild import LOCK
from catalog.verification import Verification, verify_store
from ledger.layout import StoreLayout


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two masters, a result with its picture, and a catalogue."""
    root = tmp_path_factory.mktemp("verification") / "store"
    with footage_store(root) as footage:
        drop = footage.drop(b"card a")
        first = footage.item(drop, b"first.mp4")
        second = footage.item(drop, b"second.mp4")
        footage.analyse(first, drop)
        footage.complete(drop, [first, second])
        footage.settle()
    return root


@pytest.fixture
def layout(kept: Path, tmp_path: Path) -> StoreLayout:
    return StoreLayout(shutil.copytree(kept, tmp_path / "store", symlinks=True))


def a_master(layout: StoreLayout) -> Path:
    return next(path for path in sorted(layout.vault.rglob("*")) if path.is_file())


def objects(result: Verification) -> set[str]:
    return {finding.object for finding in result.findings}


def test_a_good_store_is_ok_in_every_word(layout: StoreLayout) -> None:
    result = verify_store(layout)
    document = result.as_json()
    assert (result.exit_code, document["verdict"], document["catalogue"], document["not_checked"]) == (
        0,
        "ok",
        "ok",
        [],
    )
    assert (result.masters.matched, result.derived.matched) == (2, 2)
    log = document["log"]
    assert isinstance(log, dict)
    assert [log[word] for word in ("chain", "signatures", "tiles")] == ["ok"] * 3


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_masters_are_held_against_the_log_without_a_database(layout: StoreLayout, name: str) -> None:
    (layout.private / name).unlink()
    master = a_master(layout)
    master.unlink()
    result = verify_store(layout)
    assert result.exit_code == 21
    assert objects(result) == {f"private/{name}", f"vault/{master.name}"}
    assert (result.masters.matched, result.masters.missing) == (1, 1)
    assert result.as_json()["catalogue"] == "unchecked"
    assert any(name in sentence for sentence in result.not_checked)
    assert any("catalogue" in sentence for sentence in result.not_checked)


def test_masters_are_held_against_their_names_when_nothing_is_left_of_the_log(layout: StoreLayout) -> None:
    shutil.rmtree(layout.private)
    shutil.rmtree(layout.log)
    layout.log.mkdir()
    master = a_master(layout)
    master.chmod(0o644)
    master.write_bytes(b"another recording")
    result = verify_store(layout)
    assert result.exit_code == 21
    assert {"entry 0", "private/log.db", "private/openings.db", f"vault/{master.name}"} <= objects(result)
    log = result.as_json()["log"]
    assert isinstance(log, dict)
    assert (log["chain"], log["signatures"], log["tiles"]) == ("unchecked", "bad", "unchecked")


def test_a_copy_for_an_auditor_is_good_as_far_as_it_goes(layout: StoreLayout) -> None:
    layout.openings_db.unlink()
    shutil.rmtree(layout.keys)
    result = verify_store(layout)
    assert (result.exit_code, result.as_json()["verdict"], result.findings) == (6, "unchecked", [])
    assert dict(result.summary())["catalogue"] == "not compared"
    assert (result.masters.matched, result.derived.not_recorded) == (2, 2)


def test_a_copy_for_an_auditor_does_not_hide_a_changed_master(layout: StoreLayout) -> None:
    layout.openings_db.unlink()
    shutil.rmtree(layout.keys)
    a_master(layout).unlink()
    assert verify_store(layout).exit_code == 20


def test_where_nothing_can_be_written_the_rest_is_told_all_the_same(layout: StoreLayout) -> None:
    """On read-only media no fresh projection can be made: an auditor still gets every other answer."""
    (layout.private / LOCK).unlink(missing_ok=True)
    (layout.private / LOCK).mkdir()  # stops root too, as a read-only mount would
    result = verify_store(layout)
    assert (result.exit_code, result.masters.matched, result.as_json()["catalogue"]) == (6, 2, "unchecked")
    assert any("catalogue.lock" in sentence for sentence in result.not_checked)
    a_master(layout).unlink()
    assert verify_store(layout).exit_code == 20


def test_a_rebuild_that_runs_leaves_only_the_catalogue_unchecked(layout: StoreLayout) -> None:
    other = Lock(layout.private / LOCK)
    other.acquire(holder="a rebuild")
    try:
        result = verify_store(layout)
    finally:
        other.release()
    assert (result.exit_code, result.masters.matched) == (6, 2)
    assert any("a rebuild" in sentence for sentence in result.not_checked)


def test_a_catalogue_of_a_newer_version_hides_no_damage(layout: StoreLayout) -> None:
    with contextlib.closing(sqlite3.connect(layout.catalogue)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert verify_store(layout).exit_code == 6
    a_master(layout).unlink()
    result = verify_store(layout)
    assert (result.exit_code, result.as_json()["catalogue"]) == (20, "unchecked")
