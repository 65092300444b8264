"""What a check of the log found: counts, findings, and what must therefore be in the vault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from base.errors import Finding, LedgerError
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT
from ledger.kept import KeptAnswer, KeptNote

if TYPE_CHECKING:
    from ledger.check_time_stamps import TokenAnswer

_EMPTY = Digest(EMPTY_ROOT)
_BUCKETS = 256  # by the first byte of the digest
_RECORD_BYTES = 32 + 2 * 8  # digest, size, position


class Masters(Mapping[Digest, int | None]):
    """The masters that entries define: digest to size in bytes, and where the entry stands.

    Kept as bytes, 48 for each: a dict of a million of them would have 190 MB. A bucket is put in order when it is first
    looked into; of one content that came twice the last entry counts.
    """

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._in_order = [True] * _BUCKETS

    def __getitem__(self, digest: Digest) -> int:
        return int.from_bytes(self._record(digest)[32:40], "big")

    def __iter__(self) -> Iterator[Digest]:
        for number in range(_BUCKETS):
            bucket = self._ordered(number)
            for at in range(0, len(bucket), _RECORD_BYTES):
                yield Digest(bytes(bucket[at : at + 32]))

    def __len__(self) -> int:
        return sum(len(self._ordered(number)) for number in range(_BUCKETS)) // _RECORD_BYTES

    def put(self, digest: Digest, size_bytes: int, seq: int) -> None:
        self.take(b"%b%b%b" % (digest.raw, size_bytes.to_bytes(8, "big"), seq.to_bytes(8, "big")))

    def seq_of(self, digest: Digest) -> int:
        """Return the position of the last entry that defines this master."""
        return int.from_bytes(self._record(digest)[40:], "big")

    def packed(self) -> bytes:
        """Return all of it for `take`."""
        return b"".join(self._buckets)

    def take(self, packed: bytes) -> None:
        """Add what another one has `packed`."""
        for at in range(0, len(packed), _RECORD_BYTES):
            number = packed[at]
            self._buckets[number] += packed[at : at + _RECORD_BYTES]
            self._in_order[number] = False

    def _ordered(self, number: int) -> bytearray:
        bucket = self._buckets[number]
        if not self._in_order[number]:
            last = {
                bytes(bucket[at : at + 32]): bytes(bucket[at : at + _RECORD_BYTES])
                for at in range(0, len(bucket), _RECORD_BYTES)
            }
            bucket = self._buckets[number] = bytearray(b"".join(last[raw] for raw in sorted(last)))
            self._in_order[number] = True
        return bucket

    def _record(self, digest: Digest) -> bytes:
        """Return the record of a master. Raises KeyError."""
        bucket = self._ordered(digest.raw[0])
        low, high = 0, len(bucket) // _RECORD_BYTES
        while low < high:
            middle = (low + high) // 2
            if bucket[middle * _RECORD_BYTES : middle * _RECORD_BYTES + 32] < digest.raw:
                low = middle + 1
            else:
                high = middle
        record = bytes(bucket[low * _RECORD_BYTES : (low + 1) * _RECORD_BYTES])
        if record[:32] != digest.raw:
            raise KeyError(digest)
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """The newest checkpoint that one witness cosigned, as far as is kept here; size and time are None for none."""

    witness: str
    size: int | None
    timestamp: int | None  # POSIX seconds, by the clock of the witness


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessStanding:
    """The witnesses that are set, what each cosigned, and up to which size the quorum that is set was met."""

    quorum: str
    quorum_size: int | None
    cosigned: tuple[Cosigned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsed:
    """One entry that people vouched for."""

    seq: int
    type: str
    keys: int
    persons: int | None  # None: of a key nobody knows here who holds it, so two may be of one person

    def told(self) -> str:
        """Return it as a sentence."""
        who = f"{self.keys} keys, persons not checked" if self.persons is None else f"{self.persons} persons"
        return f"entry {self.seq} ({self.type}): {who}"


@dataclass(slots=True)
class LogVerdict:
    """What a check of the log found. ``masters`` and ``results`` say what must be in the vault and in `derived/`."""

    origin: str = ""
    endorsed: list[Endorsed] = field(default_factory=list)
    root_threshold: int | None = None  # how many root keys must endorse a change of keys; None: no first entry
    size: int = 0
    root: Digest = _EMPTY
    entries_checked: int = 0
    openings_checked: int = 0
    subjects_checked: int = 0
    unknown_types: int = 0
    further_digests: dict[str, int] = field(default_factory=dict)  # algorithm -> entries with one beside SHA-256
    findings: list[Finding] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    is_unread: bool = False  # not all of the log could be read; of `not_checked` that is the graver kind
    against: list[tuple[KeptNote, KeptAnswer]] = field(default_factory=list)
    witnesses: WitnessStanding | None = None  # None: none is set
    time_stamps: list[TokenAnswer] = field(default_factory=list)  # a bad one is no damage to the log itself
    masters: Masters = field(default_factory=Masters)
    results: set[Digest] = field(default_factory=set)
    heads: Mapping[str, object] = field(default_factory=dict)  # every subject of the log
    good_sizes: list[int] = field(default_factory=list)  # of signed checkpoints whose root is that of the entries
    is_copy: bool = False  # without keys to record with: what is not here was left out on purpose

    def miss(self, sentence: str) -> None:
        """List what could not be checked because a part of the log is not here or can't be read."""
        self.not_checked.append(sentence)
        self.is_unread = True

    def add(
        self, code: str, name: str, *, expected: str, found: str, meaning: str, last_good: str | None = None
    ) -> None:
        """List one piece of damage to the log."""
        self.findings.append(
            Finding(
                code=code,
                object=name,
                expected=expected,
                found=found,
                meaning=meaning,
                exit_code=LedgerError.exit_code,
                last_good=last_good,
            )
        )
