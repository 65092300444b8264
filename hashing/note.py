"""Signed notes: a text with signature lines, and the keys that check them (c2sp.org/signed-note).

Known algorithms are Ed25519 (type 1), the Ed25519 cosignature/v1 of witnesses (type 4) and their ML-DSA-44 (type 6). A
line of an unknown key is kept and believed by nobody; a line of a known key that does not fit makes the whole note
worthless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from hashlib import sha256
from typing import Protocol

import msgspec

from base.errors import LedgerError
from hashing import ml_dsa
from hashing.base64_text import Base64Error, decode, encode
from hashing.ed25519 import PUBLIC_BYTES, SIGNATURE_BYTES, SignatureError, load_public, verify

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
MAX_NAME_CHARACTERS = 255
KEY_ID_BYTES = 4
MAX_TIMESTAMP = 2**63 - 1

_TIMESTAMP_BYTES = 8
_LINE_START = "\N{EM DASH} "
_VKEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(LedgerError):
    """Not a signed note, or not a key for one."""


class UnverifiedNoteError(NoteError):
    """A well-formed note that none of the known keys signed."""


class BadSignatureError(NoteError):
    """The signature line of a known key does not fit the text."""


class Algorithm(IntEnum):
    """The signature types that are verified here; the numbers are those of c2sp.org/signed-note."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04
    ML_DSA_44 = 0x06

    @property
    def is_of_witness(self) -> bool:
        """Return whether such a signature is a cosignature: it has a time, and says that the log only grew."""
        return self is not Algorithm.ED25519


class NoteSigner(Protocol):
    """Who signs a note. ``sign`` gets the text and returns what follows the key ID in the line."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class NoteSignature(msgspec.Struct, frozen=True):
    """One signature line: who says to have signed, and the bytes behind the key ID."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"{_LINE_START}{self.name} {encode(self.key_id + self.signature)}\n"


