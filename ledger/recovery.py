"""What the recorder checks before it writes anything, what it finishes, and when it refuses to go on.

A crash leaves nothing here to repair: entries are committed or not, and tiles and the published checkpoint are made
again from them. What no crash can leave (a rollback, a fork, a clone) stops the recorder until a person decides.
Source: docs/reference/custody-log.md, section 6, "Start".
"""

from __future__ import annotations

import sqlite3

from base import fsio
from base.errors import LedgerError, NotFoundError, RefusedError
from hashing.checkpoint import Checkpoint, open_checkpoint
from hashing.merkle import leaf_hash, tree_root
from hashing.note import MAX_NOTE_BYTES, Verifier
from hashing.tiles import ENTRIES, TILE_WIDTH, TileMissingError, TileRef, TileSubtrees, bundles_for, grow, read_entries
from ledger import log_db
from ledger.entry import parse_entry
from ledger.events.log import config_changed
from ledger.layout import StoreLayout
from ledger.machine import machine_binding
from ledger.record import Recorder, read_fact
from ledger.seal import Sealed, newest_checkpoint, seal
from ledger.tile_files import put_files, read_tile
from ledger.trust import trust_of


class RolledBackError(LedgerError):
    """The store was put back to an earlier state."""

    next_step = "Keep the store as it is and call the custodian: only a successor log may go on."


class ForkedError(LedgerError):
    """Two histories of one log exist."""


class MovedError(RefusedError):
    """The store is not where it was founded: a clone must never go on writing beside the original."""

    next_step = (
        "If it was moved on purpose and the original is gone for good, run `strongroom watch --accept-move` once: "
        "the move is recorded."
    )


def start(layout: StoreLayout, *, accept_move: bool = False) -> Recorder:
    """Open a store for the recorder after everything that must be checked first, and finish what a crash left undone.

    Raises: NotFoundError for an incomplete store or missing key, RefusedError for a private directory that others can
    read and for a store on another machine, LedgerError for anything that no crash can have caused.
    """
    check_complete(layout)
    for path in (layout.log_db, layout.openings_db):
        log_db.drop_cached_pages(path)
    recorder = Recorder.open(layout)
    try:
        _check_databases(recorder.connection)
        _remove_stale_super_journals(recorder)
        key = log_key(recorder.connection)
        sealed = newest_checkpoint(recorder.connection, key)
        _check_published(layout, key, sealed)
        _check_right_edge(recorder, sealed.checkpoint)
        _check_binding(recorder, accept_move=accept_move)
        seal(recorder)
    except BaseException:
        recorder.close()
        raise
    return recorder


def check_complete(layout: StoreLayout) -> None:
    """Raise NotFoundError unless this is a store that `init` finished."""
    if not layout.settings.exists():
        raise NotFoundError(
            f"{layout.root} is not a store, or one that was never finished.",
            next_step="Make one with `strongroom init DIR`, or name the store with --store.",
        )


def log_key(connection: sqlite3.Connection) -> Verifier:
    """Return the verifier key of the log, as its first entry names it. Raises LedgerError for a log without one."""
    with log_db.declared_errors():
        row = connection.execute("SELECT raw FROM main.entry WHERE seq = 0").fetchone()
    if row is None:
        raise LedgerError("the log has no first entry: it was never finished, or was emptied.")
    return trust_of(parse_entry(row[0])).log_key


def _check_databases(connection: sqlite3.Connection) -> None:
    """Raise LedgerError when SQLite finds damage, or when the entries are older than the openings."""
    with log_db.declared_errors():
        for name in ("main", "openings"):
            (answer,) = connection.execute(f"PRAGMA {name}.quick_check(1)").fetchone()
            if answer != "ok":
                raise LedgerError(f"the log database is damaged: {answer}.")
        (above,) = connection.execute(
            "SELECT count(*) FROM openings.opening WHERE seq > (SELECT coalesce(max(seq), -1) FROM main.entry)"
        ).fetchone()
    if above:
        raise RolledBackError(
            f"{above} openings belong to entries that are not in log.db: it was put back to an earlier state."
        )


