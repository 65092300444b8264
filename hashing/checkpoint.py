"""Checkpoints: the size and root of a log at one moment, signed by the log (c2sp.org/tlog-checkpoint).

Ours have exactly three lines. Extension lines are refused on reading too: witnesses refuse them, and some cosignatures
do not cover them, so that a fact in one would look better attested than it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from base.errors import LedgerError
from hashing.base64_text import Base64Error, decode, encode
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from hashing.note import (
    Algorithm,
    NoteError,
    NoteSignature,
    VerifiedNote,
    Verifier,
    cosignature_timestamp,
    verify_note,
)

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class CheckpointError(LedgerError):
    """Not a checkpoint, or not one that this log signed."""


class EmptyRootError(CheckpointError):
    """A checkpoint of the empty log with another root than the one that the empty log has."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Which log, how many entries, and the root over all of them."""

    origin: str
    size: int
    root: Digest

    def __post_init__(self) -> None:
        if not self.origin or not self.origin.isprintable():
            raise CheckpointError(f"not the origin of a log: {self.origin[:80]!r}")
        if not 0 <= self.size < MAX_SIZE:
            raise CheckpointError(f"not the size of a log: {self.size}")
        if self.size == 0 and self.root.raw != EMPTY_ROOT:
            raise EmptyRootError(f"the empty log has another root than {self.root}")

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root.raw)}\n"


class Cosignature(msgspec.Struct, frozen=True, kw_only=True):
    """A witness's word: at ``timestamp`` this was the largest consistent checkpoint it had seen of this origin."""

    witness: str
    timestamp: int  # POSIX seconds, by the clock of the witness
    line: NoteSignature


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint whose text is ``text``. Raises CheckpointError for any other spelling."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise CheckpointError(f"a checkpoint has three lines, each ended by a newline; this has {len(lines) - 1}")
    origin, size_text, root_text, _ = lines
    if not _DECIMAL.fullmatch(size_text):
        raise CheckpointError(f"the size of a checkpoint is a decimal number, not {size_text[:40]!r}")
    try:
        root = decode(root_text)
    except Base64Error as err:
        raise CheckpointError(f"the root of a checkpoint is {err}") from err
    if len(root) != HASH_BYTES:
        raise CheckpointError(f"the root of a checkpoint has {HASH_BYTES} bytes, not {len(root)}")
    return Checkpoint(origin=origin, size=int(size_text), root=Digest(root))


@lru_cache(maxsize=8)  # recording once looks at the newest checkpoint six times
def open_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint in the signed ``note`` of the log whose key is ``verifier``.

    Raises: CheckpointError unless that log signed it and its origin is the name of the key.
    """
    checkpoint, _ = _open(note, verifier, ())
    return checkpoint


def open_cosigned(
    note: bytes, verifier: Verifier, witnesses: tuple[Verifier, ...]
) -> tuple[Checkpoint, list[Cosignature]]:
    """Return the checkpoint as `open_checkpoint` does, and the cosignatures of those ``witnesses`` that gave one.

    Raises: CheckpointError also when the line of a listed witness does not fit.
    """
    if not all(witness.algorithm.is_of_witness for witness in witnesses):
        raise CheckpointError("the key of a witness is of type 4, cosignature/v1, or of type 6, ML-DSA-44")
    checkpoint, verified = _open(note, verifier, witnesses)
    algorithms = {(witness.name, witness.key_id): witness.algorithm for witness in witnesses}
    return checkpoint, [
        Cosignature(witness=line.name, timestamp=cosignature_timestamp(line.signature, algorithm), line=line)
        for line in verified.verified
        if (algorithm := algorithms.get((line.name, line.key_id))) is not None
    ]


def _open(note: bytes, verifier: Verifier, witnesses: tuple[Verifier, ...]) -> tuple[Checkpoint, VerifiedNote]:
    if verifier.algorithm is not Algorithm.ED25519:
        raise CheckpointError("the key of a log is of type 1, Ed25519")
    try:
        verified = verify_note(note, (verifier, *witnesses))
    except NoteError as err:
        raise CheckpointError(f"not a checkpoint of {verifier.name!r}: {err}") from err
    if all((line.name, line.key_id) != (verifier.name, verifier.key_id) for line in verified.verified):
        raise CheckpointError(f"a checkpoint that {verifier.name!r} did not sign, only others")
    checkpoint = parse_checkpoint(verified.text)
    if checkpoint.origin != verifier.name:
        raise CheckpointError(f"a checkpoint of {checkpoint.origin!r}, signed with the key of {verifier.name!r}")
    return checkpoint, verified
