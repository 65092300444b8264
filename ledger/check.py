"""The log checked whole: everything is read again, everything wrong is listed, nothing is believed or repaired.

Checked: the published and every kept checkpoint, each tile and bundle, each entry's form, signature, place and chains,
that the database holds the same bytes and its tables say what the entries say, and that every commitment has a fitting
opening. The public log is checked even when both databases are gone; what then could not be checked is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from base.errors import LedgerError
from base.escape import shown
from hashing.checkpoint import Checkpoint
from hashing.note import Verifier
from hashing.tiles import TILE_WIDTH
from ledger.chain import ChainCheck
from ledger.check_checkpoints import PublishedCheck, add_kept, check_against, check_roots, kept_checkpoints
from ledger.check_databases import CheckedDatabase
from ledger.check_pages import PageCheck
from ledger.check_people import check_people
from ledger.check_rows import RowCheck
from ledger.check_stretches import check_sealed
from ledger.check_tiles import (
    PackedHashes,
    RecomputedTree,
    check_nothing_else,
    check_partials,
    check_tiles,
    first_entry,
)
from ledger.check_time_stamps import authorities_set, check_tokens
from ledger.check_witnesses import check_lodged
from ledger.entry import parse_entry
from ledger.kept import KeptAnswer, KeptNote
from ledger.last_good import with_last_good
from ledger.layout import StoreLayout
from ledger.trust import trust_of
from ledger.verdict import LogVerdict

_NO_LOG_DB = (
    "private/log.db could not be read, or not wholly: entries that are not sealed yet, earlier checkpoints, and "
    "whether it holds the same entries as log/."
)
_NO_OPENINGS = (
    "private/openings.db could not be read, or not wholly: whether each commitment has its opening, which results "
    "must be in derived/, and who vouched for what."
)
_NO_KEY = "Nothing of the log but the databases: no first entry could be read that names its keys."
_NO_WHOLE_TABLES = "Heads and subjects in private/log.db: some entries could not be read, and they follow from all."


def check_log(
    layout: StoreLayout,
    *,
    against: Sequence[KeptNote] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    processes: int | None = None,
    first_bad: bool = False,
) -> LogVerdict:
    """Read and check the whole log of a store. ``against`` are kept checkpoints it must be an extension of.

    ``processes`` check the entries side by side: by default one for a short log, else one for each core. With
    ``first_bad`` the check ends with the step that found something.

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
        check = _LogCheck(layout, log, openings, verdict, processes=processes, first_bad=first_bad)
        check.run(against, progress)
        check_people(log, openings, verdict)
        check.say_what_was_not_there()
        with_last_good(verdict)
    return verdict


