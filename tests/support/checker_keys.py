"""Which keys speak where, and who agreed to their changes (custody-log section 4, Keys, and what people endorse)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from checker_ed25519 import verifies
from checker_entry import Entry, pae
from checker_findings import Findings, Problem, entry_name
from checker_json import Json, MalformedError, canonical_entry_json, decode_base64, is_hex, members
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

KNOWN = ("ed25519", "ecdsa-p256-sha256", "rsa-pss-sha256")
ENDORSEMENT = "https://strongroom.example/custody-endorsement/draft"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_ENVELOPE = frozenset({"payload", "payloadType", "signatures"})
_STATEMENT = frozenset({"_type", "subject", "predicateType", "predicate"})
_ENDORSED = frozenset({"log", "event", "type", "purpose", "facts", "commitments", "seen", "signed_at"})

Say = Callable[[str, str], None]  # a rule's code, and what was found


@dataclass(slots=True)
class NamedKey:
    """One key, with what its entry says of it; ``public`` is None for an algorithm that nobody knows."""

    purpose: str
    algorithm: str
    spki: bytes
    enrolled: int
    revoked: int | None = None
    holder: str | None = None

    def speaks_at(self, seq: int) -> bool:
        return (self.enrolled == 0 or self.enrolled < seq) and (self.revoked is None or seq <= self.revoked)


def check_people(entries: Mapping[int, Entry], opened: Mapping[int, Mapping[str, Json]], findings: Findings) -> None:
    """Follow the keys once more, with what the openings tell of personal keys and of holders."""
    place = ""

    def bad(code: str, detail: str) -> None:
        if Problem(code, place, detail) not in findings.problems:  # most of it was found without openings
            findings.bad(code, place, detail)

    def note(code: str, detail: str) -> None:
        if Problem(code, place, detail) not in findings.notes:
            findings.note(code, place, detail)

    keys = Keys(bad, note)
    for seq, entry in sorted(entries.items()):
        place = entry_name(seq)
        if seq == 0:
            keys.open(entry)
        if keys.check_signature(entry):
            keys.follow(entry, opened.get(seq, {}))
        keys.check_people(entry, opened.get(seq, {}))


def check_opening(before: Mapping[int, Entry], first: Entry, findings: Findings) -> None:
    """The root keys that are valid at the end of a log agree to the first entry of its successor."""
    keys = Keys(lambda code, detail: None, lambda code, detail: None)  # what is wrong in that log was found there
    for seq, entry in sorted(before.items()):
        if seq == 0:
            keys.open(entry)
        keys.follow(entry, {})
    keys.says(lambda code, detail: findings.bad(code, f"log.opened of {first.log}", detail))
    keys.is_agreed(first, at=len(before))


class Keys:
    """The keys of one log, as far as its entries were followed."""

    def __init__(self, bad: Say, note: Say) -> None:
        self._bad, self._note = bad, note
        self._log = ""
        self._log_key: str | None = None
        self._threshold = 0
        self._keys: dict[str, NamedKey] = {}

    def says(self, bad: Say) -> None:
        self._bad = bad

    def open(self, entry: Entry) -> None:
        """Take the keys of entry 0."""
        self._log = entry.log
        self._log_key = _keyid_of_vkey(entry.facts.get("log_vkey"))
        threshold = entry.facts.get("root_threshold")
        self._threshold = threshold if isinstance(threshold, int) else 0
        for member, purpose in (("recorder_keys", "recorder"), ("root_keys", "root")):
            rows = entry.facts.get(member)
            for row in rows if isinstance(rows, list) else []:
                self._add(row, purpose, 0, None)
        roots = sum(key.purpose == "root" for key in self._keys.values())
        if not any(key.purpose == "recorder" for key in self._keys.values()):
            self._bad("entry.opened", "no recorder key")
        if not 0 <= self._threshold <= roots:
            self._bad("entry.opened", f"root threshold {threshold!r} of {roots} root keys")

    def check_signature(self, entry: Entry) -> bool:
        """Return whether a key that is valid here vouches for the entry, as far as can be known."""
        key = self._keys.get(entry.keyid)
        if key is None or key.purpose != "recorder" or not key.speaks_at(entry.seq):
            self._bad("entry.key", f"{entry.keyid} is no recorder key that is valid here")
            return False
        if key.algorithm not in KNOWN:
            self._note("entry.unchecked", f"signed with {key.algorithm}, which nobody knows here")
            return True
        if not fits(key.algorithm, key.spki, entry.signature, entry.signed):
            self._bad("entry.signature", f"no signature of {entry.keyid} over these bytes")
            return False
        return True

    def follow(self, entry: Entry, values: Mapping[str, Json]) -> None:
        """Take note of a change of keys. ``values`` are the opened commitments of the entry, where there are any."""
        if entry.type not in ("key.enrolled", "key.revoked", "log.closed"):
            return
        if not self.is_agreed(entry, at=entry.seq):
            return
        if entry.type == "key.enrolled":
            self._enrol(entry, values)
        elif entry.type == "key.revoked":
            self._revoke(entry, values)

    def _enrol(self, entry: Entry, values: Mapping[str, Json]) -> None:
        purpose = str(entry.facts.get("purpose"))
        said: dict[str, Json] = dict(entry.facts)
        if purpose == "personal":
            if said.get("keyid") is not None or said.get("spki") is not None or said.get("proof") is not None:
                self._bad("entry.key", "a personal key stands open")
            if values.get("keyid") is None:
                return  # withheld
            said.update({name: values.get(name) for name in ("keyid", "spki", "proof")})
        if str(said.get("keyid")) in {*self._keys, self._log_key}:
            self._bad("entry.key", f"{said['keyid']} is enrolled already")
            return
        message = f"strongroom-key/1\n{entry.log}\n{said.get('keyid')}\n{purpose}\n".encode()
        try:
            spki, proof = decode_base64(said.get("spki")), decode_base64(said.get("proof"))
        except MalformedError as err:
            self._bad("entry.key", f"spki or proof: {err}")
            return
        if said.get("algorithm") in KNOWN and not fits(str(said["algorithm"]), spki, proof, message):
            self._bad("entry.key", f"no proof of possession of {said.get('keyid')}")
            return
        holder = values.get("holder")
        self._add(said, purpose, entry.seq, holder if isinstance(holder, str) else None)

    def _revoke(self, entry: Entry, values: Mapping[str, Json]) -> None:
        keyid = entry.facts.get("keyid") or values.get("keyid")
        if keyid is None:
            return  # a personal key, withheld
        key = self._keys.get(str(keyid))
        if key is None or key.revoked is not None:
            self._bad("entry.key", f"{keyid} is revoked and was not valid")
        else:
            key.revoked = entry.seq

    def _add(self, value: Json, purpose: str, seq: int, holder: str | None) -> None:
        if not isinstance(value, dict) or not {"algorithm", "keyid", "spki"} <= value.keys():
            self._bad("entry.key", f"a {purpose} key that is none: {value!r}")
            return
        try:
            spki = decode_base64(value["spki"])
        except MalformedError as err:
            self._bad("entry.key", f"spki of {value['keyid']}: {err}")
            return
        algorithm = str(value["algorithm"])
        if hashlib.sha256(spki).hexdigest() != value["keyid"] or str(value["keyid"]) in self._keys:
            self._bad("entry.key", f"{value['keyid']} is not the SHA-256 of its spki, or stands twice")
        elif algorithm in KNOWN and kind_of(spki) != algorithm:
            self._bad("entry.key", f"{value['keyid']} is no {algorithm} key")
        elif purpose == "recorder" and algorithm in KNOWN and algorithm != "ed25519":
            self._bad("entry.key", f"a recorder key of the algorithm {algorithm}")
        else:
            if algorithm not in KNOWN:
                self._note("entry.unchecked", f"a {purpose} key of the algorithm {algorithm}")
            self._keys[str(value["keyid"])] = NamedKey(purpose, algorithm, spki, seq, holder=holder)

    # ----------------------------------------------------------------------------------------------- endorsements

    def is_agreed(self, entry: Entry, *, at: int) -> bool:
        """Return whether enough root keys valid at ``at`` endorsed the entry, and every endorsement in it holds."""
        stated = entry.facts.get("endorsements")
        texts = stated if isinstance(stated, list) else []
        matter = {name: fact for name, fact in entry.facts.items() if name != "endorsements"}
        persons = self.endorsers(entry, texts, matter, "root", at=at)
        if persons is None:
            return False
        if len(persons) < self._threshold:
            self._bad("entry.endorsements", f"{len(persons)} root keys endorsed it, {self._threshold} must have")
            return False
        return True

    def check_people(self, entry: Entry, values: Mapping[str, Json]) -> None:
        """Check the endorsements of people, where they are opened."""
        texts = values.get("endorsements")
        if entry.endorsements == 0:
            return
        if texts is None:
            self._note("entry.unchecked", f"{entry.endorsements} endorsements, persons not checked")
        elif not isinstance(texts, list) or len(texts) != entry.endorsements:
            self._bad("entry.endorsements", f"says {entry.endorsements}, its opening holds others")
        else:
            self.endorsers(entry, texts, entry.facts, "personal", at=entry.seq)

    def endorsers(
        self, entry: Entry, texts: Sequence[Json], facts: Mapping[str, Json], purpose: str, *, at: int
    ) -> set[str] | None:
        """Return who endorsed the entry: a person where the holder is known, else a key. None: one does not hold."""
        found: list[str] = []
        persons = set()
        for text in texts:
            try:
                keyid, signature, signed, predicate, subjects = _read_endorsement(text)
            except MalformedError as err:
                self._bad("entry.endorsements", str(err))
                return None
            commitments = {name: value for name, value in entry.commitments.items() if name != "endorsements"}
            wanted: dict[str, Json] = {
                "log": entry.log,
                "event": entry.event,
                "type": entry.type,
                "purpose": "approve",
                "facts": dict(facts) or None,
                "commitments": {name: list(v) if isinstance(v, list) else v for name, v in commitments.items()},
            }
            key = self._keys.get(keyid)
            if subjects != dict(entry.subjects) or any(predicate[name] != value for name, value in wanted.items()):
                self._bad("entry.endorsements", f"{keyid} endorsed something else")
                return None
            if key is None or key.purpose != purpose or not key.speaks_at(at):
                self._bad("entry.endorsements", f"{keyid} is no {purpose} key that is valid here")
                return None
            if key.algorithm not in KNOWN:
                self._note("entry.unchecked", f"an endorsement by a key of the algorithm {key.algorithm}")
            elif not fits(key.algorithm, key.spki, signature, signed):
                self._bad("entry.endorsements", f"no signature of {keyid} over its endorsement")
                return None
            found.append(keyid)
            persons.add(key.holder or keyid)
        if found != sorted(set(found)):
            self._bad("entry.endorsements", "they do not ascend by keyid")
            return None
        return persons


def _keyid_of_vkey(vkey: Json) -> str | None:
    """Return the keyid that the key in a C2SP verifier key has as a SubjectPublicKeyInfo."""
    try:
        blob = decode_base64(str(vkey).split("+", 2)[2])  # base64 itself may hold plus signs
    except (MalformedError, IndexError):
        return None
    return hashlib.sha256(bytes.fromhex("302a300506032b6570032100") + blob[1:]).hexdigest()


def _read_endorsement(text: Json) -> tuple[str, bytes, bytes, dict[str, Json], dict[str, str]]:
    envelope = members(canonical_entry_json(decode_base64(text)), _ENVELOPE, "endorsement")
    payload = decode_base64(envelope["payload"])
    signatures = envelope["signatures"]
    if envelope["payloadType"] != PAYLOAD_TYPE or not isinstance(signatures, list) or len(signatures) != 1:
        raise MalformedError("an endorsement of another payload type, or with more than one signature")
    line = members(signatures[0], frozenset({"keyid", "sig"}), "signature")
    statement = members(canonical_entry_json(payload), _STATEMENT, "statement")
    if statement["predicateType"] != ENDORSEMENT or not is_hex(line["keyid"]):
        raise MalformedError("not the statement of an endorsement, or a keyid that is none")
    predicate = members(statement["predicate"], _ENDORSED, "predicate")
    subjects = {}
    for row in statement["subject"] if isinstance(statement["subject"], list) else []:
        resource = members(row, frozenset({"name", "digest"}), "subject")
        digests = resource["digest"]
        subjects[str(resource["name"])] = str(digests["sha256"]) if isinstance(digests, dict) else ""
    return str(line["keyid"]), decode_base64(line["sig"]), pae(PAYLOAD_TYPE, payload), predicate, subjects


def kind_of(spki: bytes) -> str | None:
    """Return the algorithm of the key in a DER SubjectPublicKeyInfo, None for any other bytes."""
    try:
        key = load_der_public_key(spki)
        if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            return None
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return "ecdsa-p256-sha256"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return "rsa-pss-sha256"
    return None


def fits(algorithm: str, spki: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether ``signature`` is one of ``message`` by the key in ``spki``."""
    if kind_of(spki) != algorithm:
        return False
    key = load_der_public_key(spki)
    try:
        if isinstance(key, Ed25519PublicKey):
            return verifies(key.public_bytes(Encoding.Raw, PublicFormat.Raw), signature, message)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    except InvalidSignature:
        return False
    return True
