"""The logs of this store that ended before the open one, read-only: what happened there still holds.

Which they are is said by the first entry of each log, from the open one backwards; each must end exactly where its
successor says it did. Of a log that was broken off, only what its last checkpoint covers counts.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Self, TypeAlias

import msgspec

from base.errors import LedgerError
from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from ledger import log_db
from ledger.entry import Entry, parse_entry
from ledger.events.custody import CUSTODY_CARRIED, custody_carried
from ledger.events.event import Event
from ledger.events.log import Predecessor
from ledger.events.vocabulary import MAX_INTEGER
from ledger.identifiers import kind_of
from ledger.keys.recorded import recorded_keys
from ledger.layout import StoreLayout
from ledger.published import newest_checkpoint
from ledger.trust import KeyRegister, trust_of

History: TypeAlias = tuple[sqlite3.Connection, int]  # the database of a log, and how many of its entries count
LOST = "lost"  # the only way to end after which the log itself need not be there


class BrokenLinkError(LedgerError):
    """A log before the open one is missing, or does not end where its successor says."""


class EarlierLog(msgspec.Struct, kw_only=True, eq=False):
    """One log that ended, open for reading."""

    layout: StoreLayout
    connection: sqlite3.Connection
    first: Entry
    checkpoint: Checkpoint  # the last one
    note: Digest  # SHA-256 of its note
    _keys: KeyRegister | None = None

    @classmethod
    def open(cls, layout: StoreLayout) -> Self:
        """Open the log of ``layout`` for reading. Raises LedgerError when it is missing, empty or damaged."""
        connection = log_db.connect_read_only(layout)
        try:
            first = first_entry(connection)
            newest = newest_checkpoint(connection, trust_of(first).log_key)
            return cls(
                layout=layout,
                connection=connection,
                first=first,
                checkpoint=newest.checkpoint,
                note=Digest.of(newest.note),
            )
        except BaseException:
            connection.close()
            raise

    @property
    def origin(self) -> str:
        return self.first.log

    @property
    def size(self) -> int:
        """How many entries count: those that its last checkpoint covers."""
        return self.checkpoint.size

    @property
    def keys(self) -> KeyRegister:
        """The keys of this log."""
        if self._keys is None:
            self._keys = recorded_keys(self.connection)
        return self._keys

    def as_predecessor(self, ended: str) -> Predecessor:
        """Return this log as its successor names it."""
        return Predecessor(origin=self.origin, size=self.size, root=self.checkpoint.root, note=self.note, ended=ended)

    def entry_of_event(self, event: str) -> Entry | None:
        """Return the entry with this event identifier, if it counts."""
        rows = self._fetch("SELECT raw FROM main.entry WHERE event = ? AND seq < ?", event, self.size)
        return parse_entry(rows[0][0]) if rows else None

    def knows(self, name: str) -> bool:
        """Return whether an entry that counts has ``name`` as a subject."""
        return bool(self._fetch("SELECT 1 FROM main.subject WHERE name = ? AND seq < ? LIMIT 1", name, self.size))

    def carried(self, name: str) -> Event | None:
        """Return the event by which ``name`` is known in a later log; None when this log does not know it."""
        ((count, seq),) = self._fetch(
            "SELECT count(*), max(seq) FROM main.subject WHERE name = ? AND seq < ?", name, self.size
        )
        if not count:
            return None
        ((raw,),) = self._fetch("SELECT raw FROM main.entry WHERE seq = ?", seq)
        last = parse_entry(raw)
        return custody_carried(
            name,
            last.subjects[name],
            log=self.origin,
            seq=last.seq,
            entry=last.digest,
            count=count,
            size=self.size,
            root=self.checkpoint.root,
            note=self.note,
        )

    def _fetch(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with log_db.declared_errors(str(self.layout.log_db.relative_to(self.layout.root))):
            return self.connection.execute(sql, parameters).fetchall()


class EarlierLogs:
    """Every log before the open one, the newest first."""

    def __init__(self, logs: tuple[EarlierLog, ...] = ()) -> None:
        self.logs = logs

    @classmethod
    def before(cls, layout: StoreLayout, first: Entry) -> Self:
        """Open the logs before the one whose first entry is ``first``. Raises BrokenLinkError, LedgerError."""
        logs: list[EarlierLog] = []
        try:
            logs.extend(predecessors(layout, first))
        except BaseException:
            for log in logs:
                log.connection.close()
            raise
        return cls(tuple(logs))

    def close(self) -> None:
        for log in self.logs:
            log.connection.close()

    def __bool__(self) -> bool:
        return bool(self.logs)

    def histories(self, connection: sqlite3.Connection) -> list[History]:
        """Return every log of the store as something to query, oldest first; ``connection`` is the open one's."""
        return [*((log.connection, log.size) for log in self.logs[::-1]), (connection, MAX_INTEGER)]

    def find(self, event: str) -> tuple[EarlierLog, Entry] | None:
        """Return the log and the entry that states ``event`` already."""
        for log in self.logs:
            entry = log.entry_of_event(event)
            if entry is not None:
                return log, entry
        return None

    def knows(self, name: str) -> bool:
        return any(log.knows(name) for log in self.logs)

    def carried(self, name: str) -> Event | None:
        """Return the event by which a log that does not know ``name`` yet takes it over; None for a new thing."""
        if kind_of(name) not in CUSTODY_CARRIED.subjects:
            return None
        return next((event for log in self.logs if (event := log.carried(name)) is not None), None)


def log_layouts(layout: StoreLayout) -> list[StoreLayout]:
    """Return this store once with each of its logs in the place of the open one: that first, then the newest."""
    with contextlib.closing(log_db.connect_read_only(layout)) as connection:
        earlier = EarlierLogs.before(layout, first_entry(connection))
        earlier.close()
        return [layout, *(log.layout for log in earlier.logs)]


def first_entry(connection: sqlite3.Connection) -> Entry:
    """Return the first entry of a log. Raises LedgerError for a log without one."""
    with log_db.declared_errors():
        row = connection.execute("SELECT raw FROM main.entry WHERE seq = 0").fetchone()
    if row is None:
        raise LedgerError("the log has no first entry: it was never finished, or was emptied.")
    return parse_entry(row[0])


def predecessors(layout: StoreLayout, first: Entry) -> Iterator[EarlierLog]:
    """Yield the logs before the one that begins with ``first``, opened, newest first; the caller closes them."""
    seen = {first.log}
    while (stated := Predecessor.of(first.facts.get("predecessor"))) is not None:
        if stated.origin in seen:
            raise BrokenLinkError(f"the log {stated.origin} is said to come before itself.")
        seen.add(stated.origin)
        place = layout.closed_log(stated.origin)
        if stated.ended == LOST and not place.log_db.exists():
            return
        log = EarlierLog.open(place)
        if log.as_predecessor(stated.ended) != stated:
            log.connection.close()
            raise BrokenLinkError(
                f"{first.log} goes on from {stated.size} entries of {stated.origin} with the root {stated.root}; "
                f"{place.home.relative_to(layout.root)} has {log.size} of {log.origin} with {log.checkpoint.root}."
            )
        yield log
        first = log.first
