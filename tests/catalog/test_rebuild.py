"""The catalogue is thrown away and made again, with the same content, whatever became of the old one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from store_of_footage import FootageStore, content

from base.errors import BusyError, CatalogueError
from catalog.check import check_catalogue
from catalog.rebuild import NEW_PREFIX, rebuild


def leftovers(filled: FootageStore) -> list[Path]:
    return list(filled.layout.root.glob("catalogue.*"))


def test_a_rebuilt_catalogue_has_the_same_rows(filled: FootageStore) -> None:
    before = content(filled.layout.catalogue)
    inode = filled.layout.catalogue.stat().st_ino
    rebuild(filled.layout)
    assert content(filled.layout.catalogue) == before
    assert filled.layout.catalogue.stat().st_ino != inode
    assert leftovers(filled) == [filled.layout.catalogue]
    assert filled.layout.catalogue.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("data", [None, b"", b"garbage" * 1000])
def test_whatever_lay_there_a_rebuild_puts_it_right(filled: FootageStore, data: bytes | None) -> None:
    before = content(filled.layout.catalogue)
    if data is None:
        filled.layout.catalogue.unlink()
    else:
        filled.layout.catalogue.write_bytes(data)
    rebuild(filled.layout)
    assert content(filled.layout.catalogue) == before
    assert check_catalogue(filled.layout) == []


def test_a_journal_left_beside_the_old_file_is_not_applied_to_the_new_one(filled: FootageStore) -> None:
    """SQLite finds a journal by name: without its removal the old pages would be written into the new file.

    Red when the removal in `_swap` is left out: the new catalogue is then no database any more.
    """
    before = content(filled.layout.catalogue)
    journal = _journal_of_a_killed_writer(filled.layout.root / "killed.db")
    filled.layout.catalogue.unlink()  # so that nobody rolls the journal back first
    journal.rename(f"{filled.layout.catalogue}-journal")
    rebuild(filled.layout)
    assert content(filled.layout.catalogue) == before


def _journal_of_a_killed_writer(path: Path) -> Path:
    """Return a hot journal: that of a process which was killed between writing pages and committing them."""
    program = (
        "import os, signal, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('CREATE TABLE junk (x)')\n"
        "c.executemany('INSERT INTO junk VALUES (?)', [(b'x' * 5000,)] * 50)\n"
        "c.execute('PRAGMA cache_size = 1')\n"
        "c.execute('BEGIN')\n"
        "c.execute('UPDATE junk SET x = zeroblob(5000)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-P", "-c", program, str(path)], check=False).returncode == -9
    journal = Path(f"{path}-journal")
    assert journal.stat().st_size > 0
    return journal


def test_what_a_killed_rebuild_left_is_cleared_away(filled: FootageStore) -> None:
    for name in (f"{NEW_PREFIX}0011", f"{NEW_PREFIX}0011-journal"):
        (filled.layout.root / name).write_bytes(b"left")
    rebuild(filled.layout)
    assert leftovers(filled) == [filled.layout.catalogue]


def test_only_one_rebuild_runs(filled: FootageStore) -> None:
    program = (
        "import sys, pathlib\n"
        "from catalog.rebuild import workbench\n"
        "from ledger.layout import StoreLayout\n"
        "with workbench(StoreLayout(pathlib.Path(sys.argv[1]))):\n"
        "    print('here', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-P", "-c", program, str(filled.layout.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"here\n"
        with pytest.raises(BusyError, match="rebuild or check"):
            rebuild(filled.layout)
        other.stdin.close()
    rebuild(filled.layout)


def test_a_rebuild_that_fails_leaves_the_old_catalogue(filled: FootageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(filled.layout.catalogue)

    def fail(*_: object, **__: object) -> None:
        raise CatalogueError("seeded")

    monkeypatch.setattr("catalog.rebuild.project", fail)
    with pytest.raises(CatalogueError, match="seeded"):
        rebuild(filled.layout)
    assert content(filled.layout.catalogue) == before
    assert leftovers(filled) == [filled.layout.catalogue]


# --------------------------------------------------------------------------------------------------------- checking

TAMPERED = [
    ("actor", "UPDATE actor SET actor = 'actor_0000000000000'", "changed-row"),
    ("actor_role", "DELETE FROM actor_role WHERE role = 'auditor'", "missing-row"),
    ("drop", 'UPDATE "drop" SET files = 99', "changed-row"),
    ("refusal", "UPDATE refusal SET reason = 'vanished'", "changed-row"),
    ("object", "UPDATE object SET copies = 2", "changed-row"),
    ("item", "UPDATE item SET device_start_us = device_start_us - 1", "changed-row"),
    ("item", "UPDATE item SET source_name = 'other'", "changed-row"),
    ("item", "DELETE FROM item WHERE position = 1", "missing-row"),
    ("analysis", "UPDATE analysis SET frames_counted = NULL", "changed-row"),
    ("keyframe", "UPDATE keyframe SET time_us = time_us + 1", "changed-row"),
    ("finding", "INSERT INTO finding VALUES (1, 1, 'covered', NULL, NULL)", "extra-row"),
    ("metadata", "UPDATE metadata SET value = 'other' WHERE value IS NOT NULL", "changed-row"),
    ("event", "UPDATE event SET actor = NULL WHERE actor IS NULL", None),  # nothing changes: nothing is found
    ("event", "UPDATE event SET recorded_us = 0 WHERE seq = 2", "changed-row"),
    ("subject", "UPDATE subject SET name = 'item_0000000000000' WHERE subject_id = 2", "changed-row"),
    ("event_subject", "DELETE FROM event_subject", "missing-row"),
    ("words", "UPDATE words SET details = 'other'", "changed-row"),
    ("words", "INSERT INTO words (rowid, name) VALUES (999, 'x')", "extra-row"),
    ("words", "UPDATE words_content SET c2 = 'unindexed'", "damaged"),
    ("cursor", "UPDATE cursor SET last_entry = zeroblob(32)", "changed-row"),
]


@pytest.mark.parametrize(("table", "statement", "code"), TAMPERED)
def test_any_changed_row_is_found_and_named(filled: FootageStore, table: str, statement: str, code: str | None) -> None:
    with closing(sqlite3.connect(filled.layout.catalogue)) as connection, connection:
        connection.execute(statement)
    before = filled.layout.catalogue.read_bytes()
    findings = check_catalogue(filled.layout)
    if code is None:
        assert findings == []
    else:
        assert (f"catalogue-{code}", f"catalogue.db {table}") in {
            (finding.code, " ".join(finding.object.split()[:2])) for finding in findings
        }
        assert {finding.exit_code for finding in findings} == {22}
    assert filled.layout.catalogue.read_bytes() == before
    assert leftovers(filled) == [filled.layout.catalogue]


def test_a_sound_catalogue_has_no_findings_even_when_it_lags(filled: FootageStore) -> None:
    assert check_catalogue(filled.layout) == []
    filled.drop(b"late")
    filled.seal()
    assert check_catalogue(filled.layout) == []


@pytest.mark.parametrize("change", ["missing", "cut", "page"])
def test_a_damaged_file_is_a_finding_and_not_an_error(filled: FootageStore, change: str) -> None:
    path = filled.layout.catalogue
    if change == "missing":
        path.unlink()
    elif change == "cut":
        path.write_bytes(path.read_bytes()[:-4096])
    else:
        data = bytearray(path.read_bytes())
        data[5 * 4096 : 6 * 4096] = b"\xff" * 4096
        path.write_bytes(data)
    findings = check_catalogue(filled.layout)
    assert findings
    assert {finding.exit_code for finding in findings} == {22}
    rebuild(filled.layout)
    assert check_catalogue(filled.layout) == []
