"""What a witness is asked, and what it must answer (c2sp.org/tlog-witness, c2sp.org/tlog-cosignature).

PURE: what the witness remembers and trusts comes in, and the verdict goes out; `ledger.witness` keeps the state. The
request is the body of ``add-checkpoint``: the size that the witness is thought to have cosigned last, the proof from
there, and the checkpoint. The same bytes go over HTTP or on a stick.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from base.errors import LedgerError
from hashing.base64_text import Base64Error, decode, encode
from hashing.checkpoint import Checkpoint, CheckpointError, EmptyRootError, open_checkpoint, parse_checkpoint
from hashing.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, ProofError, verify_consistency
from hashing.ml_dsa import checkpoint_message
from hashing.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Algorithm,
    Note,
    NoteError,
    NoteSignature,
    NoteSigner,
    UnverifiedNoteError,
    Verifier,
    cosignature_message,
    parse_note,
    verify_note,
)

MAX_PROOF_HASHES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 10_000

_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})", re.ASCII)
_TIMESTAMP_BYTES = 8


class RequestError(LedgerError):
    """Not a request to a witness, or not the answer to one: a wrong or broken file, which says nothing of the log."""

    exit_code = 2
    code = "request"
    next_step = "Take the file again from where it was made. Nothing was kept."


class FalseCosignatureError(RequestError):
    """A line in the name of a known witness that its key did not make."""

    exit_code = 21
    code = "cosignature"
    next_step = "Ask the witness what it signed, over another way than the one this file came. Nothing was kept."


class Status(IntEnum):
    """The answers of the protocol, by their numbers in HTTP."""

    COSIGNED = 200
    OLD_TOO_LARGE = 400  # or a request that can't be read
    UNTRUSTED = 403  # no line of a key that the witness trusts for this log, or one that does not fit
    UNKNOWN_LOG = 404
    OTHER_SIZE = 409  # the witness cosigned another size last, and says which
    INCONSISTENT = 422  # the proof does not hold: not a log that only grew


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A request. Nothing in it is verified before `judge`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes  # the signed checkpoint, verbatim

    def __post_init__(self) -> None:
        if not 0 <= self.old_size < MAX_SIZE:
            raise RequestError(f"not the size of a log: {self.old_size}")
        if len(self.proof) > MAX_PROOF_HASHES or any(len(each) != HASH_BYTES for each in self.proof):
            raise RequestError(f"a proof has at most {MAX_PROOF_HASHES} hashes of {HASH_BYTES} bytes")

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = [f"old {self.old_size}", *map(encode, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode("ascii") + b"\n" + self.note


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a witness finds: only with `COSIGNED` there is a checkpoint to remember and to cosign."""

    status: Status
    reason: str
    checkpoint: Checkpoint | None = None


def parse_request(data: bytes) -> AddCheckpoint:
    """Return the request of which ``data`` is the body. Raises RequestError for any other spelling."""
    if len(data) > MAX_REQUEST_BYTES:
        raise RequestError(f"a request of {len(data)} bytes, at most {MAX_REQUEST_BYTES} are allowed")
    head, separator, note = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    match = _OLD.fullmatch(first)
    if not separator or match is None:
        raise RequestError("a request begins with `old <size>`, and has an empty line before its checkpoint")
    if len(lines) > MAX_PROOF_HASHES:
        raise RequestError(f"a request with {len(lines)} hashes, at most {MAX_PROOF_HASHES} are allowed")
    try:
        proof = tuple(decode(line.decode("ascii")) for line in lines)
    except (Base64Error, UnicodeDecodeError) as err:
        raise RequestError(f"a hash in the request is no base64: {err}") from err
    claimed_origin(note)
    return AddCheckpoint(old_size=int(match[1]), proof=proof, note=note)


def claimed_origin(note: bytes) -> str:
    """Return the log that the checkpoint ``note`` claims to be of, nothing of it verified. Raises RequestError."""
    try:
        text = parse_note(note).text
        with suppress(EmptyRootError):  # for `judge`: it is well-formed, and no log that only grew
            parse_checkpoint(text)
    except (NoteError, CheckpointError) as err:
        raise RequestError(f"not a checkpoint: {err}") from err
    return text.partition("\n")[0]


