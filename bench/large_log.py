"""A store with a long log, made as the recorder makes it: for the measurements of what reads such a log."""

from __future__ import annotations

import os
from pathlib import Path

from hashing.digest import Digest
from ledger.actors import current_login
from ledger.arrivals import Arrival
from ledger.events.drop import drop_received
from ledger.events.item import SourceStat
from ledger.founding import found_store
from ledger.identifiers import new_identifier
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal

BATCH = 2_000
BYTES_AN_ENTRY = 6_000  # log, both databases, journals
STAT = SourceStat(size_bytes=1, mtime_ns=1, ctime_ns=1, inode=1, device=1, mode=0o100644)


def log_of(root: Path, size: int) -> StoreLayout:
    """Make a store whose sealed log has ``size`` entries, nearly all of them masters; nothing is in its vault."""
    layout = StoreLayout(root)
    origin = f"strongroom/{new_identifier('item')[-13:]}"
    found_store(layout, origin=origin, settings="", login=current_login(os.getuid()))
    with Recorder.open(layout) as recorder:
        drop = new_identifier("drop")
        recorder.record(
            [
                drop_received(
                    drop,
                    settled_by="quiet",
                    share=b"/srv/share",
                    name=b"card",
                    depositor_uid=1000,
                    depositor_user="tech",
                    arrival_key=os.urandom(32),
                )
            ]
        )
        for first in range(3, size, BATCH):
            recorder.record([arrival(drop, number) for number in range(first, min(first + BATCH, size))])
            if first % (25 * BATCH) < BATCH:
                seal(recorder)
        seal(recorder)
    return layout


def arrival(drop: str, number: int) -> Arrival:
    path = b"DCIM/%d.mp4" % number
    return Arrival(
        drop=drop, path=path, sha256=Digest.of(path), size_bytes=1, read_back="page-cache-dropped", stat=STAT
    )
