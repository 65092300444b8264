"""The catalogue made again from the log: a new file beside the old one, projected from entry 0, then swapped in.

Until the swap the old catalogue serves; a crash at any point leaves one of the two, whole. The swap happens while no
other process writes to the old file: its rollback journal, which SQLite finds by name, would otherwise be applied to
the new one.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from base import fsio
from base.errors import EvidenceError
from catalog import database
from catalog.bring_forward import project
from catalog.cursor import Cursor
from catalog.result_objects import derived_store
from catalog.sqlite import Catalogue
from ledger.layout import StoreLayout
from ledger.machine import refuse_other_owner
from ledger.store_reader import StoreReader

_JOURNAL = "-journal"
NEW_PREFIX = "catalogue.new-"
LOCK = "catalogue.lock"


def rebuild(layout: StoreLayout) -> Cursor:
    """Make the catalogue again from the sealed log, and put it in the place of whatever was there.

    Raises BusyError while another rebuild or check runs, or while somebody keeps the old catalogue locked, RefusedError
    for whoever is not the owner of the store: the new file would be closed to the owner.
    """
    refuse_other_owner(layout.root)
    with workbench(layout) as new_path:
        new = new_path()
        cursor = project_fresh(layout, new)
        _swap(new, layout.catalogue)
    return cursor


@contextlib.contextmanager
def workbench(layout: StoreLayout) -> Iterator[Callable[[], Path]]:
    """Yield a function that names new files beside the catalogue; whatever is left of them is removed at the end.

    They lie in the store, because they hold names, and one rebuild or check at a time has them.
    """
    lock = fsio.Lock(layout.private / LOCK)
    try:
        lock.acquire(holder="a rebuild or check of the catalogue")
    except OSError as error:
        raise fsio.DiskError.from_os(error, "no working file can be made in the store") from error
    try:
        _remove_leftovers(layout)  # of a run that was killed
        yield lambda: layout.root / f"{NEW_PREFIX}{secrets.token_hex(8)}"
    finally:
        _remove_leftovers(layout)
        lock.release()


def project_fresh(layout: StoreLayout, path: Path, *, stop: int | None = None) -> Cursor:
    """Make a catalogue in the new file ``path``, from the first entry to the newest checkpoint, or up to ``stop``."""
    with StoreReader(layout) as log, Catalogue.create(path, log.parts()[0].checkpoint.origin) as catalogue:
        return project(log, catalogue, derived_store(layout), stop=stop)


def _remove_leftovers(layout: StoreLayout) -> None:
    for path in layout.root.glob(f"{NEW_PREFIX}*"):
        fsio.remove(path)


def _swap(new: Path, old: Path) -> None:
    with fsio.directory(old.parent) as parent, _nobody_writes(old):
        with contextlib.suppress(FileNotFoundError):
            fsio.remove(f"{old.name}{_JOURNAL}", dir_fd=parent)
        fsio.rename(new.name, old.name, source_fd=parent, target_fd=parent)
        fsio.sync(parent)


@contextlib.contextmanager
def _nobody_writes(path: Path) -> Iterator[None]:
    """Hold the exclusive lock of a database, as far as it is one. Raises BusyError if another process keeps it."""
    connection = _exclusive(path)
    try:
        yield
    finally:
        if connection is not None:
            connection.close()


def _exclusive(path: Path) -> sqlite3.Connection | None:
    try:
        connection = database.connect(path)
    except EvidenceError:
        return None  # missing, damaged or newer: nobody of this version can be writing to it
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        connection.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            with database.declared_errors():
                raise
        return None
    return connection
