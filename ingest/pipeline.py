"""The way of a drop: seen, settled, copied, sealed, told. One step at a time, and nothing told before it is durable."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from base.config import Settings
from base.errors import EvidenceError
from base.escape import shown
from hashing.checkpoint import Checkpoint
from ingest.analysis import Analyst, Task
from ingest.catalogue_follower import CatalogueFollower
from ingest.completion import Completed, complete_drop
from ingest.drops import Drop
from ingest.intake import NotTaken, Sealed, Taken, take_batches
from ingest.intake_db import FileRow, IntakeDb
from ingest.porter import Porter
from ingest.progress import Meter
from ingest.reception import receive_drop
from ingest.settle import Settled, Waiting
from ingest.share_facts import Found
from ingest.share_watch import ShareWatch
from ledger.record import Recorder
from vault.local import LocalStore

FIRST_FILES = 250  # of the first batch: until it is copied, nothing else can be done; each later one is twice as large
MOST_FILES = 2000  # of one batch: its syncs are waited for once, and it is sealed within a second
BYTES_IN_A_MS = 1 << 20  # what a local disk takes in a millisecond: so `batch_ms` bounds a batch by its size
TURN_S = 4.0  # so long a drop has batches begun, before others have their turn
ALONE_S = 12.0  # ... when no other is open: so long a new drop may wait until it is seen
Line = Mapping[str, object]


@dataclass(slots=True)
class Summary:
    """What a run came to. ``waiting`` and ``failures`` decide the exit code."""

    drops: int = 0
    items_sealed: int = 0
    items_waiting: int = 0
    drops_waiting: int = 0
    checkpoint: Checkpoint | None = None
    failures: tuple[EvidenceError, ...] = ()
    touched: set[str] = field(default_factory=set)  # drops of which something was told

    def line(self) -> Line:
        checkpoint = self.checkpoint
        told = None if checkpoint is None else {"size": checkpoint.size, "root": checkpoint.root.hex}
        return {
            "event": "summary",
            "drops": self.drops,
            "items_sealed": self.items_sealed,
            "items_waiting": self.items_waiting,
            "checkpoint": told,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What brings drops on their way. It owns nothing: `ingest.watcher` opens and closes what it works with."""

    settings: Settings
    recorder: Recorder
    vault: LocalStore
    porter: Porter
    db: IntakeDb
    analyst: Analyst
    catalogue: CatalogueFollower
    tell: Callable[[Line], None]
    told: Callable[[], None]  # all of a batch was told: let it out
    summary: Summary
    meter: Meter
    stop: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic

    def advance(self, share: ShareWatch, drop: Drop, *, turn_s: float = TURN_S) -> bool:
        """Bring one drop one step on its way; return whether there was anything to do."""
        if drop.reconsider and not drop.todo:
            drop.reconsider = False
            share.put(drop, replace(drop.row, state="copying"))
        to_take = drop.to_take(self.clock())
        verdict = drop.settled(self.settings.settle_seconds)
        if not self._is_told(share, drop, has_more=bool(to_take)):
            return True
        if isinstance(verdict, Waiting):
            return False
        if to_take:
            self._take(share, drop, to_take, verdict, turn_s)
            return True
        if drop.row.state in ("received", "copying") and not drop.todo:
            self._complete(share, drop, verdict)
            return True
        return False

    def _is_told(self, share: ShareWatch, drop: Drop, *, has_more: bool) -> bool:
        """Take back an older receipt as soon as something new lies in the drop; tell of a new drop."""
        if drop.row.state in ("held", "safe") and has_more:
            self._set_state(share, drop, "received")
            return False
        if not drop.told:
            self._set_state(share, drop, drop.row.state)
            return False
        return True

    def _take(self, share: ShareWatch, drop: Drop, entries: Sequence[Found], verdict: Settled, turn_s: float) -> None:
        retried = not drop.todo
        if not drop.row.received:
            receive_drop(self.recorder, drop.row, rule=verdict.rule, depositor_uid=drop.depositor_uid)
            share.put(drop, replace(drop.row, received=True, settled_by=verdict.rule))
        if drop.row.state != "copying" and not retried:
            self._set_state(share, drop, "copying")
        # A copy: what is dealt with leaves the list of the drop while later batches are still being made.
        batches = in_batches(tuple(entries), most_bytes=self.settings.batch_ms * BYTES_IN_A_MS)
        taking = take_batches(
            drop.row.drop_id,
            self._in_turn(batches, turn_s),
            reader=share.reader,
            porter=self.porter,
            recorder=self.recorder,
        )
        self.porter.prepare(len(entries))
        with contextlib.closing(taking), self.meter.counting(drop, entries):
            for taken in taking:
                self._deal(share, drop, taken)
                if retried and any(isinstance(outcome, Sealed) for outcome in taken.files):
                    share.put(drop, replace(drop.row, state="copying"))

    def _in_turn(self, batches: Iterable[list[Found]], turn_s: float) -> Iterator[list[Found]]:
        """Yield ``batches`` as long as it is this drop's turn; the rest comes at the next."""
        end_s = self.clock() + turn_s
        for batch in batches:
            yield batch
            if self.clock() >= end_s:
                return

    def _deal(self, share: ShareWatch, drop: Drop, taken: Taken) -> None:
        """Remember what became of a batch, and tell of it. The reader copies the next one: nothing is asked of it."""
        rows = [row for outcome in taken.files if (row := _row(outcome)) is not None]
        news = [outcome for outcome in taken.files if drop.is_news(_row(outcome))]
        if len(rows) < len(taken.files):  # some changed while they were read
            share.look_again(drop)
        dealt = [outcome.found for outcome in taken.files]
        drop.deal(dealt, rows, self.clock())
        self.meter.dealt(dealt)
        self.db.put_files(drop.row.drop_id, rows)
        self._acknowledge(drop, taken, news)

    def _acknowledge(self, drop: Drop, taken: Taken, news: Sequence[Sealed | NotTaken]) -> None:
        """Only now, after fsync, read-back and seal, is anybody told."""
        self.summary.checkpoint = taken.checkpoint
        for outcome in news:
            match outcome:
                case Sealed():
                    self.summary.items_sealed += outcome.fresh
                    self.tell(
                        {
                            "event": "item.sealed",
                            "item": outcome.item,
                            "drop": drop.row.drop_id,
                            "sha256": outcome.sha256.hex,
                            "size_bytes": outcome.size_bytes,
                            "log": outcome.log,
                            "seq": outcome.seq,
                        }
                    )
                    if outcome.fresh:
                        self.analyst.offer([Task(item=outcome.item, sha256=outcome.sha256, drop=drop.row.drop_id)])
                case NotTaken() if outcome.reason != "changed":
                    self.tell({"event": "item.refused", "drop": drop.row.drop_id, "reason": outcome.reason})
        self.told()

    def _complete(self, share: ShareWatch, drop: Drop, verdict: Settled) -> None:
        """Everything that can be taken is sealed: record it, and tell the technician."""
        if not drop.row.received:  # an empty folder: nothing was taken, and somebody must know
            receive_drop(self.recorder, drop.row, rule=verdict.rule, depositor_uid=drop.depositor_uid)
            share.put(drop, replace(drop.row, received=True, settled_by=verdict.rule))
        completed = complete_drop(drop, recorder=self.recorder, vault=self.vault, stop=self.stop)
        self.summary.checkpoint = completed.checkpoint
        self.catalogue.bring_forward()
        share.put(drop, replace(drop.row, manifest=completed.source_manifest))
        self._set_state(share, drop, "held" if completed.completion == "complete" else "problem", completed)

    def let_go(self, share: ShareWatch, drop: Drop) -> bool:
        """A drop has left the share: whoever took it away before it was sealed must be told."""
        if drop.renamed and not drop.row.received:
            share.desk.withdraw(drop)  # nothing of it was taken: it goes on under its new name
        elif drop.row.state in ("received", "copying"):
            completed = None
            if drop.row.received:
                completed = complete_drop(drop, recorder=self.recorder, vault=self.vault, vanished=True, stop=self.stop)
                self.catalogue.bring_forward()
            self._set_state(share, drop, "problem", completed, vanished=True)
        share.put(drop, replace(drop.row, gone=True))
        return True

    # ------------------------------------------------------------------------------------------------- telling

    def _set_state(
        self,
        share: ShareWatch,
        drop: Drop,
        state: str,
        completed: Completed | None = None,
        *,
        vanished: bool = False,
    ) -> None:
        """Note the state of a drop, write its receipts, and say it."""
        tally = drop.tally()
        row = replace(drop.row, state=state, seen_files=tally.files_seen, seen_bytes=tally.bytes_seen)
        drop.row = row
        share.desk.tell(drop, completed, vanished=vanished)
        share.put(drop, row)  # after the receipts: a crash between the two writes them again
        drop.told = True
        self.summary.touched.add(row.drop_id)
        self.tell(
            {
                "event": "drop.state",
                "drop": row.drop_id,
                "name": shown(row.name),
                "state": state,
                "files": tally.files_seen,
                "sealed": tally.files_sealed,
                "bytes": tally.bytes_seen,
                "copies": 1 if tally.files_sealed else 0,
            }
        )


def in_batches(entries: Sequence[Found], *, most_bytes: int) -> Iterator[list[Found]]:
    """Yield ``entries`` in batches, each of some hundred small files or of one large one; the first is short."""
    batch: list[Found] = []
    size = 0
    most_files = FIRST_FILES
    for entry in entries:
        entry_bytes = 0 if entry.stat is None else entry.stat.size_bytes
        if batch and (len(batch) == most_files or size + entry_bytes > most_bytes):
            yield batch
            batch, size, most_files = [], 0, min(2 * most_files, MOST_FILES)
        batch.append(entry)
        size += entry_bytes
    if batch:
        yield batch


def _row(outcome: Sealed | NotTaken) -> FileRow | None:
    """Return what is remembered of an outcome; nothing of a file that changed while it was read."""
    found = outcome.found
    if isinstance(outcome, Sealed):
        return FileRow(
            path=found.path_in_drop,
            outcome="sealed",
            kind=found.kind.value,
            stat=found.stat,
            item=outcome.item,
            sha256=outcome.sha256,
        )
    if outcome.reason == "changed":
        return None
    return FileRow(
        path=found.path_in_drop, outcome="refused", kind=found.kind.value, stat=found.stat, reason=outcome.reason
    )
