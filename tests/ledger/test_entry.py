"""An entry: built and read back the same, and every other spelling of it refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from golden import ORIGIN, RECORDER_SIGNER, SOFTWARE, CountingChance, build_golden, golden_events
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from base.errors import LedgerError
from hashing.digest import ZERO_DIGEST, Digest
from hashing.dsse import encode_envelope, pae
from hashing.strict_json import Json
from hashing.tiles import MAX_ENTRY_BYTES
from ledger.entry import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    Chance,
    EntryFormatError,
    Place,
    SubjectHead,
    build_entry,
    parse_entry,
)
from ledger.events import EVENT_TYPES
from ledger.events.event import Event
from ledger.events.vocabulary import EventRuleError
from ledger.openings import open_entry
from ledger.trust import UntrustedError, verify_signature

TYPES = sorted(EVENT_TYPES)
Change = Callable[[dict[str, Any]], object]
PLACE = Place(
    log=ORIGIN,
    seq=7,
    prev=Digest.of(b"the entry before"),
    recorded_at=datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC),
    clock="unsynchronised",
    software=SOFTWARE,
)
KEYS = {RECORDER_SIGNER.keyid: RECORDER_SIGNER.public}


def chance() -> Chance:
    counting = CountingChance()
    return Chance(salt=counting.salt, shuffle=counting.shuffle)


def statement_of(name: str) -> dict[str, Any]:
    """Return the statement of a golden entry as plain JSON."""
    envelope = json.loads(build_golden(golden_events()[name]).raw)
    statement: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return statement


def written(statement: object) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def sealed_in_envelope(payload: bytes) -> bytes:
    signature = RECORDER_SIGNER.sign(pae(PAYLOAD_TYPE, payload))
    return encode_envelope(PAYLOAD_TYPE, payload, [(RECORDER_SIGNER.keyid, signature)])


def changed(name: str, change: Change) -> bytes:
    """Return a golden entry with ``change`` made to its statement, canonical and validly signed."""
    statement = statement_of(name)
    change(statement)
    return sealed_in_envelope(written(statement))


# ------------------------------------------------------------------------------------------------------ round trip


@pytest.mark.parametrize("name", TYPES)
def test_what_is_built_is_what_is_read(name: str) -> None:
    event = golden_events()[name]
    place = replace(PLACE, seq=0) if name == "log.opened" else PLACE
    heads = {subject: SubjectHead(count=3, entry=Digest.of(b"x")) for subject in event.subjects}
    built = build_entry(event, place=place, heads=heads, signer=RECORDER_SIGNER, chance=chance())
    entry = parse_entry(built.raw)
    verify_signature(entry, KEYS)
    assert (entry.type, entry.event, entry.drop, entry.role) == (name, event.event, event.drop, event.role)
    assert (entry.log, entry.seq, entry.prev, entry.recorded_at) == (ORIGIN, place.seq, PLACE.prev, PLACE.recorded_at)
    assert (entry.clock, entry.software) == (PLACE.clock, SOFTWARE.as_json())
    assert entry.subjects == event.subjects
    assert entry.subject_prev == heads
    assert entry.digest == built.digest == Digest.of(built.raw)
    opened = open_entry(entry, {opening.commitment: opening.text for opening in built.openings})
    for member in event.type.all_committed:
        assert sorted_lists(opened.values[member]) == sorted_lists(event.values.get(member))


def sorted_lists(value: Json) -> Json:
    return sorted(value, key=repr) if isinstance(value, list) else value


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(before=json_values, after=json_values, setting=st.from_regex(r"[a-z0-9._-]{1,40}", fullmatch=True))
def test_any_value_comes_back_out_of_its_opening(before: Json, after: Json, setting: str) -> None:
    event = replace(
        golden_events()["config.changed"],
        facts={"setting": setting},
        values={"before": before, "after": after, "actor": None},
    )
    built = build_entry(event, place=PLACE, heads={}, signer=RECORDER_SIGNER, chance=chance())
    texts = {opening.commitment: opening.text for opening in built.openings}
    opened = open_entry(parse_entry(built.raw), texts)
    assert (opened.values["before"], opened.values["after"]) == (before, after)
    # No value stands in the entry itself, and two equal values have nothing in common there.
    assert len(texts) == len(built.openings) == 4


def test_without_their_openings_members_are_withheld() -> None:
    event = golden_events()["analysis.completed"]
    built = build_golden(event)
    some = {opening.commitment: opening.text for opening in built.openings if opening.member == "metadata/1"}
    opened = open_entry(parse_entry(built.raw), some)
    assert opened.values == {"metadata": [event.values["metadata"][0]]}  # type: ignore[index]
    assert opened.withheld == set(event.type.all_committed)


def test_an_empty_list_is_one_commitment_to_null() -> None:
    built = build_golden(replace(golden_events()["analysis.failed"], values={"metadata": []}))
    (opening,) = [opening for opening in built.openings if opening.member == "metadata"]
    entry = parse_entry(built.raw)
    assert entry.commitments["metadata"] == opening.commitment
    assert open_entry(entry, {opening.commitment: opening.text}).values["metadata"] is None


def test_list_elements_are_shuffled_before_they_are_numbered() -> None:
    event = golden_events()["analysis.completed"]
    built = build_golden(event)
    members = [opening.member for opening in built.openings if opening.member.startswith("metadata")]
    assert members == ["metadata/0", "metadata/1"]
    opened = open_entry(parse_entry(built.raw), {opening.commitment: opening.text for opening in built.openings})
    assert opened.values["metadata"] == list(reversed(event.values["metadata"]))  # type: ignore[arg-type]


def test_an_entry_that_would_be_too_large_is_refused_before_it_is_written() -> None:
    limits: Json = [f"{n:040d}" for n in range(1200)]
    event = golden_events()["analysis.failed"]
    with pytest.raises(EventRuleError, match="65535"):
        build_entry(
            replace(event, facts={**event.facts, "limits": limits}),
            place=PLACE,
            heads={},
            signer=RECORDER_SIGNER,
            chance=chance(),
        )


def test_the_largest_entry_that_fits_is_read_and_one_byte_more_is_not() -> None:
    def raw(size: int) -> bytes:
        return changed("log.opened", lambda s: s["predicate"]["software"].update(version="v" * size))

    # Each byte of the payload is four thirds of a byte in the envelope.
    fitting = 46_000 + (MAX_ENTRY_BYTES - 4 - len(raw(46_000))) * 3 // 4
    entry = raw(fitting)
    assert MAX_ENTRY_BYTES - 8 < len(entry) <= MAX_ENTRY_BYTES
    assert parse_entry(entry).raw == entry
    with pytest.raises(LedgerError):
        parse_entry(raw(fitting + 12))


# ---------------------------------------------------------------------------------------- what a reader refuses


def predicate(**members: object) -> Change:
    return lambda statement: statement["predicate"].update(members)


def fact(**members: object) -> Change:
    return lambda statement: statement["predicate"]["facts"].update(members)


def commitment(**members: object) -> Change:
    return lambda statement: statement["predicate"]["commitments"].update(members)


def test_a_golden_entry_that_is_written_again_is_accepted() -> None:
    """The control of all the refusals below: nothing but the change is what is refused."""
    assert parse_entry(changed("master.defined", lambda s: None)).known


@pytest.mark.parametrize("member", sorted(statement_of("master.defined")["predicate"]))
def test_a_predicate_without_one_member_is_refused(member: str) -> None:
    with pytest.raises(EntryFormatError):
        parse_entry(changed("master.defined", lambda s: s["predicate"].pop(member)))


VALUES: tuple[object, ...] = (True, -1, 1.5, "x", ["x"], {"x": "y"}, None)
# Read as they are: unknown is null; "x" is a role, another log, a type that this version does not know.
RIGHT = {None: {"clock", "role", "drop", "endorsements", "corrects"}, "x": {"role", "log", "type"}}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        pytest.param(member, value, id=f"{member}-{value!r}")
        for member in sorted(statement_of("master.defined")["predicate"])
        for value in VALUES
        if not (isinstance(value, str | None) and member in RIGHT[value])
    ],
)
def test_a_member_of_another_type_is_refused(member: str, value: object) -> None:
    with pytest.raises(LedgerError):
        parse_entry(changed("master.defined", predicate(**{member: value})))


@pytest.mark.parametrize("member", ["_type", "subject", "predicateType", "predicate"])
def test_a_statement_without_one_member_is_refused(member: str) -> None:
    with pytest.raises(LedgerError):
        parse_entry(changed("master.defined", lambda s: s.pop(member)))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("master.defined", lambda s: s.update(extra="x")),
        ("master.defined", lambda s: s["subject"][0].update(uri="x")),
        ("master.defined", lambda s: s["subject"][0].pop("name")),
        ("master.defined", lambda s: s["subject"][0]["digest"].pop("sha256")),
        ("master.defined", lambda s: s["subject"][0]["digest"].update(sha256="AB" * 32)),
        ("master.defined", lambda s: s["subject"][0].update(name="item_7K3M9QZV2D8HI")),
        ("master.defined", lambda s: s.update(predicateType="https://strongroom.example/custody-event/2")),
        ("master.defined", lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")),
        ("master.defined", predicate(extra="x")),
        ("master.defined", predicate(seq="1")),
        ("master.defined", predicate(seq=2**53)),
        ("master.defined", predicate(prev="0" * 63)),
        ("master.defined", predicate(prev="A" * 64)),
        ("master.defined", predicate(event="event_" + "0" * 31)),
        ("master.defined", predicate(event="event_" + "A" * 32)),
        ("master.defined", predicate(recorded_at="2026-11-24T08:15:30Z")),
        ("master.defined", predicate(recorded_at="2026-11-24T08:15:30.123456+00:00")),
        ("master.defined", predicate(recorded_at="2026-13-24T08:15:30.123456Z")),
        ("master.defined", predicate(clock="late")),
        ("master.defined", predicate(role="Technician")),
        ("master.defined", predicate(drop="item_7K3M9QZV2D8HN")),
        ("master.defined", predicate(drop="drop_7")),
        ("master.defined", predicate(software={"name": "x", "version": "1"})),
        ("master.defined", predicate(software={"name": "x", "version": "1", "build": "f"})),
        ("master.defined", predicate(software={"name": "x", "version": "1", "build": None, "host": "h"})),
        ("master.defined", predicate(software={"name": None, "version": "1", "build": None})),
        ("master.defined", predicate(endorsements={"count": 1, "commitment": "0" * 64})),
        ("master.defined", predicate(corrects={"log": ORIGIN, "seq": 0, "entry": "0" * 64})),  # never correctable
        ("item.refused", predicate(corrects={"log": ORIGIN, "seq": 0})),
        ("item.refused", predicate(corrects={"log": ORIGIN, "seq": 0, "entry": "0"})),
        ("master.defined", predicate(facts=None)),
        ("master.defined", fact(extra="x")),
        ("master.defined", lambda s: s["predicate"]["facts"].pop("position")),
        ("master.defined", fact(size_bytes="24")),
        ("master.defined", fact(size_bytes=-1)),
        ("master.defined", fact(read_back="felt-fine")),
        ("log.opened", fact(root_threshold=False)),
        ("log.opened", fact(root_threshold=-1)),
        ("log.opened", fact(recorder_keys=[])),
        ("log.opened", lambda s: s["predicate"]["facts"].pop("origin")),
        ("log.opened", fact(origin=None)),
        ("master.defined", commitment(extra="0" * 64)),
        ("master.defined", lambda s: s["predicate"]["commitments"].pop("actor")),
        ("master.defined", commitment(actor=None)),
        ("master.defined", commitment(actor="0" * 63)),
        ("master.defined", commitment(actor=["0" * 64])),
        ("analysis.completed", commitment(metadata=[])),
        ("analysis.completed", commitment(metadata=["0" * 64] * 257)),
        ("analysis.completed", fact(limits=["b", "a"])),
        ("analysis.completed", fact(group="group-7")),
        ("analysis.completed", fact(part=0)),
        ("master.defined", predicate(subject_prev=None)),
        ("master.defined", predicate(subject_prev={"item_7K3M9QZV2D8HN": {"count": 0}})),
        ("master.defined", predicate(subject_prev={"item_7K3M9QZV2D8HN": {"count": -1, "entry": "0" * 64}})),
        ("master.defined", predicate(subject_prev={"item_0000000000000": {"count": 0, "entry": "0" * 64}})),
        ("log.opened", lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),  # not that of the origin
        ("drop.received", lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),  # not that of its name
    ],
)
def test_another_form_is_refused(name: str, change: Change) -> None:
    statement = statement_of(name)
    before = written(statement)
    change(statement)
    assert written(statement) != before
    with pytest.raises(LedgerError):
        parse_entry(sealed_in_envelope(written(statement)))


@pytest.mark.parametrize(
    ("name", "kind"), [("master.defined", "drop"), ("drop.received", "item"), ("drop.received", "log")]
)
def test_a_subject_of_a_kind_that_the_type_does_not_have_is_refused(name: str, kind: str) -> None:
    other = "log" if kind == "log" else f"{kind}_0000000000000"
    digest = Digest.of((ORIGIN if kind == "log" else other).encode())

    def change(statement: dict[str, Any]) -> None:
        statement["subject"] = [{"name": other, "digest": {"sha256": str(digest)}}]
        statement["predicate"]["subject_prev"] = {other: {"count": 0, "entry": str(ZERO_DIGEST)}}

    with pytest.raises(EntryFormatError, match="kind"):
        parse_entry(changed(name, change))


def with_subjects(names: list[str]) -> bytes:
    def change(statement: dict[str, Any]) -> None:
        statement["subject"] = [{"name": name, "digest": {"sha256": "1" * 64}} for name in names]
        statement["predicate"]["subject_prev"] = {name: {"count": 0, "entry": "0" * 64} for name in names}

    return changed("consulted.view", change)


def test_subjects_ascend_by_name_and_occur_once() -> None:
    first, second = "item_0000000000000", "item_0000000000001"
    assert set(parse_entry(with_subjects([first, second])).subjects) == {first, second}
    for wrong in ([second, first], [first, first]):
        with pytest.raises(LedgerError):
            parse_entry(with_subjects(wrong))


def test_an_entry_has_at_most_a_hundred_subjects() -> None:
    names = [f"item_{n:013d}" for n in range(101)]
    assert len(parse_entry(with_subjects(names[:100])).subjects) == 100
    with pytest.raises(EntryFormatError, match="100"):
        parse_entry(with_subjects(names))


@pytest.mark.parametrize(
    "respell",
    [
        lambda payload: json.dumps(json.loads(payload), sort_keys=True).encode(),  # white space
        lambda payload: json.dumps(
            dict(reversed(json.loads(payload).items())), separators=(",", ":")
        ).encode(),  # keys that descend
        lambda payload: payload + b"\n",
        lambda payload: payload.replace(b'"clock"', b'"cloc\\u006b"'),
        lambda payload: payload.replace(b'"seq":1', b'"seq":1.0'),
        lambda payload: payload.replace(b'"seq":1', b'"seq":1e0'),
        lambda payload: payload.replace(b'"seq":1', b'"seq":01'),
        lambda payload: payload.replace(b'"seq":1', b'"seq":1,"seq":1'),
        lambda payload: payload.replace(b'"role":null', b'"role":{}'),
        lambda payload: payload.replace(b'"role":null', b'"role":[]'),
        lambda payload: payload.replace(b"strongroom/4XH", "strongroom/\u00e9XH".encode()),
        lambda payload: b"\xef\xbb\xbf" + payload,
    ],
)
def test_another_spelling_of_the_same_statement_is_refused(respell: Callable[[bytes], bytes]) -> None:
    payload = written(statement_of("master.defined"))
    spelled = respell(payload)
    assert spelled != payload
    with pytest.raises(LedgerError):
        parse_entry(sealed_in_envelope(spelled))


@pytest.mark.parametrize(
    "respell",
    [
        lambda raw: raw + b"\n",
        lambda raw: b" " + raw,
        lambda raw: raw.replace(b'"payload":', b'"payload": '),
        lambda raw: raw.replace(b'","payloadType"', b'","extra":"x","payloadType"'),
        lambda raw: raw.replace(b"vnd.in-toto+json", b"vnd.in-toto+cbor"),
        lambda raw: raw.replace(b'"signatures":[', b'"signatures":[],"x":['),
        lambda raw: raw.replace(RECORDER_SIGNER.keyid.encode(), RECORDER_SIGNER.keyid.upper().encode()),
        lambda raw: raw.replace(RECORDER_SIGNER.keyid.encode(), b""),
        lambda raw: json.dumps({**json.loads(raw), "signatures": []}, separators=(",", ":")).encode(),
        lambda raw: json.dumps({**json.loads(raw), "signatures": None}, separators=(",", ":")).encode(),
        lambda raw: raw[:-1],
        lambda raw: b"",
        lambda raw: b"{}",
        lambda raw: b"null",
        lambda raw: b"\xff" * 100,
        lambda raw: raw.replace(b"==", b"="),
    ],
)
def test_another_spelling_of_the_envelope_is_refused(respell: Callable[[bytes], bytes]) -> None:
    raw = build_golden(golden_events()["master.defined"]).raw
    spelled = respell(raw)
    assert spelled != raw
    with pytest.raises(LedgerError):
        parse_entry(spelled)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_one_changed_byte_is_refused_or_breaks_the_signature(at: int, byte: int) -> None:
    raw = bytearray(build_golden(golden_events()["master.defined"]).raw)
    at %= len(raw)
    if raw[at] == byte:
        return
    raw[at] = byte
    with pytest.raises(LedgerError):
        verify_signature(parse_entry(bytes(raw)), KEYS)


def test_an_entry_with_two_signatures_is_read_but_not_believed() -> None:
    payload = written(statement_of("master.defined"))
    signature = RECORDER_SIGNER.sign(pae(PAYLOAD_TYPE, payload))
    raw = encode_envelope(PAYLOAD_TYPE, payload, [(RECORDER_SIGNER.keyid, signature), ("f" * 64, signature)])
    with pytest.raises(UntrustedError, match="2 signatures"):
        verify_signature(parse_entry(raw), KEYS)


# ------------------------------------------------------------------------------------------------- unknown types


def test_an_unknown_type_is_kept_and_said_to_be_unknown() -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["predicate"].update(type="copy.issued", facts={"size_bytes": 7, "anything": "at all"})
        statement["predicate"]["commitments"] = {"holder": "0" * 64, "list": ["1" * 64, "2" * 64]}

    raw = changed("master.defined", change)
    entry = parse_entry(raw)
    assert not entry.known
    assert entry.raw == raw
    assert entry.type == "copy.issued"
    assert entry.facts == {"size_bytes": 7, "anything": "at all"}
    assert entry.commitments["list"] == (Digest(b"\x11" * 32), Digest(b"\x22" * 32))


def test_what_the_format_says_holds_for_unknown_types_too() -> None:
    for member, value in {"clock": "late", "endorsements": {"count": 0, "commitment": "0" * 64}}.items():
        with pytest.raises(EntryFormatError):
            parse_entry(changed("master.defined", predicate(type="x.y", **{member: value})))
    endorsed = predicate(type="x.y", endorsements={"count": 2, "commitment": "0" * 64})
    assert not parse_entry(changed("master.defined", endorsed)).known


def test_the_predicate_type_is_the_one_of_drafts() -> None:
    """Until the first release; then a host that the project owns, by decision record (custody log, section 4)."""
    assert PREDICATE_TYPE == "https://strongroom.example/custody-event/draft"


def test_an_event_without_facts_has_null_there() -> None:
    event: Event = golden_events()["role.granted"]
    assert statement_of("role.granted")["predicate"]["facts"] is None
    assert parse_entry(build_golden(event).raw).facts == {}
