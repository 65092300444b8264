"""The key register of a store's own log: entry 0 and the key entries, looked up by their type."""

from __future__ import annotations

import contextlib
import sqlite3

from base.errors import LedgerError, UncheckedError
from ledger import log_db
from ledger.entry import parse_entry
from ledger.openings import open_entry, texts_of
from ledger.trust import KEY_EVENTS, KeyRegister

_SEQS = (
    "SELECT o.seq FROM openings.opening o WHERE o.type IN (?, ?) AND o.member = 'actor' "
    f"AND {log_db.LISTED_BY_TYPE} ORDER BY o.seq"
)


def key_entries(connection: sqlite3.Connection) -> list[int]:
    """Return the positions of all key entries, ascending."""
    with log_db.declared_errors():
        return [seq for (seq,) in connection.execute(_SEQS, KEY_EVENTS)]


def recorded_keys(connection: sqlite3.Connection) -> KeyRegister:
    """Return the keys of the log. Raises LedgerError for a log without a first entry, or key entries that do not hold.

    What is read here is what the store says of itself; `ledger.check` is what proves it.
    """
    first = _entry(connection, 0)
    if first is None:
        raise LedgerError("the log has no first entry: it was never finished, or was emptied.")
    register = KeyRegister(parse_entry(first))
    for seq in key_entries(connection):
        follow(connection, register, seq)
    return register


def follow(connection: sqlite3.Connection, register: KeyRegister, seq: int) -> None:
    """Let ``register`` take note of the key entry at ``seq``, with what its commitments hide."""
    raw = _entry(connection, seq)
    if raw is None:
        raise LedgerError(f"entry {seq} is missing from the log database.")
    entry = parse_entry(raw)
    opened = open_entry(entry, texts_of(connection, seq, seq + 1).get(seq, {}))
    # A key of an unknown algorithm is kept as such, and nothing that it signs is taken for checked.
    with contextlib.suppress(UncheckedError):
        register.apply(entry, opened.values)


def _entry(connection: sqlite3.Connection, seq: int) -> bytes | None:
    with log_db.declared_errors():
        row = connection.execute("SELECT raw FROM main.entry WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else bytes(row[0])
