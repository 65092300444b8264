"""`find`: what is asked for is found, in order, each item once, and nothing that was not asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_of_footage import NOON, FootageStore, footage_store

from base.clock import to_microseconds
from base.errors import NotFoundError, UsageError
from catalog import search as search_module
from catalog.questions import STATES, question
from catalog.search import Page, match_text, search
from hashing.strict_json import Json

NAMES = {
    "yard": b"DCIM/yard_0001.MP4",
    "gate": b"DCIM/gate cam \xc3\xa9t\xc3\xa9.MP4",
    "bidi": b"x\xe2\x80\xaegpj.exe",
    "raw": b"\xff\xfe caf\xe9.avi",
    "star": b"DCIM/yard_0002.MP4",
    "quote": b'a"b OR c*.txt',
    "player": b"PLAYER.CFG",
}
# start (minutes after noon) and length in minutes; None: no device time
TIMES = {
    "yard": (0, 10),
    "gate": (5, 600),
    "bidi": (60, 0),
    "raw": (60, 30),
    "star": (-1440, 1),
    "quote": None,
    "player": None,
}


@dataclass(frozen=True)
class Asked:
    """A filled store and the names of its items."""

    store: FootageStore
    names: dict[str, str]  # item -> name in NAMES
    drops: tuple[str, str]

    def find(self, *words: str, **how: str) -> list[str]:
        return [self.names[item.item] for item in self.page(*words, **how).items]

    def page(self, *words: str, **how: str) -> Page:
        return self.short_page(50, *words, **how)

    def short_page(self, limit: int, *words: str, **how: str) -> Page:
        asked = question(
            words=words,
            begin=how.get("begin"),
            end=how.get("end"),
            digest=how.get("digest"),
            state=how.get("state"),
            drop=how.get("drop"),
            after=how.get("after"),
            limit=limit,
        )
        return search(self.store.layout.catalogue, asked)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with footage_store(tmp_path_factory.mktemp("search") / "store") as store:
        first, second = store.drop(b"card-a"), store.drop(b"night \x1b[2J")
        names = {}
        for name, path in NAMES.items():
            drop = second if name == "player" else first
            item = store.item(drop, path)
            names[item] = name
            when = TIMES[name]
            if when is not None:
                start, length = (timedelta(minutes=minutes) for minutes in when)
                secret: Json = {"source": "exif", "key": "Serial", "value": "SERIALNUMBER", "sensitive": True}
                codec: Json = {"source": "mediainfo", "key": "Format", "value": f"HEVC {name}", "sensitive": False}
                store.analyse(item, drop, start=NOON + start, duration=length, metadata=[secret, codec], pictures=())
        store.settle()
        yield Asked(store, names, (first, second))


def at(minutes: int) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


def test_newest_first_then_by_identifier_and_those_without_time_last(asked: Asked) -> None:
    found = asked.page().items
    assert {asked.names[item.item] for item in found[-2:]} == {"quote", "player"}
    timed = [item for item in found if item.device_start_us is not None]
    assert [asked.names[item.item] for item in timed[2:]] == ["gate", "yard", "star"]
    equal = [item.item for item in timed[:2]]
    assert equal == sorted(equal)
    assert [item.item for item in found[-2:]] == sorted(item.item for item in found[-2:])


@pytest.mark.parametrize(
    ("begin", "end", "found"),
    [
        (0, 1, {"yard"}),
        (9, 10, {"gate", "yard"}),
        (11, 12, {"gate"}),  # began long before: only the bound on the longest recording lets it be found
        (604, 605, {"gate"}),
        (606, 700, set()),
        (60, 61, {"bidi", "raw", "gate"}),  # a still has no length, and its moment is in
        (-1440, -1439, {"star"}),
        (-1441, -1440, set()),  # the end is not in the interval
        (None, -1000, {"star"}),
        (61, None, {"gate", "raw"}),
    ],
)
def test_an_interval_finds_what_overlaps_it(asked: Asked, begin: int | None, end: int | None, found: set[str]) -> None:
    how = {name: at(minutes) for name, minutes in (("begin", begin), ("end", end)) if minutes is not None}
    assert set(asked.find(**how)) == found
    assert asked.page(**how).without_time == 2  # never silently left out


def test_without_an_interval_nothing_is_counted_apart(asked: Asked) -> None:
    assert asked.page().without_time is None
    assert len(asked.page().items) == len(NAMES)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["yard"], {"yard", "star"}),
        (["YARD"], {"yard", "star"}),
        (["yard_0001"], {"yard"}),
        (["yard", "0002"], {"star"}),
        (["ete"], {"gate"}),  # without its accents
        (["gpj"], {"bidi"}),
        (["u202egpj"], {"bidi"}),  # by what stands in the name, as it is shown
        (["caf\udce9"], {"raw"}),  # as a shell hands over a byte that is not UTF-8
        (["ya*"], {"yard", "star"}),
        (["HEVC"], {"yard", "gate", "bidi", "raw", "star"}),  # metadata that is not sensitive
        (["HEVC yard"], {"yard"}),  # words in one argument stand beside each other
        (["yard HEVC"], set()),
        (["SERIALNUMBER"], set()),  # withheld: not even found
        (["SERIAL*"], set()),
        (["card"], {"yard", "gate", "bidi", "raw", "star", "quote"}),  # the name of the drop is a name of its files
        (["night"], {"player"}),
        (["nothing"], set()),
    ],
)
def test_words(asked: Asked, words: list[str], found: set[str]) -> None:
    assert set(asked.find(*words)) == found


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ('a"b', {"quote"}),
        ('"', None),
        ("yard OR gate", set()),
        ("yard NOT x", set()),
        ("name:yard", set()),  # a column filter would find it
        ("{name} : yard", set()),
        ("NEAR(yard gate)", set()),
        ('" OR name : "yard', set()),
        ('x" OR "yard', set()),
        ("^yard", {"yard", "star"}),
        ("yard) OR (gate", set()),
        ("-yard", {"yard", "star"}),
        ("yard' OR '1'='1", set()),
        ("yard\x00", None),
        ("ya**", set()),  # only the last star is the star; the other one is no letter
    ],
)
def test_nothing_in_a_word_is_an_operator(asked: Asked, word: str, found: set[str] | None) -> None:
    if found is None:
        with pytest.raises(UsageError) if word == '"' else _no_error():
            asked.find(word)
    elif word == "ya**":
        assert set(asked.find(word)) == {"yard", "star"}
    else:
        assert set(asked.find(word)) == found


class _no_error:  # noqa: N801 - stands where a function call is expected
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(words=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3))
def test_any_words_give_a_page_or_wrong_usage(asked: Asked, words: list[str]) -> None:
    try:
        page = asked.page(*words)
    except UsageError:
        return
    assert {item.item for item in page.items} <= set(asked.names)


@given(st.text(max_size=30))
def test_a_word_is_one_quoted_string_whatever_is_in_it(word: str) -> None:
    text = match_text([word]).removesuffix("*")
    assert text.startswith('"')
    assert text.endswith('"')
    assert '"' not in text[1:-1].replace('""', "")


@pytest.mark.parametrize(
    ("state", "count"), [("sealed", 2), ("analysed", 5), ("seen", 0), ("settled", 0), ("staged", 0)]
)
def test_states(asked: Asked, state: str, count: int) -> None:
    assert state in STATES
    assert len(asked.find(state=state)) == count


def test_a_hash_whole_or_its_beginning(asked: Asked) -> None:
    for item in asked.page().items:
        for length in (4, 5, 63, 64):
            assert asked.names[item.item] in asked.find(digest=item.sha256.hex[:length])
        other = "f" if item.sha256.hex[63] != "f" else "e"
        assert asked.find(digest=item.sha256.hex[:63] + other) == []


def test_a_drop_by_name_or_by_the_beginning_of_its_identifier(asked: Asked) -> None:
    first, second = asked.drops
    assert len(asked.find(drop="card-a")) == 6
    assert asked.find(drop=os.fsdecode(b"night \x1b[2J")) == ["player"]
    for text in (second, second[:14], second.removeprefix("drop_"), second.lower(), second[5:11].lower()):
        assert asked.find(drop=text) == ["player"]
    assert len(asked.find(drop=first)) == 6
    with pytest.raises(NotFoundError, match="no drop"):
        asked.find(drop="card-z")


def test_filters_hold_together(asked: Asked) -> None:
    assert asked.find("yard", begin=at(0)) == ["yard"]
    assert asked.find("yard", drop="card-a", state="analysed", begin=at(-2000), end=at(-1000)) == ["star"]
    digest = next(item.sha256.hex for item in asked.page().items if asked.names[item.item] == "yard")
    assert asked.find("yard", digest=digest[:8]) == ["yard"]
    assert asked.find("gate", digest=digest) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("how", [{}, {"begin": at(-5000)}, {"drop": "card-a"}, {"words": "card*"}])
def test_pages_visit_each_item_once(asked: Asked, limit: int, how: dict[str, str]) -> None:
    how = dict(how)
    words = [word] if (word := how.pop("words", None)) else []
    whole = [item.item for item in asked.page(*words, **how).items]
    visited: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(len(NAMES) + 1):
        page = asked.short_page(limit, *words, **how, **cursor)
        visited += [item.item for item in page.items]
        if page.next is None:
            break
        cursor = {"after": page.next}
    assert visited == whole


@pytest.mark.parametrize("block", [1, 2, 512])
def test_a_frequent_word_is_found_on_the_other_way_with_the_same_result(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    words = ("yard", "card", "HEVC", "ya*", "night", "nothing")
    few = {(word, limit): asked.short_page(limit, word) for word in words for limit in (1, 2, 50)}
    interval = asked.page("card", begin=at(0), end=at(61))
    digest = asked.page("yard").items[0].sha256.hex
    monkeypatch.setattr(search_module, "FEW_MATCHES", 0)
    monkeypatch.setattr(search_module, "FIRST_BLOCK", block)
    assert {(word, limit): asked.short_page(limit, word) for word, limit in few} == few
    assert asked.page("card", begin=at(0), end=at(61)) == interval
    assert interval.without_time == 1
    assert len(asked.find("card", digest=digest)) == 1


minutes = st.integers(-2000, 2000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(begin=minutes, length=st.integers(1, 2000))
def test_overlap_is_what_overlap_is(asked: Asked, begin: int, length: int) -> None:
    end = begin + length
    expected = {
        name for name, when in TIMES.items() if when is not None and when[0] < end and when[0] + when[1] >= begin
    }
    assert set(asked.find(begin=at(begin), end=at(end))) == expected


def test_items_have_exactly_the_members_that_scripts_rely_on(asked: Asked) -> None:
    (item,) = asked.page("yard_0001").items
    told = item.as_json()
    members = (
        "item drop exhibit_ref sha256 size_bytes media_type source_name operation device device_time corrected_time "
        "duration_s state activity copies"
    )
    assert " ".join(told) == members
    start = datetime.fromisoformat(at(0))
    assert to_microseconds(start) == item.device_start_us
    assert told["device_time"] == {"start": "2031-03-14T12:00:00Z", "end": "2031-03-14T12:10:00Z"}
    assert (told["duration_s"], told["copies"], told["state"]) == (600.0, 1, "analysed")
    assert (told["exhibit_ref"], told["operation"], told["device"], told["corrected_time"]) == (None,) * 4


def test_an_item_of_a_drop_of_one_file_has_the_name_of_the_drop(tmp_path: Path) -> None:
    with footage_store(tmp_path / "store") as store:
        drop = store.drop(b"single \x1b.mp4")
        store.item(drop, b"")
        store.settle()
        (item,) = search(store.layout.catalogue, question(words=["single"])).items
    assert item.source_name == "single \\u001b.mp4"
