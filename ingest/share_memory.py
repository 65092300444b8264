"""The receipts that lie in a share remember the log: each holds the checkpoint under which it was given out.

They are read once, at the first look at a share and by its reader, before anything of that share is recorded. A store
that was put back finds there what it has forgotten. Anybody may write into a share: a receipt is believed only as far
as the signature of this log in it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from base.escape import shown
from hashing.receipt import MAX_RECEIPT_BYTES, ReceiptError, parse_receipt
from ingest.share import ShareReader
from ingest.share_facts import Found, SmallFile
from ledger.kept import KeptNote
from ledger.memories import hold_against_all, refuse_contradicted
from ledger.published import log_key, newest_checkpoint
from ledger.record import Recorder

_SUFFIX = b".tlog-proof"
MOST_RECEIPTS = 32  # the newest by their times in the share; what they cover, they cover together with all before

FirstLook = Callable[[ShareReader, Iterable[Found]], None]


def hold_receipts(recorder: Recorder) -> FirstLook:
    """Return what is done with the first look at a share: hold the receipts in it against the log of ``recorder``.

    It raises RememberedError, SplitViewError or RememberedForkError, ShareUnreachableError when the share fails.
    """

    def hold(reader: ShareReader, found: Iterable[Found]) -> None:
        notes = [note for path in newest_receipts(found) if (note := _note(reader, path)) is not None]
        key = log_key(recorder.connection)
        newest = newest_checkpoint(recorder.connection, key).checkpoint
        refuse_contradicted(hold_against_all(recorder.layout, newest, key, notes))

    return hold


def newest_receipts(found: Iterable[Found]) -> list[bytes]:
    """Return the paths of the proofs that lie beside the drops, the newest first, at most `MOST_RECEIPTS`."""
    proofs = [
        (entry.stat.mtime_ns, entry.path)
        for entry in found
        if entry.stat is not None and entry.path.endswith(_SUFFIX) and b"/" not in entry.path
    ]
    return [path for _, path in sorted(proofs, reverse=True)[:MOST_RECEIPTS]]


def _note(reader: ShareReader, path: bytes) -> KeptNote | None:
    file = reader.read_small(path, MAX_RECEIPT_BYTES)
    if not isinstance(file, SmallFile):
        return None
    try:
        return KeptNote(file=shown(path), note=parse_receipt(file.content).checkpoint)
    except ReceiptError:
        return None  # somebody's file of that name
