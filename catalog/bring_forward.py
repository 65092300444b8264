"""The catalogue follows the log: sealed entries above its cursor are projected, by whoever comes by.

It may lag behind the log and never leads. A command that only asks can leave entries of kinds that it does not show
unprojected; then nothing heavy is imported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Self

from catalog import database
from catalog.cursor import Cursor
from ledger.layout import StoreLayout
from ledger.store_reader import LogPart, StoreReader

if TYPE_CHECKING:
    from catalog.sqlite import Catalogue
    from vault.local import LocalStore

_TRIES = 3  # when another process makes the catalogue again at the same time
BATCH = 512  # entries in one transaction: a reader never waits longer than for these
# Entries that change no item, no drop and no person: they can wait until something else must be projected.
CONSULTATIONS = frozenset({"consulted.search", "consulted.view", "access.denied"})


def bring_forward(layout: StoreLayout) -> Cursor:
    """Project every sealed entry that the catalogue does not have, and return where it stands then.

    Raises CatalogueError when it is missing, damaged or of another log: `catalog rebuild` makes it again.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(database.CatalogueReplacedError), Follower(layout) as follower:
            return follower.bring_forward()
    with Follower(layout) as follower:
        return follower.bring_forward()


def bring_forward_unless_only(layout: StoreLayout, ignored: frozenset[str]) -> None:
    """As `bring_forward`, unless all that is missing are entries of the ``ignored`` types."""
    with contextlib.closing(database.connect_to_read(layout.catalogue)) as connection:
        cursor = database.read_cursor(connection)
    with StoreReader(layout) as log:
        part = log.parts()[-1]
        follows = cursor.origin == part.checkpoint.origin and cursor.size <= part.end
        is_current = follows and log.types(cursor.size, part.end) <= ignored
    if not is_current:
        bring_forward(layout)


class Follower:
    """The log and the catalogue, both open: what the recorder keeps to bring the catalogue forward after each seal."""

    def __init__(self, layout: StoreLayout) -> None:
        from catalog.result_objects import derived_store
        from catalog.sqlite import Catalogue

        self._catalogue = Catalogue.open(layout.catalogue)
        self._derived = derived_store(layout)
        self._log = StoreReader(layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._log.__exit__()
        self._catalogue.close()

    def bring_forward(self) -> Cursor:
        """Project every sealed entry that the catalogue does not have, and return where it stands then."""
        return project(self._log, self._catalogue, self._derived)


def project(log: StoreReader, catalogue: Catalogue, derived: LocalStore, *, stop: int | None = None) -> Cursor:
    """Project the sealed entries from the catalogue's cursor on, up to the place ``stop``; return the new cursor.

    One log after the other: where one was closed, its successor goes on.
    """
    from catalog.result_objects import results_of

    cursor, parts = catalogue.cursor, log.parts()
    check_meets(cursor, parts)
    for part in parts:
        entries = log.opened(max(cursor.size, part.first), part.end if stop is None else min(stop, part.end))
        while batch := list(islice(entries, BATCH)):
            cursor = catalogue.apply(batch, results_of(batch, derived), sealed=part.checkpoint, first=part.first)
    return cursor


def check_meets(cursor: Cursor, parts: Sequence[LogPart]) -> None:
    """Raise CursorError unless the catalogue stands in one of the logs of the store, and not beyond it."""
    from catalog.sqlite import check_cursor

    part = next((part for part in parts if part.checkpoint.origin == cursor.origin), parts[-1])
    check_cursor(cursor, part.checkpoint, first=part.first)
