"""The second step of writing: a signed checkpoint covers what was recorded.

What is sealed can be proved to a stranger, so only a sealed entry is ever acknowledged. The steps and their order are
those of docs/reference/custody-log.md, section 6. The commit point is the row in `log.db`: whatever was written to
`log/` before it is a pure function of the entries and is written again, byte for byte, after a crash.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from base import fsio
from base.errors import BusyError, LedgerError
from base.failpoints import reach
from hashing.checkpoint import Checkpoint
from hashing.digest import ZERO_DIGEST, Digest
from hashing.merkle import consistency_proof, leaf_hash, tree_root, verify_consistency
from hashing.note import parse_vkey, sign_note, vkey
from hashing.tiles import TileRef, TileSubtrees, bundles_for, grow
from ledger import log_db
from ledger.entry import SubjectHead, parse_entry
from ledger.events.log import LOG_CLOSED
from ledger.keys.file import LOG_KEY, KeyFileError, load_key
from ledger.keys.recorded import recorded_keys
from ledger.keys.signer import Signer
from ledger.machine import is_owner, refuse_other_owner
from ledger.published import newest_checkpoint, publish_again
from ledger.record import Recorder
from ledger.tile_files import put_files, read_tile, remove_replaced_partials
from ledger.trust import KeyRegister

MOST_ENTRIES = 4096  # sealed by one checkpoint; more are sealed by several, so memory stays bounded
_POLL_S = 0.01


class LogKey:
    """The key of the log, as a signer of notes."""

    def __init__(self, signer: Signer, origin: str) -> None:
        self.name = origin
        self.verifier = parse_vkey(vkey(origin, signer.public))
        self.key_id = self.verifier.key_id
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)


def seal(recorder: Recorder, *, wait_s: float = 30.0) -> Checkpoint:
    """Cover everything recorded so far by a signed, published checkpoint, and return it.

    Raises BusyError when another process is sealing for longer than ``wait_s``; SyncFailedError, SurroundingsError
    when the disk refuses; LedgerError when what another process recorded is not in order.
    """
    refuse_other_owner(recorder.layout.root)  # or tiles would be made that the owner could not change
    with seal_lock(recorder, wait_s), fsio.declared_errors("sealing the log"):
        return seal_locked(recorder)


def seal_locked(recorder: Recorder) -> Checkpoint:
    """As `seal`, for whoever holds the `seal_lock` already."""
    log_key = LogKey(recorder.log_signer or load_key(recorder.layout.keys / LOG_KEY), recorder.origin)
    if recorder.keys is not None and log_key.verifier != recorder.keys.trust.log_key:
        raise KeyFileError(  # said here, or what the right key signed would look like damage
            f"{LOG_KEY}, in private/keys/ or as systemd handed it in, is not the key of the log {recorder.origin}.",
            next_step="Put the right one in its place: docs/guide/keys.md. What is recorded is kept, and sealed then.",
        )
    sealed = publish_again(recorder.layout, recorder.connection, log_key.verifier)
    while (recorded := recorder.end()[0]) != sealed.checkpoint.size:
        _seal_step(recorder, log_key, sealed.checkpoint, min(recorded, sealed.checkpoint.size + MOST_ENTRIES))
        sealed = newest_checkpoint(recorder.connection, log_key.verifier)
    return sealed.checkpoint


def try_seal(recorder: Recorder, *, wait_s: float = 0.2) -> Checkpoint | None:
    """As `seal`, but return None when another process is sealing: it will cover our entries too.

    So does the owner of the store for whoever runs as somebody else, and makes no file that the owner could not change.
    """
    if not is_owner(recorder.layout.root):
        return None
    try:
        return seal(recorder, wait_s=wait_s)
    except BusyError:
        return None


def _seal_step(recorder: Recorder, log_key: LogKey, old: Checkpoint, new_size: int) -> None:
    entries = _entries_to_seal(recorder, old.size, new_size)
    tiles = _write_tiles(recorder.layout.log, old.size, entries)
    new = _proved(recorder.layout.log, tiles, old, new_size)
    note = sign_note(new.text(), [log_key])
    with log_db.transaction(recorder.connection):  # the commit point
        (largest,) = recorder.connection.execute("SELECT coalesce(max(size), 0) FROM main.checkpoint").fetchone()
        if largest != old.size:
            raise LedgerError(f"a checkpoint of size {largest} appeared while size {new_size} was being sealed.")
        recorder.connection.execute(
            "INSERT INTO main.checkpoint (size, root, note) VALUES (?, ?, ?)", (new.size, new.root.raw, note)
        )
        reach("seal.commit")
    fsio.replace_file(recorder.layout.checkpoint, note, mode=0o444)
    remove_replaced_partials(recorder.layout.log, tiles)
    for seq in range(old.size, new_size):
        recorder.own_digests.pop(seq, None)


@contextlib.contextmanager
def seal_lock(recorder: Recorder, wait_s: float) -> Iterator[None]:
    """Hold the right to seal for the length of a with block. Raises BusyError after ``wait_s`` of others."""
    lock = fsio.Lock(recorder.layout.seal_lock)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            lock.acquire(holder="a process that seals the log")
            break
        except BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_S)
    try:
        yield
    finally:
        lock.release()


# ------------------------------------------------------------------------------------------------ 1. read back


def _entries_to_seal(recorder: Recorder, start: int, stop: int) -> list[bytes]:
    """Return the bytes of the entries from ``start`` up to ``stop``, read back from the database and checked."""
    with log_db.declared_errors():
        rows = recorder.connection.execute(
            "SELECT seq, raw FROM main.entry WHERE seq >= ? AND seq < ? ORDER BY seq", (start, stop)
        ).fetchall()
        ended = recorder.connection.execute(
            "SELECT min(seq) FROM main.entry WHERE seq >= ? AND seq < ? AND type = ?",
            (start - 1, stop, LOG_CLOSED.name),
        ).fetchone()[0]
    if [seq for seq, _ in rows] != list(range(start, stop)):
        raise LedgerError(f"the log database has a gap between positions {start} and {stop}.")
    if ended is not None and ended != stop - 1:
        raise LedgerError(f"entry {ended} closed this log, and entry {ended + 1} follows it.")
    check = _ForeignCheck(recorder)
    for seq, raw in rows:
        own = recorder.own_digests.get(seq)
        if own is None:
            check.check(seq, raw)
        elif Digest.of(raw) != own:
            raise LedgerError(f"entry {seq}, read back, is not what was recorded.")
    return [raw for _, raw in rows]


class _ForeignCheck:
    """What must hold of an entry that another process recorded, before we sign a checkpoint over it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._keys: KeyRegister | None = None

    def check(self, seq: int, raw: bytes) -> None:
        entry = parse_entry(raw)
        if not entry.known:
            raise LedgerError(f"entry {seq} is of the type {entry.type}, which this version may not seal.")
        self._register().verify_signature(entry)
        if (entry.seq, entry.log) != (seq, self._recorder.origin):
            raise LedgerError(f"entry {seq} claims position {entry.seq} of {entry.log}.")
        if entry.prev != self._digest_at(seq - 1):
            raise LedgerError(f"entry {seq} does not follow entry {seq - 1}.")
        for name, head in entry.subject_prev.items():
            if head != self._head_before(name, seq):
                raise LedgerError(f"entry {seq} does not continue the chain of {name}.")

    def _register(self) -> KeyRegister:
        # Read whole, and strictly: a checkpoint over a key entry that does not hold would make it look right.
        if self._keys is None:
            self._keys = recorded_keys(self._recorder.connection)
        return self._keys

    def _raw_at(self, seq: int) -> bytes:
        (raw,) = self._recorder.connection.execute("SELECT raw FROM main.entry WHERE seq = ?", (seq,)).fetchone()
        return bytes(raw)

    def _digest_at(self, seq: int) -> Digest:
        return ZERO_DIGEST if seq < 0 else Digest.of(self._raw_at(seq))

    def _head_before(self, name: str, seq: int) -> SubjectHead:
        count, last = self._recorder.connection.execute(
            "SELECT count(*), max(seq) FROM main.subject WHERE name = ? AND seq < ?", (name, seq)
        ).fetchone()
        return SubjectHead(count=count, entry=ZERO_DIGEST if last is None else self._digest_at(last))


# ------------------------------------------------------------------------------------------------ 2. tiles


def _write_tiles(log: Path, old_size: int, entries: Sequence[bytes]) -> dict[TileRef, bytes]:
    """Write every bundle and tile that the new entries fill or widen; return the hash tiles."""

    def read(ref: TileRef) -> bytes:
        return read_tile(log, ref)

    tiles = grow(old_size, [leaf_hash(entry) for entry in entries], read)
    put_files(log, {**bundles_for(old_size, entries, read), **tiles})
    return tiles


# ------------------------------------------------------------------------------------------------ 3. proof


def _proved(log: Path, tiles: Mapping[TileRef, bytes], old: Checkpoint, new_size: int) -> Checkpoint:
    """Return the new checkpoint, after the old root was proved to be a prefix of it by the verifying code."""

    def read(ref: TileRef) -> bytes:
        return tiles[ref] if ref in tiles else read_tile(log, ref)

    subtree = TileSubtrees(read, new_size)
    root = tree_root(new_size, subtree)
    proof = consistency_proof(old.size, new_size, subtree) if old.size else []
    verify_consistency(old.size, new_size, proof, old.root.raw, root)
    return Checkpoint(origin=old.origin, size=new_size, root=Digest(root))
