"""DSSE envelopes: a payload with its type and signatures, in JSON (secure-systems-lab/dsse 1.0.2).

Two readers. `parse_entry_envelope` is for log entries: one spelling, one payload type, nothing else. `parse_envelope`
is for what others wrote, and as lenient as the specification asks. What is verified is what is used: the payload is
taken from the very envelope that was verified, and is never parsed a second time from its JSON.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from base.errors import LedgerError
from hashing.base64_text import Base64Error, encode
from hashing.ed25519 import SignatureError
from hashing.strict_json import MAX_ENTRY_BYTES, Json, StrictJsonError, parse_strict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPE_BYTES = 8 * 1024 * 1024
MAX_SIGNATURES = 100

_PLAIN_TEXT = re.compile(r"[ !#-\[\]-~]+", re.ASCII)  # printable ASCII without " and \: stands in JSON as it is
_KEYID = re.compile(r"[0-9a-f]{64}", re.ASCII)


class DsseError(LedgerError):
    """Not an envelope of the expected form, or not signed by those who must have signed it."""


class Signature(msgspec.Struct, frozen=True):
    """One signature of an envelope. The keyid is a hint of the writer and proves nothing; it may be empty."""

    keyid: str
    sig: bytes


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed envelope. Its signatures are checked by `verify_envelope` only."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        return pae(self.payload_type, self.payload)


class _EntryEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    """The envelope of a log entry as it is written: members in this order, bytes in standard base64."""

    payload: bytes
    payloadType: str  # noqa: N815 - the name in the format
    signatures: list[Signature]


_entry_decoder = msgspec.json.Decoder(_EntryEnvelope)
_entry_encoder = msgspec.json.Encoder()


class VerifyingKey(Protocol):
    """A public key of any algorithm. ``spki`` tells keys apart; ``verify`` raises SignatureError."""

    @property
    def keyid(self) -> str: ...

    @property
    def spki(self) -> bytes: ...

    def verify(self, message: bytes, signature: bytes) -> None: ...


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed for ``payload``: the pre-authentication encoding.

    Lengths count bytes, also of the type. Source: DSSE protocol.md, "Signature Definition".
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode_envelope(payload_type: str, payload: bytes, signatures: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the canonical bytes of the envelope with these ``(keyid, signature)`` pairs, in their order.

    Raises: DsseError without a signature, and for a type or keyid that would need an escape.
    """
    pairs = list(signatures)
    texts = [payload_type, *(keyid for keyid, _ in pairs)]
    if not pairs or not all(map(_PLAIN_TEXT.fullmatch, texts)):
        raise DsseError("an envelope needs a signature, and a type and keyids of printable ASCII")
    written = ",".join(f'{{"keyid":"{keyid}","sig":"{encode(sig)}"}}' for keyid, sig in pairs)
    return f'{{"payload":"{encode(payload)}","payloadType":"{payload_type}","signatures":[{written}]}}'.encode("ascii")


def parse_entry_envelope(data: bytes) -> Envelope:
    """Return the envelope that the log entry ``data`` is.

    Raises: DsseError unless these are the canonical bytes of an in-toto envelope of at most 65,535 bytes with
    signatures of distinct keyids, all of them lower-case hex SHA-256.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise DsseError(f"not a log entry: {len(data)} bytes, at most {MAX_ENTRY_BYTES} are allowed")
    try:
        written = _entry_decoder.decode(data)
        # The decoder is lax; that the envelope is written to these very bytes is what decides.
        is_canonical = _entry_encoder.encode(written) == data
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise DsseError(f"not a log entry: not an envelope ({err})") from err
    keyids = [signature.keyid for signature in written.signatures]
    if not is_canonical or written.payloadType != PAYLOAD_TYPE or not all(map(_KEYID.fullmatch, keyids)):
        raise DsseError(f"not a log entry: not the canonical bytes of an envelope of type {PAYLOAD_TYPE}")
    if not 1 <= len(keyids) <= MAX_SIGNATURES or len(set(keyids)) != len(keyids):
        raise DsseError("not a log entry: no signature, too many, or two with one keyid")
    return Envelope(payload_type=PAYLOAD_TYPE, payload=written.payload, signatures=tuple(written.signatures))


def parse_envelope(data: bytes, *, max_bytes: int = MAX_ENVELOPE_BYTES) -> Envelope:
    """Return the envelope in ``data``: standard or URL-safe base64, unknown members ignored, keyid optional.

    Raises: DsseError for anything else, also for a repeated member.
    """
    try:
        return _read_envelope(parse_strict(data, max_bytes=max_bytes))
    except (StrictJsonError, Base64Error) as err:
        raise DsseError(f"not a DSSE envelope: {err}") from err


def verify_envelope(
    envelope: Envelope, keys: Iterable[VerifyingKey], *, threshold: int = 1
) -> tuple[VerifyingKey, ...]:
    """Return the distinct keys that signed ``envelope``. Raises DsseError when they are fewer than ``threshold``.

    Keys are told apart by their bytes: neither two signatures of one key nor two keyids for it count twice.
    """
    if threshold < 1:
        raise DsseError(f"a threshold of {threshold} signatures would accept anything")
    accepted = {key.spki: key for key in keys}
    message = envelope.signed_bytes
    signed: dict[bytes, VerifyingKey] = {}
    for signature in envelope.signatures:
        for key in _candidates(signature, list(accepted.values())):
            if key.spki not in signed and _fits(key, message, signature.sig):
                signed[key.spki] = key
    if len(signed) < threshold:
        raise DsseError(f"{len(signed)} of the {len(accepted)} accepted keys signed, {threshold} must have")
    return tuple(signed.values())


def _candidates(signature: Signature, keys: Sequence[VerifyingKey]) -> Sequence[VerifyingKey]:
    """Return the keys that the keyid hints at, or all where it hints at none."""
    return [key for key in keys if key.keyid == signature.keyid] or keys


def _fits(key: VerifyingKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(message, signature)
    except SignatureError:
        return False
    return True


def _read_envelope(value: Json) -> Envelope:
    match value:
        case {"payload": str(payload), "payloadType": str(payload_type), "signatures": list(signatures)}:
            pass
        case _:
            raise DsseError("not a DSSE envelope: payload, payloadType or signatures are missing or of another type")
    if not payload_type or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise DsseError(f"a DSSE envelope has a payload type and 1 to {MAX_SIGNATURES} signatures")
    read = tuple(map(_read_signature, signatures))
    return Envelope(payload_type=payload_type, payload=_decode_either(payload), signatures=read)


def _read_signature(value: Json) -> Signature:
    match value:
        case {"keyid": str(keyid), "sig": str(sig)}:
            return Signature(keyid, _decode_either(sig))
        case {"keyid": None, "sig": str(sig)}:
            return Signature("", _decode_either(sig))
        case {"sig": str(sig), **others} if "keyid" not in others:
            return Signature("", _decode_either(sig))  # missing and empty mean the same
        case _:
            raise DsseError("not a DSSE envelope: a signature whose sig or keyid is no string")


def _decode_either(text: str) -> bytes:
    # Verifiers must accept both alphabets; padding is left out by some writers of the second.
    if "-" in text or "_" in text:
        text = text.translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as err:
        raise Base64Error("neither standard nor URL-safe base64") from err
