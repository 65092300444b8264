"""Lodging: a checkpoint that goes to somebody outside, and the cosignatures that come back.

A note is kept in `private/lodged/<size>/` before it leaves, with every cosignature that a witness gave for it
later; that somebody holds it is an entry, `checkpoint.lodged`. `log/checkpoint` is never changed by a cosignature. What
comes back is believed only if a witness that is set in strongroom.toml signed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from base import fsio
from base.errors import LedgerError, NotFoundError
from base.escape import shown
from hashing.checkpoint import Checkpoint, open_checkpoint, open_cosigned
from hashing.cosignature import AddCheckpoint, RequestError, claimed_origin, parse_answer, verified_lines
from hashing.note import (
    MAX_NOTE_BYTES,
    NoteSignature,
    Verifier,
    add_signatures,
    parse_note,
)
from hashing.policy import Policy
from ledger import log_db
from ledger.actors import actors, current_login
from ledger.events.anchor import COPY, WITNESS, checkpoint_lodged
from ledger.layout import StoreLayout
from ledger.memories import LogRoots, RememberedError, lodged_name, lodged_notes
from ledger.published import Sealed, log_key, newest_checkpoint
from ledger.record import Recorder
from ledger.seal import seal, seal_lock

_LOCK_WAIT_S = 30.0
_MOST_TRIED = 1000  # checkpoints that an answer is tried against, where it is not said which one was sent


class Lodged(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that somebody outside holds from now on."""

    checkpoint: Checkpoint
    note: bytes  # with every cosignature that was given for it
    seq: int  # of the entry that says so
    witnesses: tuple[str, ...] = ()  # those whose cosignature is new


def lodge_copy(layout: StoreLayout, *, where: str | None) -> Lodged:
    """Seal the log, keep its checkpoint as lodged, and record that a copy is given out; the caller then gives it."""
    with Recorder.open(layout) as recorder:
        seal(recorder)
        sealed = _newest(recorder)
        note = keep_note(recorder, sealed.checkpoint, sealed.note)
        return record_lodging(recorder, sealed.checkpoint, note, kind=COPY, where=where)


def request_to(layout: StoreLayout, witness: Verifier, *, old_size: int | None = None) -> AddCheckpoint:
    """Seal the log, and return the request to ``witness`` to cosign its newest checkpoint.

    ``old_size`` is what the witness says it cosigned last; by default the newest that we have from it.
    """
    with Recorder.open(layout) as recorder:
        seal(recorder)
        sealed = _newest(recorder)
        key = log_key(recorder.connection)
    if old_size is None:
        old_size = last_cosigned(layout, key, witness)
    if old_size > sealed.checkpoint.size:
        raise RememberedError(
            f"ROLLED BACK: {witness.name} cosigned size {old_size}, and this log has {sealed.checkpoint.size} entries.",
            next_step="Record nothing here and call the custodian, unless the number was misread.",
        )
    proof = LogRoots(layout.log, sealed.checkpoint).proof(old_size)
    return AddCheckpoint(old_size=old_size, proof=tuple(proof), note=sealed.note)


def accept(
    layout: StoreLayout, answer: bytes, witnesses: Sequence[Verifier], *, where: str | None, size: int | None = None
) -> Lodged:
    """Keep the cosignatures in the ``answer`` of a witness, and record which witness holds which checkpoint.

    ``size`` is that of the checkpoint that was sent; by default the newest one that the lines fit. Raises RequestError
    when they fit none, or no witness that is set made them.
    """
    with Recorder.open(layout) as recorder:
        key = log_key(recorder.connection)
        checkpoint, note, lines = _answered(_signed(recorder, key, size), answer, witnesses)
        note = keep_note(recorder, checkpoint, note, lines)
        for line in lines:  # said again where the same witness answered twice: each answer is a fact of its own
            lodged = record_lodging(
                recorder, checkpoint, note, kind=WITNESS, where=where, key=line.key_id.hex(), witness=line.name
            )
    return msgspec.structs.replace(lodged, witnesses=tuple(line.name for line in lines))


def last_cosigned(layout: StoreLayout, key: Verifier, witness: Verifier) -> int:
    """Return the largest size that ``witness`` cosigned as far as is kept here, or 0."""
    for checkpoint, note in _ours(layout, key):
        if open_cosigned(note, key, (witness,))[1]:
            return checkpoint.size
    return 0


