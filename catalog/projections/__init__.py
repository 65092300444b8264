"""From an entry of the log to the rows of the catalogue.

PURE. Every entry, of whatever type, becomes an event with its subjects; the families below add what is known of things.
A type that this version does not know is kept, shown and counted, and nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from base.clock import to_microseconds
from catalog.projections import actor, analysis, drop, item, log
from catalog.projections.rows import EVENT, EVENT_SUBJECT, SUBJECT, Results, RowChange
from catalog.projections.values import optional_text
from ledger.openings import OpenedEntry

Projection: TypeAlias = Callable[[OpenedEntry, Results], Iterator[RowChange]]

PROJECTIONS: Mapping[str, Projection] = {
    **log.PROJECTIONS,
    **actor.PROJECTIONS,
    **drop.PROJECTIONS,
    **item.PROJECTIONS,
    **analysis.PROJECTIONS,
}

# Types that are projected as events only: what else they say is nobody's search (questions asked, settings, logins).
EVENTS_ONLY = frozenset(
    {
        "log.closed",
        "custody.carried",
        "key.enrolled",
        "key.revoked",
        "checkpoint.lodged",
        "start.unanchored",
        "log.exported",
        "config.changed",
        "software.updated",
        "clock.anomaly",
        "consulted.search",
        "consulted.view",
        "access.denied",
    }
)


def changes(opened: OpenedEntry, results: Results) -> list[RowChange]:
    """Return every row change that ``opened`` causes. ``results`` holds the result object it names, if it does."""
    family = PROJECTIONS.get(opened.entry.type)
    rows = list(_event(opened))
    if family is not None:
        rows += family(opened, results)
    return rows


def _event(opened: OpenedEntry) -> Iterator[RowChange]:
    entry = opened.entry
    yield RowChange(
        EVENT,
        (
            opened.place,
            entry.type,
            int(entry.known),
            to_microseconds(entry.recorded_at),
            optional_text(opened.values.get("actor")),
            entry.role,
            entry.drop,
            bytes.fromhex(entry.event.removeprefix("event_")),
        ),
    )
    for name in entry.subjects:
        yield RowChange(SUBJECT, (name,))
        yield RowChange(EVENT_SUBJECT, (name, opened.place))
