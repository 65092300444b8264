"""The databases beside the log: every column and index held against what the entries themselves say.

Nothing is concluded from a column: the bytes of the entries are the truth. But the recorder finds heads, arrivals and
openings through these tables, so one that differs would make it sign something wrong.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from base.errors import LedgerError
from hashing.commitment import parse_opening
from hashing.digest import Digest, DigestFormatError
from ledger import log_db
from ledger.entry import Entry, SubjectHead
from ledger.events import EVENT_TYPES
from ledger.events.item import MASTER_DEFINED
from ledger.openings import OpenedEntry, bytes_of, open_entry
from ledger.verdict import LogVerdict

_MOST_REPORTED = 20  # lines of SQLite's own integrity check for each database


@dataclass(slots=True)
class _Positions:
    """Where a subject occurs, in two numbers that a table with a missing or foreign row does not give."""

    count: int = 0
    total: int = 0


class RowCheck:
    """The rows of both databases, looked at entry by entry and then as a whole."""

    def __init__(self, connection: sqlite3.Connection, verdict: LogVerdict) -> None:
        self._connection = connection
        self._verdict = verdict
        self._positions: dict[str, _Positions] = {}
        self._masters = 0

    def check_integrity(self) -> None:
        """Let SQLite look for damage in both files, indexes too."""
        for name, file in (("main", "log.db"), ("openings", "openings.db")):
            try:
                rows = self._fetch(f"PRAGMA {name}.integrity_check({_MOST_REPORTED})")
            except LedgerError as error:
                rows = [(str(error),)]
            for (line,) in rows:
                if line != "ok":
                    self._verdict.add(
                        "database-damaged",
                        f"private/{file}",
                        expected="a sound database",
                        found=str(line),
                        meaning="The file was damaged or changed by something that is not SQLite.",
                    )

    def check(self, entry: Entry) -> None:
        """Look at every row that belongs to one entry."""
        for name in entry.subjects:
            positions = self._positions.setdefault(name, _Positions())
            positions.count += 1
            positions.total += entry.seq
        rows = self._fetch("SELECT event, type, digest FROM main.entry WHERE seq = ?", entry.seq)
        if rows and rows[0] != (entry.event, entry.type, entry.digest.raw):
            self._differs("log.db entry", f"entry {entry.seq}", "another event, type or digest")
        opened = self._check_openings(entry)
        if entry.type == MASTER_DEFINED.name:
            self._masters += 1
            self._check_arrival(entry, opened)

    def check_end(self, heads: Mapping[str, SubjectHead]) -> None:
        """Look at the rows that no single entry shows. Call it in the transaction that read the last entry."""
        found = {
            name: (count, digest) for name, count, digest in self._fetch("SELECT name, count, digest FROM main.head")
        }
        expected = {name: (head.count, head.entry.raw) for name, head in heads.items()}
        self._compare("log.db head", expected, found)
        rows = self._fetch("SELECT name, count(*), sum(seq) FROM main.subject GROUP BY name")
        places = {name: (positions.count, positions.total) for name, positions in self._positions.items()}
        self._compare("log.db subject", places, {name: (count, total) for name, count, total in rows})
        ((arrivals,),) = self._fetch("SELECT count(*) FROM openings.arrival")
        if arrivals != self._masters:
            self._differs("openings.db arrival", "the log", f"{arrivals} rows for {self._masters} masters")
        self._check_nothing_beyond()

    def _compare(self, table: str, expected: Mapping[str, object], found: Mapping[str, object]) -> None:
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                self._differs(table, name, "another count or position" if name in found else "no row")

    # ------------------------------------------------------------------------------------------------- openings

    def _check_openings(self, entry: Entry) -> OpenedEntry | None:
        try:
            rows = self._fetch(
                "SELECT commitment, type, member, class, text FROM openings.opening WHERE seq = ?", entry.seq
            )
            texts = {Digest(row[0]): row[4] for row in rows}
            opened = open_entry(entry, texts)
        except (LedgerError, DigestFormatError) as error:
            self._opening_damage(entry, str(error))
            return None
        count = sum(len(digest) if isinstance(digest, tuple) else 1 for digest in entry.commitments.values())
        self._verdict.openings_checked += count
        if opened.withheld:
            self._opening_damage(entry, f"no opening of {', '.join(sorted(opened.withheld))}")
        elif len(rows) != count:
            self._opening_damage(entry, f"{len(rows)} openings for {count} commitments")
        elif not all(_is_rightly_kept(entry, *row[1:]) for row in rows):
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

    def _check_arrival(self, entry: Entry, opened: OpenedEntry | None) -> None:
        ((item, digest),) = entry.subjects.items()
        rows = self._fetch(
            "SELECT drop_id, item, sha256, path, generation = (SELECT count(*) FROM openings.arrival earlier WHERE "
            "earlier.drop_id = arrival.drop_id AND earlier.path = arrival.path AND earlier.seq < arrival.seq) "
            "FROM openings.arrival WHERE seq = ?",
            entry.seq,
        )
        if len(rows) != 1 or rows[0][:3] != (entry.drop, item, digest.raw) or not rows[0][4]:
            self._differs("openings.db arrival", f"entry {entry.seq}", "another row, or none")
            return
        path = None if opened is None else opened.values.get("source_path")
        if path is not None and rows[0][3] != bytes_of(path):
            self._differs("openings.db arrival", f"entry {entry.seq}", "another path")

    def _check_nothing_beyond(self) -> None:
        ((above,),) = self._fetch(
            "SELECT count(*) FROM openings.opening WHERE seq > (SELECT coalesce(max(seq), -1) FROM main.entry)"
        )
        if above:
            self._verdict.add(
                "log-rolled-back",
                "private/log.db",
                expected="an entry for each opening",
                found=f"{above} openings of entries that are not there",
                meaning="One commit writes both: the database of entries was put back to an earlier state.",
            )

    def _differs(self, table: str, name: str, found: str) -> None:
        self._verdict.add(
            "index-differs",
            f"private/{table} {name}",
            expected="what the entries say",
            found=found,
            meaning="The entries are the truth; this table beside them was changed, and the recorder looks into it.",
        )

    def _fetch(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with log_db.declared_errors():
            return self._connection.execute(sql, parameters).fetchall()


def _is_rightly_kept(entry: Entry, kind: str, member: str, opening_class: str, text: str) -> bool:
    if (kind, member) != (entry.type, parse_opening(text).member):
        return False
    event_type = EVENT_TYPES.get(entry.type)
    return event_type is None or opening_class == event_type.all_committed[member.partition("/")[0]].opening_class
