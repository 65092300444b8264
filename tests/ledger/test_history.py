"""Which entries are the history of a thing, and what of them may be told to whom."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from store_of_log import arrive, found, receive

from base.errors import NotFoundError
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.access import consulted_view
from ledger.events.actor import role_granted
from ledger.events.analysis import analysis_completed
from ledger.events.event import Event
from ledger.events.vocabulary import Committed, EventType, Fact, OpeningClass
from ledger.history import (
    EVERYTHING,
    WITHOUT_NAMES,
    Period,
    ToldEntry,
    classes_for,
    history_of,
    tell,
    thing_named,
    told_entries,
)
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder

METADATA: list[Json] = [
    {"source": "exifread", "key": "Model", "value": "Y5", "sensitive": False},
    {"source": "exifread", "key": "GPS", "value": "52.1 N", "sensitive": True},
    {"source": "exifread", "key": "Serial", "value": "77", "sensitive": True},
]
FUTURE = EventType(
    name="future.thing",
    meaning="A type of a later version.",
    subjects=("item",),
    committed={"plan": Committed(meaning="?", json_type="string", opening_class=OpeningClass.INTERNAL)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A store in which something of each kind happened."""

    layout: StoreLayout
    actor: str
    drop: str
    other_drop: str
    items: list[str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Entries: 0 opened, 1 registered, 2-3 received, 4-5 masters, 6 master of the other drop, 7 analysis, 8 view of
    item 0, 9 view of the log, 10 role granted, 11 of an unknown type."""
    layout = found(tmp_path_factory.mktemp("history") / "store")
    with Recorder.open(layout) as recorder, LogReader(layout) as log:
        (actor,) = log.entry(1).subjects
        drop, other_drop = receive(recorder), receive(recorder)
        items = [*arrive(recorder, drop, [b"a", b"b"]), *arrive(recorder, other_drop, [b"c"])]
        of_item = {items[0]: Digest.of(b"a")}
        recorder.record(
            [
                analysis(items[0], drop),
                consulted_view(recorder.origin, command="show", actor=actor, role="custodian", items=of_item),
                consulted_view(recorder.origin, command="log-show", actor=actor, role="custodian", items={}),
                role_granted(actor, roles=["auditor"], by=actor, role="custodian"),
                Event(type=FUTURE, subjects=of_item, values={"plan": "unheard of", "actor": actor}),
            ]
        )
    return Scene(layout=layout, actor=actor, drop=drop, other_drop=other_drop, items=items)


def analysis(item: str, drop: str) -> Event:
    return analysis_completed(
        item,
        sha256=Digest.of(b"a"),
        drop=drop,
        tier=1,
        outcome="complete",
        keyframes=0,
        tools=[],
        limits=[],
        sandbox=[],
        media_type="video/mp4",
        parameters={},
        result=Digest.of(b"result"),
        device_time=None,
        metadata=METADATA,
    )


@pytest.fixture
def log(scene: Scene) -> Iterator[LogReader]:
    with LogReader(scene.layout) as reader:
        yield reader


def told(log: LogReader, seq: int, role: str) -> ToldEntry:
    (opened,) = log.opened_at([seq])
    return tell(opened, classes_for(role))


# ------------------------------------------------------------------------------------------------ which entries


def test_each_thing_has_the_history_that_is_its_own(scene: Scene, log: LogReader) -> None:
    histories = {
        "the log": (None, list(range(12))),
        "a drop": (scene.drop, [2, 4, 5, 7]),
        "another drop": (scene.other_drop, [3, 6]),
        "an item": (scene.items[0], [4, 7, 8, 11]),
        "an item nobody looked at": (scene.items[1], [5]),
        "the log as a subject": ("log", [0, 9]),
    }
    found = {label: list(history_of(log, name).seqs) for label, (name, _) in histories.items()}
    assert found == {label: seqs for label, (_, seqs) in histories.items()}


def test_a_person_has_what_was_done_to_and_by_them(scene: Scene, log: LogReader) -> None:
    assert list(history_of(log, scene.actor).seqs) == [1, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("limit", "shown", "earlier"), [(1, [7], 3), (3, [4, 5, 7], 1), (4, [2, 4, 5, 7], 0), (9, [2, 4, 5, 7], 0)]
)
def test_a_limit_keeps_the_newest_and_counts_the_rest(
    scene: Scene, log: LogReader, limit: int, shown: list[int], earlier: int
) -> None:
    history = history_of(log, scene.drop, limit=limit)
    assert (list(history.seqs), history.earlier) == (shown, earlier)
    assert [opened.entry.seq for opened in history.entries(log)] == shown


def test_the_end_of_the_whole_log_is_read_opened(log: LogReader) -> None:
    history = history_of(log, None, limit=2)
    assert ([opened.entry.seq for opened in history.entries(log)], history.earlier) == ([10, 11], 10)


@pytest.mark.parametrize("length", [4, 8, 13])
def test_a_thing_is_named_by_its_beginning_in_any_spelling(scene: Scene, log: LogReader, length: int) -> None:
    for name in (scene.drop, scene.items[2], scene.actor):
        kind, _, rest = name.partition("_")
        for text in (
            f"{kind}_{rest[:length]}",
            rest[:length],
            rest[:length].lower(),
            f"{kind}_{rest[:length].lower()}",
        ):
            assert thing_named(log, text) == name


@pytest.mark.parametrize(
    "text", ["", "item_", "ABC", "item_ABC", "ZZZZZZ", "drop_0000", "%", "item_%", "\x1b[31m", "~~~~"]
)
def test_anything_else_names_nothing(log: LogReader, text: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        thing_named(log, text)
    assert str(caught.value).isprintable()


def test_a_beginning_that_several_things_share_names_none(tmp_path: Path) -> None:
    """Kinds are not ranked: an item and a drop with the same characters are told apart by the person who asks."""
    layout = found(tmp_path / "store")
    with sqlite3.connect(layout.log_db) as connection:
        rows = [("item_7K3M900000000", 0), ("drop_7K3M900000000", 1), ("drop_7K3M900000001", 1)]
        connection.executemany("INSERT INTO subject (name, seq) VALUES (?, ?)", rows)
    connection.close()
    with LogReader(layout) as log:
        assert thing_named(log, "item_7K3M") == "item_7K3M900000000"
        for text in ("7K3M", "7k3m900000000", "drop_7K3M"):
            with pytest.raises(NotFoundError, match="more than one"):
                thing_named(log, text)
        assert thing_named(log, "7K3M900000001") == "drop_7K3M900000001"


# ------------------------------------------------------------------------------------------------ what is told


@pytest.mark.parametrize(
    ("role", "classes"),
    [
        ("investigator", EVERYTHING),
        ("supervisor", EVERYTHING),
        ("custodian", EVERYTHING),
        ("auditor", WITHOUT_NAMES),
        ("technician", WITHOUT_NAMES),
        ("role of a later version", WITHOUT_NAMES),
    ],
)
def test_only_those_who_work_with_the_footage_see_names(role: str, classes: frozenset[OpeningClass]) -> None:
    assert classes_for(role) == classes


@pytest.mark.parametrize("role", ["custodian", "auditor"])
def test_the_arrival_key_is_told_to_nobody(log: LogReader, role: str) -> None:
    received = told(log, 2, role)
    assert "arrival_key" not in received.values
    assert received.withheld["arrival_key"] == 1


def test_an_auditor_sees_that_a_drop_came_and_not_from_where(log: LogReader) -> None:
    assert dict(told(log, 2, "auditor").values) == {"links": None}
    assert set(told(log, 2, "auditor").withheld) == {"share", "name", "depositor", "arrival_key"}
    assert set(told(log, 2, "custodian").withheld) == {"arrival_key"}


def test_positions_and_serials_are_withheld_from_everybody_and_counted(log: LogReader) -> None:
    analysed = told(log, 7, "custodian")
    assert analysed.values["metadata"] == [METADATA[0]]
    assert dict(analysed.withheld) == {"metadata": 2}
    audited = told(log, 7, "auditor")
    assert audited.values["metadata"] == []
    assert audited.withheld["metadata"] == 3
    assert audited.values["result"] == Digest.of(b"result").hex


def test_who_looked_is_told_to_auditors_too(scene: Scene, log: LogReader) -> None:
    assert told(log, 8, "auditor").actor == scene.actor
    assert "actor" not in told(log, 8, "auditor").values


def test_of_an_unknown_type_only_what_every_type_has_is_told(scene: Scene, log: LogReader) -> None:
    future = told(log, 11, "custodian")
    assert not future.entry.known
    assert (future.actor, dict(future.values), dict(future.withheld)) == (scene.actor, {"links": None}, {"plan": 1})


def test_an_opening_that_is_gone_is_withheld(tmp_path: Path) -> None:
    layout = found(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        arrive(recorder, drop, [b"a"])
    with sqlite3.connect(layout.openings_db) as connection:
        gone = connection.execute("DELETE FROM opening WHERE member IN ('source_path', 'share')").rowcount
        assert gone == 2
    connection.close()
    with LogReader(layout) as log:
        assert set(told(log, 2, "custodian").withheld) == {"arrival_key", "share"}
        master = told(log, 3, "custodian")
    assert dict(master.withheld) == {"source_path": 1}
    assert "source_path" not in master.values
    assert dict(master.missing) == {"source_path": 1}
    assert dict(master.erased) == {}


ERASED = EventType(
    name="openings.erased",
    meaning="As a later version writes it.",
    subjects=("item",),
    facts={"commitments": Fact(meaning="?", json_type="list", accepts=lambda value: isinstance(value, list))},
)


def test_an_opening_that_the_log_calls_erased_is_told_as_erased(tmp_path: Path) -> None:
    """Of a list, only the erased element; and what is gone without a word stays missing."""
    layout = found(tmp_path / "store")
    with Recorder.open(layout) as recorder, LogReader(layout) as log:
        drop = receive(recorder)
        (item,) = arrive(recorder, drop, [b"a"])
        recorder.record([analysis(item, drop)])
        metadata = log.entry(4).commitments["metadata"]
        assert isinstance(metadata, tuple)
        gone = [metadata[0], metadata[1], log.entry(3).commitments["source_path"], log.entry(3).commitments["links"]]
        named: list[Json] = [str(metadata[0]), str(gone[2])]
        recorder.record([Event(type=ERASED, subjects={item: Digest.of(b"a")}, facts={"commitments": named})])
    with sqlite3.connect(layout.openings_db) as connection:
        for digest in gone:
            assert isinstance(digest, Digest)
            assert connection.execute("DELETE FROM opening WHERE commitment = ?", (digest.raw,)).rowcount == 1
    connection.close()
    with LogReader(layout) as log:
        master, analysed, _ = told_entries(log, history_of(log, item), EVERYTHING)
    assert (dict(master.erased), dict(master.missing)) == ({"source_path": 1}, {"links": 1})
    assert (dict(analysed.erased), dict(analysed.missing)) == ({"metadata": 1}, {"metadata": 1})
    assert analysed.withheld["metadata"] >= 2


def test_a_period_holds_its_beginning_and_not_its_end(log: LogReader) -> None:
    moments = [log.entry(seq).recorded_at for seq in range(log.recorded())]
    middle = moments[6]
    later = [seq for seq, moment in enumerate(moments) if moment >= middle]
    earlier = [seq for seq, moment in enumerate(moments) if moment < middle]
    assert list(history_of(log, None, period=Period(begin=middle)).seqs) == later
    assert list(history_of(log, None, period=Period(end=middle)).seqs) == earlier
    assert earlier and 6 in later


def test_of_one_thing_the_entries_of_one_drop(scene: Scene, log: LogReader) -> None:
    assert list(history_of(log, scene.items[0], drop=scene.drop).seqs) == [4, 7]
    assert list(history_of(log, scene.items[0], drop=scene.other_drop).seqs) == []
    assert list(history_of(log, None, drop=scene.other_drop).seqs) == [3, 6]
