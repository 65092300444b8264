"""A witness: it remembers one checkpoint of each log, and cosigns a larger one only when the log has only grown.

It needs no store: its folder holds its own key, the public keys of the logs that it knows, and what it cosigned last.
    witness.pem, witness.vkey              its key (PKCS#8, mode 0600), and the public half to give away
    <hex SHA-256(origin)>.vkey             a log that it knows
    <hex SHA-256(origin)>.checkpoint       the newest checkpoint of that log, with our cosignature
What is remembered is on the disk before the answer leaves, so that a witness that crashed never signs two histories. It
promises nothing else: it sees no entry, and its time is that of its own clock. Source: c2sp.org/tlog-witness.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

from base import fsio
from base.errors import EvidenceError, LedgerError, NotFoundError, RefusedError, UsageError, WaitingError
from base.escape import shown
from hashing.checkpoint import Checkpoint, open_checkpoint, open_cosigned
from hashing.cosignature import (
    RequestError,
    Status,
    claimed_origin,
    cosign,
    judge,
    origin_hash,
    parse_request,
)
from hashing.note import MAX_NOTE_BYTES, Algorithm, NoteError, Verifier, parse_vkey, verify_note, vkey
from ledger.keys.file import create_key, load_key
from ledger.keys.ml_dsa_file import MlDsaSigner, create_ml_dsa_key, load_ml_dsa_key
from ledger.keys.signer import Signer

KEY, VKEY, LOCK = "witness.pem", "witness.vkey", "witness.lock"
_REFUSED = b"refused "
_MAX_VKEY_BYTES = 5000


class WitnessRefusedError(RefusedError):
    """A witness answered something else than a cosignature."""

    def __init__(self, status: Status, reason: str) -> None:
        self.status = status
        super().__init__(f"the witness refused ({status:d}): {reason}.", next_step=_NEXT_STEPS[status])


class OtherSizeError(WaitingError):
    """The witness cosigned another size last: the proof must start there."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(
            f"the witness (409) cosigned size {size} last, and the request started elsewhere.",
            next_step=f"Ask again from there: `strongroom checkpoint lodge --request FILE --old {size}`. If this log "
            "has fewer entries, it was rolled back: call the custodian.",
        )


class InconsistentError(LedgerError):
    """What the witness was shown does not continue what it saw before."""

    next_step = "Record nothing in that log and call its custodian: only a successor log may go on."


