"""Whether the entries that are told of a thing are all that the log has of it.

Each entry says, for each of its subjects, how many earlier entries had it and which was the last. A gap in that chain
shows that an entry is missing. A chain with an entry of an unknown type is never called complete: what that entry did
to the thing, nobody here can say. Where a log was closed, the chain goes on in its successor with `custody.carried`.
Read from the database; `strongroom verify` proves it from the bytes of the log.
"""

from __future__ import annotations

import msgspec

from ledger.entry import NO_HEAD, Entry, SubjectHead
from ledger.events.custody import CUSTODY_CARRIED
from ledger.reader import LogReader


class SubjectChain(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of one subject, followed from the first to the last."""

    name: str
    entries: int
    unknown: int  # of a type that this version does not know
    gap: int | None  # position of the first entry that does not follow the one before; None: all do

    @property
    def verdict(self) -> str:
        """Return ``complete``, ``gap``, or ``unknown-types`` for a chain of which nobody can say."""
        if self.gap is not None or not self.entries:
            return "gap"
        return "unknown-types" if self.unknown else "complete"

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "entries": self.entries,
            "unknown_types": self.unknown,
            "gap_at": self.gap,
            "verdict": self.verdict,
        }


def subject_chain(log: LogReader, name: str, *, before: int) -> SubjectChain:
    """Return the chain of ``name``, followed entry by entry up to the position ``before``."""
    head, entries, unknown, gap = NO_HEAD, 0, 0, None
    last: Entry | None = None
    for seq in (seq for seq in log.subject_entries(name) if seq < before):
        entry = log.entry(seq)
        if last is not None and entry.log != last.log and _goes_on(entry, name, last, head):
            head = NO_HEAD  # a new log: its chain begins anew, and says where the old one ended
        if entry.subject_prev.get(name) != head and gap is None:
            gap = seq
        head = SubjectHead(count=head.count + 1, entry=entry.digest)
        entries, last = entries + 1, entry
        unknown += not entry.known
    return SubjectChain(name=name, entries=entries, unknown=unknown, gap=gap)


def _goes_on(entry: Entry, name: str, last: Entry, head: SubjectHead) -> bool:
    """Return whether ``entry``, the first in its log, says of ``name`` that ``last`` is its last in the log before."""
    if name == "log":
        return entry.seq == 0  # the log itself: the links between logs are proved by `strongroom verify`
    stated = {"log": last.log, "seq": last.seq, "entry": str(last.digest)}
    return entry.type == CUSTODY_CARRIED.name and (entry.facts.get("reference"), entry.facts.get("count")) == (
        stated,
        head.count,
    )
