"""The entries against each other: order, unique events, chains of subjects, keys (custody-log section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from checker_entry import FILES, Entry, read_entry
from checker_findings import Findings, entry_name
from checker_json import MalformedError
from checker_keys import Keys
from checker_tree import sha256

NOTHING = "0" * 64
NOT_CORRECTABLE = ("log.", "key.", "master.defined", "drop.completed", "openings.erased", "disposal.completed")
_OPENED_FACTS = frozenset(
    {"format", "origin", "log_vkey", "recorder_keys", "root_keys", "root_threshold", "predecessor"}
)


class Chain:
    """Takes the entries one by one, from the first, and says what does not fit to what came before."""

    def __init__(self, findings: Findings) -> None:
        self.entries: dict[int, Entry] = {}  # only those that are well formed
        self.origin: str | None = None
        self.log_vkey: str | None = None
        self.heads: dict[str, tuple[int, str]] = {}  # per subject: entries so far, SHA-256 of the last
        self._findings = findings
        self.keys = Keys(self._bad, self._note)
        self._previous = NOTHING
        self._position = 0
        self._events: dict[str, int] = {}
        self._contents: dict[str, str] = {}
        self._commitments: dict[str, int] = {}
        self._drops: set[str] = set()
        self._is_closed = False

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
        is_vouched_for = self.keys.check_signature(entry)
        self._check_commitments(entry)
        self._check_correction(entry)
        if is_vouched_for:
            self.keys.follow(entry, {})

    def _bad(self, code: str, detail: str) -> None:
        self._findings.bad(code, entry_name(self._position), detail)

    def _note(self, code: str, detail: str) -> None:
        self._findings.note(code, entry_name(self._position), detail)

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
        self.keys.open(entry)

    def _check_place(self, entry: Entry) -> None:
        if entry.seq != self._position:
            self._bad("entry.seq", f"says {entry.seq}")
        if entry.prev != self._previous:
            self._bad("entry.prev", f"says {entry.prev}, the entry before is {self._previous}")
        if self._is_closed:
            self._bad("entry.closed", "stands behind log.closed")
        self._is_closed |= entry.type == "log.closed"
        if entry.log != self.origin:
            self._bad("entry.log", f"says {entry.log!r}, the log is {self.origin!r}")
        first = self._events.setdefault(entry.event, self._position)
        if first != self._position:
            self._bad("entry.event", f"{entry.event} is already that of entry {first}")
        if entry.type == "log.opened" and self._position > 0:
            self._bad("entry.opened", "a second log.opened")
        if entry.type in ("drop.received", "custody.carried"):
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


def erased_commitments(entries: Mapping[int, Entry]) -> set[str]:
    """Return the commitments that an ``openings.erased`` names."""
    found: set[str] = set()
    for entry in entries.values():
        named = entry.facts.get("commitments") if entry.type == "openings.erased" else None
        found.update(str(commitment) for commitment in (named if isinstance(named, list) else []))
    return found
