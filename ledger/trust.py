"""Whom a log is believed, at which position: the keys that entry 0 names, and those enrolled and revoked later.

PURE. A verifier pins the log's verifier key; entry 0 under a checkpoint of that key is `log.opened` and names the
recorder keys, the root keys and how many of these must endorse a change of keys. A key is valid at position i if entry
0 names it or it was enrolled at j < i, and it was not revoked at k < i. A key entry that does not hold is a finding and
changes nothing. Source: docs/reference/custody-log.md, section 4, "Keys".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from base.errors import LedgerError, UncheckedError
from hashing import ed25519
from hashing.base64_text import Base64Error, decode
from hashing.dsse import Signature
from hashing.note import Verifier, parse_vkey
from hashing.public_key import PublicKey, PublicKeyError, UnknownAlgorithmError, public_key
from hashing.strict_json import Json
from ledger.entry import ENDORSEMENTS, Entry

if TYPE_CHECKING:  # at run time inside functions: most logs have no endorsement, and every command starts here
    from hashing.endorsement import Matter

RECORDER, ROOT, PERSONAL = "recorder", "root", "personal"
PURPOSES = (RECORDER, ROOT, PERSONAL)
KEY_EVENTS = ("key.enrolled", "key.revoked")
ENDORSED_EVENTS = (*KEY_EVENTS, "log.closed")  # need the root keys; `log.opened` needs those of the predecessor


class UntrustedError(LedgerError):
    """A signature or key that does not belong to this log."""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one log, as its first entry names them."""

    origin: str
    log_key: Verifier
    recorder_keys: Mapping[str, bytes]  # keyid -> raw Ed25519 public key
    keys: Mapping[str, PublicKey]  # all recorder keys, also those of an algorithm that is not known here
    root_keys: Mapping[str, PublicKey]
    root_threshold: int  # 0: whoever has a recorder key may change the keys


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a log, and from where to where it is valid."""

    public: PublicKey
    purpose: str
    since: int  # position of the entry that names it
    until: int | None = None  # position of the entry that revoked it
    good_size: int | None = None  # with `until`: entries from this position on are doubted
    holder: str | None = None  # the registered person, where that is open

    def is_valid_at(self, seq: int) -> bool:
        """Return whether what this key signed counts at position ``seq``."""
        return (self.since < seq or self.since == 0) and (self.until is None or seq <= self.until)


def trust_of(first: Entry) -> Trust:
    """Return the keys that the first entry of a log names. Raises UntrustedError unless it is a sound `log.opened`."""
    if first.seq != 0 or first.type != "log.opened":
        raise UntrustedError(f"the first entry is not log.opened but {first.type} at position {first.seq}.")
    if first.facts.get("origin") != first.log:
        raise UntrustedError(f"log.opened of {first.log} opens another log: {first.facts.get('origin')}.")
    vkey, threshold = first.facts.get("log_vkey"), first.facts.get("root_threshold")
    if not isinstance(first.facts.get("recorder_keys"), list) or not isinstance(vkey, str):
        raise UntrustedError("log.opened names no keys.")
    log_key = parse_vkey(vkey)
    if log_key.name != first.log:
        raise UntrustedError(f"log.opened of {first.log} names the key of {log_key.name}.")
    recorders = _named_keys(first.facts["recorder_keys"], RECORDER)
    roots = _named_keys(first.facts.get("root_keys"), ROOT)
    if not isinstance(threshold, int) or threshold > len(roots):
        raise UntrustedError(f"log.opened demands {threshold} endorsements and names {len(roots)} root keys.")
    if len({*recorders, *roots, ed25519.keyid(log_key.public)}) <= len(recorders) + len(roots):
        raise UntrustedError("log.opened names one key for two purposes.")
    return Trust(
        origin=first.log,
        log_key=log_key,
        recorder_keys={keyid: _raw(key) for keyid, key in recorders.items() if key.is_known},
        keys=recorders,
        root_keys=roots,
        root_threshold=threshold,
    )


def _named_keys(rows: Json, purpose: str) -> dict[str, PublicKey]:
    keys = [_named_key(row, purpose) for row in rows] if isinstance(rows, list) else []
    named = {key.keyid: key for key in keys}
    if len(named) != len(keys):
        raise UntrustedError(f"log.opened names a {purpose} key twice.")
    return named


def _named_key(row: Json, purpose: str) -> PublicKey:
    """Return the key that an object of algorithm, keyid and spki names. Raises UntrustedError."""
    if not isinstance(row, dict):
        raise UntrustedError(f"a {purpose} key that is no object.")
    try:
        key = public_key(str(row.get("algorithm")), decode(str(row.get("spki"))))
    except (Base64Error, PublicKeyError) as error:
        raise UntrustedError(f"a {purpose} key that is none: {error}") from error
    if row.get("keyid") != key.keyid:
        raise UntrustedError(f"a {purpose} key whose keyid is not the digest of its key.")
    if purpose == RECORDER and key.is_known and key.algorithm != ed25519.ALGORITHM:
        raise UntrustedError(f"a recorder key of the algorithm {key.algorithm}: entries are signed with Ed25519.")
    return key


def _raw(key: PublicKey) -> bytes:
    return ed25519.public_from_spki(key.spki)


def proof_message(log: str, keyid: str, purpose: str) -> bytes:
    """Return what a new key signs to prove that whoever enrols it has it."""
    return f"strongroom-key/1\n{log}\n{keyid}\n{purpose}\n".encode("ascii")


class KeyRegister:
    """The keys of a log and when each is valid, as far as the entries given to `apply` go."""

    def __init__(self, first: Entry) -> None:
        self.trust = trust_of(first)
        self.keys: dict[str, Key] = {}
        for purpose, keys in ((RECORDER, self.trust.keys), (ROOT, self.trust.root_keys)):
            self.keys.update({keyid: Key(public=key, purpose=purpose, since=0) for keyid, key in keys.items()})
        self.last_change = 0  # position of the last key entry
        self.closed_at: int | None = None  # position of the entry that ended the log
        self._cached: Mapping[str, bytes] = self.trust.recorder_keys
        self._cached_from = 0  # the cached keys hold for positions above this one, as long as no key entry comes

    def keys_at(self, seq: int, purpose: str) -> Mapping[str, PublicKey]:
        """Return the keys of ``purpose`` that are valid at position ``seq``, by keyid."""
        return {
            keyid: key.public for keyid, key in self.keys.items() if key.purpose == purpose and key.is_valid_at(seq)
        }

    def recorder_keys_at(self, seq: int) -> Mapping[str, bytes]:
        """Return the raw Ed25519 keys that may sign the entry at position ``seq``, by keyid."""
        if self.last_change == 0:
            return self.trust.recorder_keys
        if seq > self.last_change and self._cached_from == self.last_change:
            return self._cached
        found = {keyid: _raw(key) for keyid, key in self.keys_at(seq, RECORDER).items() if key.is_known}
        if seq > self.last_change:
            self._cached, self._cached_from = found, self.last_change
        return found

    def verify_signature(self, entry: Entry) -> None:
        """Raise UntrustedError unless ``entry`` is rightly signed by one recorder key valid at its position.

        Raises UnknownAlgorithmError (could not be checked) when that key is of an algorithm that is not known here, and
        when the signature of such a key stands beside a good one: it says neither more nor less than nothing.
        """
        if self.closed_at is not None and entry.seq > self.closed_at:
            raise UntrustedError(f"entry {entry.seq} stands behind log.closed, which is entry {self.closed_at}.")
        unknown = [key for signature in entry.envelope.signatures if (key := self._unknown(signature.keyid, entry.seq))]
        unknown_ids = {key.public.keyid for key in unknown}
        known = [signature for signature in entry.envelope.signatures if signature.keyid not in unknown_ids]
        if known:
            self._verify_known(entry, known)
        if unknown:
            names = ", ".join(f"{key.public.algorithm}, by the key {key.public.keyid}" for key in unknown)
            raise UnknownAlgorithmError(f"Signatures of the algorithm {names}: it is not known here.")

    def _unknown(self, keyid: str, seq: int) -> Key | None:
        """Return the recorder key of this keyid, where its algorithm is not known here and it is valid."""
        key = self.keys.get(keyid)
        if key is None or key.public.is_known or key.purpose != RECORDER or not key.is_valid_at(seq):
            return None
        return key

    def _verify_known(self, entry: Entry, signatures: Sequence[Signature]) -> None:
        keyid = signatures[0].keyid
        key = self.keys.get(keyid)
        if key is not None and key.purpose == RECORDER and not key.is_valid_at(entry.seq):
            raise UntrustedError(
                f"entry {entry.seq} is signed by a key that is not valid there: {_validity(keyid, key)}"
            )
        verify_signature(entry, self.recorder_keys_at(entry.seq), signatures)

    def apply(self, entry: Entry, values: Mapping[str, Json] | None = None) -> None:
        """Take note of a key entry, whose own signature was verified before; other types change nothing.

        Behind `log.closed` no entry is believed.

        ``values`` are what its commitments hide, where they are open: without them a personal key is not known. Raises
        UntrustedError, and changes nothing, when the entry does not hold: no proof of possession, a key twice, too few
        root endorsements. Raises UncheckedError for a key of an unknown algorithm, which is kept as such.
        """
        if entry.type not in ENDORSED_EVENTS or not entry.known:
            return
        unchecked = None
        try:
            self.require_endorsements(entry)
        except UncheckedError as error:
            unchecked = error  # said in the end: what could not be checked is not said to be wrong
        if entry.type in KEY_EVENTS:
            self.last_change = entry.seq
        if entry.type == "key.enrolled":
            self._enrol(entry, values or {})
        elif entry.type == "key.revoked":
            self._revoke(entry, values or {})
        else:
            self.closed_at = entry.seq
        if unchecked is not None:
            raise unchecked

    def _enrol(self, entry: Entry, values: Mapping[str, Json]) -> None:
        purpose = str(entry.facts["purpose"])
        said = {**entry.facts, **({} if purpose != PERSONAL else {"algorithm": entry.facts["algorithm"], **values})}
        if purpose == PERSONAL and not said.get("keyid"):
            return  # withheld: whose it is, only those know who have the opening
        key = _named_key({name: said[name] for name in ("algorithm", "keyid", "spki")}, purpose)
        if key.keyid in self.keys or key.keyid == ed25519.keyid(self.trust.log_key.public):
            raise UntrustedError(f"entry {entry.seq} enrols a key that this log has already: {key.keyid}.")
        if key.is_known:
            self._check_possession(entry, key, purpose, said.get("proof"))
        holder = values.get("holder")
        self.keys[key.keyid] = Key(
            public=key, purpose=purpose, since=entry.seq, holder=holder if isinstance(holder, str) else None
        )
        if not key.is_known:
            raise UnknownAlgorithmError(
                f"entry {entry.seq} enrols a key of the algorithm {key.algorithm}: neither its proof of possession nor "
                "what it signs could be checked."
            )

    def _check_possession(self, entry: Entry, key: PublicKey, purpose: str, proof: Json) -> None:
        try:
            key.verify(proof_message(entry.log, key.keyid, purpose), decode(str(proof)))
        except (ed25519.SignatureError, Base64Error) as error:
            raise UntrustedError(f"entry {entry.seq} enrols a key without a valid proof of possession.") from error

    def _revoke(self, entry: Entry, values: Mapping[str, Json]) -> None:
        keyid = entry.facts["keyid"] or values.get("keyid")
        if keyid is None:
            return  # a personal key, withheld
        key = self.keys.get(str(keyid))
        if key is None or key.until is not None:
            raise UntrustedError(f"entry {entry.seq} revokes a key that is not valid here: {keyid}.")
        good_size = entry.facts["good_size"]
        self.keys[str(keyid)] = replace(
            key, until=entry.seq, good_size=int(good_size) if isinstance(good_size, int) else None
        )

    def require_endorsements(self, entry: Entry) -> int:
        """Return how many persons with root keys endorsed ``entry``, by the keys that are valid at its position.

        Raises as the function `require_endorsements`, which is the one for a successor's `log.opened`: with the root
        keys of the predecessor (`root_keys_at_end`).
        """
        return self.count_endorsements(matter_of(entry), entry.facts.get(ENDORSEMENTS), seq=entry.seq)

    def count_endorsements(self, matter: Matter, stated: Json, *, seq: int) -> int:
        """As `require_endorsements`, for an event that is not yet an entry: ``stated`` is its fact `endorsements`.

        Keys whose holder is known to be one person count once; a key whose holder is not known counts for itself.
        """
        threshold = self.trust.root_threshold
        keyids = check_endorsements(matter, stated, root_keys=self.keys_at(seq, ROOT), threshold=threshold)
        persons = {self.keys[keyid].holder or keyid for keyid in keyids}
        if len(persons) < threshold:
            raise UntrustedError(
                f"{matter.type} is endorsed by {len(persons)} persons, and {threshold} must endorse it."
            )
        return len(persons)

    def check_people(self, entry: Entry, stated: Json) -> int:
        """Return how many persons endorsed ``entry``; ``stated`` is what its commitment `endorsements` hides.

        Raises: UntrustedError unless they are as many as the entry says, by personal keys valid there, about this
        entry; UncheckedError for a key of an unknown algorithm.
        """
        from hashing.endorsement import EndorsementError, endorsers

        texts = stated if isinstance(stated, list) else []
        if len(texts) != entry.endorsements:
            raise UntrustedError(f"it says {entry.endorsements} endorsements, and its opening holds {len(texts)}.")
        try:
            envelopes = [decode(str(text)) for text in texts]
            keyids = endorsers(envelopes, matter_of(entry), self.keys_at(entry.seq, PERSONAL))
        except (EndorsementError, Base64Error) as error:
            raise UntrustedError(f"entry {entry.seq}: {error}") from error
        return len({self.keys[keyid].holder or keyid for keyid in keyids})

    def root_keys_at_end(self) -> Mapping[str, PublicKey]:
        """Return the root keys that are valid behind the last entry: those that speak for a successor."""
        return self.keys_at(self.last_change + 1, ROOT)

    def doubted(self) -> Iterator[tuple[str, int, int]]:
        """Yield keyid, first and end of the positions whose signatures are doubted: the key was lost before that."""
        for keyid, key in self.keys.items():
            if key.good_size is not None and key.until is not None and key.good_size <= key.until:
                yield keyid, max(key.good_size, key.since), key.until + 1


def _validity(keyid: str, key: Key) -> str:
    until = "" if key.until is None else f", revoked by entry {key.until}"
    return f"{keyid} (named by entry {key.since}{until})."


def verify_signature(
    entry: Entry, recorder_keys: Mapping[str, bytes], signatures: Sequence[Signature] | None = None
) -> None:
    """Raise UntrustedError unless ``entry`` has exactly one signature, by one of ``recorder_keys``, and it verifies.

    ``signatures`` are those that count, where others stand beside them.
    """
    signatures = entry.envelope.signatures if signatures is None else signatures
    if len(signatures) != 1:
        raise UntrustedError(f"entry {entry.seq} has {len(signatures)} signatures instead of one.")
    signature = signatures[0]
    public = recorder_keys.get(signature.keyid)
    if public is None:
        raise UntrustedError(f"entry {entry.seq} is signed by a key that the log does not name: {signature.keyid}.")
    try:
        ed25519.verify(public, entry.envelope.signed_bytes, signature.sig)
    except ed25519.SignatureError as error:
        raise UntrustedError(f"the signature of entry {entry.seq} is not valid.") from error


# ---------------------------------------------------------------------------------------------------- endorsements


def matter_of(entry: Entry) -> Matter:
    """Return what an endorsement of ``entry`` must have been about."""
    from hashing.endorsement import Matter

    return Matter(
        log=entry.log,
        event=entry.event,
        type=entry.type,
        subjects=entry.subjects,
        facts={name: fact for name, fact in entry.facts.items() if name != ENDORSEMENTS},
        commitments={
            name: [str(one) for one in digests] if isinstance(digests, tuple) else str(digests)
            for name, digests in entry.commitments.items()
            if name != ENDORSEMENTS
        },
    )


def require_endorsements(entry: Entry, *, root_keys: Mapping[str, PublicKey], threshold: int) -> int:
    """Return how many of ``root_keys`` endorsed ``entry``, as its open fact `endorsements` shows.

    Raises: UntrustedError when they are fewer than ``threshold``, or any of them does not hold; UncheckedError when one
    is of an unknown algorithm. For `key.*`, `log.closed`, and with the root keys of the predecessor for `log.opened`.
    """
    stated = entry.facts.get(ENDORSEMENTS)
    return len(check_endorsements(matter_of(entry), stated, root_keys=root_keys, threshold=threshold))


def check_endorsements(
    matter: Matter, stated: Json, *, root_keys: Mapping[str, PublicKey], threshold: int
) -> Sequence[str]:
    """Return the keyids of the root keys that endorsed ``matter``; ``stated`` is the value of its fact `endorsements`.

    Raises as `require_endorsements`.
    """
    from hashing.endorsement import EndorsementError, endorsers

    what = f"{matter.type} ({matter.event})"
    try:
        envelopes = [decode(str(text)) for text in stated] if isinstance(stated, list) else []
        keyids = endorsers(envelopes, matter, root_keys) if envelopes else ()
    except (EndorsementError, Base64Error) as error:
        raise UntrustedError(f"{what}: {error}") from error
    except UnknownAlgorithmError as error:
        if len(envelopes) < threshold:  # too few, whatever the one that could not be checked is worth
            raise UntrustedError(f"{what}: {len(envelopes)} endorsements, and {threshold} must be given.") from error
        raise UncheckedError(f"{what}: {error}") from error
    if len(keyids) < threshold:
        raise UntrustedError(f"{what} is endorsed by {len(keyids)} root keys, and {threshold} must endorse it.")
    return keyids
