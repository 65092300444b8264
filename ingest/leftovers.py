"""What an interrupted run leaves behind: half-copied files and temporaries. The sources are still in the share."""

from __future__ import annotations

from base import fsio
from ledger.layout import StoreLayout


def clear_leftovers(layout: StoreLayout) -> None:
    """Empty staging, and remove temporaries of receipts. Only for whoever holds the recorder's lock."""
    with fsio.directory(layout.staging) as staging:
        # A directory that a killed run made and did not sync is there, and nobody would sync it any more.
        fsio.sync_filesystem(staging)
        for path in sorted(layout.staging.iterdir()):
            fsio.remove(path.name, dir_fd=staging)
    fsio.remove_temporaries(layout.receipts)
