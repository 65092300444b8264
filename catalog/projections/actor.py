"""People: who is registered, and in which roles. Names, numbers and logins stay in the openings.

PURE.
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog.projections.rows import ACTOR, ACTOR_ROLE, Results, RowChange
from catalog.projections.values import code, listed
from ledger.openings import OpenedEntry


def registered(opened: OpenedEntry, results: Results) -> Iterator[RowChange]:
    for name in opened.entry.subjects:
        yield RowChange(ACTOR, (opened.place, name))
    yield from granted(opened, results)


def granted(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    for name in opened.entry.subjects:
        for role in listed(opened.values.get("roles")):
            yield RowChange(ACTOR_ROLE, (name, code(role)))


PROJECTIONS = {"actor.registered": registered, "role.granted": granted}
