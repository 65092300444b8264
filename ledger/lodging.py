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
from base.config import Settings
from base.errors import LedgerError, NotFoundError, UsageError
from base.escape import shown
from hashing.checkpoint import Checkpoint, open_checkpoint, open_cosigned
from hashing.cosignature import AddCheckpoint, RequestError, claimed_origin, parse_answer, verified_lines
from hashing.note import (
    MAX_NOTE_BYTES,
    Algorithm,
    NoteError,
    NoteSignature,
    Verifier,
    add_signatures,
    parse_note,
    parse_vkey,
)
from hashing.policy import Group, Policy, TrustedKey
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
_QUORUM_GROUP = "witnesses"


class WitnessSettingError(UsageError):
    """A witness in strongroom.toml that can't be one."""

    next_step = "Correct [[witness]] in strongroom.toml: its vkey is what `checkpoint cosign --init` printed."


class Lodged(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that somebody outside holds from now on."""

    checkpoint: Checkpoint
    note: bytes  # with every cosignature that was given for it
    seq: int  # of the entry that says so
    witnesses: tuple[str, ...] = ()  # those whose cosignature is new


def witness_keys(settings: Settings) -> dict[str, TrustedKey]:
    """Return the witnesses that are set, by name. Raises WitnessSettingError."""
    witnesses: dict[str, TrustedKey] = {}
    for setting in settings.witnesses:
        try:
            key = parse_vkey(setting.vkey)
        except NoteError as error:
            raise WitnessSettingError(f"the vkey of a witness can't be read: {error}.") from error
        if key.algorithm is not Algorithm.COSIGNATURE_V1:
            raise WitnessSettingError(f"the key of {key.name!r} is of type {key.algorithm:d}; that of a witness is 4.")
        if key.name in witnesses or any(key.public == other.key.public for other in witnesses.values()):
            raise WitnessSettingError(f"the witness {key.name!r}, or its key, is set twice.")
        witnesses[key.name] = TrustedKey(key=key, url=setting.url)
    return witnesses


def policy_of(log: Verifier, settings: Settings) -> Policy:
    """Return whom this store asks to be believed: its log, and the quorum of witnesses that is set."""
    witnesses = witness_keys(settings)
    log_keys = (TrustedKey(key=log),)
    if settings.witness_quorum == "none" or not witnesses:
        return Policy(logs=log_keys, witnesses=witnesses)
    named = {"any": 1, "all": len(witnesses)}
    threshold = named.get(settings.witness_quorum) or int(settings.witness_quorum)
    name = _QUORUM_GROUP
    while name in witnesses:
        name += "-"
    group = Group(threshold=threshold, members=tuple(witnesses))
    return Policy(logs=log_keys, witnesses=witnesses, groups={name: group}, quorum=name)


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


def best_note(layout: StoreLayout, policy: Policy, newest: Sealed, *, above: int) -> bytes:
    """Return the newest note with more than ``above`` entries that satisfies ``policy``, else the newest of all.

    A receipt under it asks its reader for no more than the witnesses gave.
    """
    for log in policy.logs:
        for checkpoint, note in _ours(layout, log.key):
            cosignatures = policy.read(note).cosignatures
            if checkpoint.size > above and cosignatures and policy.is_met_by(cosignatures):
                return note
    return newest.note


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
