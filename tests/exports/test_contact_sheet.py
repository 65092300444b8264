"""The contact sheet: one file that runs nothing and loads nothing, and says what was looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec import structs
from store_of_footage import JPEG, ORIGIN, FootageStore, footage_store

from base.errors import RefusedError, SurroundingsError, UsageError
from catalog.detail_rows import read_items
from catalog.details import Analysis, ItemDetails
from catalog.questions import question
from catalog.result_objects import derived_store
from catalog.search import search
from exports.contact_sheet import (
    MOST_PICTURES,
    Made,
    SheetExistsError,
    SheetFacts,
    clock_text,
    looked_at,
    refuse_existing,
    render,
    write_sheet,
)
from hashing.digest import Digest
from hashing.strict_json import Json

FACTS = SheetFacts(origin=ORIGIN, made_at_us=1_900_000_000_000_000, made_by="actor_7K3M9QZV2D8HN", role="investigator")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
HOSTILE = b'"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\x1b[2J\xe2\x80\xae\xff&lt;'
HOSTILE_SHOWN = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\\u001b[2J\\u202e\\xff&lt;'
_TABLE = ("table", "tr", "td", "th")
CLOSED = ("html", "head", "body", "section", "figure", "ul", "li", "dl", "dd", "dt", "svg", "main", "style", *_TABLE)


class Page(HTMLParser):
    """The elements, addresses and texts of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: dict[str, int] = dict.fromkeys(CLOSED, 0)
        self.feed(page.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.open:
            self.open[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            self.open[tag] -= 1

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FootageStore]:
    with footage_store(tmp_path_factory.mktemp("sheet") / "store") as made:
        drop = made.drop(b"card <b>")
        first, second, _ = (made.item(drop, path) for path in (HOSTILE, b"failed.mp4", b"new.mp4"))
        metadata: list[Json] = [
            {"source": "exif", "key": "Serial", "value": "SECRETSERIAL", "sensitive": True},
            {"source": "mediainfo", "key": "Format", "value": "AVC", "sensitive": False},
        ]
        pictures = (JPEG, JPEG + b"2", JPEG + b"3")
        made.analyse(first, drop, metadata=metadata, pictures=pictures)
        made.fail(second, drop)
        made.settle()
        yield made


@pytest.fixture(scope="module")
def items(store: FootageStore) -> list[ItemDetails]:
    """All items of the one drop, in their order."""
    first = search(store.layout.catalogue, question()).items[0]
    return read_items(store.layout.catalogue, [str(first.drop)])[0]


def made(store: FootageStore, items: list[ItemDetails]) -> Made:
    derived = derived_store(store.layout)
    return render(items, facts=FACTS, read=lambda digest: derived.read(digest, max_bytes=1 << 20))


@pytest.fixture(scope="module")
def page(store: FootageStore, items: list[ItemDetails]) -> Page:
    return Page(made(store, items).page)


def test_the_policy_is_exactly_this(page: Page) -> None:
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == POLICY
    # Before anything that it governs.
    names = [name for name, _ in page.tags]
    assert names.index("meta") < names.index("style")


def test_nothing_runs_and_nothing_is_loaded(page: Page) -> None:
    assert not page.all("script")
    for forbidden in ("iframe", "object", "embed", "link", "base", "form", "audio", "video", "source", "use"):
        assert not page.all(forbidden)
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"):
                assert value is not None
                assert value.startswith(("data:image/jpeg;base64,", "#")), (tag, name)
            if name == "style":
                assert value is not None
                assert "url(" not in value
    (style,) = [text for text in page.texts if "color-scheme" in text]
    assert "url(" not in style
    assert "@import" not in style


def test_every_link_leads_to_something_on_the_page(page: Page) -> None:
    anchors = {f"#{attributes['id']}" for _, attributes in page.tags if "id" in attributes}
    assert {link["href"] for link in page.all("a")} <= anchors


def test_a_hostile_name_is_text_and_nothing_else(page: Page) -> None:
    assert HOSTILE_SHOWN in page.texts
    assert len(page.all("img")) == 3
    assert "{{7*7}}" in page.text


def test_no_control_or_turning_character_is_in_the_file(store: FootageStore, items: list[ItemDetails]) -> None:
    text = made(store, items).page.decode("utf-8")
    assert all(character.isprintable() or character == "\n" for character in text)


def test_every_element_is_closed(page: Page) -> None:
    assert page.open == dict.fromkeys(CLOSED, 0)


def test_each_picture_has_its_time_reason_and_words_for_those_who_do_not_see(page: Page) -> None:
    for number, picture in enumerate(page.all("img"), start=1):
        assert (picture["alt"] or "").startswith(f"Picture {number} of item_")
    for text in ("0:00:00.000", "0:01:00.000", "0:02:00.000", "strongest change hereabouts", "regular interval"):
        assert text in page.text
    assert "2031-03-14T12:01:00Z device time, unchecked" in page.text


def test_each_item_is_named_with_its_digest(page: Page, items: list[ItemDetails]) -> None:
    for details in items:
        assert details.item.item in page.text
        assert str(details.item.sha256) in page.text


def test_items_without_pictures_are_listed_with_the_reason(page: Page) -> None:
    assert "2 items without pictures" in page.text
    assert "The analysis failed (time-out)" in page.text
    assert "Not analysed: nothing in it was looked at yet." in page.text
    assert len(page.all("section")) == 2  # one with pictures, and the list


def test_withheld_values_are_counted_and_not_there(store: FootageStore, items: list[ItemDetails], page: Page) -> None:
    assert "1 metadata value is withheld" in page.text
    assert b"SECRETSERIAL" not in made(store, items).page


def test_the_same_items_give_the_same_bytes(store: FootageStore, items: list[ItemDetails]) -> None:
    assert made(store, items).page == made(store, items).page


@pytest.mark.parametrize("damage", ["changed", "missing", "no picture"])
def test_a_picture_that_is_not_what_its_record_says_is_not_shown(items: list[ItemDetails], damage: str) -> None:
    def read(digest: Digest) -> bytes:
        if digest == items[0].keyframes[1].sha256:
            if damage == "no picture":
                return b"<svg onload=alert(1)>"
            raise SurroundingsError(damage)
        return JPEG

    result = render(items, facts=FACTS, read=read)
    page = Page(result.page)
    assert result.bad == (items[0].keyframes[1].sha256,)
    assert len(page.all("img")) == 2
    assert "1 picture is missing from the store" in page.text
    assert "Missing, or not what its record says." in page.text


def test_a_sheet_holds_so_many_pictures_and_says_how_many_it_left_out(items: list[ItemDetails]) -> None:
    picture = items[0].keyframes[0]
    many = tuple(replace(picture, number=number) for number in range(MOST_PICTURES + 7))
    result = render([replace(items[0], keyframes=many)], facts=FACTS, read=lambda _: JPEG)
    assert (result.pictures, result.left_out) == (MOST_PICTURES, 7)
    page = Page(result.page)
    assert len(page.all("img")) == MOST_PICTURES
    assert "7 more pictures were left out" in page.text


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_picture_that_must_be_turned_is_turned(items: list[ItemDetails], rotation: int) -> None:
    picture = replace(items[0].keyframes[0], rotation=rotation, width=640, height=360)
    page = Page(render([replace(items[0], keyframes=(picture,))], facts=FACTS, read=lambda _: JPEG).page)
    (box,) = [attributes for attributes in page.all("div") if (attributes.get("class") or "").startswith("box")]
    assert box["class"] == f"box r{rotation}"
    assert box["style"] == ("aspect-ratio: 360 / 640" if rotation in (90, 270) else "aspect-ratio: 640 / 360")


LOOKED = Analysis(
    gave_result=True, tier=1, tiers=(1,), outcome="complete", limits=(), result_read=True, kind="video", frames={}
)


@pytest.mark.parametrize(
    ("analysis", "words"),
    [
        (None, "Not analysed"),
        (LOOKED, "never says that nothing happened"),
        (replace(LOOKED, tiers=(1, 2)), "Every frame was looked at"),
        (replace(LOOKED, tiers=(), kind="still"), "A still picture"),
        (replace(LOOKED, tiers=(), kind="other"), "Listed only"),
        (replace(LOOKED, gave_result=False, outcome="crash"), "failed (crash)"),
        (replace(LOOKED, gave_result=False, outcome="empty"), "An empty file"),
        (replace(LOOKED, result_read=False), "missing or damaged"),
    ],
)
def test_a_sheet_says_what_was_looked_at(items: list[ItemDetails], analysis: Analysis | None, words: str) -> None:
    assert words in looked_at(replace(items[0], analysis=analysis))


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(None, None), (0, "0:00:00.000"), (61_500_000, "0:01:01.500"), (36_000_000_000, "10:00:00.000")],
)
def test_times_within_a_recording(microseconds: int | None, text: str | None) -> None:
    assert clock_text(microseconds) == text


