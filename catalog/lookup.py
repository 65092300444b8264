"""From what somebody types to the item or drop that is meant: identifiers and their beginnings, names of drops."""

from __future__ import annotations

import os
import re
import sqlite3

import msgspec

from base.errors import NotFoundError
from base.escape import shown
from catalog.questions import SHORTEST_PREFIX

_PREFIX = re.compile(r"(?:(?P<kind>item|drop)_)?(?P<begin>[0-9A-HJKMNP-TV-Z]{4,13})", re.ASCII)
_MOST_NAMED = 5
_AFTER_ALL = "~"  # sorts after every character of an identifier


class Found(msgspec.Struct, frozen=True):
    """An item or a drop of the catalogue."""

    kind: str  # "item" or "drop"
    key: int  # item_id or drop_id
    name: str  # the whole identifier


def find_one(connection: sqlite3.Connection, text: str) -> Found:
    """Return the one item or drop whose identifier begins with ``text``; the kind may be left out.

    Raises NotFoundError when there is none, when there are several, or when too little is given.
    """
    found = _beginning_with(connection, text, kinds=("item", "drop"))
    if not found:
        raise NotFoundError(f"no sealed item or drop begins with {shown(text)}.")
    return _only(found, text)


def drops_meant(connection: sqlite3.Connection, text: str) -> list[int]:
    """Return the drops that ``text`` means: one by the beginning of its identifier, or all of that name.

    Raises NotFoundError for none.
    """
    named = connection.execute(
        'SELECT drop_id FROM "drop" WHERE name = ? ORDER BY drop_id', (os.fsencode(text),)
    ).fetchall()
    if named:
        return [drop_id for (drop_id,) in named]
    found = _beginning_with(connection, text, kinds=("drop",))
    if not found:
        raise NotFoundError(f"no drop is called {shown(text)}, nor begins its identifier so.")
    return [_only(found, text).key]


def _beginning_with(connection: sqlite3.Connection, text: str, *, kinds: tuple[str, ...]) -> list[Found]:
    match = _PREFIX.fullmatch(text) or _PREFIX.fullmatch(text.upper())
    if match is None:
        match = _PREFIX.fullmatch(text.lower()[: len("item_")] + text.upper()[len("item_") :])
    if match is None:
        return []
    found = []
    for kind in kinds:
        if match["kind"] in (None, kind):
            begin = f"{kind}_{match['begin']}"
            rows = connection.execute(
                f'SELECT {kind}_id, "{kind}" FROM "{kind}" WHERE "{kind}" >= ? AND "{kind}" < ? LIMIT ?',
                (begin, begin + _AFTER_ALL, _MOST_NAMED + 1),
            ).fetchall()
            found += [Found(kind, key, name) for key, name in rows]
    return found


def _only(found: list[Found], text: str) -> Found:
    if len(found) == 1:
        return found[0]
    names = [one.name for one in found[:_MOST_NAMED]]
    more = ", ..." if len(found) > _MOST_NAMED else ""
    raise NotFoundError(
        f"{shown(text)} is the beginning of more than one identifier: {', '.join(names)}{more}",
        next_step=f"Give more characters of the one you mean ({SHORTEST_PREFIX} at least).",
        refs=names,
    )