def best_note(layout: StoreLayout, policy: Policy, *, above: int) -> bytes | None:
    """Return the newest lodged note with more than ``above`` entries that satisfies ``policy``, or None.

    Where no quorum is set, it is the newest that any witness cosigned.
    """
    for log in policy.logs:
        for checkpoint, note in _ours(layout, log.key):
            cosignatures = policy.read(note).cosignatures
            if checkpoint.size > above and cosignatures and policy.is_met_by(cosignatures):
                return note
    return None


def _signed(recorder: Recorder, key: Verifier, size: int | None) -> Iterator[tuple[Checkpoint, bytes]]:
    """Yield the checkpoints that this log signed, the newest first, or only that of ``size``."""
    with log_db.declared_errors():
        rows = recorder.connection.execute(
            "SELECT note FROM main.checkpoint WHERE ?1 IS NULL OR size = ?1 ORDER BY size DESC LIMIT ?2",
            (size, _MOST_TRIED),
        ).fetchall()
    return ((open_checkpoint(note, key), note) for (note,) in rows)


def _answered(
    signed: Iterable[tuple[Checkpoint, bytes]], answer: bytes, witnesses: Sequence[Verifier]
) -> tuple[Checkpoint, bytes, tuple[NoteSignature, ...]]:
    """Return the checkpoint that was asked about, its note, and the lines that fit it."""
    failure: RequestError | None = None
    for checkpoint, note in signed:
        try:
            return checkpoint, note, verified_lines(checkpoint, parse_answer(answer, checkpoint), witnesses)
        except RequestError as error:
            failure = failure or error
    raise failure or NotFoundError("this log signed no checkpoint of that size.")


def _newest(recorder: Recorder) -> Sealed:
    return newest_checkpoint(recorder.connection, log_key(recorder.connection))


def keep_note(recorder: Recorder, checkpoint: Checkpoint, note: bytes, lines: Iterable[NoteSignature] = ()) -> bytes:
    """Keep ``note`` with ``lines`` added, over what is kept of it already, and return what is kept now."""
    path = recorder.layout.lodged / str(checkpoint.size) / lodged_name(checkpoint.origin)
    with seal_lock(recorder, _LOCK_WAIT_S), fsio.declared_errors("keeping a lodged checkpoint"):
        fsio.make_directories(path.parent)
        kept = _kept(path, checkpoint)
        known = {(line.name, line.key_id) for line in parse_note(kept or note).signatures}
        # Of several answers of one witness the first counts: it is the one that says since when.
        grown = add_signatures(kept or note, [line for line in lines if (line.name, line.key_id) not in known])
        if grown != kept:
            fsio.replace_file(path, grown, mode=0o444)
    return grown


def _kept(path: Path, checkpoint: Checkpoint) -> bytes | None:
    try:
        note = fsio.read_file(path, max_bytes=MAX_NOTE_BYTES)
    except FileNotFoundError:
        return None
    if parse_note(note).text != checkpoint.text():
        raise LedgerError(f"{shown(str(path))} holds another checkpoint of this size: call the custodian.")
    return note


def _ours(layout: StoreLayout, key: Verifier) -> Iterator[tuple[Checkpoint, bytes]]:
    """Yield the kept checkpoints of this log, the newest first; those of a log that it continues lie beside them."""
    for kept in reversed(lodged_notes(layout)):
        if claimed_origin(kept.note) == key.name:
            yield open_checkpoint(kept.note, key), kept.note


def record_lodging(
    recorder: Recorder,
    checkpoint: Checkpoint,
    note: bytes,
    *,
    kind: str,
    where: str | None,
    key: str | None = None,
    witness: str | None = None,
) -> Lodged:
    login = current_login(recorder.layout.root.stat().st_uid)
    actor = actors(recorder.layout).get(login.uid)
    event = checkpoint_lodged(
        checkpoint, kind=kind, key=key, where=where or witness, by=None if actor is None else actor.actor
    )
    (recorded,) = recorder.record([event])
    seal(recorder)
    return Lodged(checkpoint=checkpoint, note=note, seq=recorded.seq)