def judge(request: AddCheckpoint, key: Verifier | None, last: Checkpoint | None) -> Verdict:
    """Return what a witness answers that trusts ``key`` for this log and cosigned ``last`` of it before.

    The order of the checks is that of the protocol, so that each request has exactly one answer.
    """
    if key is None:
        return Verdict(status=Status.UNKNOWN_LOG, reason="this witness does not know the log")
    try:
        new = open_checkpoint(request.note, key)
    except EmptyRootError as err:
        return Verdict(status=Status.INCONSISTENT, reason=str(err))
    except CheckpointError as err:
        return Verdict(status=Status.UNTRUSTED, reason=str(err))
    if request.old_size > new.size:
        return Verdict(status=Status.OLD_TOO_LARGE, reason=f"from size {request.old_size} to the smaller {new.size}")
    size = 0 if last is None else last.size
    if request.old_size != size:
        return Verdict(status=Status.OTHER_SIZE, reason=f"this witness cosigned size {size} last")
    try:
        _verify_growth(last, new, request.proof)
    except ProofError as err:
        return Verdict(status=Status.INCONSISTENT, reason=str(err))
    return Verdict(status=Status.COSIGNED, reason=f"size {new.size} continues size {size}", checkpoint=new)


def _verify_growth(last: Checkpoint | None, new: Checkpoint, proof: Sequence[bytes]) -> None:
    old_size, old_root = (0, EMPTY_ROOT) if last is None else (last.size, last.root.raw)
    if old_size == 0 and proof:
        raise ProofError("from size 0 there is nothing to prove, and a proof was given")
    verify_consistency(old_size, new.size, proof, old_root, new.root.raw)


def cosign(
    checkpoint: Checkpoint, signer: NoteSigner, *, timestamp: int, algorithm: Algorithm = Algorithm.COSIGNATURE_V1
) -> NoteSignature:
    """Return the witness's line for ``checkpoint``. ``timestamp`` (POSIX seconds) is never 0: that means no time."""
    if timestamp <= 0:
        raise RequestError("a cosignature states a time after 1970")
    if algorithm is Algorithm.ML_DSA_44:
        signature = signer.sign(checkpoint_message(signer.name, checkpoint.text(), timestamp))
    else:
        signature = signer.sign(cosignature_message(checkpoint.text(), timestamp))
    return NoteSignature(signer.name, signer.key_id, timestamp.to_bytes(_TIMESTAMP_BYTES, "big") + signature)


def parse_answer(data: bytes, checkpoint: Checkpoint) -> tuple[NoteSignature, ...]:
    """Return the signature lines that a witness answered for ``checkpoint``. Raises RequestError for anything else."""
    if not data or len(data) > MAX_NOTE_BYTES:
        raise RequestError(f"an answer of {len(data)} bytes: expected are one or more signature lines")
    return _parsed(checkpoint.text().encode() + b"\n" + data, expected=checkpoint).signatures


def verified_lines(
    checkpoint: Checkpoint, lines: Iterable[NoteSignature], witnesses: Sequence[Verifier]
) -> tuple[NoteSignature, ...]:
    """Return those of ``lines`` that one of ``witnesses`` made for ``checkpoint``.

    Raises: RequestError when there is none, or when one of a known witness does not fit.
    """
    note = checkpoint.text() + "\n" + "".join(line.line for line in lines)
    try:
        return verify_note(note.encode("utf-8"), witnesses).verified
    except UnverifiedNoteError as err:
        raise RequestError("no line of a witness that is set in strongroom.toml") from err
    except NoteError as err:
        raise FalseCosignatureError(str(err)) from err


def _parsed(data: bytes, *, expected: Checkpoint) -> Note:
    try:
        note = parse_note(data, max_signatures=MAX_SIGNATURES)
    except NoteError as err:
        raise RequestError(f"not the answer of a witness: {err}") from err
    if note.text != expected.text():
        raise RequestError("the answer of a witness holds more than signature lines")
    return note


def origin_hash(origin: str) -> str:
    """Return the hex SHA-256 of ``origin``: the name of a log in the monitoring path and in the state of a witness."""
    return sha256(origin.encode("utf-8")).hexdigest()
