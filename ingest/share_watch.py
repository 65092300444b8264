"""One share: its reader, its drops, and the reconciling scan that is the truth about both.

Events only start a scan sooner. A root that vanishes, errors or turns empty is *unreachable*, never "all gone": only
two complete scans in a row that still find something may say that a drop has left the share. A listing can race a
rename, and then it misses what was there all the time.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Set

from base.escape import shown
from ingest.drops import Drop
from ingest.intake_db import Condition, DropRow, IntakeDb
from ingest.receipt_desk import ReceiptDesk
from ingest.settle import Waiting
from ingest.share import MAX_ABANDONED, ShareReader
from ingest.share_facts import Found, ScanOutcome
from ingest.share_memory import FirstLook
from ingest.share_process import ShareUnreachableError
from ledger.identifiers import new_identifier
from ledger.layout import StoreLayout

BUSY_SCAN_S = 2.0  # while anything is unsettled
IDLE_SCAN_S = 30.0
# Kept free on the disk of the store: with it the log can still say that a drop was refused for want of space, the
# catalogue can follow, and a person can still ask.
RESERVE_BYTES = 64 << 20


class ShareWatch:
    """One root that is watched. Not for several threads."""

    def __init__(
        self,
        root: bytes,
        layout: StoreLayout,
        db: IntakeDb,
        *,
        settle_s: float,
        stop: Callable[[], bool],
        adopted: Callable[[bytes, bytes], DropRow | None],
        on_progress: Callable[[int], None] = lambda _count: None,
        clock: Callable[[], float] = time.monotonic,
        first_look: FirstLook = lambda _reader, _found: None,
    ) -> None:
        self.root = root
        self.reader = ShareReader(
            root, layout.staging, reserve_bytes=RESERVE_BYTES, stop=stop, on_progress=on_progress, clock=clock
        )
        self.desk = ReceiptDesk(root, self.reader, db, layout)
        self.drops: dict[bytes, Drop] = {}  # by raw name
        self.left: list[Drop] = []  # no longer in the share, and not yet dealt with
        self.unreachable: ShareUnreachableError | None = None
        self.next_scan_s = -math.inf
        self._db = db
        self._settle_s = settle_s
        self._adopted = adopted
        self._first_look: FirstLook | None = first_look
        self._device: int | None = None
        self._announced = False
        self._watched_by = ""
        self._condition: Condition | None = None
        self._suspected: tuple[Drop, bytes] | None = None  # a file on which a reader was lost, until the next look
        for row in db.drops():
            if row.root == root:
                # A state at which a drop rests is written down after its receipts: they stand.
                rests = row.state in ("held", "safe", "problem")
                self.drops[row.name] = Drop(row=row, dealt=db.files(row.drop_id), told=rests)

    def close(self) -> None:
        self.reader.close()

    @property
    def in_sight(self) -> list[Drop]:
        """The drops that the last look found, if it could be had: the others are left as they are."""
        return [] if self.unreachable is not None else [drop for drop in self.drops.values() if not drop.missed]

    @property
    def busy_interval_s(self) -> float:
        return min(BUSY_SCAN_S, max(self._settle_s / 2, 0.05))

    def is_due(self, now_s: float) -> bool:
        """Whether the share should be looked at now: the time has come, or the bell rang."""
        return self.reader.take_bell() or now_s >= self.next_scan_s

    def scan(self, now_s: float) -> None:
        """Look at the whole share. Whatever goes wrong makes it unreachable, visibly, until the next time.

        What `first_look` raises about the log goes up: with a log that contradicts a receipt nothing is recorded.
        """
        try:
            if not self._announced:
                self._announce()
            found, outcome = self._look()
            if self._first_look is not None and outcome.complete:
                self._first_look(self.reader, found)
                self._first_look = None
            self._reconcile(found, outcome, now_s)
        except ShareUnreachableError as error:
            if self._suspected is not None and error.cause != "waiting":
                drop, path = self._suspected  # it was the share and not that file
                drop.hangs.pop(path, None)
                self._suspected = None
            self.set_unreachable(error, now_s)

    def _announce(self) -> None:
        self._watched_by = self.reader.describe_root().watched_by
        self.reader.watch()
        self._announced = True

    def _look(self) -> tuple[list[Found], ScanOutcome]:
        found: list[Found] = []
        for entry in self.reader.scan():
            if isinstance(entry, ScanOutcome):
                return found, entry
            found.append(entry)
        raise _unreachable(f"the scan of {shown(self.root)} did not end.")

    def _reconcile(self, found: list[Found], outcome: ScanOutcome, now_s: float) -> None:
        if not outcome.complete:
            raise _unreachable(f"the share {shown(self.root)} could not be listed to its end.")
        if not found and self.drops:
            raise _unreachable(
                f"the share {shown(self.root)} is empty although drops were in it: it is taken for unreachable."
            )
        if self._device not in (None, outcome.device):
            self._device = outcome.device
            raise _unreachable(f"the share {shown(self.root)} is another file system than before.")
        self._device = outcome.device
        self._set_reachable()
        by_name: dict[bytes, list[Found]] = {}
        for entry in found:
            if not self.desk.is_ours(entry):
                by_name.setdefault(entry.drop_name, []).append(entry)
        leaving = {drop.row.name for drop in self.left}
        for name, entries in by_name.items():
            if name not in leaving:  # an older drop of that name is let go of first
                self._observe(name, entries, now_s)
        self._part_with(self.drops.keys() - by_name.keys())
        self.next_scan_s = now_s + self._interval(now_s)

    def _observe(self, name: bytes, entries: list[Found], now_s: float) -> None:
        known = self.drops.get(name)
        drop = known or self._new_drop(name)
        before = drop.row
        drop.observe(entries, now_s)
        if known is None or drop.row != before:
            self.put(drop, drop.row)
        self.drops[name] = drop

    def _part_with(self, missing: Set[bytes]) -> None:
        """Let go of drops that were missed the last time too, or are found renamed; look for the others once more."""
        here = {drop.row.identity for name, drop in self.drops.items() if name not in missing}
        for drop in [self.drops[name] for name in sorted(missing)]:
            drop.renamed = drop.row.identity is not None and drop.row.identity in here
            if drop.missed or drop.renamed:
                self.left.append(self.drops.pop(drop.row.name))
            drop.miss()

    def _new_drop(self, name: bytes) -> Drop:
        row = self._adopted(self.root, name) or DropRow(drop_id=new_identifier("drop"), root=self.root, name=name)
        return Drop(row=row, dealt=self._db.files(row.drop_id))

    def _interval(self, now_s: float) -> float:
        verdicts = [drop.settled(self._settle_s) for drop in self.drops.values()]
        waits = [verdict.until_s - now_s for verdict in verdicts if isinstance(verdict, Waiting)]
        if any(drop.wants_second_look for drop in self.drops.values()):
            return self.busy_interval_s
        return min(self.busy_interval_s, max(*waits, 0.01)) if waits else IDLE_SCAN_S

    def fail(self, drop: Drop, error: ShareUnreachableError, now_s: float) -> bool:
        """Take in that a step of ``drop`` failed; return whether it failed on one of its files, as far as we know.

        That file goes last: one on which readers hang must starve neither the other files of its drop nor other drops.
        KNOWN GAP: the share still waits for each reader that hangs, 60 s each time that the file is tried again.
        """
        self.set_unreachable(error, now_s)
        self.look_again(drop)
        if error.cause != "waiting":
            self._put_last(drop)
        if error.path is None:
            return False
        path = error.path.removeprefix(drop.row.name).removeprefix(b"/")
        drop.hang(path, now_s)
        self._suspected = drop, path
        return True

    @property
    def tries_again(self) -> bool:
        """Whether a reader was just lost on one file, and the next look has to tell whether the share is there."""
        return self._suspected is not None and self.reader.abandoned < MAX_ABANDONED

    def set_unreachable(self, error: ShareUnreachableError, now_s: float) -> None:
        """Note that the share failed; nothing is concluded about what lies in it."""
        self.unreachable = error
        self._say(Condition(subject=self.root, code="unreachable", detail=str(error)))
        self._announced = False
        self.next_scan_s = max(now_s + self.busy_interval_s, self.reader.retry_at_s)

    def _set_reachable(self) -> None:
        self.unreachable, self._suspected = None, None
        receipts = "; it can't be written: receipts stand in the store" if self.desk.is_refused else ""
        hanging = [os.path.join(drop.row.name, path) for drop in self.drops.values() for path in drop.hangs]
        code = "waiting" if hanging else "watched"
        hang = f"; every reader hangs on {shown(hanging[0])}, which is tried again last" if hanging else ""
        more = f" (and {len(hanging) - 1:,} more)" if len(hanging) > 1 else ""
        self._say(Condition(subject=self.root, code=code, detail=f"{self._watched_by}{receipts}{hang}{more}"))

    def _say(self, condition: Condition) -> None:
        """Let `status` know how the share is, whenever that is news."""
        if condition != self._condition:
            self._condition = condition
            self._db.put_condition(condition)

    def look_again(self, drop: Drop) -> None:
        """Let nothing more be decided of a drop before the next scan, and let that come soon."""
        drop.stale = True
        if self.unreachable is None:
            self.next_scan_s = -math.inf

    def _put_last(self, drop: Drop) -> None:
        """Let every other drop have its turn first."""
        if self.drops.get(drop.row.name) is drop:
            self.drops[drop.row.name] = self.drops.pop(drop.row.name)

    def put(self, drop: Drop, row: DropRow) -> None:
        """Change what is known of a drop, in memory and in the database."""
        drop.row = row
        self._db.put_drop(row)


def _unreachable(message: str) -> ShareUnreachableError:
    return ShareUnreachableError(message, cause="root")
