"""Whom a log is believed: the keys that entry 0 names, and the signature of each entry under them.

PURE. A verifier pins the log's verifier key; entry 0 under a checkpoint of that key is `log.opened` and names the
recorder keys. Enrolment and revocation by later entries come with their event types.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from base.errors import LedgerError
from hashing import ed25519
from hashing.base64_text import Base64Error, decode
from hashing.note import Verifier, parse_vkey
from hashing.strict_json import Json
from ledger.entry import Entry


class UntrustedError(LedgerError):
    """A signature or key that does not belong to this log."""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one log, as its first entry names them."""

    origin: str
    log_key: Verifier
    recorder_keys: Mapping[str, bytes]  # keyid -> raw Ed25519 public key


def trust_of(first: Entry) -> Trust:
    """Return the keys that the first entry of a log names. Raises UntrustedError unless it is a sound `log.opened`."""
    if first.seq != 0 or first.type != "log.opened":
        raise UntrustedError(f"the first entry is not log.opened but {first.type} at position {first.seq}.")
    if first.facts.get("origin") != first.log:
        raise UntrustedError(f"log.opened of {first.log} opens another log: {first.facts.get('origin')}.")
    rows = first.facts.get("recorder_keys")
    vkey = first.facts.get("log_vkey")
    if not isinstance(rows, list) or not isinstance(vkey, str):
        raise UntrustedError("log.opened names no keys.")
    log_key = parse_vkey(vkey)
    if log_key.name != first.log:
        raise UntrustedError(f"log.opened of {first.log} names the key of {log_key.name}.")
    return Trust(origin=first.log, log_key=log_key, recorder_keys=dict(map(_recorder_key, rows)))


def _recorder_key(row: Json) -> tuple[str, bytes]:
    if not isinstance(row, dict) or row.get("algorithm") != "ed25519":
        raise UntrustedError("log.opened names a recorder key of an unknown kind.")
    try:
        spki = decode(str(row.get("spki")))
    except Base64Error as error:
        raise UntrustedError("a recorder key that is not base64.") from error
    public = ed25519.public_from_spki(spki)
    if row.get("keyid") != ed25519.keyid(public):
        raise UntrustedError("a recorder key whose keyid is not the digest of its key.")
    return str(row["keyid"]), public


def verify_signature(entry: Entry, recorder_keys: Mapping[str, bytes]) -> None:
    """Raise UntrustedError unless ``entry`` has exactly one signature, by one of ``recorder_keys``, and it verifies."""
    if len(entry.envelope.signatures) != 1:
        raise UntrustedError(f"entry {entry.seq} has {len(entry.envelope.signatures)} signatures instead of one.")
    signature = entry.envelope.signatures[0]
    public = recorder_keys.get(signature.keyid)
    if public is None:
        raise UntrustedError(f"entry {entry.seq} is signed by a key that the log does not name: {signature.keyid}.")
    try:
        ed25519.verify(public, entry.envelope.signed_bytes, signature.sig)
    except ed25519.SignatureError as error:
        raise UntrustedError(f"the signature of entry {entry.seq} is not valid.") from error
