"""A drop is taken in hand: its identifier, its share, its name and who brought it are recorded before its files."""

from __future__ import annotations

import os

from hashing.commitment import parse_opening
from ingest.intake_db import DropRow
from ledger import log_db
from ledger.actors import login_of
from ledger.entry import parse_entry
from ledger.events.drop import drop_received
from ledger.openings import bytes_of
from ledger.record import Recorder

ARRIVAL_KEY_BYTES = 32


def receive_drop(recorder: Recorder, row: DropRow, *, rule: str, depositor_uid: int | None) -> None:
    """Record `drop.received`, unless a crash came between that and our noting it."""
    if is_received(recorder, row.drop_id):
        return
    depositor = None if depositor_uid is None else login_of(depositor_uid)
    recorder.record(
        [
            drop_received(
                row.drop_id,
                settled_by=rule,
                share=row.root,
                name=row.name,
                depositor_uid=None if depositor is None else depositor.uid,
                depositor_user=None if depositor is None else depositor.user,
                arrival_key=os.urandom(ARRIVAL_KEY_BYTES),
            )
        ]
    )


def is_received(recorder: Recorder, drop_id: str) -> bool:
    """Return whether a log of this store knows this drop."""
    return recorder.knows(drop_id)


def known_drops(recorder: Recorder) -> dict[tuple[bytes, bytes], DropRow]:
    """Return the newest drop of each share and name that the logs know: for a recorder that lost its own memory.

    What lies in the share under that name is then taken for the same drop: every file is read again, and each arrival
    that is recorded is found and not recorded twice.
    """
    rows = recorder.stated(
        "SELECT e.raw, o.member, o.text FROM openings.opening o CROSS JOIN main.entry e ON e.seq = o.seq "
        "WHERE o.type = 'drop.received' AND o.member IN ('share', 'name') "
        f"AND {log_db.LISTED_BY_TYPE} AND o.seq < ? ORDER BY o.seq"
    )
    members: dict[str, dict[str, bytes]] = {}
    for raw, member, text in rows:
        (drop_id,) = parse_entry(raw).subjects
        members.setdefault(drop_id, {})[member] = bytes_of(parse_opening(text).value)
    return {
        (found["share"], found["name"]): DropRow(
            drop_id=drop_id, root=found["share"], name=found["name"], received=True
        )
        for drop_id, found in members.items()
        if len(found) == 2
    }
