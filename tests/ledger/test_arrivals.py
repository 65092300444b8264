"""Once per arrival: a file is recorded once, however often it is tried, and again when it truly came again."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from checker import Checker
from hypothesis import given
from hypothesis import strategies as st
from log_oracles import problems_of
from store_of_log import ARRIVAL_KEY, STAT, copied, receive

from base.errors import LedgerError
from hashing.digest import Digest
from ledger.arrivals import Arrival, Completion, Refusal, arrival_event, completion_event, refusal_event
from ledger.events.drop import ManifestLine
from ledger.events.item import SourceStat, master_defined
from ledger.identifiers import new_identifier
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorded, Recorder
from ledger.seal import seal


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def recorder(layout: StoreLayout) -> Iterator[Recorder]:
    with Recorder.open(layout) as recorder:
        yield recorder


def arrival(drop: str, path: bytes, content: bytes) -> Arrival:
    return Arrival(
        drop=drop,
        path=path,
        sha256=Digest.of(content),
        size_bytes=len(content),
        read_back="page-cache-dropped",
        stat=STAT,
    )


def record_one(recorder: Recorder, drop: str, path: bytes, content: bytes) -> Recorded:
    (recorded,) = recorder.record([arrival(drop, path, content)])
    return recorded


def facts_of(layout: StoreLayout, recorded: Recorded) -> dict[str, object]:
    with LogReader(layout) as log:
        return dict(log.entry(recorded.seq).facts)


def test_a_retry_finds_the_entry_that_is_there(recorder: Recorder) -> None:
    drop = receive(recorder)
    first = record_one(recorder, drop, b"a.mp4", b"A")
    again = record_one(recorder, drop, b"a.mp4", b"A")
    assert first.fresh
    assert not again.fresh
    assert (again.seq, again.digest, again.event, again.subjects) == (
        first.seq,
        first.digest,
        first.event,
        first.subjects,
    )
    assert recorder.end()[0] == first.seq + 1


def test_a_retry_by_a_program_started_anew_finds_it_too(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        first = record_one(recorder, drop, b"a.mp4", b"A")
    with Recorder.open(layout) as recorder:
        assert record_one(recorder, drop, b"a.mp4", b"A").seq == first.seq


def test_other_bytes_at_the_same_path_are_a_new_version_and_the_old_ones_again_a_third(
    layout: StoreLayout, recorder: Recorder
) -> None:
    drop = receive(recorder)
    versions = [record_one(recorder, drop, b"a.mp4", content) for content in (b"A", b"B", b"A")]
    assert all(version.fresh for version in versions)
    assert len({version.event for version in versions}) == 3
    assert [facts_of(layout, version)["supersedes"] for version in versions] == ["none", *["earlier-version"] * 2]
    assert [facts_of(layout, version)["position"] for version in versions] == [0, 1, 2]
    assert not record_one(recorder, drop, b"a.mp4", b"A").fresh  # the third, tried again


def test_the_same_batch_twice_adds_nothing(recorder: Recorder) -> None:
    drop = receive(recorder)
    batch = [arrival(drop, b"%d.mp4" % n, b"content %d" % n) for n in range(20)]
    first = recorder.record(batch)
    end = recorder.end()
    again = recorder.record(batch)
    assert [one.seq for one in again] == [one.seq for one in first]
    assert not any(one.fresh for one in again)
    assert recorder.end() == end


def test_one_arrival_named_twice_in_a_batch_is_recorded_once(recorder: Recorder) -> None:
    drop = receive(recorder)
    first, second = recorder.record([arrival(drop, b"a", b"A"), arrival(drop, b"a", b"A")])
    assert first.fresh
    assert not second.fresh
    assert first.seq == second.seq


def test_duplicates_are_told_within_a_drop_and_across_drops(layout: StoreLayout, recorder: Recorder) -> None:
    one, other = receive(recorder), receive(recorder, arrival_key=bytes(32))
    kinds = [
        facts_of(layout, record_one(recorder, drop, path, content))["duplicate"]
        for drop, path, content in [
            (one, b"a", b"A"),
            (one, b"b", b"A"),  # the same bytes under another name
            (other, b"a", b"A"),  # and in another drop
            (other, b"c", b"C"),
            (other, b"d", b"A"),
        ]
    ]
    assert kinds == ["none", "same-drop", "other-drop", "none", "same-drop"]


def test_duplicates_within_one_batch_are_told(layout: StoreLayout, recorder: Recorder) -> None:
    drop = receive(recorder)
    recorded = recorder.record([arrival(drop, name, b"A") for name in (b"a", b"b")])
    assert [facts_of(layout, one)["duplicate"] for one in recorded] == ["none", "same-drop"]
    assert [facts_of(layout, one)["position"] for one in recorded] == [0, 1]


def test_two_drops_with_one_arrival_key_are_not_taken_for_each_other(recorder: Recorder) -> None:
    """Keys are random, so that this never happens; if it does, an arrival of one must not stand for the other's."""
    one, other = receive(recorder), receive(recorder)
    record_one(recorder, one, b"a", b"A")
    with pytest.raises(LedgerError, match="second entry for the same event"):
        record_one(recorder, other, b"a", b"A")


