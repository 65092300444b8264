"""What the recorder checks before it writes anything, what it finishes, and when it refuses to go on.

A crash leaves nothing here to repair: entries are committed or not, and tiles and the published checkpoint are made
again from them. What no crash can leave (a rollback, a fork, a clone) stops the recorder until a person decides.
Source: docs/reference/custody-log.md, section 6, "Start".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from base import fsio
from base.errors import LedgerError, NotFoundError
from hashing.checkpoint import Checkpoint
from hashing.merkle import HASH_BYTES, inclusion_proof, leaf_hash, tree_root, verify_inclusion
from hashing.tiles import (
    ENTRIES,
    TILE_WIDTH,
    TileMissingError,
    TileRef,
    TileSubtrees,
    bundles_for,
    encode_bundle,
    grow,
    partials_at,
    read_entries,
    read_hashes,
)
from ledger import log_db
from ledger.events.anchor import start_unanchored
from ledger.events.log import config_changed
from ledger.layout import StoreLayout
from ledger.machine import is_bound, machine_binding, refuse_moved, refuse_other_owner
from ledger.memories import hold_against_all, refuse_contradicted, remember
from ledger.published import RolledBackError, check_published, log_key
from ledger.record import Recorder, read_fact
from ledger.seal import seal_lock, seal_locked
from ledger.succession import complete
from ledger.tile_files import put_files, read_tile

_LOCK_WAIT_S = 30.0


def start(layout: StoreLayout, *, accept_move: bool = False, memories: Sequence[Path] = ()) -> Recorder:
    """Open a store for the recorder after everything that must be checked first, and finish what a crash left undone.

    A change of logs that was cut off is brought to its end first: whoever calls this holds the place of the recorder.
    ``memories`` are the places outside that are set to remember this log. When none of them can be read, that is the
    next entry.

    Raises: NotFoundError for an incomplete store or missing key, RefusedError for a private directory that others can
    read and for a store of another account or on another machine, LedgerError for anything that no crash can have
    caused: RememberedError, SplitViewError or RememberedForkError when somebody outside remembers another log.
    """
    check_complete(layout)
    refuse_other_owner(layout.root)
    complete(layout)
    for path in (layout.log_db, layout.openings_db):
        log_db.drop_cached_pages(path)
    recorder = Recorder.open(layout)
    try:
        _check_databases(recorder.connection)
        # Under the lock, so that no other process seals between two looks at the same log.
        with seal_lock(recorder, _LOCK_WAIT_S), fsio.declared_errors("starting to record"):
            fsio.make_directories(layout.log)
            _remove_leftovers(recorder)
            key = log_key(recorder.connection)
            sealed, _ = check_published(layout, recorder.connection, key)
            _check_right_edge(recorder, sealed.checkpoint)  # before it is published: a checkpoint without tiles is none
            remembered = remember(layout, key, memories)
            refuse_contradicted(hold_against_all(layout, sealed.checkpoint, key, remembered.notes))
            _check_binding(recorder, accept_move=accept_move)
            if remembered.is_unanchored:
                recorder.record([start_unanchored(sealed.checkpoint, places=remembered.places)])
            seal_locked(recorder)
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


def _remove_leftovers(recorder: Recorder) -> None:
    """Remove what a crash in the middle of writing leaves: nothing ever read from it or names it."""
    for folder in (recorder.layout.log, recorder.layout.keys):
        for path in sorted(folder.rglob(".*")):
            if fsio.is_temporary(path.name):
                fsio.remove(path)
    _remove_stale_super_journals(recorder)


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


def _check_right_edge(recorder: Recorder, committed: Checkpoint) -> None:
    """Demand that the tiles give the committed root, over the entries of the last bundle and over the first entry.

    Missing files are made again from the entries.
    """
    if committed.size == 0:
        return

    def read(ref: TileRef) -> bytes:
        return read_tile(recorder.layout.log, ref)

    try:
        root = _root_of_tiles(recorder, committed.size, read)
    except TileMissingError:
        _rebuild_tiles(recorder, committed)
        root = _root_of_tiles(recorder, committed.size, read)
    if root != committed.root.raw:
        raise LedgerError(f"the tiles of the log do not give the root of its checkpoint of size {committed.size}.")


def _root_of_tiles(recorder: Recorder, size: int, read: Callable[[TileRef], bytes]) -> bytes:
    """Return the root that the tiles give, after the first entry and the last bundle were found to be under it."""
    subtrees = TileSubtrees(read, size)
    root = tree_root(size, subtrees)
    # The first entry names the keys: from here on it is believed because it is under the root.
    (first,) = recorder.connection.execute("SELECT raw FROM main.entry WHERE seq = 0").fetchone()
    verify_inclusion(leaf_hash(first), 0, size, inclusion_proof(0, size, subtrees), root)
    # The next seal widens the last bundle: whatever stands there would be published again.
    last, before = divmod(size - 1, TILE_WIDTH)
    entries = read_entries(TileRef(ENTRIES, last, before + 1), read)
    if list(map(leaf_hash, entries)) != read_hashes(TileRef(0, last, before + 1), read):
        raise LedgerError(f"log/{TileRef(ENTRIES, last, before + 1).path} holds other entries than were sealed.")
    return root


def _rebuild_tiles(recorder: Recorder, committed: Checkpoint) -> None:
    """Write every missing tile of the committed log again from its entries, if these are what was sealed."""
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
    if root != committed.root.raw:  # then nothing is written
        raise LedgerError(f"the entries in log.db do not give the root of the checkpoint of size {committed.size}.")
    with log_db.declared_errors():
        sizes = [row[0] for row in recorder.connection.execute("SELECT size FROM main.checkpoint")]
    earlier = _earlier_partials(entries, tiles, sizes)
    put_files(recorder.layout.log, {**bundles_for(0, entries, nothing), **tiles, **earlier})


def _earlier_partials(
    entries: Sequence[bytes], tiles: Mapping[TileRef, bytes], sizes: Iterable[int]
) -> dict[TileRef, bytes]:
    """Return the partial files that earlier checkpoints need, as far as no full tile has replaced them."""
    widest = {(ref.level, ref.index): ref for ref in tiles}
    earlier = {}
    for ref in {ref for size in sizes for ref in partials_at(size)}:
        wide = widest[ref.level, ref.index]
        if wide.is_full or wide == ref:
            continue
        earlier[ref] = tiles[wide][: ref.width * HASH_BYTES]
        if ref.level == 0:
            first = ref.index * TILE_WIDTH
            earlier[replace(ref, level=ENTRIES)] = encode_bundle(entries[first : first + ref.width])
    return earlier


def _check_binding(recorder: Recorder, *, accept_move: bool) -> None:
    """Refuse to record in a store that was moved, unless the move is to be recorded."""
    if not accept_move:
        refuse_moved(recorder.layout.root, read_fact(recorder.connection, "machine"))
        return
    before, now = read_fact(recorder.connection, "machine"), machine_binding(recorder.layout.root)
    if is_bound(recorder.layout.root, before):
        return
    recorder.record([config_changed(recorder.origin, setting="store.location", before=before, after=now)])
    with log_db.transaction(recorder.connection):
        recorder.connection.execute("UPDATE main.fact SET value = ? WHERE name = 'machine'", (now,))
