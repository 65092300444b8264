"""The log read for use: sealed entries in order, with the values behind their commitments where the openings are here.

What is read here is what the store says of itself; `ledger.check` is what proves it. Readers fetch a page and end
their transaction before they work on it, so that nobody who prints slowly holds up the recorder.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Self

from base.errors import LedgerError, NotFoundError
from hashing.checkpoint import Checkpoint
from hashing.commitment import SALT_BYTES, make_opening, parse_opening
from hashing.digest import Digest
from ledger import log_db
from ledger.entry import Entry, parse_entry
from ledger.identifiers import kind_of
from ledger.keys.recorded import recorded_keys
from ledger.layout import StoreLayout
from ledger.openings import OpenedEntry, open_entry, texts_of
from ledger.published import Sealed, newest_checkpoint
from ledger.record import read_fact
from ledger.trust import KeyRegister, Trust, trust_of

PAGE = 512
# By type after type, also those that this version does not know: the index begins with the type.
_OPENINGS_OF_ACTORS = f"""
WITH RECURSIVE kind (type) AS (
    SELECT min(o.type) FROM openings.opening o WHERE {log_db.LISTED_BY_TYPE}
    UNION ALL
    SELECT (SELECT min(o.type) FROM openings.opening o WHERE o.type > kind.type AND {log_db.LISTED_BY_TYPE})
    FROM kind WHERE kind.type IS NOT NULL
)
SELECT o.seq, o.text FROM kind JOIN openings.opening o ON o.type = kind.type
WHERE o.member = 'actor' AND {log_db.LISTED_BY_TYPE} AND length(o.text) > ?
"""


class LogReader:
    """One store's log, open for reading."""

    def __init__(self, layout: StoreLayout) -> None:
        self._connection = log_db.connect_read_only(layout)
        self.origin = read_fact(self._connection, "origin")
        self._trust: Trust | None = None
        self._keys: KeyRegister | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def trust(self) -> Trust:
        """The keys of the log, as entry 0 names them."""
        if self._trust is None:
            self._trust = trust_of(self.entry(0))
        return self._trust

    @property
    def keys(self) -> KeyRegister:
        """The keys of the log with those enrolled and revoked later, recorded when this was first asked."""
        if self._keys is None:
            self._keys = recorded_keys(self._connection)
        return self._keys

    def sealed(self) -> Checkpoint:
        """Return the newest committed checkpoint."""
        return self.newest().checkpoint

    def newest(self) -> Sealed:
        """Return the newest committed checkpoint with its note."""
        return newest_checkpoint(self._connection, self.trust.log_key)

    def recorded(self) -> int:
        """Return the number of recorded entries, sealed or not."""
        (count,) = self._fetch("SELECT coalesce(max(seq) + 1, 0) FROM main.entry")[0]
        return int(count)

    def last_signer(self) -> str:
        """Return the keyid of the key that signed the newest recorded entry."""
        return self.entry(self.recorded() - 1).envelope.signatures[0].keyid

    def entry(self, seq: int) -> Entry:
        """Return one entry. Raises LedgerError when it is not there."""
        rows = self._fetch("SELECT raw FROM main.entry WHERE seq = ?", seq)
        if not rows:
            raise LedgerError(f"entry {seq} is missing from the log database.")
        return parse_entry(rows[0][0])

    def opened(self, start: int, stop: int) -> Iterator[OpenedEntry]:
        """Yield the entries from ``start`` up to ``stop``, opened."""
        for first in range(start, stop, PAGE):
            last = min(first + PAGE, stop)
            rows = self._fetch("SELECT seq, raw FROM main.entry WHERE seq >= ? AND seq < ? ORDER BY seq", first, last)
            if len(rows) != last - first:
                raise LedgerError(f"the log database has a gap between positions {first} and {last}.")
            texts = texts_of(self._connection, first, last)
            for seq, raw in rows:
                yield open_entry(parse_entry(raw), texts.get(seq, {}))

    def opened_at(self, seqs: Sequence[int]) -> Iterator[OpenedEntry]:
        """Yield the entries at the given positions, opened."""
        for seq in seqs:
            yield open_entry(self.entry(seq), texts_of(self._connection, seq, seq + 1).get(seq, {}))

    def subject_entries(self, name: str) -> list[int]:
        """Return the positions of the entries that have ``name`` as a subject, ascending."""
        return [row[0] for row in self._fetch("SELECT seq FROM main.subject WHERE name = ? ORDER BY seq", name)]

    def drop_entries(self, drop: str) -> list[int]:
        """Return the positions of the entries that name ``drop``, or that have it as a subject, ascending."""
        rows = self._fetch(
            "SELECT seq FROM main.subject WHERE name = ?1 UNION "
            "SELECT s.seq FROM openings.arrival a JOIN main.subject s ON s.name = a.item WHERE a.drop_id = ?1 "
            "ORDER BY seq",
            drop,
        )
        # An item of the drop has entries that do not name the drop: who looked at it, for one.
        return [seq for (seq,) in rows if drop in ((entry := self.entry(seq)).drop, *entry.subjects)]

    def items_of_drop(self, drop: str) -> list[str]:
        """Return the items of ``drop`` that arrived in this log."""
        return [item for (item,) in self._fetch("SELECT item FROM openings.arrival WHERE drop_id = ?", drop)]

    def acts_of(self, actor: str) -> list[int]:
        """Return the positions of what ``actor`` did, ascending; an entry whose opening is gone is missing."""
        # What the service did by itself has null there, and most entries are of that kind: their length tells them.
        nobody = make_opening(salt=bytes(SALT_BYTES), event=f"event_{'0' * 32}", member="actor", value=None)
        rows = self._fetch(_OPENINGS_OF_ACTORS, len(nobody))
        return sorted(seq for seq, text in rows if parse_opening(text).value == actor)

    def types(self, start: int, stop: int) -> set[str]:
        """Return the event types that occur from ``start`` up to ``stop``."""
        return {row[0] for row in self._fetch("SELECT type FROM main.entry WHERE seq >= ? AND seq < ?", start, stop)}

    def full_name(self, prefix: str) -> str:
        """Return the one subject whose name begins with ``prefix``. Raises NotFoundError for none, or for several."""
        begin = prefix.partition("_")[2] if "_" in prefix else prefix
        if len(begin) < 4 and prefix != "log":
            raise NotFoundError(f"{prefix!r} is too short: give at least 4 characters after the underscore.")
        names = self.names_beginning(prefix)
        if len(names) != 1:
            found = "no" if not names else "more than one"
            raise NotFoundError(f"{found} {kind_of(prefix)} begins with {prefix!r}.")
        return names[0]

    def names_beginning(self, prefix: str) -> list[str]:
        """Return the subjects whose names begin with ``prefix``: two of them, where there are more."""
        rows = self._fetch(
            "SELECT DISTINCT name FROM main.subject WHERE name >= ? AND name < ? LIMIT 2", prefix, prefix + "~"
        )
        return [name for (name,) in rows]

    def seq_of_event(self, event: str) -> int | None:
        """Return the position of the entry with this event identifier, or None."""
        rows = self._fetch("SELECT seq FROM main.entry WHERE event = ?", event)
        return int(rows[0][0]) if rows else None

    def count_not_analysed(self) -> int:
        """Return how many masters have no analysis yet, completed or failed."""
        (count,) = self._fetch(
            "SELECT count(*) FROM main.entry e JOIN main.subject s ON s.seq = e.seq WHERE e.type = 'master.defined' "
            "AND NOT EXISTS (SELECT 1 FROM main.subject s2 JOIN main.entry e2 ON e2.seq = s2.seq "
            "WHERE s2.name = s.name AND e2.type IN ('analysis.completed', 'analysis.failed'))"
        )[0]
        return int(count)

    def not_analysed_items(self) -> list[str]:
        """Return the masters of this log that have no analysis in it."""
        rows = self._fetch(
            "SELECT s.name FROM main.entry e JOIN main.subject s ON s.seq = e.seq WHERE e.type = 'master.defined' "
            "AND NOT EXISTS (SELECT 1 FROM main.subject s2 JOIN main.entry e2 ON e2.seq = s2.seq "
            "WHERE s2.name = s.name AND e2.type IN ('analysis.completed', 'analysis.failed'))"
        )
        return [name for (name,) in rows]

    def analysed_items(self) -> list[str]:
        """Return the items that have an analysis in this log, completed or failed."""
        rows = self._fetch(
            "SELECT DISTINCT s.name FROM main.entry e JOIN main.subject s ON s.seq = e.seq "
            "WHERE e.type IN ('analysis.completed', 'analysis.failed')"
        )
        return [name for (name,) in rows]

    def digest_of(self, item: str) -> Digest:
        """Return the digest of a subject's content, as the log names it."""
        return self.entry(self.subject_entries(item)[0]).subjects[item]

    def _fetch(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with log_db.declared_errors():
            return self._connection.execute(sql, parameters).fetchall()
