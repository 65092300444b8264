"""What the log has signed: the newest committed checkpoint, and the published one held against it.

The row in `log.db` is the commit; `log/checkpoint` is put there a moment later. So a published checkpoint may be behind
the committed one after a crash, and never before it: then the database was put back to an earlier state, and whoever
went on writing would sign a second history.
"""

from __future__ import annotations

import sqlite3

import msgspec

from base import fsio
from base.errors import LedgerError
from hashing.checkpoint import Checkpoint, open_checkpoint
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT
from hashing.note import MAX_NOTE_BYTES, Verifier
from ledger import log_db
from ledger.entry import parse_entry
from ledger.layout import StoreLayout
from ledger.trust import trust_of


class RolledBackError(LedgerError):
    """The store was put back to an earlier state."""

    next_step = "Keep the store as it is and call the custodian: only a successor log may go on."


class ForkedError(LedgerError):
    """Two histories of one log exist."""


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint of a log, and the note that is published for it."""

    checkpoint: Checkpoint
    note: bytes


def log_key(connection: sqlite3.Connection) -> Verifier:
    """Return the verifier key of the log, as its first entry names it. Raises LedgerError for a log without one."""
    with log_db.declared_errors():
        row = connection.execute("SELECT raw FROM main.entry WHERE seq = 0").fetchone()
    if row is None:
        raise LedgerError("the log has no first entry: it was never finished, or was emptied.")
    return trust_of(parse_entry(row[0])).log_key


def newest_checkpoint(connection: sqlite3.Connection, verifier: Verifier) -> Sealed:
    """Return the newest committed checkpoint, size 0 where there is none, or raise LedgerError if it is not ours."""
    with log_db.declared_errors():
        row = connection.execute("SELECT size, root, note FROM main.checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    if row is None:
        return Sealed(checkpoint=Checkpoint(origin=verifier.name, size=0, root=Digest(EMPTY_ROOT)), note=b"")
    checkpoint = open_checkpoint(row[2], verifier)
    if checkpoint.size != row[0] or checkpoint.root.raw != row[1]:
        raise LedgerError(f"the checkpoint kept for size {row[0]} says size {checkpoint.size}.")
    return Sealed(checkpoint=checkpoint, note=row[2])


def check_published(layout: StoreLayout, connection: sqlite3.Connection, key: Verifier) -> tuple[Sealed, bool]:
    """Return the newest committed checkpoint, and whether it is the published one too.

    Raises: RolledBackError or ForkedError when the published one is such that no crash can have left it there.
    """
    # The published one is read first: another process commits, then publishes, so what is read second is not older.
    published = _published(layout, key)
    sealed = newest_checkpoint(connection, key)
    committed = sealed.checkpoint
    if published is not None and published.size > committed.size:
        raise RolledBackError(
            f"the published checkpoint covers {published.size} entries, the database only {committed.size}: "
            "it was put back to an earlier state."
        )
    if published is not None and published.size == committed.size and published.root != committed.root:
        raise ForkedError(f"two different checkpoints of size {committed.size} are signed by this log.")
    return sealed, published == committed


def publish_again(layout: StoreLayout, connection: sqlite3.Connection, key: Verifier) -> Sealed:
    """Publish the newest committed checkpoint if a crash kept it back, and return it. Hold the seal lock.

    Raises: RolledBackError, ForkedError as `check_published`.
    """
    sealed, is_published = check_published(layout, connection, key)
    if sealed.note and not is_published:
        fsio.replace_file(layout.checkpoint, sealed.note, mode=0o444)
    return sealed


def _published(layout: StoreLayout, key: Verifier) -> Checkpoint | None:
    try:
        return open_checkpoint(fsio.read_file(layout.checkpoint, max_bytes=MAX_NOTE_BYTES), key)
    except FileNotFoundError:
        return None
