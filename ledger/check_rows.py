"""The databases beside the log: every column and index held against what the entries themselves say.

Nothing is concluded from a column: the bytes of the entries are the truth. But the recorder finds heads, arrivals and
openings through these tables, so one that differs would make it sign something wrong. They are read along with the
entries, page by page; nothing is kept but where each subject stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from base.errors import LedgerError
from hashing.digest import Digest, DigestFormatError
from hashing.strict_json import Json
from ledger.check_databases import CheckedDatabase, Row
from ledger.entry import ENDORSEMENTS, Entry, SubjectHead
from ledger.events import EVENT_TYPES
from ledger.events.item import MASTER_DEFINED
from ledger.events.vocabulary import OpeningClass
from ledger.openings import DIGEST_BYTES, OpenedEntry, bytes_of, open_entry
from ledger.verdict import LogVerdict

# The pairs of a page that the table does not have: asked in one statement.
_NO_SUBJECT = """
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?) AS pair WHERE NOT EXISTS (
    SELECT 1 FROM subject WHERE name = json_extract(pair.value, '$[0]') AND seq = json_extract(pair.value, '$[1]')
)
"""


class RowCheck:
    """The rows of both databases, looked at page by page and then as a whole."""

    def __init__(
        self, log: CheckedDatabase, openings: CheckedDatabase, verdict: LogVerdict, *, is_successor: bool = False
    ) -> None:
        self._log = log
        self._openings = openings
        self._verdict = verdict
        self._is_successor = is_successor

    def check_origin(self, origin: str) -> None:
        """Look at the one fact that the first entry gives."""
        for (value,) in self._log.rows("SELECT value FROM fact WHERE name = 'origin'") or [(origin,)]:
            if value != origin:
                self._differs(self._log, "fact origin", "another origin")

    def check_page(self, start: int, stop: int, entries: Sequence[Entry]) -> None:
        """Look at every row that belongs to the ``entries`` between two positions."""
        self._check_columns(start, stop, entries)
        pairs = [(name, entry.seq) for entry in entries for name in entry.subjects]
        for name, seq in self._log.rows(_NO_SUBJECT, json.dumps(pairs)):
            self._differs(self._log, f"subject {name}", f"no row for entry {seq}")
        opened = self._check_openings(start, stop, entries)
        self._check_arrivals(start, stop, entries, opened)

    def _check_columns(self, start: int, stop: int, entries: Iterable[Entry]) -> None:
        rows = self._log.rows("SELECT seq, event, type, digest FROM entry WHERE seq >= ? AND seq < ?", start, stop)
        found = {seq: tuple(columns) for seq, *columns in rows}
        for entry in entries:
            # A row that is not there was found with the bytes of the entry.
            if found.get(entry.seq, right := (entry.event, entry.type, entry.digest.raw)) != right:
                self._differs(self._log, f"entry {entry.seq}", "another event, type or digest")

    # ------------------------------------------------------------------------------------------- openings

    def _check_openings(self, start: int, stop: int, entries: Iterable[Entry]) -> dict[int, OpenedEntry]:
        rows = self._openings.rows(
            "SELECT seq, commitment, type, member, class, text FROM opening WHERE seq >= ? AND seq < ?", start, stop
        )
        by_entry: dict[int, list[Row]] = {}
        for seq, *columns in rows:
            by_entry.setdefault(seq, []).append(tuple(columns))
        opened = {}
        for entry in entries if self._openings.connection is not None else ():
            result = self._check_openings_of(entry, by_entry.get(entry.seq, []))
            if result is not None:
                opened[entry.seq] = result
        return opened

    def _check_openings_of(self, entry: Entry, rows: Sequence[Row]) -> OpenedEntry | None:
        kept = {row[0]: row[1:4] for row in rows}
        try:
            opened = open_entry(entry, {Digest(row[0]): row[4] for row in rows if _is_opening(row[0], row[4])})
        except LedgerError as error:
            self._opening_damage(entry, str(error))
            return None
        expected = dict(_kept_as(entry))
        self._verdict.openings_checked += len(expected)
        if opened.withheld:
            self._opening_damage(entry, f"no opening of {', '.join(sorted(opened.withheld))}")
        elif kept.keys() != expected.keys() or len(rows) != len(expected):
            self._opening_damage(entry, f"{len(rows)} openings for {len(expected)} commitments")
        elif not all(_fits(expected[commitment], columns) for commitment, columns in kept.items()):
            self._opening_damage(entry, "an opening that is kept under another type, member or class")
        if entry.type == "analysis.completed" and "result" in opened.values:
            self._add_result(entry, str(opened.values["result"]))
        return opened

    def _add_result(self, entry: Entry, text: str) -> None:
        try:
            self._verdict.results.add(Digest.parse(text))
        except DigestFormatError as error:
            self._opening_damage(entry, str(error))

    def _opening_damage(self, entry: Entry, found: str) -> None:
        self._verdict.add(
            "opening-mismatch",
            f"entry {entry.seq}",
            expected="one fitting opening for each commitment",
            found=found,
            meaning="What the entry commits to can't be shown, or something else is shown in its place.",
        )

    # ------------------------------------------------------------------------------------------- arrivals

    def _check_arrivals(
        self, start: int, stop: int, entries: Iterable[Entry], opened: Mapping[int, OpenedEntry]
    ) -> None:
        rows = self._openings.rows(
            "SELECT seq, drop_id, item, sha256, path, generation FROM arrival WHERE seq >= ? AND seq < ?", start, stop
        )
        if self._openings.connection is None:
            return
        found = {row[0]: row for row in rows}
        for entry in entries:
            row = found.get(entry.seq)
            if entry.type == MASTER_DEFINED.name:
                self._check_arrival(entry, row, opened.get(entry.seq))
            elif row is not None:
                self._differs(self._openings, f"arrival of entry {entry.seq}", "a row for an entry that is no arrival")

    def _check_arrival(self, entry: Entry, row: Row | None, opened: OpenedEntry | None) -> None:
        subjects = [(entry.drop, item, digest.raw) for item, digest in entry.subjects.items()]
        path = None if opened is None else opened.values.get("source_path")
        if row is None or [row[1:4]] != subjects:
            self._differs(self._openings, f"arrival of entry {entry.seq}", "another row, or none")
        elif path is not None and not _is_path(path, row[4]):
            self._differs(self._openings, f"arrival of entry {entry.seq}", "another path")
        elif not self._follows(row):
            self._differs(self._openings, f"arrival of entry {entry.seq}", "another generation")

    def _follows(self, row: Row) -> bool:
        """Return whether the generation before this one came before it: so all of a path count from 0, in order."""
        seq, drop, _, _, path, generation = row
        if generation == 0 or not isinstance(generation, int):
            return bool(generation == 0)
        query = "SELECT seq FROM arrival WHERE drop_id = ? AND path = ? AND generation = ?"
        before = self._openings.rows(query, drop, path, generation - 1)
        if not before:  # then it is in the log before: `ledger.check_succession` sees all of them together
            return self._is_successor
        return all(isinstance(earlier, int) and earlier < seq for (earlier,) in before)

    # -------------------------------------------------------------------------------------- as a whole

    def check_whole(self, heads: Mapping[str, SubjectHead]) -> None:
        """Look at the rows that no page shows. Call it in the snapshot that has exactly the entries of ``heads``."""
        seen = 0
        for name, count, digest in self._log.stream("SELECT name, count, digest FROM head"):
            head = heads.get(name)
            seen += head is not None
            if head is None or (count, digest) != (head.count, head.entry.raw):
                self._differs(self._log, f"head {name}", "another count or digest than the entries give")
        for name, count in self._log.stream("SELECT name, count(*) FROM subject GROUP BY name"):
            # Too few were found with the entries that they are missing for.
            if name not in heads or count > heads[name].count:
                self._differs(self._log, f"subject {name}", f"{count} rows, more than there are entries")
        if seen < len(heads) and self._log.connection is not None:
            self._check_missing_heads(heads)
        for (seq,) in self._log.rows("SELECT seq FROM entry WHERE seq < 0"):
            self._differs(self._log, f"entry {seq}", "a row for a position that is none")

    def _check_missing_heads(self, heads: Iterable[str]) -> None:
        for name in heads:
            if not self._log.rows("SELECT 1 FROM head WHERE name = ?", name):
                self._differs(self._log, f"head {name}", "no row")

    def check_nothing_beyond(self, size: int) -> None:
        """List what the openings know of entries that are neither sealed, below ``size``, nor recorded."""
        ends = {
            table: self._openings.rows(f"SELECT min(seq), max(seq) FROM {table}") for table in ("opening", "arrival")
        }
        # Asked in this order: what is recorded meanwhile is no opening too many.
        ((recorded,),) = self._log.rows("SELECT coalesce(max(seq) + 1, 0) FROM entry") or [(None,)]
        if recorded is None:
            return
        end = max(recorded, size)
        if any(isinstance(last, int) and last >= end for rows in ends.values() for _, last in rows):
            ((above,),) = self._openings.rows("SELECT count(*) FROM opening WHERE seq >= ?", end) or [(0,)]
            self._rolled_back(above)
        for table, rows in ends.items():
            if any(isinstance(first, int) and first < 0 for first, _ in rows):
                self._differs(self._openings, table, "a row for a position that is none")

    def _rolled_back(self, above: int) -> None:
        self._verdict.add(
            "log-rolled-back",
            "private/log.db",
            expected="an entry for each opening",
            found=f"{above} openings of entries that are not there",
            meaning="One commit writes both: the database of entries was put back to an earlier state.",
        )

    def _differs(self, database: CheckedDatabase, name: str, found: str) -> None:
        self._verdict.add(
            "index-differs",
            f"{database.object} {name}",
            expected="what the entries say",
            found=found,
            meaning="The entries are the truth; this table beside them was changed, and the recorder looks into it.",
        )


def _is_opening(commitment: object, text: object) -> bool:
    return isinstance(commitment, bytes) and len(commitment) == DIGEST_BYTES and isinstance(text, str)


def _is_path(opened: Json, kept: object) -> bool:
    try:
        return bytes_of(opened) == kept
    except LedgerError:
        return False


def _kept_as(entry: Entry) -> Iterable[tuple[bytes, tuple[str, str, str | None]]]:
    """Yield each commitment of an entry with the type, member and class under which its opening must be kept."""
    declared = EVENT_TYPES[entry.type].all_committed if entry.known else {}
    for name, digests in entry.commitments.items():
        opening_class = str(declared[name].opening_class) if name in declared else None
        if name == ENDORSEMENTS:
            opening_class = str(OpeningClass.INTERNAL)
        if isinstance(digests, Digest):
            yield digests.raw, (entry.type, name, opening_class)
            continue
        for n, digest in enumerate(digests):
            yield digest.raw, (entry.type, f"{name}/{n}", opening_class)


def _fits(expected: tuple[str, str, str | None], kept: Row) -> bool:
    """Return whether an opening is kept as it must be; the class is known only for a type that this version knows."""
    return tuple(kept[:2]) == expected[:2] and expected[2] in (None, kept[2])
