"""The log checked whole: everything is read again, everything wrong is listed, nothing is believed or repaired.

Checked: the published and every kept checkpoint, each tile and bundle, each entry's form, signature, place and chains,
that the database holds the same bytes and its tables say what the entries say, and that every commitment has a fitting
opening.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

from base.errors import EvidenceError
from hashing.merkle import leaf_hash
from hashing.tiles import ENTRIES, TILE_WIDTH, TileRef, read_entries
from ledger import log_db
from ledger.chain import ChainCheck
from ledger.check_checkpoints import PublishedCheck, check_against, check_roots, kept_checkpoints
from ledger.check_rows import RowCheck
from ledger.check_tiles import RecomputedTree, check_nothing_else, check_partials, check_tiles, file_damage
from ledger.layout import StoreLayout
from ledger.published import log_key
from ledger.record import read_fact
from ledger.tile_files import read_tile
from ledger.verdict import LogVerdict


def check_log(
    layout: StoreLayout,
    *,
    against: Sequence[bytes] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LogVerdict:
    """Read and check the whole log of a store. ``against`` are kept checkpoint notes it must be an extension of.

    Lists all damage in the verdict; raises only when nothing can be read at all (no database, no key).
    """
    verdict = LogVerdict()
    connection = log_db.connect_read_only(layout)
    try:
        check = _LogCheck(layout, connection, verdict)
        check.run(against, progress)
    finally:
        connection.close()
    return verdict


class _LogCheck:
    """One pass over the log, holding what later parts compare with."""

    def __init__(self, layout: StoreLayout, connection: sqlite3.Connection, verdict: LogVerdict) -> None:
        self._layout = layout
        self._connection = connection
        self._verdict = verdict
        self._leaves: list[bytes] = []
        self._malformed = 0
        self._rows_check = RowCheck(connection, verdict)
        verdict.origin = read_fact(connection, "origin")

    def run(self, against: Sequence[bytes], progress: Callable[[int, int], None]) -> None:
        key = log_key(self._connection)
        published = PublishedCheck(self._layout.checkpoint, key, self._verdict)
        kept = kept_checkpoints(self._connection, key, self._verdict)
        size = max(kept, default=0)
        self._verdict.size = size
        published.check(kept)
        self._rows_check.check_integrity()
        chain = ChainCheck(self._verdict.origin)
        for seq, raw in self._entries(size):
            self._check_entry(seq, raw, chain)
            if seq % TILE_WIDTH == 0:
                progress(seq, size)
        self._check_recorded(size, chain)
        self._verdict.findings += chain.findings
        tree = RecomputedTree(self._leaves)
        self._verdict.root = tree.root_at(size)
        check_tiles(self._layout.log, tree, self._verdict)
        check_partials(self._layout.log, set(kept) - {size}, self._verdict)
        check_roots(kept, tree, self._verdict)
        check_against(against, key, tree, self._verdict)
        check_nothing_else(self._layout.log, tree, self._recorded, self._verdict)
        progress(size, size)

    # -------------------------------------------------------------------------------------------------- entries

    def _entries(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield every entry up to ``size`` from the public bundles.

        Where a bundle is damaged or missing, that is a finding, and the database's bytes are checked in its place.
        """
        for first in range(0, size, TILE_WIDTH):
            ref = TileRef(ENTRIES, first // TILE_WIDTH, min(TILE_WIDTH, size - first))
            rows = self._rows(first, first + ref.width)
            try:
                published = read_entries(ref, lambda ref: read_tile(self._layout.log, ref))
            except (EvidenceError, OSError) as error:
                file_damage(self._verdict, ref, error)
                published = [rows.get(seq, b"") for seq in range(first, first + ref.width)]
            for seq, raw in enumerate(published, first):
                if rows.get(seq) != raw:
                    self._differs_from_database(seq)
                yield seq, raw

    def _check_recorded(self, size: int, chain: ChainCheck) -> None:
        """Check what is recorded and not yet sealed, and the tables as a whole, as they are at one moment."""
        with log_db.snapshot(self._connection):
            for seq, raw in sorted(self._rows(size, 1 << 62).items()):
                self._check_entry(seq, raw, chain)
            if not self._malformed:  # else the tables name subjects that could not be read here
                self._rows_check.check_end(chain.heads)

    def _recorded(self) -> int:
        with log_db.declared_errors():
            (count,) = self._connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM main.entry").fetchone()
        return int(count)

    def _rows(self, start: int, stop: int) -> dict[int, bytes]:
        with log_db.declared_errors():
            return dict(
                self._connection.execute(
                    "SELECT seq, raw FROM main.entry WHERE seq >= ? AND seq < ? ORDER BY seq", (start, stop)
                ).fetchall()
            )

    def _differs_from_database(self, seq: int) -> None:
        self._verdict.add(
            "entry-differs",
            f"entry {seq}",
            expected="the same bytes in log/ and in private/log.db",
            found="different bytes",
            meaning="One of the two was changed after sealing. The root tells which: see the other findings.",
            last_good=f"entry {seq - 1}" if seq else None,
        )

    def _check_entry(self, seq: int, raw: bytes, chain: ChainCheck) -> None:
        sealed = seq < self._verdict.size
        if sealed:
            self._leaves.append(leaf_hash(raw))
        entry = chain.check(seq, raw)
        self._verdict.entries_checked += 1
        if entry is None:
            self._malformed += 1
            return
        self._verdict.unknown_types += not entry.known
        self._rows_check.check(entry)
        if entry.type == "master.defined":
            for digest in entry.subjects.values():
                self._verdict.masters[digest] = int(str(entry.facts["size_bytes"]))
