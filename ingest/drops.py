"""One drop as the recorder sees it now: what lies in the share, what of it was dealt with, and what is still to do.

PURE but for its memory: time is passed in as monotonic seconds, and nothing here reads a share or a database.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ingest.intake_db import DropRow, FileRow
from ingest.settle import DropObservation, Settled, Waiting
from ingest.share_facts import Found, Kind, Reason

RETRY_S = 30.0
HANG_RETRY_S = 60.0  # after a reader hung on a file; each further one doubles it
MAX_HANG_RETRY_S = 3600.0
# Reasons that may pass: permission is given, space is freed, a read succeeds.
PASSING = frozenset({Reason.NO_PERMISSION.value, Reason.TOO_LARGE.value, Reason.READ_ERROR.value, "read-back-mismatch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is counted of a drop, to be compared with the card."""

    files_seen: int
    bytes_seen: int
    files_sealed: int
    bytes_sealed: int
    refused: tuple[tuple[bytes, str], ...]  # raw path in the drop, reason


@dataclass(frozen=True, slots=True)
class Hang:
    """A file on which readers were lost: it goes last, and seldom, because each try costs a reader."""

    times: int
    retry_at_s: float


@dataclass(slots=True)
class Drop:
    """A top-level entry of a share, from when it is first seen until a complete scan no longer finds it."""

    row: DropRow
    dealt: dict[bytes, FileRow] = field(default_factory=dict)  # by path in the drop; empty for a drop of one file
    present: dict[bytes, Found] = field(default_factory=dict)
    observation: DropObservation = field(default_factory=DropObservation)
    retry_at_s: float = 0.0
    depositor_uid: int | None = None
    told: bool = False  # whether a receipt for its state was written in this run
    missed: bool = False  # the last complete scan did not find it: a second one decides whether it is gone
    renamed: bool = False  # it left its name, and stands in the share under another one
    reconsider: bool = False  # what made it a problem may have passed: complete it again
    stale: bool = True  # not looked at yet, or a file changed while it was read: nothing is decided before a look

    hangs: dict[bytes, Hang] = field(default_factory=dict)  # by path in the drop
    todo: list[Found] = field(default_factory=list)  # not dealt with as it is now, by raw path, what hangs last
    passing: list[Found] = field(default_factory=list)  # refused for reasons that may pass
    _unlisted: set[bytes] = field(default_factory=set)  # refused, and not found by the last look either
    _vanished: set[bytes] = field(default_factory=set)  # not dealt with, and the last look did not find it any more

    def observe(self, found: Sequence[Found], now_s: float) -> None:
        """Take in what a complete scan found of this drop."""
        entries = {entry.path_in_drop: entry for entry in found if not _is_plain_directory(entry)}
        self.observation.observe(entries.values(), now_s)
        self._vanished = self.present.keys() - entries.keys() - self.dealt.keys()
        self.present = entries
        self.depositor_uid = next((entry.uid for entry in found if not entry.path_in_drop), None)
        self._resolve(entry.path_in_drop for entry in found if _is_plain_directory(entry))
        unlisted = {path for path, row in self.dealt.items() if path not in entries and _held_nothing(row)}
        self._resolve(unlisted & self._unlisted)
        self._unlisted = unlisted - self._unlisted
        self.row = replace(self.row, identity=_identity_in(found))
        self.missed = False
        self.hangs = {path: hang for path, hang in self.hangs.items() if path in entries}
        self.todo = self._last_what_hangs(
            entry for _, entry in sorted(entries.items()) if not self._is_dealt_with(entry)
        )
        self.passing = self._last_what_hangs(entry for entry in entries.values() if self._may_pass(entry))
        self.stale = False

    def miss(self) -> None:
        """Take in that a complete scan did not find this drop: a listing may race a rename, so it is looked for again.

        Nothing is decided of it before that second look.
        """
        self.missed = self.stale = True

    @property
    def wants_second_look(self) -> bool:
        """Whether something was missed by the last look, and a second one has to say whether it is gone."""
        return self.missed or bool(self._unlisted or self._vanished)

    def settled(self, settle_s: float) -> Settled | Waiting:
        """Say whether the drop is finished arriving, and by which rule, as of the last look."""
        if self.stale or self._vanished:
            return Waiting(until_s=0.0)
        return self.observation.verdict(settle_s=settle_s)

    def to_take(self, now_s: float) -> list[Found]:
        """Return what is still to be dealt with; where nothing is, what was refused and may be tried again now."""
        if self.todo:
            return self._without_what_hangs(self.todo, now_s)
        return self._without_what_hangs(self.passing, now_s) if now_s >= self.retry_at_s else []

    def hang(self, path: bytes, now_s: float) -> None:
        """Note that a reader was lost on a file of this drop: until the next look nothing of it is tried."""
        times = self.hangs[path].times + 1 if path in self.hangs else 1
        pause_s = min(HANG_RETRY_S * 2.0 ** min(times - 1, 10), MAX_HANG_RETRY_S)
        self.hangs[path] = Hang(times, now_s + pause_s)

    def _last_what_hangs(self, entries: Iterable[Found]) -> list[Found]:
        if not self.hangs:
            return list(entries)
        return sorted(entries, key=self._hangs_until)

    def _without_what_hangs(self, entries: list[Found], now_s: float) -> list[Found]:
        """Return the first of ``entries`` up to those that hang, or if there are only such, one whose time has come."""
        if not self.hangs:
            return entries
        sound = [entry for entry in entries if entry.path_in_drop not in self.hangs]
        return sound or [entry for entry in entries[:1] if now_s >= self._hangs_until(entry)]

    def _hangs_until(self, entry: Found) -> float:
        hang = self.hangs.get(entry.path_in_drop)
        return -math.inf if hang is None else hang.retry_at_s

    def _is_dealt_with(self, entry: Found) -> bool:
        dealt = self.dealt.get(entry.path_in_drop)
        return dealt is not None and dealt.kind == entry.kind.value and dealt.stat == entry.stat

    def _may_pass(self, entry: Found) -> bool:
        dealt = self.dealt.get(entry.path_in_drop)
        return dealt is not None and dealt.outcome == "refused" and dealt.reason in PASSING

    def _resolve(self, paths: Iterable[bytes]) -> None:
        """Forget refusals whose cause is gone: a directory that can be listed now, a link that somebody took away."""
        for path in paths:
            if self.dealt.pop(path, None) is not None and self.row.state == "problem":
                self.reconsider = True

    @property
    def is_open(self) -> bool:
        """Whether something of this drop is still to be taken, told or looked for."""
        untried = bool(self.passing) and self.retry_at_s == 0.0  # in this run
        return self.row.state in ("received", "copying") or bool(self.todo) or untried or self.wants_second_look

    def is_news(self, row: FileRow | None) -> bool:
        """Whether an outcome differs from what was known of that entry: only news is told."""
        return row is None or self.dealt.get(row.path) != row

    def deal(self, batch: Sequence[Found], rows: Iterable[FileRow], now_s: float) -> None:
        """Remember what became of a batch from `to_take`; what changed while it was read waits for the next look."""
        for row in rows:
            self.dealt[row.path] = row
            self.hangs.pop(row.path, None)
        if self.todo:
            del self.todo[: len(batch)]
            self.passing += [entry for entry in batch if self._may_pass(entry)]
        else:
            self.passing = [entry for entry in self.passing if self._may_pass(entry)]
        self.retry_at_s = now_s + RETRY_S

    def tally(self) -> Tally:
        """Count the drop as it is now: what was sealed stays counted when the source has gone since."""
        sealed = [row for row in self.dealt.values() if row.outcome == "sealed" and row.stat is not None]
        refused = [row for row in self.dealt.values() if row.outcome == "refused"]
        unseen = [entry for path, entry in self.present.items() if path not in self.dealt and entry.kind is Kind.FILE]
        sizes = [row.stat.size_bytes for row in sealed if row.stat is not None]
        left = [row.stat for row in refused if row.kind == Kind.FILE.value] + [entry.stat for entry in unseen]
        return Tally(
            files_seen=len(sealed) + len(refused) + len(unseen),
            bytes_seen=sum(sizes) + sum(stat.size_bytes for stat in left if stat is not None),
            files_sealed=len(sealed),
            bytes_sealed=sum(sizes),
            refused=tuple(sorted((row.path, row.reason or "") for row in refused)),
        )


def _identity_in(found: Iterable[Found]) -> tuple[int, int] | None:
    """Return device and inode of the top-level entry."""
    stats = (entry.stat for entry in found if not entry.path_in_drop)
    return next(((stat.device, stat.inode) for stat in stats if stat is not None), None)


def _held_nothing(row: FileRow) -> bool:
    """Whether what was refused had no bytes of its own; whatever else vanished may exist only on the card."""
    return row.outcome == "refused" and row.reason == Reason.NOT_A_FILE.value


def _is_plain_directory(entry: Found) -> bool:
    """A directory is not an item; one that can't be listed is, because what lies in it was not seen."""
    return entry.kind is Kind.DIRECTORY and entry.problem is None
