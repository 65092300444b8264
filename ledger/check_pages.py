"""A stretch of the log read and checked: bundles, entries, and the rows of both databases that belong to them.

The same code checks a whole log in one process, and its stretches in several: what it finds goes into a verdict and a
chain of its own, which are joined in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from base.errors import EvidenceError, Finding, LedgerError
from hashing.digest import Digest
from hashing.merkle import HASH_BYTES, leaf_hash
from hashing.tiles import TILE_WIDTH, TileRef, read_entries
from ledger.chain import ChainCheck, ChainPart
from ledger.check_databases import CheckedDatabase
from ledger.check_rows import RowCheck
from ledger.check_tiles import file_damage, first_entry, published_leaves
from ledger.entry import Entry, parse_entry
from ledger.layout import StoreLayout
from ledger.tile_files import read_tile
from ledger.verdict import LogVerdict


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What one stretch of the log gave, as it crosses from one process to the other."""

    first: int
    end: int
    chain: ChainPart
    leaves: bytes
    findings: list[Finding]
    entries_checked: int
    openings_checked: int
    unknown_types: int
    further_digests: dict[str, int]
    masters: bytes  # digest, size and position of each
    results: bytes
    unread: int


class PageCheck:
    """One pass over pages of the log, holding what later parts compare with."""

    def __init__(
        self,
        layout: StoreLayout,
        log: CheckedDatabase,
        openings: CheckedDatabase,
        verdict: LogVerdict,
        chain: ChainCheck,
        *,
        newest_kept: int,
    ) -> None:
        self._layout = layout
        self._log = log
        self._verdict = verdict
        self._newest_kept = newest_kept
        self.rows = RowCheck(log, openings, verdict, is_successor=_is_successor(layout))
        self.chain = chain
        self.leaves = bytearray()
        self.unread = 0

    def check_sealed(self, ref: TileRef) -> None:
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
            self.leaves += leaves[n] if raw is None else leaf_hash(raw)
        self._check_page(first, published)

    def check_recorded(self, first: int, end: int) -> None:
        """Check a page of what is recorded and not yet sealed."""
        rows = self._rows(first, end)
        self._check_page(first, [rows.get(seq) for seq in range(first, first + len(rows))])

    def _check_page(self, first: int, raws: Sequence[bytes | None]) -> None:
        entries = []
        for seq, raw in enumerate(raws, first):
            if raw is None:
                self.chain.skip()
                self.unread += 1
                continue
            entry = self.chain.check(seq, raw)
            self._verdict.entries_checked += 1
            if entry is None or entry.seq != seq:  # at another place: its rows are not those of this place
                self.unread += 1
                continue
            self._note(entry)
            entries.append(entry)
        self.rows.check_page(first, first + len(raws), entries)

    def _note(self, entry: Entry) -> None:
        self._verdict.unknown_types += not entry.known
        for algorithm in entry.further_digests:
            self._verdict.further_digests[algorithm] = self._verdict.further_digests.get(algorithm, 0) + 1
        if entry.type == "master.defined":
            for digest in entry.subjects.values():
                self._verdict.masters.put(digest, int(str(entry.facts["size_bytes"])), entry.seq)

    # ------------------------------------------------------------------------------------------------- database

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

    # -------------------------------------------------------------------------------------------------- stretches

    def stretch(self, first: int, end: int, *, keys_before: int) -> Stretch:
        """Return what this pass found between two positions."""
        verdict = self._verdict
        return Stretch(
            first=first,
            end=end,
            chain=self.chain.part(keys_before),
            leaves=bytes(self.leaves),
            findings=verdict.findings,
            entries_checked=verdict.entries_checked,
            openings_checked=verdict.openings_checked,
            unknown_types=verdict.unknown_types,
            further_digests=verdict.further_digests,
            masters=verdict.masters.packed(),
            results=b"".join(digest.raw for digest in verdict.results),
            unread=self.unread,
        )

    def join(self, stretch: Stretch) -> bool:
        """Go on behind a stretch that another process checked; False if its keys were not those of its place."""
        if not self.chain.join(stretch.chain):
            return False
        verdict = self._verdict
        for finding in stretch.findings:
            # What is wrong with a database as a whole is met by each who reads it.
            if finding.code != "database-damaged" or finding not in verdict.findings:
                verdict.findings.append(finding)
        self.leaves += stretch.leaves
        self.unread += stretch.unread
        verdict.entries_checked += stretch.entries_checked
        verdict.openings_checked += stretch.openings_checked
        verdict.unknown_types += stretch.unknown_types
        for algorithm, count in stretch.further_digests.items():
            verdict.further_digests[algorithm] = verdict.further_digests.get(algorithm, 0) + count
        verdict.masters.take(stretch.masters)
        verdict.results |= {
            Digest(stretch.results[at : at + HASH_BYTES]) for at in range(0, len(stretch.results), HASH_BYTES)
        }
        return True


def _is_successor(layout: StoreLayout) -> bool:
    """Return whether the first entry says that a log came before this one."""
    try:
        return parse_entry(first_entry(layout.log)).facts.get("predecessor") is not None
    except LedgerError:
        return False
