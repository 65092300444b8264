"""Events: what may be stated, and how a large one becomes several entries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events import EVENT_TYPES
from ledger.events.access import CONSULTED_VIEW, consulted_view
from ledger.events.actor import ROLE_GRANTED
from ledger.events.analysis import ANALYSIS_FAILED, analysis_failed
from ledger.events.drop import DROP_COMPLETED, DROP_RECEIVED
from ledger.events.event import MAX_LISTED, MAX_SUBJECTS, Event, parts_of, registered
from ledger.events.item import MASTER_DEFINED
from ledger.events.log import LOG_OPENED, RecorderKey, log_opened, log_subject
from ledger.events.vocabulary import CODE, EventRuleError, EventType, codes, optional_coded_records, records
from ledger.identifiers import EVENT_ID, new_identifier

ORIGIN = "strongroom/TESTSTORE0000"
ITEM = "item_7K3M9QZV2D8HN"
DIGEST = Digest.of(b"content")
KEY = RecorderKey(algorithm="ed25519", keyid="0" * 64, spki="AA==")
FACTS: dict[str, Json] = {
    "size_bytes": 1,
    "position": 0,
    "read_back": "page-cache-dropped",
    "duplicate": "none",
    "supersedes": "none",
}


def test_an_event_that_fits_its_type_is_built() -> None:
    event = Event(type=MASTER_DEFINED, subjects={ITEM: DIGEST}, facts=FACTS)
    assert EVENT_ID.fullmatch(event.event)


@pytest.mark.parametrize(
    ("kind", "subjects"),
    [
        (MASTER_DEFINED, {}),
        (MASTER_DEFINED, {"drop_7K3M9QZV2D8HN": DIGEST}),  # of another kind
        (MASTER_DEFINED, {"item_7K3M9QZV2D8H": DIGEST}),  # too short
        (MASTER_DEFINED, {"item_7K3M9QZV2D8HI": DIGEST}),  # I is no digit of the alphabet
        (MASTER_DEFINED, {"log": DIGEST}),
        (LOG_OPENED, {"log_7K3M9QZV2D8HN": Digest.of(b"log_7K3M9QZV2D8HN")}),
        (ROLE_GRANTED, {"actor_7K3M9QZV2D8HN": DIGEST}),  # not the digest of the name
    ],
)
def test_a_wrong_subject_is_refused(kind: EventType, subjects: dict[str, Digest]) -> None:
    facts = FACTS if kind is MASTER_DEFINED else dict(log_opened(ORIGIN, log_vkey="x", recorder_keys=[KEY]).facts)
    with pytest.raises(EventRuleError, match=r"subject|digest"):
        Event(type=kind, subjects=subjects, facts=facts if kind is not ROLE_GRANTED else {})


@pytest.mark.parametrize(
    "change",
    [
        {"size_bytes": -1},
        {"size_bytes": True},
        {"size_bytes": 2**53},
        {"size_bytes": "1"},
        {"size_bytes": None},
        {"read_back": "felt-fine"},
        {"read_back": None},
        {"path": "/home/x"},
    ],
)
def test_a_wrong_or_unknown_fact_is_refused(change: dict[str, Json]) -> None:
    with pytest.raises(EventRuleError, match=next(iter(change))):
        Event(type=MASTER_DEFINED, subjects={ITEM: DIGEST}, facts={**FACTS, **change})


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_missing_fact_is_refused(name: str) -> None:
    facts = {key: value for key, value in FACTS.items() if key != name}
    with pytest.raises(EventRuleError, match=name):
        Event(type=MASTER_DEFINED, subjects={ITEM: DIGEST}, facts=facts)


def test_an_unknown_committed_member_is_refused() -> None:
    with pytest.raises(EventRuleError, match="diary"):
        Event(type=MASTER_DEFINED, subjects={ITEM: DIGEST}, facts=FACTS, values={"diary": "x"})


@pytest.mark.parametrize(
    ("value", "good"),
    [(None, True), (["a", "b"], True), (["b", "a"], False), ([], False), (["A"], False), ("a", False), ([1], False)],
)
def test_a_list_of_codes_ascends_and_is_never_empty(value: Json, good: bool) -> None:
    assert codes("").accepts(value) is good


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ([{"name": "x", "version": "1"}], True),
        ([], False),
        (None, False),
        ([{"name": "x"}], False),
        ([{"name": "x", "version": 1}], False),
        ([{"name": "x", "version": "1", "z": "2"}], False),
        ([{"name": 'quo"te', "version": "1"}], False),
        (["x"], False),
    ],
)
def test_records_are_objects_of_exactly_these_texts(value: Json, good: bool) -> None:
    assert records("", "name", "version").accepts(value) is good
    assert optional_coded_records("", "name", "version").accepts(value) is (good or value is None)


def test_coded_records_hold_codes_only() -> None:
    accepts = optional_coded_records("", "name", "version").accepts
    assert accepts([{"name": "opencv", "version": "5.0.0"}])
    assert not accepts([{"name": "My Camera's Player", "version": "5.0.0"}])


# ----------------------------------------------------------------------------------------------------------- parts


def view_of(count: int) -> Event:
    return consulted_view(
        ORIGIN,
        command="sheet",
        actor="actor_7K3M9QZV2D8HN",
        role="investigator",
        items={new_identifier("item"): DIGEST for _ in range(count)},
    )


def failure_with(count: int) -> Event:
    return analysis_failed(
        ITEM,
        sha256=DIGEST,
        drop="drop_7K3M9QZV2D8HN",
        tier=1,
        outcome="time-out",
        tools=[],
        limits=[],
        sandbox=[],
        media_type=None,
        parameters={},
        metadata=[{"source": "x", "key": str(n), "value": n, "sensitive": False} for n in range(count)],
    )


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (MAX_SUBJECTS, 1), (MAX_SUBJECTS + 1, 2), (3 * MAX_SUBJECTS, 3)])
def test_subjects_are_shared_out_over_the_parts(count: int, parts: int) -> None:
    event = view_of(count)
    made = list(parts_of(event))
    assert len(made) == parts
    assert [name for part in made for name in part.subjects] == list(event.subjects)
    assert all(1 <= len(part.subjects) <= MAX_SUBJECTS for part in made)


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (MAX_LISTED, 1), (MAX_LISTED + 1, 2), (2 * MAX_LISTED + 1, 3)])
def test_a_long_list_is_shared_out_and_every_part_keeps_its_subject(count: int, parts: int) -> None:
    event = failure_with(count)
    made = list(parts_of(event))
    assert len(made) == parts
    listed = [row for part in made for row in (part.values["metadata"] or [])]  # type: ignore[union-attr]
    assert listed == (event.values["metadata"] or [])
    assert all(part.subjects == event.subjects for part in made)


def test_the_parts_say_that_they_are_parts_and_have_events_of_their_own() -> None:
    event = view_of(250)
    made = list(parts_of(event))
    assert [(p.facts["group"], p.facts["part"], p.facts["parts"]) for p in made] == [
        (event.event, n, 3) for n in (1, 2, 3)
    ]
    assert made[0].event == event.event
    assert len({part.event for part in made}) == 3


def test_a_whole_event_says_that_it_is_whole() -> None:
    (event,) = parts_of(view_of(2))
    assert (event.facts["group"], event.facts["part"], event.facts["parts"]) == (None, None, None)


def test_a_type_that_is_never_split_refuses_more_subjects_than_an_entry_holds() -> None:
    subjects = {new_identifier("item"): DIGEST for _ in range(MAX_SUBJECTS + 1)}
    event = Event(type=MASTER_DEFINED, subjects=subjects, facts=FACTS)
    with pytest.raises(EventRuleError):
        list(parts_of(event))


# ------------------------------------------------------------------------------------------------- the vocabulary


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES)
def test_every_type_has_a_name_and_meanings(kind: EventType) -> None:
    assert CODE.fullmatch(kind.name)
    assert "." in kind.name
    assert kind.meaning.endswith(".")
    assert all(fact.meaning for fact in kind.all_facts.values())
    assert all(member.meaning for member in kind.all_committed.values())
    assert all(CODE.fullmatch(word) for fact in kind.all_facts.values() for word in fact.codes)


def test_what_must_stay_as_it_is_can_not_be_corrected() -> None:
    """Source: custody log, section 4, "Corrections"."""
    assert not any(kind.correctable for kind in (LOG_OPENED, MASTER_DEFINED, DROP_COMPLETED))


def test_names_places_and_people_are_never_open() -> None:
    """The open facts of all types, listed: a new one has to be looked at here (custody log, "Open facts")."""
    assert {name for kind in EVENT_TYPES.values() for name in kind.all_facts} == {
        *(
            "format",
            "origin",
            "log_vkey",
            "recorder_keys",
            "root_keys",
            "root_threshold",
            "predecessor",
            "cause",
            "successor",
            "reference",
            "count",
            "size",
            "root",
            "note",
            "endorsements",
        ),
        *("setting", "version_before", "version_after", "build_before", "build_after", "anomaly"),
        *("settled_by", "completion", "files", "bytes", "refused", "source_manifest"),
        *("size_bytes", "position", "read_back", "duplicate", "supersedes", "kind", "reason"),
        *("tier", "outcome", "keyframes", "tools", "limits", "sandbox"),
        *("command", "count", "rule", "group", "part", "parts"),
        *("purpose", "algorithm", "keyid", "spki", "proof", "good_size"),
        *("entries", "openings", "withheld", "classes", "sha256"),  # counts, codes and the digest of an export
        *("key", "places"),  # the key ID of a witness or authority, and a count
    }


@pytest.mark.parametrize("name", ["source_path", "share", "name", "depositor", "login", "arrival_key", "metadata"])
def test_what_tells_about_a_place_or_person_is_not_of_the_class_that_auditors_see(name: str) -> None:
    members = [kind.committed[name] for kind in EVENT_TYPES.values() if name in kind.committed]
    assert members
    assert {str(member.opening_class) for member in members} <= {"sensitive", "personal", "text"}


@given(st.text(max_size=60))
def test_only_a_code_passes_for_a_code(text: str) -> None:
    accepted = CONSULTED_VIEW.facts["rule"].accepts(text)
    assert accepted == (0 < len(text) <= 40 and all(c in "abcdefghijklmnopqrstuvwxyz0123456789._-" for c in text))


def test_a_registered_thing_has_the_digest_of_its_name() -> None:
    assert registered("drop_7K3M9QZV2D8HN") == {"drop_7K3M9QZV2D8HN": Digest.of(b"drop_7K3M9QZV2D8HN")}
    assert log_subject(ORIGIN) == {"log": Digest.of(ORIGIN.encode())}
    assert DROP_RECEIVED.subjects == ("drop",)
    assert ANALYSIS_FAILED.splits
