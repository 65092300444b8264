"""Drops: where they lay, what was counted, how they ended.

PURE. Who put a drop there (`depositor`) and its arrival key stay in the openings.
"""

from __future__ import annotations

from collections.abc import Iterator

from base.clock import to_microseconds
from catalog.projections.rows import DROP, DROP_COMPLETED, Results, RowChange
from catalog.projections.values import code, optional_integer, raw_name
from ledger.openings import OpenedEntry


def received(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    entry = opened.entry
    for name in entry.subjects:
        yield RowChange(
            DROP,
            (
                opened.place,
                name,
                *raw_name(opened.values.get("name")),
                *raw_name(opened.values.get("share")),
                to_microseconds(entry.recorded_at),
                code(entry.facts.get("settled_by")),
            ),
        )


def completed(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    """A later `drop.completed` takes in what came late: the newest counts."""
    entry, facts = opened.entry, opened.entry.facts
    counts = (optional_integer(facts.get(name)) for name in ("files", "bytes", "refused"))
    for name in entry.subjects:
        completion, manifest = code(facts.get("completion")), code(facts.get("source_manifest"))
        yield RowChange(DROP_COMPLETED, (to_microseconds(entry.recorded_at), completion, *counts, manifest, name))


PROJECTIONS = {"drop.received": received, "drop.completed": completed}
