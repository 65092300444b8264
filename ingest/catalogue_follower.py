"""The catalogue behind the recorder: brought forward after each seal, and never a reason to stop sealing.

Whatever is wrong with it (missing, damaged, locked for long, made again by `catalog rebuild` meanwhile) is made visible
and tried again later with the file that is there then. The log is another matter: its errors go up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from base.errors import BusyError, CatalogueError, EvidenceError, NewerDataError, SurroundingsError
from catalog.bring_forward import Follower
from catalog.database import CatalogueReplacedError
from ingest.intake_db import CATALOGUE, Condition, IntakeDb
from ledger.layout import StoreLayout
from ledger.log_db import LogDiskError

_TRIES = 3  # when another process makes the catalogue again at the same time
RETRY_S = 30.0  # a catalogue that is locked is waited for 5 s each time, and sealing waits with it
_BEARABLE = (BusyError, CatalogueError, NewerDataError, SurroundingsError)


class CatalogueFollower:
    """Brings the catalogue forward for one recorder. ``trouble`` says why it stands still, or is None."""

    def __init__(
        self,
        layout: StoreLayout,
        db: IntakeDb,
        *,
        tell: Callable[[Mapping[str, object]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._layout, self._db = layout, db
        self._tell, self._clock = tell, clock
        self._follower: Follower | None = None
        self._retry_at_s = 0.0
        self._noted: str | None = None  # what `status` shows of it now
        self.trouble: EvidenceError | None = None

    def close(self) -> None:
        if self._follower is not None:
            self._follower.close()
        self._follower = None

    def bring_forward(self, *, at_once: bool = False) -> None:
        """Project what was sealed since the last time. After trouble only every 30 s, unless ``at_once``."""
        if self.trouble is not None and not at_once and self._clock() < self._retry_at_s:
            return
        self.trouble = self._tried()
        for _ in range(_TRIES - 1):
            if isinstance(self.trouble, CatalogueReplacedError):  # the new one is opened
                self.trouble = self._tried()
        self._note()

    def _tried(self) -> EvidenceError | None:
        try:
            if self._follower is None:
                self._follower = Follower(self._layout)
            self._follower.bring_forward()
        except LogDiskError:
            raise
        except _BEARABLE as error:
            self.close()
            return error
        return None

    def _note(self) -> None:
        """Make news of trouble, and of its end, visible."""
        if self.trouble is not None:
            self._retry_at_s = self._clock() + RETRY_S
        detail = "" if self.trouble is None else str(self.trouble)
        if detail == self._noted:
            return
        self._noted = detail
        code = "ready" if self.trouble is None else "waiting"
        self._db.put_condition(Condition(subject=CATALOGUE, code=code, detail=detail))
        if self.trouble is not None:
            self._tell({"event": "catalogue.waiting", "reason": detail, "next": self.trouble.next_step})
