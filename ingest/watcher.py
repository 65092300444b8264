"""The recorder: shares in, evidence out, until it is told to stop, or (once) until all that is there is taken.

It decides, names, records, seals and writes receipts; it reads no share itself and decodes nothing. Each turn looks at
the shares that are due, takes one batch of each drop that is settled, and only then lets analysis have its turn.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from base import fsio
from base.config import Settings
from base.errors import SurroundingsError
from ingest import pipeline
from ingest.analysis import Analyst, tasks_open
from ingest.catalogue_follower import CatalogueFollower
from ingest.drops import Drop
from ingest.intake_db import Condition, IntakeDb
from ingest.leftovers import clear_leftovers
from ingest.pipeline import Line, Pipeline, Summary
from ingest.porter import Porter, PorterProcess
from ingest.progress import Audience, Meter, Nobody
from ingest.reception import known_drops
from ingest.settings_record import record_changed_settings
from ingest.share_memory import hold_receipts
from ingest.share_process import ShareUnreachableError, StopRequestedError
from ingest.share_watch import ShareWatch
from ledger.layout import StoreLayout
from ledger.log_db import LogDiskError
from ledger.record import Recorder
from ledger.recovery import start
from ledger.seal import seal
from vault.local import LocalStore

SETTLE_FACTOR = 4  # times T: what has not settled by then in a single run waits for a person
RETRY_STORE_S = 5.0  # after the disk of the store refused
BEAT_S = 1.0  # between two words to whoever watches, while nothing is copied


class Watcher:
    """One store's recorder. Holds the lock on the store for its life: a second one is refused (7)."""

    def __init__(
        self,
        layout: StoreLayout,
        settings: Settings,
        *,
        tell: Callable[[Line], None],
        told: Callable[[], None] = lambda: None,
        stop: Callable[[], bool] = lambda: False,
        accept_move: bool = False,
        analyse: bool = True,
        audience: Audience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._tell, self._told, self._stop, self._clock = tell, told, stop, clock
        self._accept_move = accept_move
        self._analyses = analyse
        self._audience: Audience = audience or Nobody()
        self._meter = Meter(self._audience)
        self._beat_at_s = 0.0
        self._summary = Summary()
        self._retry_store_at_s = 0.0
        self._store_error: SurroundingsError | None = None
        self._lock = fsio.Lock(layout.recorder_lock)

    # ---------------------------------------------------------------------------------------------- start and end

    def __enter__(self) -> Self:
        layout = self._layout
        self._lock.acquire(holder=f"the recorder of this store (process {os.getpid()})")
        self._recorder: Recorder = start(
            layout,
            accept_move=self._accept_move,
            memories=[Path(os.fsdecode(place)) for place in self._settings.memories],
        )
        clear_leftovers(layout)
        record_changed_settings(self._recorder, self._settings)
        self._vault = LocalStore(layout.vault, layout.staging)
        apart = PorterProcess(os.fsencode(layout.vault), os.fsencode(layout.staging), stop=self._stop)
        self._porter = Porter(self._vault, apart)
        self._db = IntakeDb.open(layout.intake_db)
        known = known_drops(self._recorder) if self._db.lost else {}
        self._shares = [
            ShareWatch(
                root,
                layout,
                self._db,
                settle_s=self._settings.settle_seconds,
                stop=self._stop,
                on_progress=self._meter.read,
                clock=self._clock,
                adopted=lambda root, name: known.pop((root, name), None),
                first_look=hold_receipts(self._recorder),
            )
            for root in self._settings.shares
        ]
        derived = LocalStore(layout.derived, layout.staging)
        self._analyst = Analyst(self._recorder, self._vault, derived, require=self._settings.sandbox)
        self._analyst.offer(tasks_open(self._recorder))
        self._catalogue = CatalogueFollower(layout, self._db, tell=self._tell, clock=self._clock)
        self._pipeline = Pipeline(
            settings=self._settings,
            recorder=self._recorder,
            vault=self._vault,
            porter=self._porter,
            db=self._db,
            analyst=self._analyst,
            catalogue=self._catalogue,
            tell=self._tell,
            told=self._told,
            summary=self._summary,
            meter=self._meter,
            stop=self._stop,
            clock=self._clock,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._analyst.close()
        self._porter.close()
        self._catalogue.close()
        for share in self._shares:
            share.close()
        self._db.close()
        self._recorder.close()
        self._lock.release()

    # ------------------------------------------------------------------------------------------------------ loops

    def run(self) -> Summary:
        """Serve until told to stop."""
        with contextlib.suppress(StopRequestedError):
            while not self._stop():
                if not self._turn():
                    self._sleep()
        return self._summarised()

    def run_once(self) -> Summary:
        """Take what is there, analyse it, and return. What has not settled in 4 x T waits for a person."""
        overdue_s = self._clock() + SETTLE_FACTOR * self._settings.settle_seconds + 1.0
        with contextlib.suppress(StopRequestedError):
            while not self._stop():
                if self._turn():
                    continue
                at_rest = self._drops_rest(overdue=self._clock() > overdue_s) and self._analysis_rests()
                if at_rest or self._store_error is not None:
                    break
                self._sleep()
        return self._summarised()

    def _drops_rest(self, *, overdue: bool) -> bool:
        """Whether no drop can be brought further: each is finished, unreachable, or has waited long enough."""
        if any(share.tries_again for share in self._shares):
            return False
        return overdue or not self._open_drops()

    def _open_drops(self) -> list[Drop]:
        reachable = (share for share in self._shares if share.unreachable is None)
        return [drop for share in reachable for drop in share.drops.values() if drop.is_open]

    def _analysis_rests(self) -> bool:
        return not self._has_analysis_to_do() or self._analyst.waiting_for is not None

    def _has_analysis_to_do(self) -> bool:
        return self._analyses and self._analyst.open_tasks > 0

    def _turn(self) -> bool:
        """Do one round of everything that can be done now; return whether anything was."""
        busy = False
        for share in self._shares:
            if share.is_due(self._clock()):
                share.scan(self._clock())
            for drop in share.in_sight:
                busy |= self._guarded(share, drop, partial(self._pipeline.advance, share, drop, turn_s=self._turn_s()))
            for drop in list(share.left):
                if self._guarded(share, drop, partial(self._pipeline.let_go, share, drop)):
                    share.left.remove(drop)
                    busy = True
        self._analyse_guarded(idle=not busy)
        if not busy:
            self._catalogue.bring_forward()
            self._beat()
        return busy

    def _turn_s(self) -> float:
        return pipeline.TURN_S if len(self._open_drops()) > 1 else pipeline.ALONE_S

    def _beat(self) -> None:
        """Say now and then what is waited for."""
        if self._clock() >= self._beat_at_s:
            self._beat_at_s = self._clock() + BEAT_S
            items = self._analyst.open_tasks if self._analyses else 0
            self._audience.waiting(drops=len(self._open_drops()), items=items)

    def _guarded(self, share: ShareWatch, drop: Drop, action: Callable[[], bool]) -> bool:
        """Run one step; a share or a disk that fails makes a visible condition, and the step is tried again later.

        Errors of the disk under the log itself go up, and end the process: only a start checks the log.
        """
        now_s = self._clock()
        if now_s < self._retry_store_at_s:
            return False
        try:
            done = action()
        except ShareUnreachableError as error:
            if share.fail(drop, error, now_s):
                reason = f"a reader hangs on a file of {drop.row.drop_id}, which is tried again last: {error}"
                self._tell({"event": "share.waiting", "reason": reason, "next": error.next_step})
            return False
        except LogDiskError:
            raise
        except SurroundingsError as error:
            self._store_waits(error, now_s)
            share.look_again(drop)
            return False
        if done:
            self._store_serves()
        return done

    def _store_waits(self, error: SurroundingsError, now_s: float) -> None:
        self._store_error = error
        self._retry_store_at_s = now_s + RETRY_STORE_S
        self._tell({"event": "store.waiting", "reason": str(error), "next": error.next_step})
        self._db.put_condition(Condition(subject=b"", code="waiting", detail=str(error)))

    def _store_serves(self) -> None:
        if self._store_error is not None:
            self._store_error = None
            self._db.put_condition(Condition(subject=b"", code="ready", detail=""))

    def _sleep(self) -> None:
        """Wait for a bell, a share that is due, or the analysis; never longer than a second, to hear a stop."""
        now_s = self._clock()
        due = min([share.next_scan_s for share in self._shares], default=now_s + 1.0)
        timeout = min(max(due - now_s, 0.01), 0.05 if self._has_analysis_to_do() else 1.0)
        select.select([share.reader.fileno() for share in self._shares], [], [], timeout)

    def _analyse_guarded(self, *, idle: bool) -> None:
        """Let analysis have its turn; a disk that refuses its results makes it wait, and costs none of them."""
        if not self._analyses or self._clock() < self._retry_store_at_s:
            return
        try:
            self._analyse(idle=idle)
        except LogDiskError:
            raise
        except SurroundingsError as error:
            self._store_waits(error, self._clock())

    def _analyse(self, *, idle: bool) -> None:
        """Record what analysis has finished, and start on the next file; sealing always comes first."""
        done = self._analyst.collect()
        if done:
            self._summary.checkpoint = seal(self._recorder)
            self._store_serves()
            self._catalogue.bring_forward()
        for analysed in done:
            self._tell(
                {
                    "event": "item.analysed",
                    "item": analysed.task.item,
                    "keyframes": analysed.keyframes,
                    "outcome": analysed.outcome,
                }
            )
        if idle:
            self._analyst.start()

    def _summarised(self) -> Summary:
        drops = [drop for share in self._shares for drop in share.drops.values()]
        self._summary.drops = len(self._summary.touched)
        self._summary.items_waiting = sum(_waiting_items(drop) for drop in drops)
        self._summary.drops_waiting = sum(drop.is_open or drop.row.state == "problem" for drop in drops)
        self._summary.checkpoint = seal(self._recorder)
        self._catalogue.bring_forward(at_once=not self._stop())
        shares = [share.unreachable for share in self._shares]
        waiting = (*shares, self._store_error, self._catalogue.trouble)
        self._summary.failures = tuple(error for error in waiting if error is not None)
        return self._summary


def _waiting_items(drop: Drop) -> int:
    refused = sum(row.outcome == "refused" for row in drop.dealt.values())
    return refused + sum(path not in drop.dealt for path in drop.present)
