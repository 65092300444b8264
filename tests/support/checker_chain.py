"""The entries against each other: order, unique events, chains of subjects, keys (custody-log section 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checker_ed25519 import verifies
from checker_entry import FILES, Entry, read_entry
from checker_findings import Findings, entry_name
from checker_json import Json, MalformedError, decode_base64
from checker_tree import sha256
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

NOTHING = "0" * 64
NOT_CORRECTABLE = ("log.", "key.", "master.defined", "drop.completed", "openings.erased", "disposal.completed")
_OPENED_FACTS = frozenset(
    {"format", "origin", "log_vkey", "recorder_keys", "root_keys", "root_threshold", "predecessor"}
)
_KEY = frozenset({"algorithm", "keyid", "spki"})


@dataclass(slots=True)
class RecorderKey:
    public_key: bytes
    revoked: bool = False


class Chain:
    """Takes the entries one by one, from the first, and says what does not fit to what came before."""

    def __init__(self, findings: Findings) -> None:
        self.entries: dict[int, Entry] = {}  # only those that are well formed
        self.origin: str | None = None
        self.log_vkey: str | None = None
        self.heads: dict[str, tuple[int, str]] = {}  # per subject: entries so far, SHA-256 of the last
        self._findings = findings
        self._keys: dict[str, RecorderKey] = {}
        self._previous = NOTHING
        self._position = 0
        self._events: dict[str, int] = {}
        self._contents: dict[str, str] = {}
        self._commitments: dict[str, int] = {}
        self._drops: set[str] = set()

    def extend(self, raws: Iterable[bytes]) -> None:
        """Check these entries as the next ones of the log."""
        for raw in raws:
            self._add(raw)
            self._previous = sha256(raw).hex()
            self._position += 1

    def _add(self, raw: bytes) -> None:
        try:
            entry = read_entry(raw)
        except MalformedError as err:
            self._bad("entry.form", str(err))
            return
        self.entries[self._position] = entry
        if self._position == 0:
            self._open(entry)
        self._check_place(entry)
        self._check_subjects(entry)
        self._check_signature(entry)
        self._check_commitments(entry)
        self._check_correction(entry)
        self._keep_keys(entry)

    def _bad(self, code: str, detail: str) -> None:
        self._findings.bad(code, entry_name(self._position), detail)

    def _open(self, entry: Entry) -> None:
        """Take origin and keys from entry 0, which must be ``log.opened``."""
        facts = entry.facts
        if entry.type != "log.opened" or not facts.keys() >= _OPENED_FACTS:
            self._bad("entry.opened", f"entry 0 is {entry.type} with {sorted(facts)}")
            return
        self.origin = entry.log
        self.log_vkey = str(facts["log_vkey"])
        if facts["format"] != "draft":
            self._bad("entry.opened", f"format {facts['format']!r}")
        if facts["origin"] != entry.log:
            self._bad("entry.opened", f"origin {facts['origin']!r} in log {entry.log!r}")
        if set(entry.subjects) != {"log"}:
            self._bad("entry.opened", f"subjects {sorted(entry.subjects)} instead of log")
        keys = facts["recorder_keys"]
        for key in keys if isinstance(keys, list) else []:
            self._enrol(key)
        if not self._keys:
            self._bad("entry.opened", "no recorder key")

    def _enrol(self, value: Json) -> None:
        if not isinstance(value, dict) or not value.keys() >= _KEY or value["algorithm"] != "ed25519":
            self._bad("entry.key", f"a recorder key that is none: {value!r}")
            return
        try:
            spki = decode_base64(value["spki"])
            public_key = load_der_public_key(spki)
        except (MalformedError, ValueError) as err:
            self._bad("entry.key", f"spki of {value['keyid']}: {err}")
            return
        if not isinstance(public_key, Ed25519PublicKey) or hashlib.sha256(spki).hexdigest() != value["keyid"]:
            self._bad("entry.key", f"{value['keyid']} is not the SHA-256 of its Ed25519 spki")
            return
        raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._keys[str(value["keyid"])] = RecorderKey(raw)

    def _check_place(self, entry: Entry) -> None:
        if entry.seq != self._position:
            self._bad("entry.seq", f"says {entry.seq}")
        if entry.prev != self._previous:
            self._bad("entry.prev", f"says {entry.prev}, the entry before is {self._previous}")
        if entry.log != self.origin:
            self._bad("entry.log", f"says {entry.log!r}, the log is {self.origin!r}")
        first = self._events.setdefault(entry.event, self._position)
        if first != self._position:
            self._bad("entry.event", f"{entry.event} is already that of entry {first}")
        if entry.type == "log.opened" and self._position > 0:
            self._bad("entry.opened", "a second log.opened")
        if entry.type == "drop.received":
            self._drops.update(name for name in entry.subjects if name.startswith("drop_"))
        if entry.drop is not None and entry.drop not in self._drops:
            self._bad("entry.drop", f"{entry.drop} was not received before")

    def _check_subjects(self, entry: Entry) -> None:
        for name, digest in entry.subjects.items():
            before = self.heads.get(name, (0, NOTHING))
            if entry.subject_prev[name] != before:
                self._bad("entry.chain", f"{name}: says {entry.subject_prev[name]}, it is {before}")
            self.heads[name] = (before[0] + 1, entry.digest.hex())
            if name.split("_")[0] in FILES:
                wanted = self._contents.setdefault(name, digest)
            else:
                wanted = sha256((self.origin or "" if name == "log" else name).encode()).hex()
            if digest != wanted:
                self._bad("entry.subject", f"{name} has digest {digest}, it must be {wanted}")

    def _check_signature(self, entry: Entry) -> None:
        key = self._keys.get(entry.keyid)
        if key is None or key.revoked:
            self._bad("entry.key", f"{entry.keyid} is {'revoked' if key else 'no recorder key'} here")
        elif not verifies(key.public_key, entry.signature, entry.signed):
            self._bad("entry.signature", f"no signature of {entry.keyid} over these bytes")

    def _check_commitments(self, entry: Entry) -> None:
        for member, _, commitment in entry.committed():
            if commitment in self._commitments:
                self._bad("entry.commitment", f"{member} repeats one of entry {self._commitments[commitment]}")
            self._commitments[commitment] = self._position

    def _check_correction(self, entry: Entry) -> None:
        if entry.corrects is None:
            return
        log, seq, digest = entry.corrects
        original = self.entries.get(seq) if seq < self._position else None
        if log != self.origin or original is None or original.digest.hex() != digest:
            self._bad("entry.corrects", f"names entry {seq} of {log}, which is not before it or another")
        elif original.type != entry.type or original.subjects != entry.subjects:
            self._bad("entry.corrects", f"corrects {original.type} with other subjects or another type")
        elif entry.type.startswith(NOT_CORRECTABLE):
            self._bad("entry.corrects", f"{entry.type} cannot be corrected")

    def _keep_keys(self, entry: Entry) -> None:
        """A key is valid after its enrolment and before its revocation, so both count from the next entry on."""
        if entry.type == "key.enrolled" and entry.facts.get("purpose") == "recorder":
            self._enrol(dict(entry.facts))
        elif entry.type == "key.revoked" and (key := self._keys.get(str(entry.facts.get("keyid")))):
            key.revoked = True


def erased_commitments(entries: Mapping[int, Entry]) -> set[str]:
    """Return the commitments that an ``openings.erased`` names."""
    found: set[str] = set()
    for entry in entries.values():
        named = entry.facts.get("commitments") if entry.type == "openings.erased" else None
        found.update(str(commitment) for commitment in (named if isinstance(named, list) else []))
    return found