class _LogCheck:
    """One pass over the log."""

    def __init__(
        self,
        layout: StoreLayout,
        log: CheckedDatabase,
        openings: CheckedDatabase,
        verdict: LogVerdict,
        *,
        processes: int | None,
        first_bad: bool,
    ) -> None:
        self._layout = layout
        self._log = log
        self._openings = openings
        self._verdict = verdict
        self._processes = processes
        self._first_bad = first_bad
        self._newest_kept = 0

    def run(self, against: Sequence[KeptNote], progress: Callable[[int, int], None]) -> None:
        """Check everything; with ``first_bad``, no further than the step that found something."""
        key = self._key()
        if key is None:
            return
        self._verdict.origin = key.name
        kept = self._checkpoints(key)
        size = self._verdict.size = max(kept, default=0)
        chain = ChainCheck(key.name)
        pages = PageCheck(self._layout, self._log, self._openings, self._verdict, chain, newest_kept=self._newest_kept)
        self._verdict.heads = chain.heads
        for _ in self._steps(pages, kept, size, against, key, progress):
            if self._first_bad and (self._verdict.findings or chain.findings):
                break
        self._verdict.findings += chain.findings
        self._verdict.not_checked += chain.not_checked
        self._verdict.subjects_checked = len(chain.heads)
        self._verdict.root_threshold = None if chain.keys is None else chain.keys.trust.root_threshold

    def _steps(
        self,
        pages: PageCheck,
        kept: Mapping[int, Checkpoint],
        size: int,
        against: Sequence[KeptNote],
        key: Verifier,
        progress: Callable[[int, int], None],
    ) -> Iterator[None]:
        """Do one step after the other, and yield after each."""
        yield
        for done in check_sealed(pages, self._layout, key.name, size, self._newest_kept, processes=self._processes):
            progress(done, size)
            yield
        self._check_recorded(size, pages)
        pages.rows.check_nothing_beyond(size)
        pages.chain.finish()
        yield
        tree = RecomputedTree(PackedHashes(pages.leaves))
        self._verdict.root = tree.root_at(size)
        check_roots(kept, tree, self._verdict)
        yield
        check_against(against, key, tree, self._verdict)
        self._check_lodged(key, tree)
        yield
        check_tiles(self._layout.log, tree, self._verdict)
        check_partials(self._layout.log, set(kept) - {size}, self._verdict)
        yield
        check_nothing_else(self._layout.log, tree, lambda: max(self._recorded(), size), self._verdict)
        progress(size, size)

    def _check_lodged(self, key: Verifier, tree: RecomputedTree) -> None:
        """Hold what was lodged against the log: what is kept of it here, and who cosigned it."""

        def contradicted(answer: KeptAnswer) -> None:
            add_kept(answer, key, self._verdict, what="lodged checkpoint")

        self._verdict.witnesses = check_lodged(
            self._layout, key, size=tree.size, root_at=tree.root_at, contradicted=contradicted
        )
        authorities = authorities_set(self._layout)
        self._verdict.time_stamps = check_tokens(self._layout, authorities, key, size=tree.size, root_at=tree.root_at)

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
            RowCheck(self._log, self._openings, self._verdict).check_origin(key.name)
            return key
        self._verdict.add(
            "entry-untrusted",
            "entry 0",
            expected="a first entry that names the keys of the log",
            found=found,
            meaning="Nobody can tell whose log this is. The vault was compared with the names of its objects only.",
        )
        self._verdict.miss(_NO_KEY)
        return None

    def _check_recorded(self, size: int, pages: PageCheck) -> None:
        """Check what is recorded and not yet sealed, and the tables as a whole, as they are at one moment."""
        done = size
        while self._log.connection is not None:
            for first in range(done, recorded := max(self._recorded(), done), TILE_WIDTH):
                pages.check_recorded(first, min(first + TILE_WIDTH, recorded))
            done = recorded
            with self._log.snapshot():
                if self._recorded() > done:
                    continue  # a recorder beside us was faster
                if pages.unread:
                    self._verdict.miss(_NO_WHOLE_TABLES)
                else:
                    pages.rows.check_whole(pages.chain.heads)
            break

    def _recorded(self) -> int:
        rows = self._log.rows("SELECT coalesce(max(seq) + 1, 0) FROM entry")
        return int(rows[0][0]) if rows else 0

    def say_what_was_not_there(self) -> None:
        """Add what could not be checked, and whether a missing database is damage.

        A copy as an auditor may get it has no keys to record with; there, when all else is good, what was left out is
        not damage. Where there are keys, somebody has removed it.
        """
        verdict = self._verdict
        may_record = _may_record(self._layout)
        for database in (self._log, self._openings):
            if database.is_missing and (verdict.findings or may_record):
                database.add_missing()
        verdict.is_copy = not may_record
        if self._log.connection is None:
            verdict.miss(_NO_LOG_DB)
        if self._openings.connection is None:
            verdict.miss(_NO_OPENINGS)
        for algorithm, count in sorted(verdict.further_digests.items()):
            verdict.not_checked.append(
                f"Further digests by {shown(algorithm)} beside SHA-256 in {count} entries: not known here."
            )


def _may_record(layout: StoreLayout) -> bool:
    return layout.keys.is_dir() and any(layout.keys.iterdir())
