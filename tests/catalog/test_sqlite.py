"""The catalogue follows its log: no gap, no lead, no other log; and batches leave what single entries would leave."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_of_footage import ORIGIN, FootageStore, content, footage_store

from base.errors import CatalogueError, NewerDataError
from catalog import bring_forward as bringing
from catalog import database
from catalog.bring_forward import CONSULTATIONS, Follower, bring_forward, bring_forward_unless_only
from catalog.check import check_catalogue
from catalog.cursor import Cursor
from catalog.result_objects import derived_store, results_of
from catalog.sqlite import Catalogue, CursorError
from hashing.checkpoint import Checkpoint
from hashing.digest import ZERO_DIGEST, Digest
from ledger.events.access import access_denied
from ledger.events.item import ITEM_REFUSED
from ledger.openings import OpenedEntry
from ledger.reader import LogReader

SAME_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)


def entries_of(store: FootageStore) -> tuple[list[OpenedEntry], Checkpoint]:
    with LogReader(store.layout) as log:
        sealed = log.sealed()
        return list(log.opened(0, sealed.size)), sealed


def test_the_catalogue_holds_what_happened(filled: FootageStore) -> None:
    found = content(filled.layout.catalogue)
    assert len(found["item"]) == 4
    assert len(found["object"]) == 3
    assert len(found["keyframe"]) == 5
    assert len(found["metadata"]) == 300
    assert len(found["analysis"]) == 6
    assert [row[8:11] for row in found["drop"]] == [
        (found["drop"][0][8], "refusals", 3),
        (found["drop"][1][8], "complete", 1),
    ]
    with closing(sqlite3.connect(filled.layout.catalogue)) as connection:
        deep = connection.execute(
            "SELECT tier, device_start_us IS NOT NULL FROM item JOIN analysis USING (analysis_id) WHERE position = 0"
        ).fetchall()
    assert deep[0] == (2, 1)


@SAME_STORE
@given(cuts=st.lists(st.integers(1, 20), max_size=6))
def test_however_the_entries_are_batched_the_rows_are_the_same(filled: FootageStore, cuts: list[int]) -> None:
    entries, sealed = entries_of(filled)
    path = filled.layout.root / "again.db"
    path.unlink(missing_ok=True)
    edges = sorted({0, len(entries), *(cut for cut in cuts if cut < len(entries))})
    derived = derived_store(filled.layout)
    with Catalogue.create(path, ORIGIN) as catalogue:
        for begin, end in pairwise(edges):
            batch = entries[begin:end]
            catalogue.apply(batch, results_of(batch, derived), sealed=sealed)
    assert content(path) == content(filled.layout.catalogue)


def test_a_batch_that_overlaps_what_is_projected_is_taken_from_where_it_is_new(filled: FootageStore) -> None:
    entries, sealed = entries_of(filled)
    before = content(filled.layout.catalogue)
    with Catalogue.open(filled.layout.catalogue) as catalogue:
        assert catalogue.apply(entries, {}, sealed=sealed).size == sealed.size
    assert content(filled.layout.catalogue) == before


@pytest.mark.parametrize(
    ("begin", "size", "origin", "text"),
    [
        (1, None, ORIGIN, "gap"),
        (0, 3, ORIGIN, "not sealed"),
        (0, None, "strongroom/ANOTHER", "that of the log"),
    ],
)
def test_what_does_not_follow_is_refused_whole(
    store: FootageStore, begin: int, size: int | None, origin: str, text: str
) -> None:
    entries, sealed = entries_of(store)
    path = store.layout.root / "other.db"
    with Catalogue.create(path, ORIGIN) as catalogue:
        before = content(path)
        claimed = Checkpoint(origin=origin, size=sealed.size if size is None else size, root=sealed.root)
        with pytest.raises(CursorError, match=text):
            catalogue.apply(entries[begin:], {}, sealed=claimed)
    assert content(path) == before


def test_an_entry_of_a_fork_is_refused(filled: FootageStore, tmp_path: Path) -> None:
    """Equal positions, another history: the chain of digests tells them apart."""
    with footage_store(tmp_path / "fork") as fork:
        for number in range(30):
            fork.drop(b"card-%d" % number)
        fork.seal()
        entries, sealed = entries_of(fork)
    with Catalogue.open(filled.layout.catalogue) as catalogue:
        size = catalogue.cursor.size
        assert sealed.size > size
        with pytest.raises(CursorError, match="does not follow"):
            catalogue.apply(entries[size:], {}, sealed=sealed)


def test_a_catalogue_that_leads_or_has_another_root_is_refused(filled: FootageStore) -> None:
    _, sealed = entries_of(filled)
    with Catalogue.open(filled.layout.catalogue) as catalogue:
        with pytest.raises(CursorError, match="ahead"):
            catalogue.apply([], {}, sealed=Checkpoint(origin=ORIGIN, size=sealed.size - 1, root=sealed.root))
        with pytest.raises(CursorError, match="roots differ"):
            catalogue.apply([], {}, sealed=Checkpoint(origin=ORIGIN, size=sealed.size, root=Digest.of(b"fork")))


def test_entries_that_are_not_sealed_stay_out(filled: FootageStore) -> None:
    before = content(filled.layout.catalogue)
    filled.drop(b"card-z")
    bring_forward(filled.layout)
    assert content(filled.layout.catalogue) == before


def test_two_processes_that_come_by_at_once_project_each_entry_once(store: FootageStore) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(3)

    def follow() -> None:
        try:
            with Follower(store.layout) as follower:
                start.wait(timeout=30)
                follower.bring_forward()
        except BaseException as error:  # noqa: BLE001 - handed to the test, which fails on it
            errors.append(error)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(content(store.layout.catalogue)["item"]) == 4


@pytest.mark.parametrize(("replaced", "gives_up"), [(1, False), (2, False), (3, True)])
def test_a_catalogue_that_is_replaced_while_it_is_open_is_opened_again(
    filled: FootageStore, monkeypatch: pytest.MonkeyPatch, replaced: int, gives_up: bool
) -> None:
    filled.refuse(filled.drop(), b"fifo", kind="fifo")
    filled.seal()
    real, calls = bringing.project, []

    def project_late(*arguments: Any, **named: Any) -> Cursor:
        calls.append(arguments)
        if len(calls) <= replaced:
            filled.layout.catalogue.with_name("copy").write_bytes(filled.layout.catalogue.read_bytes())
            filled.layout.catalogue.with_name("copy").rename(filled.layout.catalogue)
        return real(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(bringing, "project", project_late)
        if gives_up:
            with pytest.raises(database.CatalogueReplacedError):
                bring_forward(filled.layout)
        else:
            bring_forward(filled.layout)
    assert len(calls) == min(replaced + 1, 3)
    bring_forward(filled.layout)
    assert check_catalogue(filled.layout) == []


def test_searches_and_refusals_alone_do_not_move_the_catalogue(filled: FootageStore) -> None:
    size = bring_forward(filled.layout).size
    denied = access_denied(ORIGIN, command="find", rule="not-registered", uid=7, user=None, actor=None)
    filled.record(denied)
    filled.seal()
    bring_forward_unless_only(filled.layout, CONSULTATIONS)
    with closing(database.connect_to_read(filled.layout.catalogue)) as connection:
        assert database.read_cursor(connection).size == size
    filled.refuse(filled.drop(), b"fifo", kind="fifo")
    filled.seal()
    bring_forward_unless_only(filled.layout, CONSULTATIONS)
    found = content(filled.layout.catalogue)
    assert {"access.denied", ITEM_REFUSED.name} <= {row[1] for row in found["event"]}


# ---------------------------------------------------------------------------------------------------- damaged files


def test_a_missing_catalogue_says_how_to_make_it_again(filled: FootageStore) -> None:
    filled.layout.catalogue.unlink()
    with pytest.raises(CatalogueError, match="missing") as caught:
        bring_forward(filled.layout)
    assert "catalog rebuild" in caught.value.next_step


@pytest.mark.parametrize("data", [b"", b"not a database at all, but long enough to be looked at twice" * 20])
def test_a_file_that_is_no_catalogue_is_refused(filled: FootageStore, data: bytes) -> None:
    filled.layout.catalogue.write_bytes(data)
    with pytest.raises(CatalogueError):
        bring_forward(filled.layout)


def test_a_catalogue_cut_short_is_refused(filled: FootageStore) -> None:
    with open(filled.layout.catalogue, "r+b") as file:
        file.truncate(8192)
    with pytest.raises(CatalogueError):
        bring_forward(filled.layout)


def test_a_newer_catalogue_is_refused_and_left_alone(filled: FootageStore) -> None:
    with closing(sqlite3.connect(filled.layout.catalogue)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = filled.layout.catalogue.read_bytes()
    with pytest.raises(NewerDataError, match="99"):
        bring_forward(filled.layout)
    assert filled.layout.catalogue.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (x)",
        "DROP INDEX item_by_length",
        "ALTER TABLE item ADD COLUMN x INTEGER",
        "CREATE TRIGGER t AFTER INSERT ON item BEGIN UPDATE item SET state = 'sealed'; END",
    ],
)
def test_another_schema_is_refused(filled: FootageStore, statement: str) -> None:
    with closing(sqlite3.connect(filled.layout.catalogue)) as connection:
        connection.execute(statement)
    with pytest.raises(CatalogueError, match="another schema"):
        bring_forward(filled.layout)


def test_the_catalogue_is_for_its_owner_only(filled: FootageStore) -> None:
    assert filled.layout.catalogue.stat().st_mode & 0o777 == 0o600


def test_an_empty_catalogue_stands_at_nothing(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.db", ORIGIN) as catalogue:
        assert (catalogue.cursor.size, catalogue.cursor.last_entry, catalogue.cursor.root) == (0, ZERO_DIGEST, None)
