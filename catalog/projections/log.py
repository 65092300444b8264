"""The logs of the store: each begins where the one before it ended.

PURE.
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog.projections.rows import LOG, Results, RowChange
from ledger.openings import OpenedEntry


def opened(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    yield RowChange(LOG, (opened.place, opened.entry.log))


PROJECTIONS = {"log.opened": opened}
