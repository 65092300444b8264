"""What each entry of the log becomes in the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from store_of_footage import JPEG, NOON, ORIGIN, TOOLS, opened, result_document

from base.clock import to_microseconds
from catalog.projections import EVENTS_ONLY, PROJECTIONS, changes
from catalog.projections.analysis import activity_code
from catalog.projections.rows import (
    ACTIVITY,
    ACTOR,
    ACTOR_ROLE,
    ANALYSIS,
    DROP,
    DROP_COMPLETED,
    EVENT,
    EVENT_SUBJECT,
    FINDING,
    ITEM,
    ITEM_ANALYSED,
    KEYFRAME,
    METADATA,
    OBJECT,
    ORDER,
    REFUSAL,
    SUBJECT,
    WORDS,
    WORDS_DETAILS,
    Change,
    ResultObject,
    Results,
    Value,
)
from catalog.projections.values import seconds_us
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events import EVENT_TYPES
from ledger.events.access import consulted_search
from ledger.events.actor import actor_registered, role_granted
from ledger.events.analysis import analysis_completed, analysis_failed
from ledger.events.drop import drop_completed, drop_received
from ledger.events.event import Event, parts_of
from ledger.events.item import SourceStat, item_refused, master_defined
from ledger.identifiers import new_event_id
from ledger.openings import OpenedEntry

ITEM_NAME, DROP_NAME, ACTOR_NAME = "item_7K3M9QZV2D8HN", "drop_7K3M9QZV2D8HN", "actor_7K3M9QZV2D8HN"
CONTENT = Digest.of(b"footage")
PICTURE = Digest.of(JPEG)
NOON_US = to_microseconds(NOON)
HOSTILE = b"a\x1b[2J\xff\xe2\x80\xae.mp4"
HOSTILE_SHOWN = "a\\u001b[2J\\xff\\u202e.mp4"


def rows(entry: OpenedEntry, change: Change, results: Results | None = None) -> list[tuple[Value, ...]]:
    return [values for kind, values in changes(entry, results or {}) if kind is change]


def named(change: Change, values: Sequence[Value]) -> dict[str, Value]:
    return dict(zip(change.columns, values, strict=False))


def completed(
    *, metadata: Sequence[Json] = (), device_time: Json = None, result: Digest = CONTENT, tier: int = 1
) -> Event:
    return analysis_completed(
        ITEM_NAME,
        sha256=CONTENT,
        drop=DROP_NAME,
        tier=tier,
        outcome="complete",
        keyframes=1,
        tools=TOOLS,
        limits=["wall", "frames"],
        sandbox=["seccomp"],
        media_type="video/mp4",
        parameters={"coverage_s": 60},
        result=result,
        device_time=device_time,
        metadata=metadata,
    )


def master(path: bytes) -> Event:
    return master_defined(
        ITEM_NAME,
        sha256=CONTENT,
        size_bytes=7,
        position=2,
        read_back="page-cache-dropped",
        duplicate="other-drop",
        supersedes="none",
        source_path=path,
        source_stat=SourceStat(size_bytes=7, mtime_ns=1, ctime_ns=1, inode=1, device=1, mode=0o100644),
        drop=DROP_NAME,
        event=new_event_id(),
    )


def received(name: bytes) -> Event:
    return drop_received(
        DROP_NAME,
        settled_by="marker",
        share=b"/srv/share",
        name=name,
        depositor_uid=1000,
        depositor_user="jdoe",
        arrival_key=b"k" * 32,
    )


def test_every_type_is_projected_or_declared_to_be_an_event_only() -> None:
    assert set(EVENT_TYPES) == set(PROJECTIONS) | EVENTS_ONLY
    assert not set(PROJECTIONS) & EVENTS_ONLY


def test_every_change_that_a_projection_makes_has_its_place_in_the_order() -> None:
    entry = opened(completed(metadata=[{"source": "x", "key": "k", "value": "v", "sensitive": False}]))
    spans: list[Json] = [{"start_s": "1", "end_s": "2", "peak": "3"}]
    document: dict[str, Json] = {**result_document(timedelta(0), 2, [JPEG]), "activity": spans}
    found = {kind for kind, _ in changes(entry, {CONTENT: ResultObject(document=document)})}
    assert found <= set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


def test_any_entry_becomes_an_event_with_its_subjects() -> None:
    event = consulted_search(ORIGIN, actor=ACTOR_NAME, role="auditor", terms={"words": ["secret"]}, results=[])
    entry = opened(event)
    (values,) = rows(entry, EVENT)
    assert named(EVENT, values) == {
        "seq": 7,
        "type": "consulted.search",
        "known": 1,
        "recorded_us": NOON_US,
        "actor": ACTOR_NAME,
        "role": "auditor",
        "drop_id": None,
        "event": bytes.fromhex(event.event.removeprefix("event_")),
    }
    assert rows(entry, SUBJECT) == [("log",)]
    assert rows(entry, EVENT_SUBJECT) == [("log", 7)]
    assert not any("secret" in str(values) for _, values in changes(entry, {}))


def test_an_entry_of_an_unknown_type_is_kept_and_nothing_is_concluded() -> None:
    entry = opened(master(b"a.mp4"))
    strange = replace(entry, entry=replace(entry.entry, type="master.superdefined", known=False))
    assert {kind for kind, _ in changes(strange, {})} == {EVENT, SUBJECT, EVENT_SUBJECT}
    (values,) = rows(strange, EVENT)
    assert named(EVENT, values)["known"] == 0


def test_a_registered_person_leaves_no_name_here() -> None:
    entry = opened(actor_registered(ACTOR_NAME, uid=1000, user="jdoe", roles=["auditor"], by=None))
    assert rows(entry, ACTOR) == [(7, ACTOR_NAME)]
    assert rows(entry, ACTOR_ROLE) == [(ACTOR_NAME, "auditor")]
    assert not any("jdoe" in str(values) for _, values in changes(entry, {}))


def test_a_granted_role_is_one_more_role() -> None:
    entry = opened(role_granted(ACTOR_NAME, roles=["custodian"], by=ACTOR_NAME, role="custodian"))
    assert rows(entry, ACTOR_ROLE) == [(ACTOR_NAME, "custodian")]


def test_a_drop_keeps_its_raw_name_beside_the_escaped_one_and_no_depositor() -> None:
    entry = opened(received(HOSTILE))
    (values,) = rows(entry, DROP)
    assert named(DROP, values) == {
        "drop_id": 7,
        "drop": DROP_NAME,
        "name": HOSTILE,
        "name_text": HOSTILE_SHOWN,
        "share": b"/srv/share",
        "share_text": "/srv/share",
        "received_us": NOON_US,
        "settled_by": "marker",
    }
    assert not any("jdoe" in str(values) or b"kkkk" in values for _, values in changes(entry, {}))


def test_a_drop_is_completed_with_the_counts_that_its_entry_states() -> None:
    event = drop_completed(
        DROP_NAME,
        completion="refusals",
        refused=3,
        source_manifest="matched",
        manifest=[],
        event=new_event_id(),
    )
    (values,) = rows(opened(event), DROP_COMPLETED)
    assert values == (NOON_US, "refusals", 0, 0, 3, "matched", DROP_NAME)


def test_a_master_is_a_sealed_item_of_a_content_with_one_copy() -> None:
    entry = opened(master(HOSTILE))
    assert rows(entry, OBJECT) == [(7, CONTENT.raw, 7, 1)]
    (values,) = rows(entry, ITEM)
    assert named(ITEM, values) == {
        "item_id": 7,
        "item": ITEM_NAME,
        "object_id": CONTENT.raw,
        "drop_id": DROP_NAME,
        "position": 2,
        "source_path": HOSTILE,
        "source_name": HOSTILE_SHOWN,
        "duplicate": "other-drop",
        "supersedes": "none",
        "state": "sealed",
        "activity": "not-analysed",
    }
    assert rows(entry, WORDS) == [(7, DROP_NAME, f"{HOSTILE_SHOWN} a [2J  .mp4")]
    assert rows(opened(master(b"DCIM/a.mp4")), WORDS) == [(7, DROP_NAME, "DCIM/a.mp4")]


def test_a_withheld_path_is_null_and_not_a_guess() -> None:
    entry = opened(master(b"a.mp4"))
    values = {name: value for name, value in entry.values.items() if name != "source_path"}
    erased = replace(entry, values=values, withheld=frozenset({"source_path"}))
    (row,) = rows(erased, ITEM)
    assert (named(ITEM, row)["source_path"], named(ITEM, row)["source_name"]) == (None, "")


def test_a_refusal_keeps_what_was_refused_and_why() -> None:
    event = item_refused(
        DROP_NAME, kind="link", reason="not-a-file", source_path=HOSTILE, source_stat=None, event=new_event_id()
    )
    assert rows(opened(event), REFUSAL) == [(7, DROP_NAME, "link", "not-a-file", HOSTILE, HOSTILE_SHOWN)]


# -------------------------------------------------------------------------------------------------------- analysis

DEVICE_TIME: dict[str, Json] = {
    "start": "2031-03-14T12:00:00.000000Z",
    "end": "2031-03-14T12:10:00.000000Z",
    "source": "mediainfo",
    "key": "Encoded_Date",
    "zone": "utc",
}


def analysed(device_time: Json, document: Mapping[str, Json] | None, *, tier: int = 1) -> dict[str, Value]:
    results = {CONTENT: ResultObject(document=document)}
    (values,) = rows(opened(completed(device_time=device_time, tier=tier)), ITEM_ANALYSED, results)
    return named(ITEM_ANALYSED, values)


@pytest.mark.parametrize(
    ("device_time", "duration", "start", "end"),
    [
        (DEVICE_TIME, "600.0", NOON_US, NOON_US + 600_000_000),
        ({**DEVICE_TIME, "end": None}, "90.5", NOON_US, NOON_US + 90_500_000),  # it lasts as long as it plays
        ({**DEVICE_TIME, "end": None}, None, NOON_US, NOON_US),
        ({**DEVICE_TIME, "end": "2031-03-14T11:00:00.000000Z"}, "1", NOON_US, NOON_US + 1_000_000),  # ends before
        ({**DEVICE_TIME, "start": "yesterday"}, "1", None, None),
        ({**DEVICE_TIME, "start": 5}, "1", None, None),
        (None, "600.0", None, None),
        ("noon", "600.0", None, None),
    ],
)
def test_device_time(device_time: Json, duration: Json, start: int | None, end: int | None) -> None:
    told = analysed(device_time, {"duration_s": duration})
    assert (told["device_start_us"], told["device_end_us"]) == (start, end)


@pytest.mark.parametrize(
    ("document", "tier", "code"),
    [
        ({}, 1, "not-analysed"),  # tier 1 that saw nothing is no answer
        ({"keyframes": [{"reason": "first"}, {"reason": "coverage"}]}, 1, "not-analysed"),
        ({"keyframes": [{"reason": "activity-peak"}]}, 1, "changes-seen-tier-1"),
        ({"keyframes": [{"reason": "cut"}]}, 1, "changes-seen-tier-1"),
        ({"cuts": ["12.0"]}, 1, "changes-seen-tier-1"),
        ({"cuts": ["12.0"]}, 2, "no-activity"),
        ({"activity": [{"start_s": "1", "end_s": "2"}]}, 2, "activity"),
        ({"activity": [{"start_s": "1", "end_s": "2"}]}, 1, "not-analysed"),
        ({"keyframes": "many", "cuts": 7}, 1, "not-analysed"),
    ],
)
def test_only_a_look_at_every_frame_may_say_that_nothing_happened(
    document: Mapping[str, Json], tier: int, code: str
) -> None:
    assert activity_code(document, tier=tier) == code


def test_a_picture_that_nobody_looked_for_is_no_answer_either() -> None:
    """The result of a still says tiers []: then no tier has looked, whatever the entry was called."""
    told = analysed(None, {"tiers": [], "activity": []}, tier=2)
    assert told["activity"] == "not-analysed"


def test_the_pictures_spans_and_counts_of_the_result_object() -> None:
    spans: list[Json] = [{"start_s": "1.5", "end_s": "2", "peak": "7.1"}, {"start_s": "late", "end_s": "2"}]
    findings: list[Json] = [{"code": "damaged", "start_s": None, "end_s": None}, {"code": "NOT A CODE", "start_s": "3"}]
    document: dict[str, Json] = {
        **result_document(timedelta(minutes=10), 2, [JPEG]),
        "activity": spans,
        "findings": findings,
    }
    entry, results = opened(completed(tier=2)), {CONTENT: ResultObject(document=document)}
    (picture,) = rows(entry, KEYFRAME, results)
    assert picture == (7, 0, PICTURE.raw, 0, 0, "1/90000", 0, "first", 640, 360, 0, "3.25")
    assert rows(entry, ACTIVITY, results) == [(7, 0, 1_500_000, 2_000_000, "7.1")]
    assert rows(entry, FINDING, results) == [(7, 0, "damaged", None, None), (7, 1, "unknown", 3_000_000, None)]
    (values,) = rows(entry, ANALYSIS, results)
    told = named(ANALYSIS, values)
    assert (told["gave_result"], told["tiers"], told["limits"], told["result_read"]) == (1, "1 2", "frames wall", 1)
    assert (told["frames_declared"], told["frames_counted"], told["frames_missed"]) == (15001, 15000, 0)


def test_a_result_object_that_is_gone_is_said_to_be_gone() -> None:
    (values,) = rows(opened(completed()), ANALYSIS, {CONTENT: ResultObject(document=None)})
    told = named(ANALYSIS, values)
    assert (told["result"], told["result_read"], told["frames_counted"]) == (CONTENT.raw, 0, None)


@pytest.mark.parametrize(
    ("stated", "kept", "sensitive"),
    [
        ({"source": "mediainfo", "key": "Format", "value": "AVC", "sensitive": False}, "AVC", 0),
        ({"source": "exif", "key": "Serial", "value": "S1", "sensitive": True}, None, 1),
        ({"source": "exif", "key": "Owner", "value": "S1"}, None, 1),  # what does not say that it is harmless is not
        ({"source": "exif", "key": "Owner", "value": "S1", "sensitive": None}, None, 1),
        ({"source": "exif", "key": "Owner", "value": "S1", "sensitive": 0}, None, 1),
        ({"source": "exif", "key": "Number", "value": 5, "sensitive": False}, None, 1),  # not what media writes
    ],
)
def test_sensitive_values_are_neither_kept_nor_indexed(stated: Json, kept: str | None, sensitive: int) -> None:
    entry = opened(completed(metadata=[stated]))
    (values,) = rows(entry, METADATA)
    assert values[-2:] == (kept, sensitive)
    assert rows(entry, WORDS_DETAILS) == [(1, kept or "", ITEM_NAME)]


def test_the_parts_of_a_long_analysis_are_one_analysis() -> None:
    metadata: list[Json] = [{"source": "x", "key": str(n), "value": f"v{n}", "sensitive": False} for n in range(600)]
    parts = [opened(part, seq=7 + number) for number, part in enumerate(parts_of(completed(metadata=metadata)))]
    assert len(parts) == 3
    results = {CONTENT: ResultObject(document=result_document(timedelta(0), 1, [JPEG]))}
    assert [len(rows(part, ANALYSIS, results)) for part in parts] == [1, 0, 0]
    assert [len(rows(part, KEYFRAME, results)) for part in parts] == [1, 0, 0]
    kept = [values for part in parts for values in rows(part, METADATA, results)]
    assert len(kept) == 600
    assert {values[0] for values in kept} == {7}
    assert [values[0] for part in parts for values in rows(part, WORDS_DETAILS)] == [1, 0, 0]


def test_a_failed_analysis_is_a_fact_about_the_item_and_leaves_it_sealed() -> None:
    event = analysis_failed(
        ITEM_NAME,
        sha256=CONTENT,
        drop=DROP_NAME,
        tier=1,
        outcome="time-out",
        tools=TOOLS,
        limits=["wall"],
        sandbox=["seccomp"],
        media_type="video/mp4",
        parameters={"coverage_s": 60},
        metadata=[],
    )
    (values,) = rows(opened(event), ANALYSIS)
    told = named(ANALYSIS, values)
    assert (told["gave_result"], told["outcome"], told["tiers"]) == (0, "time-out", "")
    assert rows(opened(event), ITEM_ANALYSED) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("keyframes", "activity", "findings", "cuts", "duration_s", "frames", "tiers", "kind", "width")
INNER = ("sha256", "time_s", "pts", "reason", "start_s", "end_s", "code", "declared", "peak")


@given(
    document=st.dictionaries(
        st.sampled_from(MEMBERS),
        json_values | st.lists(st.dictionaries(st.sampled_from(INNER), json_values), max_size=3),
    ),
    device_time=json_values | st.dictionaries(st.sampled_from(["start", "end", "zone", "key"]), json_values),
)
def test_no_result_object_however_wrong_stops_the_projection(document: dict[str, Json], device_time: Json) -> None:
    entry = opened(completed())
    entry = replace(entry, values={**entry.values, "device_time": device_time})
    found = changes(entry, {CONTENT: ResultObject(document=document)})
    for kind, values in found:
        extra = 1 if kind.key else 0
        assert len(values) == len(kind.columns) + extra


@given(st.text(max_size=30) | st.integers() | st.decimals().map(str))
def test_seconds_are_read_or_not_known(value: str | int) -> None:
    microseconds = seconds_us(value)
    assert microseconds is None or abs(microseconds) <= 10**17
