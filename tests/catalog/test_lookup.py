"""From what is typed to what is meant: whole identifiers, their beginnings, and the refusal to guess."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from base.errors import NotFoundError
from catalog.lookup import Found, drops_meant, find_one

ITEMS = ["item_7K3M9QZV2D8HN", "item_7K3M9QZV2D8HP", "item_ABCD000000000"]
DROPS = ["drop_ABCD000000000", "drop_XYZV000000000"]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("CREATE TABLE item (item_id INTEGER, item TEXT)")
        made.execute('CREATE TABLE "drop" (drop_id INTEGER, "drop" TEXT, name BLOB)')
        made.executemany("INSERT INTO item VALUES (?, ?)", enumerate(ITEMS))
        made.executemany('INSERT INTO "drop" VALUES (?, ?, ?)', [(0, DROPS[0], b"card"), (1, DROPS[1], b"card")])
        yield made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("item_7K3M9QZV2D8HN", Found("item", 0, ITEMS[0])),
        ("ITEM_7k3m9qzv2d8hp", Found("item", 1, ITEMS[1])),
        ("item_ABCD", Found("item", 2, ITEMS[2])),
        ("drop_ABCD", Found("drop", 0, DROPS[0])),
        ("XYZV", Found("drop", 1, DROPS[1])),
        ("xyzv0", Found("drop", 1, DROPS[1])),
    ],
)
def test_one_is_meant(connection: sqlite3.Connection, text: str, found: Found) -> None:
    assert find_one(connection, text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7K3M9QZV", "more than one"),
        ("ABCD", "more than one"),  # an item and a drop
        ("item_7K3", "no sealed item or drop"),  # too short
        ("item_", "no sealed item or drop"),
        ("", "no sealed item or drop"),
        ("item_ZZZZ", "no sealed item or drop"),
        ("actor_7K3M9QZV2D8HN", "no sealed item or drop"),
        ("%", "no sealed item or drop"),
        ("item_7K3M%", "no sealed item or drop"),
        ("item_7K3M9QZV2D8HN\x1b[2J", "no sealed item or drop"),
        ("item_7K3M9QZV2D8HN0", "no sealed item or drop"),  # longer than any
    ],
)
def test_nothing_is_guessed(connection: sqlite3.Connection, text: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message) as caught:
        find_one(connection, text)
    assert "\x1b" not in str(caught.value)


def test_the_candidates_are_named(connection: sqlite3.Connection) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_one(connection, "item_7K3M")
    assert caught.value.refs == tuple(ITEMS[:2])


def test_a_name_means_every_drop_that_ever_had_it(connection: sqlite3.Connection) -> None:
    assert drops_meant(connection, "card") == [0, 1]
    assert drops_meant(connection, "drop_XYZV") == [1]
    with pytest.raises(NotFoundError):
        drops_meant(connection, "CARD")
