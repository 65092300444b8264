"""A check goes on without a database, names it, and says what it could not see; rows that no entry gives are found."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from store_of_log import arrive, copied, receive

from base.errors import NewerDataError
from ledger.check import check_log
from ledger.kept import KeptNote
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from ledger.verdict import LogVerdict

Change = Callable[[Path], object]


def as_kept(note: bytes) -> KeptNote:
    return KeptNote(file="kept", note=note)


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    """A store of 20 entries with 17 masters, sealed at 2, 10 and 20."""
    layout = copied(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        for first, last in ((0, 7), (7, 17)):
            arrive(recorder, drop, [b"%d.mp4" % n for n in range(first, last)])
            seal(recorder)
    return layout


def run(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(statement)


def damage_first_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200:4000] = bytes(3800)
    path.write_bytes(data)


DAMAGES: dict[str, Change] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "something else": lambda path: path.write_bytes(b"not a database" * 1000),
    "damaged at its beginning": damage_first_page,
    "with a table too many": lambda path: run(path, "CREATE TABLE more (n INTEGER)"),
    "of an unfinished store": lambda path: run(path, "PRAGMA user_version = 0"),
}


def named(verdict: LogVerdict) -> set[str]:
    return {finding.object for finding in verdict.findings}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_the_public_log_is_checked_whatever_became_of_a_database(layout: StoreLayout, name: str, how: str) -> None:
    whole = check_log(layout)
    DAMAGES[how](layout.private / name)
    verdict = check_log(layout)
    assert named(verdict) == {f"private/{name}"}
    assert {finding.exit_code for finding in verdict.findings} == {21}
    assert (verdict.origin, verdict.size, verdict.root) == (whole.origin, 20, whole.root)
    assert (verdict.entries_checked, verdict.masters) == (20, whole.masters)
    assert any(name in sentence for sentence in verdict.not_checked)


@pytest.mark.parametrize("how", ["gone", "empty", "something else"])
def test_the_public_log_is_checked_without_both_databases(layout: StoreLayout, how: str) -> None:
    for path in (layout.log_db, layout.openings_db):
        DAMAGES[how](path)
    verdict = check_log(layout, against=[as_kept(layout.checkpoint.read_bytes())])
    assert named(verdict) == {"private/log.db", "private/openings.db"}
    assert (verdict.entries_checked, verdict.openings_checked, len(verdict.masters)) == (20, 0, 17)
    assert len(verdict.not_checked) == 2


def test_damage_of_the_public_log_is_found_without_both_databases_too(layout: StoreLayout) -> None:
    for path in (layout.log_db, layout.openings_db):
        path.unlink()
    tile = layout.log / "tile/0/000.p/20"
    data = tile.read_bytes()
    tile.unlink()
    tile.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "log/tile/0/000.p/20" in named(check_log(layout))


def test_a_checkpoint_from_outside_is_compared_without_a_database(layout: StoreLayout, tmp_path: Path) -> None:
    kept = layout.checkpoint.read_bytes()
    older = tmp_path / "older"
    shutil.copytree(layout.log, older)
    with Recorder.open(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))
        seal(recorder)
    newer = layout.checkpoint.read_bytes()
    layout.log_db.unlink()
    assert named(check_log(layout, against=[as_kept(kept), as_kept(newer)])) == {"private/log.db"}
    shutil.rmtree(layout.log)
    shutil.copytree(older, layout.log)
    assert "given checkpoint of size 21" in named(check_log(layout, against=[as_kept(newer)]))


def test_a_lost_bundle_without_a_database_is_one_finding_and_its_hashes_still_count(layout: StoreLayout) -> None:
    layout.log_db.unlink()
    (layout.log / "tile/entries/000.p/20").unlink()
    verdict = check_log(layout)
    assert named(verdict) == {"private/log.db", "log/tile/entries/000.p/20"}  # no root-mismatch: the hash tile has all
    assert verdict.entries_checked == 0


def test_a_lost_bundle_without_its_hashes_is_found_by_the_root_too(layout: StoreLayout) -> None:
    layout.log_db.unlink()
    for name in ("entries/000.p/20", "0/000.p/20"):
        (layout.log / "tile" / name).unlink()
    assert {finding.code for finding in check_log(layout).findings} >= {"tile-damaged", "root-mismatch"}


def test_without_any_first_entry_it_is_said_that_nobody_can_be_believed(layout: StoreLayout) -> None:
    layout.log_db.unlink()
    shutil.rmtree(layout.log / "tile/entries")
    verdict = check_log(layout)
    assert {"entry 0", "private/log.db"} == named(verdict)
    assert any("keys" in sentence for sentence in verdict.not_checked)


def test_a_database_of_a_newer_version_is_not_called_damaged(layout: StoreLayout) -> None:
    run(layout.log_db, "PRAGMA user_version = 2")
    with pytest.raises(NewerDataError, match=r"log\.db"):
        check_log(layout)


# ------------------------------------------------------------------------------------------ a copy for an auditor


def without_openings(layout: StoreLayout) -> None:
    layout.openings_db.unlink()
    shutil.rmtree(layout.keys)


def test_a_copy_without_keys_and_openings_is_not_damaged_but_not_wholly_checked(layout: StoreLayout) -> None:
    without_openings(layout)
    verdict = check_log(layout)
    assert verdict.findings == []
    (sentence,) = verdict.not_checked
    assert "private/openings.db" in sentence
    assert (verdict.entries_checked, verdict.openings_checked) == (20, 0)


def test_where_anything_else_is_wrong_missing_openings_are_damage_too(layout: StoreLayout) -> None:
    without_openings(layout)
    run(layout.log_db, "UPDATE entry SET type = 'x' WHERE seq = 8")
    assert named(check_log(layout)) == {"private/log.db entry 8", "private/openings.db"}


# ------------------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("name", "statement", "thing"),
    [
        ("log.db", "INSERT INTO subject VALUES ('log', 8)", "private/log.db subject log"),
        ("log.db", "INSERT INTO subject VALUES ('item_0', 8)", "private/log.db subject item_0"),
        ("log.db", "DELETE FROM head WHERE name = 'log'", "private/log.db head log"),
        ("log.db", "UPDATE head SET digest = zeroblob(32) WHERE name = 'log'", "private/log.db head log"),
        ("log.db", "INSERT INTO entry VALUES (-1, 'e', 't', x'00', x'00')", "private/log.db entry -1"),
        ("log.db", "UPDATE fact SET value = 'x' WHERE name = 'origin'", "private/log.db fact origin"),
        ("openings.db", "DELETE FROM arrival WHERE seq = 8", "private/openings.db arrival of entry 8"),
        (
            "openings.db",
            "INSERT INTO arrival VALUES ('d', x'00', 0, 0, 'i', x'00')",
            "private/openings.db arrival of entry 0",
        ),
        ("openings.db", "INSERT INTO arrival VALUES ('d', x'00', 0, 99, 'i', x'00')", "private/log.db"),
        ("openings.db", "INSERT INTO arrival VALUES ('d', x'00', 0, -1, 'i', x'00')", "private/openings.db arrival"),
        ("openings.db", "UPDATE opening SET seq = -1 WHERE seq = 8", "private/openings.db opening"),
        ("openings.db", "UPDATE opening SET type = 'x' WHERE seq = 8", "entry 8"),
        ("openings.db", "UPDATE opening SET seq = 7, member = 'x' WHERE seq = 8 AND member = 'links'", "entry 7"),
    ],
)
def test_a_row_that_no_entry_gives_is_named(layout: StoreLayout, name: str, statement: str, thing: str) -> None:
    run(layout.private / name, statement)
    assert thing in named(check_log(layout))


def test_generations_of_a_path_count_from_0_in_the_order_of_the_log(tmp_path: Path) -> None:
    layout = copied(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        for content in (b"a", b"b", b"a"):
            arrive(recorder, drop, [b"1.mp4"], content=content)
        seal(recorder)
    assert check_log(layout).findings == []
    run(layout.openings_db, "UPDATE arrival SET generation = 7 WHERE generation = 1")
    run(layout.openings_db, "UPDATE arrival SET generation = 1 WHERE generation = 2")
    assert "private/openings.db arrival of entry 4" in named(check_log(layout))


def test_one_break_in_a_chain_of_a_subject_is_one_finding(layout: StoreLayout) -> None:
    """An entry in the middle is replaced; those behind it have only one that does not fit to the one before."""
    with Recorder.open(layout) as recorder:
        for n in range(3):
            receive(recorder, arrival_key=bytes([n]) * 32)
    run(layout.log_db, "UPDATE entry SET raw = (SELECT raw FROM entry WHERE seq = 0) WHERE seq = 20")
    broken = [finding for finding in check_log(layout).findings if finding.code == "subject-chain-broken"]
    assert [finding.object for finding in broken] == ["entry 20"]


# ------------------------------------------------------------------------------------------ beside a recorder


def test_a_recorder_at_work_is_no_damage(layout: StoreLayout) -> None:
    checked: list[int] = []
    stop = threading.Event()

    def work() -> None:
        with Recorder.open(layout) as recorder:
            while not stop.is_set():
                drop = receive(recorder, arrival_key=os.urandom(32))
                arrive(recorder, drop, [b"%d.mp4" % n for n in range(20)])
                seal(recorder)

    recorder = threading.Thread(target=work)
    recorder.start()
    try:
        while len(checked) < 6 or (checked[-1] == checked[0] and len(checked) < 200):
            verdict = check_log(layout)
            assert verdict.findings == [], verdict.findings
            checked.append(verdict.entries_checked)
    finally:
        stop.set()
        recorder.join()
    assert checked[-1] > checked[0] > 0  # it was at work


def test_a_leftover_of_a_crash_is_named_as_that(layout: StoreLayout) -> None:
    (layout.log / "tile/0/.tmp-0123456789abcdef").write_bytes(b"half")
    (finding,) = check_log(layout).findings
    assert (finding.code, finding.object) == ("stray-file", "log/tile/0/.tmp-0123456789abcdef")
    assert "crash" in finding.meaning and "removes it when it starts" in finding.meaning
