"""The log checked whole: everything is read again, everything wrong is listed, nothing is believed or repaired.

Checked: the published and every kept checkpoint, each tile and bundle, each entry's form, signature, place and chains,
that the database holds the same bytes and its tables say what the entries say, and that every commitment has a fitting
opening. The public log is checked even when both databases are gone; what then could not be checked is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from base.errors import EvidenceError, LedgerError
from hashing.checkpoint import Checkpoint
from hashing.merkle import leaf_hash
from hashing.note import Verifier
from hashing.tiles import ENTRIES, TILE_WIDTH, TileRef, read_entries
from ledger.chain import ChainCheck
from ledger.check_checkpoints import PublishedCheck, check_against, check_roots, kept_checkpoints
from ledger.check_databases import CheckedDatabase
from ledger.check_rows import RowCheck
from ledger.check_tiles import (
    RecomputedTree,
    check_nothing_else,
    check_partials,
    check_tiles,
    file_damage,
    first_entry,
    published_leaves,
)
from ledger.entry import Entry, parse_entry
from ledger.kept import KeptNote
from ledger.layout import StoreLayout
from ledger.tile_files import read_tile
from ledger.trust import trust_of
from ledger.verdict import LogVerdict

_NO_LOG_DB = (
    "private/log.db could not be read, or not wholly: entries that are not sealed yet, earlier checkpoints, and "
    "whether it holds the same entries as log/."
)
_NO_OPENINGS = (
    "private/openings.db could not be read, or not wholly: whether each commitment has its opening, and which results "
    "must be in derived/."
)
_NO_KEY = "Nothing of the log but the databases: no first entry could be read that names its keys."
_NO_WHOLE_TABLES = "Heads and subjects in private/log.db: some entries could not be read, and they follow from all."


def check_log(
    layout: StoreLayout,
    *,
    against: Sequence[KeptNote] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LogVerdict:
    """Read and check the whole log of a store. ``against`` are kept checkpoints it must be an extension of.

    Lists all damage in the verdict, and what could not be checked because of it. Raises NewerDataError for a database
    of a newer version, BusyError and SurroundingsError when the disk or another process does not let it be read.
    """
    verdict = LogVerdict()
    with (
        CheckedDatabase(layout.log_db, "main", verdict) as log,
        CheckedDatabase(layout.openings_db, "openings", verdict) as openings,
    ):
        for database in (log, openings):
            database.check_integrity()
        check = _LogCheck(layout, log, openings, verdict)
        check.run(against, progress)
        check.say_what_was_not_there()
    return verdict


class _LogCheck:
    """One pass over the log, holding what later parts compare with."""

    def __init__(
        self, layout: StoreLayout, log: CheckedDatabase, openings: CheckedDatabase, verdict: LogVerdict
    ) -> None:
        self._layout = layout
        self._log = log
        self._openings = openings
        self._verdict = verdict
        self._row_check = RowCheck(log, openings, verdict)
        self._leaves: list[bytes] = []
        self._newest_kept = 0
        self._unread = 0

    def run(self, against: Sequence[KeptNote], progress: Callable[[int, int], None]) -> None:
        key = self._key()
        if key is None:
            return
        self._verdict.origin = key.name
        kept = self._checkpoints(key)
        size = self._verdict.size = max(kept, default=0)
        chain = ChainCheck(key.name)
        for first in range(0, size, TILE_WIDTH):
            progress(first, size)
            self._check_sealed(TileRef(ENTRIES, first // TILE_WIDTH, min(TILE_WIDTH, size - first)), chain)
        self._check_recorded(size, chain)
        self._row_check.check_nothing_beyond(size)
        self._verdict.findings += chain.findings
        self._verdict.not_checked += chain.not_checked
        tree = RecomputedTree(self._leaves)
        self._verdict.root = tree.root_at(size)
        check_tiles(self._layout.log, tree, self._verdict)
        check_partials(self._layout.log, set(kept) - {size}, self._verdict)
        check_roots(kept, tree, self._verdict)
        check_against(against, key, tree, self._verdict)
        check_nothing_else(self._layout.log, tree, lambda: max(self._recorded(), size), self._verdict)
        progress(size, size)

    def _checkpoints(self, key: Verifier) -> dict[int, Checkpoint]:
        """Return every checkpoint that verifies by size, the published one with them."""
        published = PublishedCheck(self._layout.checkpoint, key, self._verdict)
        kept = kept_checkpoints(self._log, key, self._verdict)
        if self._log.connection is not None:
            self._newest_kept = max(kept, default=0)
            published.check(kept)
        if published.published is not None:
            kept.setdefault(published.published.size, published.published)
        return kept

    def _key(self) -> Verifier | None:
        """Return the key that the first entry names: as the database has it, or else the public log."""
        rows = self._log.rows("SELECT raw FROM entry WHERE seq = 0")
        found = "no first entry, neither in private/log.db nor in log/"
        for raw in (*(row[0] for row in rows), first_entry(self._layout.log)):
            try:
                key = trust_of(parse_entry(bytes(raw))).log_key
            except LedgerError as error:
                found = str(error)
                continue
            self._row_check.check_origin(key.name)
            return key
        self._verdict.add(
            "entry-untrusted",
            "entry 0",
            expected="a first entry that names the keys of the log",
            found=found,
            meaning="Nobody can tell whose log this is. The vault was compared with the names of its objects only.",
        )
        self._verdict.not_checked.append(_NO_KEY)
        return None

    # -------------------------------------------------------------------------------------------------- entries

    def _check_sealed(self, ref: TileRef, chain: ChainCheck) -> None:
        """Check one public bundle, which the database must hold too.

        Where the bundle is damaged or missing, that is a finding, and the database's bytes are checked in its place.
        """
        first = ref.index * TILE_WIDTH
        rows = self._rows(first, first + ref.width)
        published: Sequence[bytes | None]
        try:
            published = read_entries(ref, lambda ref: read_tile(self._layout.log, ref))
        except (EvidenceError, OSError) as error:
            file_damage(self._verdict, ref, error)
            published = [rows.get(seq) for seq in range(first, first + ref.width)]
        leaves = published_leaves(self._layout.log, ref) if None in published else []
        for n, raw in enumerate(published):
            self._compare_with_database(first + n, raw, rows)
            self._leaves.append(leaves[n] if raw is None else leaf_hash(raw))
        self._check_page(first, published, chain)

    def _check_recorded(self, size: int, chain: ChainCheck) -> None:
        """Check what is recorded and not yet sealed, and the tables as a whole, as they are at one moment."""
        done = size
        while self._log.connection is not None:
            for first in range(done, recorded := max(self._recorded(), done), TILE_WIDTH):
                rows = self._rows(first, min(first + TILE_WIDTH, recorded))
                self._check_page(first, [rows.get(seq) for seq in range(first, first + len(rows))], chain)
            done = recorded
            with self._log.snapshot():
                if self._recorded() > done:
                    continue  # a recorder beside us was faster
                if self._unread:
                    self._verdict.not_checked.append(_NO_WHOLE_TABLES)
                else:
                    self._row_check.check_whole(chain.heads)
            break

    def _check_page(self, first: int, raws: Sequence[bytes | None], chain: ChainCheck) -> None:
        entries = []
        for seq, raw in enumerate(raws, first):
            if raw is None:
                chain.skip()
                self._unread += 1
                continue
            entry = chain.check(seq, raw)
            self._verdict.entries_checked += 1
            if entry is None or entry.seq != seq:  # at another place: its rows are not those of this place
                self._unread += 1
                continue
            self._note(entry)
            entries.append(entry)
        self._row_check.check_page(first, first + len(raws), entries)

    def _note(self, entry: Entry) -> None:
        self._verdict.unknown_types += not entry.known
        if entry.type == "master.defined":
            for digest in entry.subjects.values():
                self._verdict.masters[digest] = int(str(entry.facts["size_bytes"]))

    # ------------------------------------------------------------------------------------------------- database

    def _recorded(self) -> int:
        rows = self._log.rows("SELECT coalesce(max(seq) + 1, 0) FROM entry")
        return int(rows[0][0]) if rows else 0

    def _rows(self, start: int, stop: int) -> dict[int, bytes]:
        rows = self._log.rows("SELECT seq, raw FROM entry WHERE seq >= ? AND seq < ?", start, stop)
        return {seq: raw for seq, raw in rows if isinstance(raw, bytes)}

    def _compare_with_database(self, seq: int, raw: bytes | None, rows: Mapping[int, bytes]) -> None:
        # That a database was put back is said once, and not for each entry that it lost.
        is_asked = self._log.connection is not None and (seq in rows or seq < self._newest_kept)
        if is_asked and rows.get(seq) != raw:
            self._verdict.add(
                "entry-differs",
                f"entry {seq}",
                expected="the same bytes in log/ and in private/log.db",
                found="different bytes" if seq in rows else "no row in private/log.db",
                meaning="One of the two was changed after sealing. The root tells which: see the other findings.",
                last_good=f"entry {seq - 1}" if seq else None,
            )

    def say_what_was_not_there(self) -> None:
        """Add what could not be checked, and whether a missing database is damage.

        A copy without openings, as an auditor may get it, has no keys to record with; there, when all else is good,
        the missing openings are not damage. Where there are keys, somebody has removed them.
        """
        if self._log.is_missing:
            self._log.add_missing()
        if self._openings.is_missing and (self._verdict.findings or _may_record(self._layout)):
            self._openings.add_missing()
        if self._log.connection is None:
            self._verdict.not_checked.append(_NO_LOG_DB)
        if self._openings.connection is None:
            self._verdict.not_checked.append(_NO_OPENINGS)


def _may_record(layout: StoreLayout) -> bool:
    return layout.keys.is_dir() and any(layout.keys.iterdir())