def _remove_stale_super_journals(recorder: Recorder) -> None:
    """Remove what a crash between two commits leaves beside the databases, when it is certain that nobody needs it."""
    private = recorder.layout.private
    stale = sorted(private.glob("log.db-mj*"))
    if not stale:
        return
    with log_db.declared_errors():
        recorder.connection.execute("BEGIN EXCLUSIVE")
        try:
            for table in ("main.entry", "openings.opening"):
                recorder.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            journals = [private / f"{name}-journal" for name in ("log.db", "openings.db")]
            if not any(path.exists() and path.stat().st_size for path in journals):
                for path in stale:
                    fsio.remove(path)
        finally:
            recorder.connection.execute("ROLLBACK")


def _check_published(layout: StoreLayout, key: Verifier, sealed: Sealed) -> None:
    """Compare the published checkpoint with the committed one; publish again what a crash kept back."""
    committed = sealed.checkpoint
    try:
        published = open_checkpoint(fsio.read_file(layout.checkpoint, max_bytes=MAX_NOTE_BYTES), key)
    except FileNotFoundError:
        published = None
    if published is not None and published.size > committed.size:
        raise RolledBackError(
            f"the published checkpoint covers {published.size} entries, the database only {committed.size}: "
            "it was put back to an earlier state."
        )
    if published is not None and published.size == committed.size and published.root != committed.root:
        raise ForkedError(f"two different checkpoints of size {committed.size} are signed by this log.")
    if published is None or published.size < committed.size:
        fsio.replace_file(layout.checkpoint, sealed.note, mode=0o444)


def _check_right_edge(recorder: Recorder, committed: Checkpoint) -> None:
    """Demand that the newest tiles give the committed root; make missing ones again from the entries."""
    if committed.size == 0:
        return

    def read(ref: TileRef) -> bytes:
        return read_tile(recorder.layout.log, ref)

    try:
        root = tree_root(committed.size, TileSubtrees(read, committed.size))
        last = (committed.size - 1) // TILE_WIDTH
        read_entries(TileRef(ENTRIES, last, committed.size - last * TILE_WIDTH), read)
    except TileMissingError:
        root = _rebuild_tiles(recorder, committed)
    if root != committed.root.raw:
        raise LedgerError(f"the tiles of the log do not give the root of its checkpoint of size {committed.size}.")


def _rebuild_tiles(recorder: Recorder, committed: Checkpoint) -> bytes:
    """Write every missing tile of the committed log again from its entries; return the root they give."""
    with log_db.declared_errors():
        entries = [
            row[0]
            for row in recorder.connection.execute(
                "SELECT raw FROM main.entry WHERE seq < ? ORDER BY seq", (committed.size,)
            )
        ]

    def nothing(ref: TileRef) -> bytes:
        raise TileMissingError(f"log/{ref.path} is not needed")

    tiles = grow(0, [leaf_hash(entry) for entry in entries], nothing)
    root = tree_root(committed.size, TileSubtrees(tiles.__getitem__, committed.size))
    if root == committed.root.raw:  # otherwise the entries are not those that were sealed: write nothing
        put_files(recorder.layout.log, {**bundles_for(0, entries, nothing), **tiles})
    return root


def _check_binding(recorder: Recorder, *, accept_move: bool) -> None:
    """Refuse to record in a store that is on another machine, disk or path, unless the move is to be recorded."""
    before, now = read_fact(recorder.connection, "machine"), machine_binding(recorder.layout.root)
    if before == now:
        return
    if not accept_move:
        raise MovedError("this store was founded on another machine, disk or path than it is on now.")
    recorder.record([config_changed(recorder.origin, setting="store.location", before=before, after=now)])
    with log_db.transaction(recorder.connection):
        recorder.connection.execute("UPDATE main.fact SET value = ? WHERE name = 'machine'", (now,))
