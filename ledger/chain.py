"""Entry after entry: form, signature, place, and the chains that bind each entry to those before it.

PURE: bytes in, findings out. It never stops at the first problem. A long log is checked in parts, each without what is
before it: what a part took for given is held against what was before when the parts are joined, so that nothing is
checked less than entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from base.errors import Finding, LedgerError, UncheckedError
from hashing.digest import ZERO_DIGEST, Digest
from ledger.entry import NO_HEAD, Entry, SubjectHead, parse_entry
from ledger.trust import ENDORSED_EVENTS, KeyRegister

_EVENT_BYTES = 16
_RECORD_BYTES = _EVENT_BYTES + 8  # an event, and where it stands


class Heads(Mapping[str, SubjectHead]):
    """Where the chain of each subject stands, kept small: a log of a million entries has as many subjects."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> SubjectHead:
        packed = self._packed[name]
        return SubjectHead(count=int.from_bytes(packed[:8], "big"), entry=Digest(packed[8:]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def take(self, packed: Mapping[str, bytes]) -> None:
        self._packed.update(packed)

    @property
    def packed(self) -> dict[str, bytes]:
        """The same by name, as `_packed` writes it; may be added to."""
        return self._packed


def _packed(count: int, entry: Digest) -> bytes:
    return count.to_bytes(8, "big") + entry.raw


_NO_HEAD = _packed(NO_HEAD.count, NO_HEAD.entry)


class Assumed(msgspec.Struct, frozen=True, array_like=True):
    """What the first entry of a subject in a part claims of those before it."""

    seq: int
    head: SubjectHead


class ChainPart(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a log, checked without what is before it, and what that took for given."""

    first: int
    keys_before: int  # how many key entries were known at its beginning
    key_entries: list[bytes]  # those inside, vouched for by a valid signature
    claims: Digest | None  # `prev` of its first entry
    last: Digest | None  # its last entry; None where nobody has that
    assumed: dict[str, Assumed]
    heads: dict[str, bytes]
    events: bytes
    findings: list[Finding]
    unchecked: dict[str, int]
    last_good: str | None


class ChainCheck:
    """The state of a check that goes through a log from its first entry, or through a part of it."""

    def __init__(self, origin: str, *, first: int = 0, key_entries: Sequence[bytes] = ()) -> None:
        """``key_entries`` are those before ``first``, where the check begins in the middle of a log."""
        self.findings: list[Finding] = []
        self.key_entries: list[bytes] = []  # log.opened, and each entry that may change the keys
        self._origin = origin
        self._first = first
        self._keys: KeyRegister | None = None
        self._unchecked: dict[str, int] = {}  # why -> how often
        self._prev: Digest | None = None if first else ZERO_DIGEST  # None where the entry before could not be read
        self._heads = Heads()
        self._claims: Digest | None = None
        self._assumed: dict[str, Assumed] = {}
        self._events = bytearray()
        self._last_good: str | None = None
        for raw in key_entries:
            self._take_key_entry(raw)

    @property
    def heads(self) -> Heads:
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
            f"Who recorded what the key {keyid} signed at positions {first} to {end - 1}: it was revoked, and what it "
            f"signed is trusted only up to position {first - 1}."
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
        self._prev = Digest.of(raw) if entry is None else entry.digest
        if len(self.findings) == before:
            self._last_good = f"entry {seq}"
        return entry

    def skip(self) -> None:
        """Go on behind an entry that nobody has: what follows it can't be held against it."""
        self._prev = None

    def finish(self) -> None:
        """List what only the whole log shows: an event that stands in it twice."""
        for seq, event in sorted(_repeated(self._events)):
            found = f"event_{event.hex()}"
            self._add(seq, "event-twice", "an event that stands once in the log", found, last_good=None)

    # ----------------------------------------------------------------------------------------------------- parts

    def part(self, keys_before: int) -> ChainPart:
        """Return what was checked, for `join`; ``keys_before`` is the number of key entries that this began with."""
        return ChainPart(
            first=self._first,
            keys_before=keys_before,
            key_entries=self.key_entries[keys_before:],
            claims=self._claims,
            last=self._prev,
            assumed=self._assumed,
            heads=self._heads.packed,
            events=bytes(self._events),
            findings=self.findings,
            unchecked=self._unchecked,
            last_good=self._last_good,
        )

    def join(self, part: ChainPart) -> bool:
        """Go on behind a part that follows what was checked here; False, and nothing done, if its keys were others."""
        if part.keys_before != len(self.key_entries):
            return False
        findings = [*part.findings, *self._misfits(part)]
        bad = {_position(finding) for finding in findings}
        for finding in sorted(findings, key=_position):
            self.findings.append(finding._replace(last_good=self._good_before(_position(finding), part.first, bad)))
        for raw in part.key_entries:
            self._take_key_entry(raw)
        for reason, count in part.unchecked.items():
            self._unchecked[reason] = self._unchecked.get(reason, 0) + count
        self._heads.take(part.heads)
        self._events += part.events
        self._prev = part.last
        self._last_good = part.last_good or self._last_good
        return True

    def _misfits(self, part: ChainPart) -> Iterator[Finding]:
        """Yield a finding for everything that the part took for given and that is otherwise."""
        if None not in (self._prev, part.claims) and part.claims != self._prev:
            yield _finding(part.first, "chain-broken", f"prev {self._prev}", f"prev {part.claims}")
        for name, assumed in part.assumed.items():
            if assumed.head != (head := self._heads.get(name, NO_HEAD)):
                yield _broken_subject(assumed.seq, name, head, assumed.head)

    def _good_before(self, seq: int, first: int, bad: set[int]) -> str | None:
        while seq > first:
            seq -= 1
            if seq not in bad:
                return f"entry {seq}"
        return self._last_good

    def _take_key_entry(self, raw: bytes) -> None:
        """Follow a key entry whose signature was verified before, and whose faults were listed."""
        entry = parse_entry(raw)
        self.key_entries.append(raw)
        if self._keys is None:
            self._keys = KeyRegister(entry)
            return
        try:
            self._keys.apply(entry)
        except (LedgerError, UncheckedError):
            return  # it changes nothing, and its finding is there

    # --------------------------------------------------------------------------------------------------- an entry

    def _parsed(self, seq: int, raw: bytes) -> Entry | None:
        try:
            return parse_entry(raw)
        except LedgerError as error:
            self._add(seq, "entry-malformed", "an entry by the rules of the format", str(error))
            return None

    def _check_signature(self, seq: int, entry: Entry) -> None:
        try:
            keys = self._register(seq, entry)
        except LedgerError as error:
            self._add(seq, "entry-untrusted", "a first entry that names the keys of its log", str(error))
            return
        if keys is None:
            self._add(seq, "entry-untrusted", "a log whose first entry names its keys", "no such first entry")
            return
        try:
            keys.verify_signature(entry)
        except UncheckedError as error:
            self._could_not_check(error)
        except LedgerError as error:
            self._add(seq, "entry-untrusted", "a valid signature by a key of this log, valid here", str(error))
            return  # what nobody vouches for changes no keys
        if seq and entry.type in ENDORSED_EVENTS:
            self.key_entries.append(entry.raw)
        self._follow_keys(seq, entry, keys)

    def _register(self, seq: int, entry: Entry) -> KeyRegister | None:
        if seq == 0:
            self._keys = KeyRegister(entry)
            self.key_entries.append(entry.raw)
        return self._keys

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
        if seq == self._first:
            self._claims = entry.prev
        if self._prev is not None and entry.prev != self._prev:
            self._add(seq, "chain-broken", f"prev {self._prev}", f"prev {entry.prev}")
        self._events += bytes.fromhex(entry.event[len("event_") :]) + seq.to_bytes(8, "big")

    def _check_subjects(self, seq: int, entry: Entry) -> None:
        heads = self._heads.packed
        for name, claimed in entry.subject_prev.items():
            packed = _packed(claimed.count, claimed.entry)
            head = heads.get(name)
            if head is None and self._first:  # what is before this part is held against it later
                self._assumed[name] = Assumed(seq, claimed)
            elif packed != (head or _NO_HEAD):
                known = self._heads.get(name, NO_HEAD)
                self.findings.append(_broken_subject(seq, name, known, claimed)._replace(last_good=self._last_good))
            # What it claims is gone on from, so that one break is one finding.
            heads[name] = _packed(claimed.count + 1, entry.digest)

    def _add(self, seq: int, code: str, expected: str, found: str, *, last_good: str | None = "") -> None:
        last_good = self._last_good if last_good == "" else last_good
        self.findings.append(_finding(seq, code, expected, found)._replace(last_good=last_good))


def _repeated(events: bytearray) -> Iterator[tuple[int, bytes]]:
    """Yield each event that stands there again, with its place: a quarter of them in memory at a time."""
    for quarter in range(4):
        seen = set()
        for at in range(0, len(events), _RECORD_BYTES):
            if events[at] >> 6 == quarter:
                event = bytes(events[at : at + _EVENT_BYTES])
                if event in seen:
                    yield int.from_bytes(events[at + _EVENT_BYTES : at + _RECORD_BYTES], "big"), event
                seen.add(event)


def _position(finding: Finding) -> int:
    return int(finding.object.removeprefix("entry "))


def _broken_subject(seq: int, name: str, head: SubjectHead, claimed: SubjectHead) -> Finding:
    return _finding(
        seq,
        "subject-chain-broken",
        f"{head.count} earlier entries of {name}",
        f"{claimed.count} claimed, ending in {claimed.entry}",
    )


def _finding(seq: int, code: str, expected: str, found: str) -> Finding:
    return Finding(
        code=code,
        object=f"entry {seq}",
        expected=expected,
        found=found,
        meaning="The entry was changed, moved, inserted or removed after it was signed.",
        exit_code=LedgerError.exit_code,
    )
