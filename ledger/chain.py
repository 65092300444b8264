"""Entry after entry: form, signature, place, and the chains that bind each entry to those before it.

PURE: bytes in, findings out. It never stops at the first problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from base.errors import Finding, LedgerError, UncheckedError
from hashing.digest import ZERO_DIGEST, Digest
from ledger.entry import NO_HEAD, Entry, SubjectHead, parse_entry
from ledger.trust import KeyRegister


class ChainCheck:
    """The state of a check that goes through a log from its first entry."""

    def __init__(self, origin: str) -> None:
        self.findings: list[Finding] = []
        self._origin = origin
        self._keys: KeyRegister | None = None
        self._unchecked: dict[str, int] = {}  # why -> how often
        self._prev: Digest | None = ZERO_DIGEST  # None where the entry before could not be read
        self._heads: dict[str, SubjectHead] = {}
        self._events: set[bytes] = set()
        self._last_good: str | None = None

    @property
    def heads(self) -> Mapping[str, SubjectHead]:
        """Where the chain of each subject stands."""
        return self._heads

    @property
    def keys(self) -> KeyRegister | None:
        """The keys of the log as far as it was checked; None as long as no entry named any."""
        return self._keys

    @property
    def not_checked(self) -> Sequence[str]:
        """What could not be checked, in sentences: unknown algorithms, and what a lost key may have signed."""
        unknown = [f"{reason} In all {count} such entries." for reason, count in self._unchecked.items()]
        doubted = [
            f"Who recorded what the key {keyid} signed at positions {first} to {end - 1}: it was revoked as lost."
            for keyid, first, end in (self._keys.doubted() if self._keys else ())
        ]
        return [*unknown, *doubted]

    def check(self, seq: int, raw: bytes) -> Entry | None:
        """Check the bytes at position ``seq`` and return the entry, or None when they are not one."""
        before = len(self.findings)
        entry = self._parsed(seq, raw)
        if entry is not None:
            self._check_signature(seq, entry)
            self._check_place(seq, entry)
            self._check_subjects(seq, entry)
        self._prev = Digest.of(raw)
        if len(self.findings) == before:
            self._last_good = f"entry {seq}"
        return entry

    def skip(self) -> None:
        """Go on behind an entry that nobody has: what follows it can't be held against it."""
        self._prev = None

    def _parsed(self, seq: int, raw: bytes) -> Entry | None:
        try:
            return parse_entry(raw)
        except LedgerError as error:
            self._add(seq, "entry-malformed", "an entry by the rules of the format", str(error))
            return None

    def _check_signature(self, seq: int, entry: Entry) -> None:
        expected = "a valid signature by a key of this log, valid here"
        try:
            if seq == 0:
                self._keys = KeyRegister(entry)
        except LedgerError as error:
            self._add(seq, "entry-untrusted", expected, str(error))
            return
        if self._keys is None:
            self._add(seq, "entry-untrusted", "a log whose first entry names its keys", "no such first entry")
            return
        try:
            self._keys.verify_signature(entry)
        except UncheckedError as error:
            self._could_not_check(error)
        except LedgerError as error:
            self._add(seq, "entry-untrusted", expected, str(error))
            return  # what nobody vouches for changes no keys
        self._follow_keys(seq, entry, self._keys)

    def _follow_keys(self, seq: int, entry: Entry, keys: KeyRegister) -> None:
        try:
            keys.apply(entry)
        except UncheckedError as error:
            self._could_not_check(error)
        except LedgerError as error:
            self._add(seq, "key-not-sound", "a change of keys that the rules of this log allow", str(error))

    def _could_not_check(self, error: UncheckedError) -> None:
        self._unchecked[str(error)] = self._unchecked.get(str(error), 0) + 1

    def _check_place(self, seq: int, entry: Entry) -> None:
        if entry.seq != seq or entry.log != self._origin:
            self._add(seq, "entry-misplaced", f"position {seq} of {self._origin}", f"{entry.seq} of {entry.log}")
        if self._prev is not None and entry.prev != self._prev:
            self._add(seq, "chain-broken", f"prev {self._prev}", f"prev {entry.prev}")
        event = bytes.fromhex(entry.event.removeprefix("event_"))
        if event in self._events:
            self._add(seq, "event-twice", "an event that stands once in the log", entry.event)
        self._events.add(event)

    def _check_subjects(self, seq: int, entry: Entry) -> None:
        for name, claimed in entry.subject_prev.items():
            head = self._heads.get(name, NO_HEAD)
            if claimed != head:
                self._add(
                    seq,
                    "subject-chain-broken",
                    f"{head.count} earlier entries of {name}",
                    f"{claimed.count} claimed, ending in {claimed.entry}",
                )
            # What it claims is gone on from, so that one break is one finding.
            self._heads[name] = SubjectHead(count=claimed.count + 1, entry=entry.digest)

    def _add(self, seq: int, code: str, expected: str, found: str) -> None:
        self.findings.append(
            Finding(
                code=code,
                object=f"entry {seq}",
                expected=expected,
                found=found,
                meaning="The entry was changed, moved, inserted or removed after it was signed.",
                exit_code=LedgerError.exit_code,
                last_good=self._last_good,
            )
        )