def test_a_hit_on_an_entry_about_other_bytes_stops_everything(recorder: Recorder) -> None:
    drop = receive(recorder)
    wanted = arrival(drop, b"a", b"A")
    event = arrival_event(ARRIVAL_KEY, generation=0, sha256=wanted.sha256, path=b"a")
    forged = master_defined(
        new_identifier("item"),
        sha256=Digest.of(b"B"),
        size_bytes=1,
        position=0,
        read_back="page-cache-dropped",
        duplicate="none",
        supersedes="none",
        source_path=b"a",
        source_stat=STAT,
        drop=drop,
        event=event,
    )
    recorder.record([forged])
    end = recorder.end()
    with pytest.raises(LedgerError, match="second entry for the same event") as raised:
        recorder.record([wanted])
    assert raised.value.exit_code == 21
    assert recorder.end() == end


def test_without_its_key_a_drop_takes_no_more_arrivals(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
    with sqlite3.connect(layout.openings_db) as connection:
        connection.execute("DELETE FROM opening WHERE member = 'arrival_key'")
    connection.close()
    with Recorder.open(layout) as recorder, pytest.raises(LedgerError, match="arrival key"):
        record_one(recorder, drop, b"a", b"A")


def test_a_key_of_a_drop_that_was_rolled_back_is_forgotten(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError(name)

    with monkeypatch.context() as patch:
        patch.setattr("ledger.record.reach", fail)
        with pytest.raises(RuntimeError, match=r"record\.commit"):
            receive(recorder)
    assert recorder.arrival_keys == {}


def test_refusals_are_recorded_once_for_each_state_in_which_a_thing_was_found(recorder: Recorder) -> None:
    drop = receive(recorder)

    def refusal(stat: SourceStat | None, reason: str = "read-error") -> Refusal:
        return Refusal(drop=drop, path=b"a", kind="file", reason=reason, stat=stat)

    later = SourceStat(size_bytes=1, mtime_ns=2, ctime_ns=1, inode=1, device=1, mode=0o100644)
    recorded = recorder.record([refusal(STAT), refusal(STAT), refusal(later), refusal(None), refusal(None)])
    assert [one.fresh for one in recorded] == [True, False, True, True, False]


def test_a_completion_is_recorded_once_and_again_when_something_came_late(recorder: Recorder) -> None:
    drop = receive(recorder)
    items = [ManifestLine(item=new_identifier("item"), sha256=Digest.of(b"%d" % n), size_bytes=1) for n in range(2)]

    def complete(count: int) -> Recorded:
        (recorded,) = recorder.record(
            [
                Completion(
                    drop=drop, completion="complete", refused=0, source_manifest="none", manifest=tuple(items[:count])
                )
            ]
        )
        return recorded

    assert [complete(count).fresh for count in (1, 1, 2, 2)] == [True, False, True, False]


# ------------------------------------------------------------------------------------------------- the derivation


def test_the_event_of_an_arrival_is_the_hmac_that_is_written_down() -> None:
    """Source: custody log, section 6, "Once per arrival"."""
    key, digest, path = bytes(range(32)), Digest.of(b"A"), b"DCIM/\xff.mp4"
    message = b"arrival\n2\n" + digest.hex.encode() + b"\n" + path
    expected = hmac.new(key, message, hashlib.sha256).hexdigest()[:32]
    assert arrival_event(key, generation=2, sha256=digest, path=path) == f"event_{expected}"


@pytest.mark.parametrize(
    ("stat", "text"),
    [(None, b"refused\nlink\n-\n-\na"), (STAT, b"refused\nlink\n1\n1\na")],
)
def test_the_event_of_a_refusal_is_the_hmac_that_is_written_down(stat: SourceStat | None, text: bytes) -> None:
    expected = hmac.new(ARRIVAL_KEY, text, hashlib.sha256).hexdigest()[:32]
    assert refusal_event(ARRIVAL_KEY, kind="link", stat=stat, path=b"a") == f"event_{expected}"


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([b"A", b"B"]), st.binary(max_size=3)), unique=True))
def test_different_arrivals_have_different_events(arrivals: list[tuple[int, bytes, bytes]]) -> None:
    """Also for paths with newlines: the path comes last, and what is before it has a fixed form."""
    events = {
        arrival_event(ARRIVAL_KEY, generation=generation, sha256=Digest.of(content), path=path)
        for generation, content, path in arrivals
    }
    assert len(events) == len(arrivals)


