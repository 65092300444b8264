"""Who may change the log key, and what becomes of the catalogue."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from store_of_log import store_run_by

from catalog.check import check_catalogue
from catalog.consultation import AccessDeniedError
from catalog.database import connect_to_read, read_cursor
from catalog.rebuild import rebuild
from catalog.rotation import rotate_log_key
from ledger.reader import LogReader


def test_only_a_custodian_changes_the_log_key_and_the_refusal_is_recorded(tmp_path: Path) -> None:
    layout = store_run_by(tmp_path / "store", ["investigator"])
    rebuild(layout)
    with pytest.raises(AccessDeniedError):
        rotate_log_key(layout, origin=None, reason=None)
    with LogReader(layout) as log:
        last = log.entry(log.recorded() - 1)
    assert (last.type, last.facts["command"]) == ("access.denied", "key-rotate")
    assert not layout.closed.exists()


def test_the_catalogue_goes_on_in_the_successor(tmp_path: Path) -> None:
    layout = store_run_by(tmp_path / "store", ["custodian"])
    rebuild(layout)
    rotation = rotate_log_key(layout, origin="strongroom/next", reason="yearly change")
    with closing(connect_to_read(layout.catalogue)) as connection:
        cursor = read_cursor(connection)
    assert cursor.origin == rotation.done.successor.origin == "strongroom/next"
    assert cursor.size == rotation.done.predecessor.size + rotation.done.successor.size
    assert cursor.root == rotation.done.successor.root
    assert check_catalogue(layout) == []
    assert rebuild(layout) == cursor