# ----------------------------------------------------------------------------------------------------- the file


def test_a_sheet_is_for_its_owner_only(store: FootageStore, items: list[ItemDetails], tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    result = write_sheet(items, path, derived=derived_store(store.layout), facts=FACTS)
    assert path.read_bytes() == result.page
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_ever_written_over(store: FootageStore, items: list[ItemDetails], tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    path.write_bytes(b"somebody's work")
    with pytest.raises(SheetExistsError) as caught:
        refuse_existing(path, store.layout)
    assert isinstance(caught.value, RefusedError)
    with pytest.raises(SheetExistsError):  # even when it appeared after that look
        write_sheet(items, path, derived=derived_store(store.layout), facts=FACTS)
    assert path.read_bytes() == b"somebody's work"


def test_a_link_to_nowhere_is_a_name_in_use(store: FootageStore, tmp_path: Path) -> None:
    (tmp_path / "sheet.html").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SheetExistsError):
        refuse_existing(tmp_path / "sheet.html", store.layout)


def test_a_folder_that_is_not_there_is_wrong_usage(store: FootageStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        refuse_existing(tmp_path / "missing" / "sheet.html", store.layout)


def test_a_sheet_never_lies_in_the_store(store: FootageStore) -> None:
    with pytest.raises(RefusedError, match="lies in the store"):
        refuse_existing(store.layout.vault / "sheet.html", store.layout)


def test_an_item_named_twice_is_shown_once(store: FootageStore, items: list[ItemDetails]) -> None:
    drop = str(items[0].item.drop)
    again, drops = read_items(store.layout.catalogue, [drop, items[1].item.item, drop])
    assert [details.item.item for details in again] == [details.item.item for details in items]
    assert drops == [drop]


def test_a_length_of_nothing_draws_no_time_line(items: list[ItemDetails]) -> None:
    still = replace(items[0], item=structs.replace(items[0].item, duration_us=0))
    page = Page(render([still], facts=FACTS, read=lambda _: JPEG).page)
    assert not page.all("svg")
