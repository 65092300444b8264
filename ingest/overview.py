"""What the recorder last knew, for people who ask while it works or after it ended: drops, shares, disk, log."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from base import fsio
from base.clock import format_time
from base.errors import NotFoundError
from base.escape import shown
from hashing.checkpoint import Checkpoint
from ingest.intake_db import Condition, DropRow, FileRow, IntakeDb
from ledger.keys.pending import Proposal, pending
from ledger.layout import StoreLayout
from ledger.store_reader import StoreReader

_LOST = Condition(
    subject=b"",
    code="waiting",
    detail="intake.db is missing; the next `strongroom watch` finds every drop again, and records nothing twice",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropStatus:
    """One drop with what was dealt with of it."""

    row: DropRow
    files: dict[bytes, FileRow]

    @property
    def sealed(self) -> list[FileRow]:
        return [row for row in self.files.values() if row.outcome == "sealed"]

    @property
    def refused(self) -> list[FileRow]:
        return [row for row in self.files.values() if row.outcome == "refused"]

    @property
    def waits(self) -> bool:
        """Whether a person should look: a problem, or something that is not in evidence yet."""
        return self.row.state == "problem" or (self.row.state in ("received", "copying") and not self.row.gone)

    def as_json(self) -> dict[str, object]:
        return {
            "drop": self.row.drop_id,
            "name": shown(self.row.name),
            "share": shown(self.row.root),
            "state": self.row.state,
            "in_share": not self.row.gone,
            "settled_by": self.row.settled_by,
            "files": self.row.seen_files,
            "bytes": self.row.seen_bytes,
            "sealed": len(self.sealed),
            "refused": [{"path": shown(row.path), "reason": row.reason} for row in self.refused],
            "source_manifest": self.row.manifest,
            "copies": 1 if self.sealed else 0,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of a store in one look."""

    drops: list[DropStatus]
    conditions: list[Condition]
    recorder: str | None  # who holds the recorder's lock; None when no recorder runs
    free_bytes: int
    closed_logs: list[Checkpoint]  # the last checkpoint of each log before the open one, the oldest first
    origin: str  # of the open log
    log_size: int
    log_root: str
    unsealed: int  # entries that no checkpoint covers yet
    last_recorded_at: str
    not_analysed: int
    proposals: list[Proposal]  # events that wait for endorsements

    @property
    def waiting(self) -> list[DropStatus]:
        return [drop for drop in self.drops if drop.waits]

    @property
    def troubles(self) -> list[Condition]:
        return [condition for condition in self.conditions if condition.code in ("unreachable", "waiting")]

    def as_json(self) -> dict[str, object]:
        return {
            "recorder": self.recorder,
            "drops": [drop.as_json() for drop in self.drops],
            "shares": [
                {"share": shown(condition.subject), "state": condition.code, "detail": shown(condition.detail)}
                for condition in self.conditions
                if condition.is_of_share
            ],
            "store": next((shown(c.detail) for c in self.conditions if not c.is_of_share and c.detail), None),
            "disk": {"free_bytes": self.free_bytes},
            "logs": [
                *({"origin": one.origin, "size": one.size, "state": "closed"} for one in self.closed_logs),
                {"origin": self.origin, "size": self.log_size, "state": "open"},
            ],
            "checkpoint": {"size": self.log_size, "root": self.log_root},
            "unsealed_entries": self.unsealed,
            "last_recorded_at": self.last_recorded_at,
            "items_not_analysed": self.not_analysed,
            "waiting": [drop.row.drop_id for drop in self.waiting],
            "proposals": [
                {"event": one.event.event, "type": one.event.type.name, "proposed_at": format_time(one.proposed_at)}
                for one in self.proposals
            ],
        }


def overview(layout: StoreLayout) -> Overview:
    """Return what is known of a store now. Works beside a running recorder, and changes nothing."""
    drops, conditions = _intake(layout)
    with StoreReader(layout) as log:
        sealed, parts = log.sealed(), log.parts()
        recorded = log.recorded() - parts[-1].first
        last = log.entry(log.recorded() - 1)
        not_analysed = log.count_not_analysed()
        if not layout.intake_db.exists() and log.names_beginning("drop_"):
            conditions = [_LOST]
    return Overview(
        drops=drops,
        conditions=conditions,
        recorder=_holder(layout),
        free_bytes=fsio.free_bytes(layout.root),
        closed_logs=[part.checkpoint for part in parts[:-1]],
        origin=sealed.origin,
        log_size=sealed.size,
        log_root=sealed.root.hex,
        unsealed=recorded - sealed.size,
        last_recorded_at=format_time(last.recorded_at),
        not_analysed=not_analysed,
        proposals=pending(layout),
    )


def all_drops(layout: StoreLayout) -> list[DropStatus]:
    """Return every drop that the recorder knows, those that have left their share first."""
    return _intake(layout)[0]


def drop_status(layout: StoreLayout, prefix: str) -> DropStatus:
    """Return the drop whose identifier begins with ``prefix``, or whose name is ``prefix``. Raises NotFoundError."""
    drops, _ = _intake(layout)
    wanted = os.fsencode(prefix)
    found = [drop for drop in drops if drop.row.drop_id == prefix or drop.row.name == wanted]
    if not found and len(prefix.removeprefix("drop_")) >= 4:
        full = prefix if prefix.startswith("drop_") else f"drop_{prefix}"
        found = [drop for drop in drops if drop.row.drop_id.startswith(full)]
    if len(found) != 1:
        raise NotFoundError(
            f"{'no' if not found else 'more than one'} drop is {shown(prefix)}.",
            next_step="Run `strongroom drop status` for all of them, and give the identifier.",
        )
    return found[0]


def _intake(layout: StoreLayout) -> tuple[list[DropStatus], list[Condition]]:
    if not layout.intake_db.exists():
        return [], []
    db = IntakeDb.open(layout.intake_db, read_only=True)
    try:
        rows: Iterable[DropRow] = [*db.drops(gone=True), *db.drops()]
        return [DropStatus(row=row, files=db.files(row.drop_id)) for row in rows], db.conditions()
    finally:
        db.close()


def _holder(layout: StoreLayout) -> str | None:
    """Return who records in this store now, without disturbing them."""
    if not layout.recorder_lock.exists():
        return None
    return fsio.lock_holder(layout.recorder_lock)
