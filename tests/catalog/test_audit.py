"""The audit: each question has its answer on a store in which everything happened, and on one in which nothing did."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from store_of_footage import FootageStore, footage_store
from store_of_log import found

from base.clock import now
from catalog.audit import SECTIONS, section
from catalog.audit.report import AuditReport, audit, lodged_sizes
from catalog.audit.section import NOTE, OK, WAITS, Section, span_text
from hashing.digest import Digest
from ledger.events import access, log
from ledger.events.actor import actor_registered, role_granted
from ledger.events.drop import ManifestLine, drop_completed
from ledger.events.event import Event
from ledger.events.export import log_exported
from ledger.events.vocabulary import EventType, OpeningClass
from ledger.history import ALWAYS, EVERYTHING, WITHOUT_NAMES, Period
from ledger.identifiers import new_event_id, new_identifier
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.store_reader import StoreReader
from ledger.succession import recorder_rests, succeed

HOSTILE = b"secret \x1b[2J\xe2\x80\xaelink"
ENROLLED = EventType(name="key.of-a-later-version", meaning="?", subjects=("log",))
REPLICA = EventType(name="replica.verified", meaning="?", subjects=("item",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A store in which something of each kind happened, and who did it."""

    layout: StoreLayout
    custodian: str
    person: str
    items: list[str]
    drops: dict[str, str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with footage_store(tmp_path_factory.mktemp("audit") / "store") as store:
        with LogReader(store.layout) as reader:
            (custodian,) = reader.entry(1).subjects
        person = new_identifier("actor")
        drops = {name: store.drop(name.encode()) for name in ("refused", "mismatch", "mended", "never", "good")}
        items = [store.item(drops[name], b"clip.mp4") for name in ("refused", "mismatch", "mended", "good")]
        store.refuse(drops["refused"], HOSTILE)
        store.complete(drops["refused"], [items[0]], refused=1)
        mismatch(store, drops["mismatch"], items[1])
        store.refuse(drops["mended"], b"busy.mp4", kind="file", reason="read-error")
        store.complete(drops["mended"], [items[2]], refused=1)
        store.complete(drops["mended"], [items[2]])
        store.complete(drops["good"], [items[3]])
        store.fail(items[0], drops["refused"])
        store.fail(items[1], drops["mismatch"])
        store.analyse(items[1], drops["mismatch"])
        store.record(actor_registered(person, uid=4711, user="jdoe", roles=["investigator"], by=custodian))
        store.record(role_granted(person, roles=["auditor"], by=custodian, role="custodian"))
        of_the_log(store, custodian, person, items)
        store.settle()
        (store.layout.lodged / "12").mkdir()
        (store.layout.lodged / "0x9").mkdir()
        yield Scene(layout=store.layout, custodian=custodian, person=person, items=items, drops=drops)


def mismatch(store: FootageStore, drop: str, item: str) -> None:
    store.record(
        drop_completed(
            drop,
            completion="manifest-mismatch",
            refused=0,
            source_manifest="mismatch",
            manifest=[ManifestLine(item=item, sha256=store.items[item], size_bytes=9)],
            event=new_event_id(),
        )
    )


def of_the_log(store: FootageStore, custodian: str, person: str, items: list[str]) -> None:
    origin = store.recorder.origin
    digests = {item: store.items[item] for item in items}
    one = {items[0]: store.items[items[0]]}
    store.record(
        log.config_changed(origin, setting="settle_seconds", before="5", after="8.5", actor=custodian),
        log.software_updated(
            origin, version_before="0.0.9", version_after="0.1.0", build_before=None, build_after="5b" * 32
        ),
        log.clock_anomaly(origin, before="2026-11-24T08:15:30.000000Z", after="2026-11-24T08:15:29.000000Z"),
        Event(type=ENROLLED, subjects=log.log_subject(origin)),
        access.access_denied(origin, command="find", rule="not-registered", uid=6, user="mallory", actor=None),
        access.consulted_view(origin, command="show", actor=person, role="investigator", items=one),
        access.consulted_view(origin, command="sheet", actor=person, role="investigator", items=digests),
        access.consulted_view(
            origin, command="log-show", actor=custodian, role="custodian", items={}, links={"drop": "drop_X"}
        ),
        access.consulted_search(origin, actor=person, role="investigator", terms={}, results=[items[0]]),
        log_exported(
            origin, actor=custodian, role="custodian", items=one, names=[items[0]], entries=3, openings=2,
            withheld=7, classes=["internal"], sha256=Digest.of(b"sums"), purpose="for the court",
        ),
        Event(type=REPLICA, subjects=one),
    )  # fmt: skip


def report_of(
    layout: StoreLayout, *, classes: Set[OpeningClass] = WITHOUT_NAMES, period: Period = ALWAYS, users: bool = False
) -> AuditReport:
    told: list[tuple[int, int]] = []
    named = {"actor_X": "nobody"} if users else {}
    with StoreReader(layout) as reader:
        return audit(
            layout,
            reader,
            period=period,
            classes=classes,
            users=named,
            now=now(),
            progress=lambda *done: told.append(done),
        )


@pytest.fixture(scope="module")
def sections(scene: Scene) -> dict[str, Section]:
    """What an auditor gets."""
    return {one.code: one for one in report_of(scene.layout).sections}


def column(one: Section, name: str) -> list[object]:
    return [row[one.columns.index(name)] for row in one.rows]


# ------------------------------------------------------------------------------------------------ every question


def test_the_questions_and_how_they_stand(sections: dict[str, Section]) -> None:
    assert {code: one.standing for code, one in sections.items()} == {
        "refused": WAITS, "gaps": WAITS, "failed-analyses": NOTE, "single-copies": NOTE, "changes": NOTE,
        "clock": NOTE, "keys": NOTE, "people": NOTE, "denied": NOTE, "consultations": OK, "looks": OK,
        "exported": NOTE, "lodging": NOTE, "unknown-types": NOTE,
    }  # fmt: skip


def test_a_refusal_waits_until_its_drop_is_complete(scene: Scene, sections: dict[str, Section]) -> None:
    refused = sections["refused"]
    assert list(zip(column(refused, "drop"), column(refused, "now"), strict=True)) == [
        (scene.drops["refused"], "not taken"),
        (scene.drops["mended"], "drop complete since"),
    ]
    assert column(refused, "reason") == ["not-a-file", "read-error"]
    assert "1 of them in drops that are not complete" in refused.says[1]


def test_a_gap_is_a_drop_whose_newest_end_is_not_complete(scene: Scene, sections: dict[str, Section]) -> None:
    gaps = sections["gaps"]
    assert dict(zip(column(gaps, "drop"), column(gaps, "ended"), strict=True)) == {
        scene.drops["refused"]: "refusals",
        scene.drops["mismatch"]: "manifest-mismatch",
        scene.drops["never"]: None,
    }
    assert "broken off" in " ".join(map(str, column(gaps, "means")))


def test_an_analysis_that_succeeded_later_is_no_failure_any_more(scene: Scene, sections: dict[str, Section]) -> None:
    assert column(sections["failed-analyses"], "item") == [scene.items[0]]
    assert column(sections["failed-analyses"], "limits") == ["wall"]


def test_a_verified_replica_takes_an_item_off_the_list(scene: Scene, sections: dict[str, Section]) -> None:
    assert column(sections["single-copies"], "drop") == [scene.drops[name] for name in ("mismatch", "mended", "good")]
    assert sections["single-copies"].says[0].startswith("3 items exist once only, of 4")


def test_changes_name_what_before_and_after(scene: Scene, sections: dict[str, Section]) -> None:
    assert column(sections["changes"], "what") == ["settle_seconds", "software"]
    assert column(sections["changes"], "after") == ["withheld", "0.1.0, build 5b5b5b5b5b5b5b5b…"]
    assert column(sections["changes"], "by") == [scene.custodian, "the service"]
    everything = {one.code: one for one in report_of(scene.layout, classes=EVERYTHING).sections}
    assert column(everything["changes"], "after")[0] == "8.5"


def test_keys_are_named_whatever_type_speaks_of_them(sections: dict[str, Section]) -> None:
    keys = sections["keys"]
    assert column(keys, "what") == ["log key", "recorder key", "key.of-a-later-version"]
    assert "root threshold is 0" in keys.says[1]


def test_who_looked_at_what_is_counted_by_person_and_by_thing(scene: Scene, sections: dict[str, Section]) -> None:
    people, looks = sections["consultations"], sections["looks"]
    assert {row[0]: row[2:5] for row in people.rows} == {scene.person: (1, 2, 4), scene.custodian: (0, 1, 0)}
    counted = {(row[0], row[1]): row[2] for row in looks.rows}
    assert counted[scene.items[0], scene.person] == 2
    assert counted["drop_X", scene.custodian] == 1
    assert len(counted) == 5
    assert looks.rows[0][2] == 2  # the most looked at comes first


def test_a_large_look_in_parts_counts_once(tmp_path: Path) -> None:
    layout = found(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        items = {new_identifier("item"): Digest.of(b"%d" % n) for n in range(150)}
        links = {"drop": "drop_X"}
        look = access.consulted_view(
            recorder.origin, command="sheet", actor="actor_X", role="custodian", items=items, links=links
        )
        recorder.record([look])
        recorder.record([access.access_denied(recorder.origin, command="x", rule="role-missing", uid=1, user=None,
                                              actor="actor_X")])  # fmt: skip
    sections = {one.code: one for one in report_of(layout, users=True).sections}
    ((who, _, searches, views, count, *_),) = sections["consultations"].rows
    assert (who, searches, views, count) == ("actor_X (nobody)", 0, 1, 150)
    assert {row[2] for row in sections["looks"].rows} == {1}
    assert len(sections["exported"].rows) == 1
    assert sections["denied"].rows[0][-1] == "actor_X (nobody)"


def test_what_went_out_is_listed(scene: Scene, sections: dict[str, Section]) -> None:
    assert column(sections["exported"], "what") == ["sheet", "log export"]
    assert column(sections["exported"], "subjects") == [4, 1]
    assert sections["exported"].rows[1][4:8] == (3, 2, "internal", "withheld")


def test_the_largest_lodged_checkpoint_and_what_came_after_it(scene: Scene, sections: dict[str, Section]) -> None:
    lodging = sections["lodging"]
    assert lodged_sizes(scene.layout) == [12]
    assert [row[:2] for row in lodging.rows] == [(12, 11)]
    with LogReader(scene.layout) as reader:
        assert f"{reader.recorded() - 12} entries came after it" in lodging.says[1]


def test_types_that_nobody_knows_here_are_counted(sections: dict[str, Section]) -> None:
    assert [row[:2] for row in sections["unknown-types"].rows] == [("key.of-a-later-version", 1), (REPLICA.name, 1)]


def test_every_section_says_what_it_covers_and_what_it_cannot_know(sections: dict[str, Section]) -> None:
    for one in sections.values():
        assert one.says and one.cannot_know.endswith(".") and one.covers
        assert all(len(row) == len(one.columns) for row in one.rows)
    assert len({kind.code for kind in SECTIONS}) == len(SECTIONS) == len(sections)


# ------------------------------------------------------------------------------------------------ to whom, and when


def test_an_auditor_gets_no_name_path_or_text(scene: Scene) -> None:
    text = repr(report_of(scene.layout))
    for secret in ("secret", "jdoe", "mallory", "for the court", "tester", "/srv/share"):
        assert secret not in text
    everything = repr(report_of(scene.layout, classes=EVERYTHING))
    for secret in ("secret \\\\u001b[2J\\\\u202elink", "mallory", "for the court"):
        assert secret in everything


def test_a_period_narrows_what_happened_and_not_how_things_are(scene: Scene) -> None:
    ahead = Period(begin=datetime(2999, 1, 1, tzinfo=UTC))
    report = report_of(scene.layout, period=ahead)
    sections = {one.code: one for one in report.sections}
    empty = ("refused", "gaps", "failed-analyses", "changes", "people", "denied", "looks", "exported")
    assert {sections[code].standing for code in empty} == {OK}
    assert all(not sections[code].rows for code in empty)
    assert "from 2999-01-01T00:00:00.000000Z up to the end" in sections["refused"].covers
    assert sections["single-copies"].rows and sections["keys"].rows and sections["lodging"].rows
    assert sections["keys"].covers.startswith("the whole log")
    assert not report.waits


def test_a_store_in_which_nothing_happened_waits_for_nobody(tmp_path: Path) -> None:
    report = report_of(found(tmp_path / "store"))
    standings = {one.code: one.standing for one in report.sections}
    assert not report.waits
    assert {code for code, standing in standings.items() if standing != OK} <= {"keys", "people", "lodging", "clock"}
    lodging = next(one for one in report.sections if one.code == "lodging")
    assert "nobody outside could tell" in lodging.says[0]


def test_several_logs_of_a_store_are_read_as_one_and_positions_say_of_which(tmp_path: Path) -> None:
    with footage_store(tmp_path / "store") as store:
        layout, origin = store.layout, store.recorder.origin
        drop = store.drop()
        store.item(drop, b"a.mp4")
        store.refuse(drop, HOSTILE)
        store.settle()
        (layout.lodged / "3").mkdir()
    with recorder_rests(layout):
        succeed(layout, origin="strongroom/SECOND0000000", by="actor_X", role="custodian")
    with Recorder.open(layout) as recorder:
        denied = access.access_denied(
            recorder.origin, command="find", rule="not-registered", uid=1, user=None, actor=None
        )
        recorder.record([denied])
    report = report_of(layout)
    sections = {one.code: one for one in report.sections}
    assert report.logs == 2
    assert report.origin == "strongroom/SECOND0000000"
    assert column(sections["refused"], "log") == [origin]
    assert column(sections["denied"], "log") == ["strongroom/SECOND0000000"]
    assert column(sections["keys"], "what") == ["log key", "recorder key", "log.closed", "log key", "recorder key"]
    assert str(column(sections["keys"], "facts")[3]).startswith(f"continues {origin}, ")
    assert "log" not in sections["single-copies"].columns
    assert sections["single-copies"].rows == ((drop, 1, len(b"footage 1")),)
    assert "entries of 2 logs" in sections["refused"].covers
    # What was lodged of the log that ended says nothing of the one that is open.
    assert sections["lodging"].rows == ()


def test_many_rows_are_counted_and_not_all_listed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "MOST_ROWS", 2)
    looks = next(one for one in report_of(scene.layout).sections if one.code == "looks")
    assert (len(looks.rows), looks.left_out, looks.as_json()["count"]) == (2, 3, 5)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-5), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=1, seconds=59), "119 seconds"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=1234), "1,234 days"),
    ],
)
def test_a_span_is_told_in_the_largest_unit_that_fits_twice(span: timedelta, text: str) -> None:
    assert span_text(span) == text