class Note(msgspec.Struct, frozen=True):
    """A parsed note of which nothing is verified yet. The text ends with a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]


class VerifiedNote(msgspec.Struct, frozen=True):
    """A note that at least one known key signed; ``unverified`` are the lines of unknown keys."""

    text: str
    verified: tuple[NoteSignature, ...]
    unverified: tuple[NoteSignature, ...]


class Verifier(msgspec.Struct, frozen=True):
    """A key that checks notes. ``str()`` gives its text form, the vkey."""

    name: str
    key_id: bytes
    algorithm: Algorithm
    public: bytes

    def __post_init__(self) -> None:
        _refuse_name(self.name)
        try:
            if self.algorithm is Algorithm.ML_DSA_44:
                ml_dsa.load_public(self.public)
            else:
                load_public(self.public)
        except SignatureError as err:
            raise NoteError(f"the key of {self.name!r} is unusable: {err}") from err
        if self.key_id != key_id(self.name, self.algorithm, self.public):
            raise NoteError(f"the key ID of {self.name!r} does not belong to its name and key")

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode(bytes([self.algorithm]) + self.public)}"

    def verify(self, text: str, signature: bytes) -> None:
        """Raise SignatureError unless ``signature`` (without the key ID) is one of the note ``text`` by this key."""
        if self.algorithm is Algorithm.ED25519:
            verify(self.public, text.encode("utf-8"), signature)
            return
        timestamp, rest = cosignature_timestamp(signature, self.algorithm), signature[_TIMESTAMP_BYTES:]
        if self.algorithm is Algorithm.ML_DSA_44:
            ml_dsa.verify(self.public, ml_dsa.checkpoint_message(self.name, text, timestamp), rest)
        else:
            verify(self.public, cosignature_message(text, timestamp), rest)


def parse_vkey(text: str) -> Verifier:
    """Return the verifier that the vkey ``text`` spells. Raises NoteError for any other text."""
    parts = text.split("+", 2)  # base64 itself may hold plus signs
    if len(parts) != 3 or not _VKEY_ID.fullmatch(parts[1]):
        raise NoteError("a vkey is <name>+<8 lower-case hex digits>+<key>")
    try:
        blob = decode(parts[2])
    except Base64Error as err:
        raise NoteError(f"the key in a vkey is {err}") from err
    if not blob or blob[0] not in set(Algorithm):
        raise NoteError("a vkey of an algorithm other than Ed25519 (types 1 and 4) and ML-DSA-44 (type 6)")
    expected = ml_dsa.PUBLIC_BYTES if blob[0] == Algorithm.ML_DSA_44 else PUBLIC_BYTES
    if len(blob) != 1 + expected:
        raise NoteError(f"a key of type {blob[0]} has {expected} bytes, not {len(blob) - 1}")
    return Verifier(parts[0], bytes.fromhex(parts[1]), Algorithm(blob[0]), blob[1:])


def vkey(name: str, public: bytes, algorithm: Algorithm = Algorithm.ED25519) -> str:
    """Return the vkey of the key ``public`` under ``name``, as `parse_vkey` reads it."""
    _refuse_name(name)
    return str(Verifier(name, key_id(name, algorithm, public), algorithm, public))


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """Return the 4 bytes that stand for a key in a signature line. Source: signed-note, "Signatures"."""
    return sha256(name.encode("utf-8") + b"\n" + bytes([algorithm]) + public).digest()[:KEY_ID_BYTES]


def cosignature_message(text: str, timestamp: int) -> bytes:
    """Return the bytes that a witness signs for a checkpoint ``text`` at ``timestamp``. Source: tlog-cosignature."""
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise NoteError(f"not a time of a cosignature: {timestamp}")
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def cosignature_timestamp(signature: bytes, algorithm: Algorithm = Algorithm.COSIGNATURE_V1) -> int:
    """Return the POSIX seconds that stand before a cosignature. Raises SignatureError for another length."""
    size = _TIMESTAMP_BYTES + (ml_dsa.SIGNATURE_BYTES if algorithm is Algorithm.ML_DSA_44 else SIGNATURE_BYTES)
    if len(signature) != size:
        raise SignatureError(f"a cosignature has {size} bytes, not {len(signature)}")
    timestamp = int.from_bytes(signature[:_TIMESTAMP_BYTES], "big")
    if timestamp > MAX_TIMESTAMP:
        raise SignatureError("the time of a cosignature is beyond 63 bits")
    return timestamp


def sign_note(text: str, signers: Iterable[NoteSigner]) -> bytes:
    """Return the note with ``text`` and one line of each of ``signers``."""
    _refuse_text(text)
    message = text.encode("utf-8")
    lines = [NoteSignature(signer.name, signer.key_id, signer.sign(message)).line for signer in signers]
    if not lines:
        raise NoteError("a note needs a signature")
    return message + b"\n" + "".join(lines).encode("utf-8")


def add_signatures(note: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """Return ``note`` with more signature lines behind its own; what was there stays as it was."""
    parse_note(note)
    grown = note + "".join(signature.line for signature in signatures).encode("utf-8")
    parse_note(grown)
    return grown


def parse_note(data: bytes, *, max_bytes: int = MAX_NOTE_BYTES, max_signatures: int = MAX_SIGNATURES) -> Note:
    """Return the text and signature lines of the note ``data``. Raises NoteError for anything else."""
    if len(data) > max_bytes:
        raise NoteError(f"a note of {len(data)} bytes, at most {max_bytes} are allowed")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise NoteError(f"a note that is not UTF-8 at byte {err.start}") from err
    # The text may hold empty lines: the last one separates it from the signatures.
    text, separator, block = whole.rpartition("\n\n")
    if not separator:
        raise NoteError("a note without an empty line before its signatures")
    text += "\n"
    _refuse_text(text)
    if not block.endswith("\n") or _CONTROL.search(block):
        raise NoteError("a note whose signature lines are cut off or hold control characters")
    lines = block[:-1].split("\n")
    if len(lines) > max_signatures:
        raise NoteError(f"a note with {len(lines)} signatures, at most {max_signatures} are allowed")
    return Note(text, tuple(map(_parse_line, lines)))


def verify_note(data: bytes, verifiers: Iterable[Verifier]) -> VerifiedNote:
    """Return the note ``data`` with its lines sorted into verified ones and those of unknown keys.

    Of several lines of one key the first is returned, but all must fit. Raises: UnverifiedNoteError when no known key
    signed, BadSignatureError when a line of a known key does not fit, NoteError for what is no note.
    """
    note = parse_note(data)
    known = _by_name_and_id(verifiers)
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    unverified: dict[tuple[str, bytes], NoteSignature] = {}
    for signature in note.signatures:
        who = (signature.name, signature.key_id)
        candidates = known.get(who, [])
        if not candidates:
            unverified.setdefault(who, signature)
        elif len(candidates) > 1:
            raise NoteError(f"two known keys with the name {signature.name!r} and the same key ID")
        else:
            _verify_line(candidates[0], note.text, signature)
            verified.setdefault(who, signature)
    if not verified:
        raise UnverifiedNoteError("a note that none of the known keys signed")
    return VerifiedNote(note.text, tuple(verified.values()), tuple(unverified.values()))


def _verify_line(verifier: Verifier, text: str, signature: NoteSignature) -> None:
    try:
        verifier.verify(text, signature.signature)
    except SignatureError as err:
        raise BadSignatureError(f"the signature of {signature.name!r} does not fit the note: {err}") from err


def _by_name_and_id(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], list[Verifier]]:
    known: dict[tuple[str, bytes], list[Verifier]] = {}
    for verifier in verifiers:
        known.setdefault((verifier.name, verifier.key_id), []).append(verifier)
    return known


def _parse_line(line: str) -> NoteSignature:
    if not line.startswith(_LINE_START):
        raise NoteError("a signature line that does not begin with an em dash and a space")
    name, separator, blob_text = line[len(_LINE_START) :].partition(" ")
    _refuse_name(name)
    try:
        blob = decode(blob_text)
    except Base64Error as err:
        raise NoteError(f"the signature of {name!r} is {err}") from err
    if not separator or len(blob) <= KEY_ID_BYTES:
        raise NoteError(f"the signature of {name!r} is missing or too short")
    return NoteSignature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def _refuse_name(name: str) -> None:
    # A lone surrogate is what a command line gives for bytes that are no UTF-8: it has no bytes to hash.
    lone = any("\ud800" <= character <= "\udfff" for character in name)
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or "+" in name or name.split() != [name] or lone:
        raise NoteError(f"not a key name: {name[:80]!r}")


def _refuse_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteError("the text of a note ends with a newline and holds no other control character")
