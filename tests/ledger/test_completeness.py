"""Whether the entries of a thing are all that the log has of it: whole, cut, of an unknown type, over two logs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from store_of_log import arrive, found, receive

from hashing.digest import Digest
from ledger.completeness import SubjectChain, subject_chain
from ledger.events.access import consulted_view
from ledger.events.event import Event
from ledger.events.vocabulary import EventType
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.store_reader import StoreReader
from ledger.succession import recorder_rests, succeed

FUTURE = EventType(name="future.thing", meaning="A type of a later version.", subjects=("item",))
LOOKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A store with one item that was looked at some times; entries 4 to 6 are the looks."""

    layout: StoreLayout
    item: str

    def look(self) -> None:
        with Recorder.open(self.layout) as recorder:
            items = {self.item: Digest.of(b"a")}
            recorder.record(
                [consulted_view(recorder.origin, command="show", actor="actor_X", role="custodian", items=items)]
            )

    def chain(self, *, before: int = 1000) -> SubjectChain:
        with StoreReader(self.layout) as log:
            return subject_chain(log, self.item, before=before)

    def change(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.layout.log_db) as connection:
            assert connection.execute(statement, values).rowcount == 1
        connection.close()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    layout = found(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        (item,) = arrive(recorder, receive(recorder), [b"a"])
    made = Scene(layout=layout, item=item)
    for _ in range(LOOKS):
        made.look()
    return made


def test_a_whole_chain_is_complete(scene: Scene) -> None:
    chain = scene.chain()
    assert (chain.entries, chain.gap, chain.unknown, chain.verdict) == (1 + LOOKS, None, 0, "complete")
    assert scene.chain(before=5).entries == 2


@pytest.mark.parametrize(("missing", "gap"), [(3, 4), (4, 5), (5, 6)])
def test_an_entry_that_is_not_listed_any_more_leaves_a_gap(scene: Scene, missing: int, gap: int) -> None:
    scene.change("DELETE FROM subject WHERE name = ? AND seq = ?", scene.item, missing)
    chain = scene.chain()
    assert (chain.entries, chain.gap, chain.verdict) == (LOOKS, gap, "gap")


def test_an_unknown_type_is_counted_and_its_chain_never_called_complete(scene: Scene) -> None:
    with Recorder.open(scene.layout) as recorder:
        recorder.record([Event(type=FUTURE, subjects={scene.item: Digest.of(b"a")})])
    scene.look()
    chain = scene.chain()
    assert (chain.entries, chain.unknown, chain.gap, chain.verdict) == (3 + LOOKS, 1, None, "unknown-types")


def test_a_thing_without_any_entry_is_no_complete_one(scene: Scene) -> None:
    with StoreReader(scene.layout) as log:
        assert subject_chain(log, "item_0000000000000", before=1000).verdict == "gap"


def test_a_chain_goes_on_in_the_successor_of_its_log(scene: Scene) -> None:
    with recorder_rests(scene.layout):
        succeed(scene.layout, origin="strongroom/SECOND0000000", by="actor_X", role="custodian")
    scene.look()
    chain = scene.chain()
    assert (chain.entries, chain.verdict) == (1 + LOOKS + 2, "complete")  # with `custody.carried`