def test_the_event_of_a_completion_depends_on_all_that_it_states() -> None:
    line = ManifestLine(item="item_7K3M9QZV2D8HN", sha256=Digest.of(b"A"), size_bytes=1)
    stated = [
        Completion(drop="d", completion=completion, refused=refused, source_manifest=manifest, manifest=lines)
        for completion in ("complete", "refusals")
        for refused in (0, 1)
        for manifest in ("none", "matched")
        for lines in ((), (line,))
    ]
    events = {
        completion_event(ARRIVAL_KEY, completion, generation=generation)
        for completion in stated
        for generation in range(3)
    }
    assert len(events) == 3 * len(stated)


def test_a_completion_is_recorded_once_and_again_only_when_the_state_came_back(recorder: Recorder) -> None:
    drop = receive(recorder)

    def complete(completion: str, refused: int) -> Recorded:
        stated = Completion(drop=drop, completion=completion, refused=refused, source_manifest="none", manifest=())
        (recorded,) = recorder.record([stated])
        return recorded

    said = [("complete", 0), ("complete", 0), ("refusals", 1), ("refusals", 1), ("complete", 0), ("complete", 0)]
    recorded = [complete(*one) for one in said]
    assert [one.fresh for one in recorded] == [True, False, True, False, True, False]
    assert len({one.event for one in recorded}) == 3
    assert recorded[4].event == recorded[5].event != recorded[0].event


def test_neither_key_nor_path_nor_names_stand_in_the_log(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        drop = receive(recorder, name=b"card with a telling name")
        record_one(recorder, drop, b"DCIM/very telling path.mp4", b"A")
        recorder.record([Refusal(drop=drop, path=b"a telling link", kind="link", reason="not-a-file", stat=None)])
        seal(recorder)
    checker = Checker(layout.root)
    telling = [ARRIVAL_KEY, b"card with a telling name", b"very telling path", b"a telling link", b"covert-share"]
    assert checker.canaries(telling) == []
    assert problems_of(layout.root) == []
    # The control: what does stand in the log is found there.
    assert checker.canaries([drop.encode()]) != []


@pytest.mark.parametrize(("size_bytes", "stated"), [(2**53 - 1, 2**53 - 1), (2**53, "9007199254740992")])
def test_a_file_that_calls_itself_larger_than_numbers_go_is_refused_on_record(
    layout: StoreLayout, recorder: Recorder, size_bytes: int, stated: object
) -> None:
    drop = receive(recorder)
    stat = SourceStat(size_bytes=size_bytes, mtime_ns=2**64 - 1, ctime_ns=-(2**63), inode=1, device=1, mode=0o100644)
    (recorded,) = recorder.record([Refusal(drop=drop, path=b"sparse", kind="file", reason="too-large", stat=stat)])
    seal(recorder)
    with LogReader(layout) as log:
        (opened,) = log.opened_at([recorded.seq])
    source_stat = opened.values["source_stat"]
    assert isinstance(source_stat, dict)
    assert source_stat["size_bytes"] == stated
    assert problems_of(layout.root) == []