_NEXT_STEPS = {
    Status.OLD_TOO_LARGE: "Write the request again: `strongroom checkpoint lodge --request FILE`.",
    Status.UNTRUSTED: "Compare the vkey of the log with the one that the witness was given.",
    Status.UNKNOWN_LOG: "Let the witness know the log: `strongroom checkpoint cosign --trust VKEY`.",
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a witness answers. ``body`` is what HTTP carries: signature lines, a size, or a reason."""

    status: Status
    body: bytes

    def as_file(self) -> bytes:
        """Return the answer as it goes back on a stick: the lines themselves, or one line that says why not."""
        return self.body if self.status is Status.COSIGNED else _REFUSED + b"%d " % self.status + self.body

    def check(self) -> None:
        """Raise the error that an answer without a cosignature is."""
        reason = shown(self.body.decode("utf-8", "replace").strip())
        match self.status:
            case Status.COSIGNED:
                return
            case Status.OTHER_SIZE:
                raise OtherSizeError(_size(self.body))
            case Status.INCONSISTENT:
                raise InconsistentError(f"the witness refused (422): {reason}.")
            case Status.OLD_TOO_LARGE | Status.UNTRUSTED | Status.UNKNOWN_LOG:
                raise WitnessRefusedError(self.status, reason)


def read_answer(data: bytes) -> Answer:
    """Return the answer in a file that a witness wrote. Raises RequestError."""
    if not data.startswith(_REFUSED):
        return Answer(status=Status.COSIGNED, body=data)
    code, separator, reason = data.removeprefix(_REFUSED).partition(b" ")
    refusals = {b"%d" % status: status for status in Status if status is not Status.COSIGNED}
    if code not in refusals or not separator or len(data) > MAX_NOTE_BYTES:
        raise RequestError("not the answer of a witness: a refusal for an unknown reason")
    return Answer(status=refusals[code], body=reason)


class WitnessKey:
    """The key of a witness, as a signer of cosignatures."""

    def __init__(self, signer: Signer | MlDsaSigner, name: str, algorithm: Algorithm) -> None:
        self.name = name
        self.verifier = parse_vkey(vkey(name, signer.public, algorithm))
        self.key_id = self.verifier.key_id
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)


class Witness:
    """One witness, with its folder. Each request holds its lock, so that two never answer from one memory."""

    def __init__(self, folder: Path, key: WitnessKey) -> None:
        self._folder = folder
        self.key = key

    @classmethod
    def create(cls, folder: Path, name: str, algorithm: Algorithm = Algorithm.COSIGNATURE_V1) -> Self:
        """Make a witness in an empty or new folder. Raises RefusedError, UsageError for a name that can't be one."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RefusedError(f"{shown(str(folder))} is not empty.", next_step="Name a new folder for the witness.")
        try:
            Verifier(name, b"", Algorithm.COSIGNATURE_V1, bytes(32))
        except NoteError as error:
            if "key name" in str(error):
                raise UsageError(f"{name!r} can't be the name of a witness: no blanks, and no plus sign.") from error
        with fsio.declared_errors("making a witness"):
            fsio.make_directories(folder)
            create = create_ml_dsa_key if algorithm is Algorithm.ML_DSA_44 else create_key
            key = WitnessKey(create(folder / KEY), name, algorithm)
            fsio.put_file(folder / VKEY, f"{key.verifier}\n".encode(), mode=0o644)  # last: without it there is none
        return cls(folder, key)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the witness in ``folder``. Raises NotFoundError, RefusedError for a key that is not the one it names."""
        try:
            named = _read_vkey(folder / VKEY)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"{shown(str(folder))} is no witness.",
                next_step="Make one: `strongroom checkpoint cosign --witness DIR --init NAME`.",
            ) from error
        load = load_ml_dsa_key if named.algorithm is Algorithm.ML_DSA_44 else load_key
        key = WitnessKey(load(folder / KEY), named.name, named.algorithm)
        if key.verifier != named:
            raise RefusedError(f"{KEY} is not the key that {VKEY} names.")
        return cls(folder, key)

    def trust(self, text: str) -> Verifier:
        """Know the log whose vkey is ``text`` from now on. A log has one key for ever: another one is refused."""
        try:
            log = parse_vkey(text.strip())
        except NoteError as error:
            raise UsageError(f"not the vkey of a log: {error}.") from error
        if log.algorithm is not Algorithm.ED25519:
            raise UsageError(f"a key of type {log.algorithm:d} signs no log.")
        path = self._folder / f"{origin_hash(log.name)}.vkey"
        try:
            with fsio.declared_errors("keeping the key of a log"):
                fsio.put_file(path, f"{log}\n".encode(), mode=0o644)
        except (FileExistsError, EvidenceError) as error:
            if path.exists() and _read_vkey(path) != log:
                raise RefusedError(f"this witness knows {log.name} with another key already.") from error
            raise
        return log

    def answer(self, body: bytes, *, moment: datetime) -> Answer:
        """Return the answer to a request at ``moment``. A new checkpoint is remembered durably before this returns.

        Raises: LedgerError when what is remembered is damaged, BusyError beside another answer, SurroundingsError.
        """
        try:
            request = parse_request(body)
            origin = claimed_origin(request.note)
        except RequestError as error:
            return Answer(status=Status.OLD_TOO_LARGE, body=f"{error}\n".encode())
        lock = fsio.Lock(self._folder / LOCK)
        lock.acquire(holder="a witness that answers")
        try:
            return self._answer_locked(request.note, origin, body, moment)
        finally:
            lock.release()

    def newest(self, log_hash: str) -> bytes | None:
        """Return the newest checkpoint of a log, cosigned; None where there is none. For those who monitor."""
        path = self._folder / f"{log_hash}.checkpoint"
        try:
            return fsio.read_file(path, max_bytes=MAX_NOTE_BYTES)
        except FileNotFoundError:
            return None

    def _answer_locked(self, note: bytes, origin: str, body: bytes, moment: datetime) -> Answer:
        log = self._known(origin)
        last = None if log is None else self._remembered(log)
        verdict = judge(parse_request(body), log, last)
        if log is None or verdict.checkpoint is None:
            size = 0 if last is None else last.size
            text = f"{size}" if verdict.status is Status.OTHER_SIZE else verdict.reason
            return Answer(status=verdict.status, body=f"{text}\n".encode())
        algorithm = self.key.verifier.algorithm
        line = cosign(verdict.checkpoint, self.key, timestamp=int(moment.timestamp()), algorithm=algorithm)
        # Only lines that were verified: what a stranger added to the note might make it one that we can't read again.
        signed = verify_note(note, [log])
        kept = signed.text + "\n" + "".join(each.line for each in (*signed.verified, line))
        with fsio.declared_errors("remembering a checkpoint"):
            fsio.replace_file(self._folder / f"{origin_hash(origin)}.checkpoint", kept.encode(), mode=0o644)
        return Answer(status=Status.COSIGNED, body=line.line.encode())

    def _known(self, origin: str) -> Verifier | None:
        try:
            log = _read_vkey(self._folder / f"{origin_hash(origin)}.vkey")
        except FileNotFoundError:
            return None
        if log.name != origin:
            raise LedgerError(f"the key kept for {origin!r} is one of {log.name!r}.")
        return log

    def _remembered(self, log: Verifier) -> Checkpoint | None:
        note = self.newest(origin_hash(log.name))
        if note is None:
            return None
        checkpoint, ours = open_cosigned(note, log, (self.key.verifier,))
        if not ours or open_checkpoint(note, log) != checkpoint:
            raise LedgerError(f"what this witness remembers of {log.name} was not cosigned by it.")
        return checkpoint


def _read_vkey(path: Path) -> Verifier:
    return parse_vkey(fsio.read_file(path, max_bytes=_MAX_VKEY_BYTES).decode("utf-8").removesuffix("\n"))


def _size(body: bytes) -> int:
    text = body.strip()
    if not text.isdigit() or len(text) > 19:
        raise RequestError("the witness answered 409 without a size")
    return int(text)
