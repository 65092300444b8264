"""A file that somebody kept, as the checkpoint that it is or has inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from base.errors import UsageError
from base.escape import shown

if TYPE_CHECKING:
    from ledger.kept import KeptNote


def kept_checkpoint(path: Path) -> KeptNote:
    """Return the checkpoint in a file. Raises UsageError for any other file: it tells nothing of the log."""
    from hashing.note import NoteError, parse_note
    from hashing.receipt import MAX_RECEIPT_BYTES, ReceiptError
    from ledger.kept import KeptNote
    from ledger.memories import checkpoint_of

    try:
        with path.open("rb") as file:
            note = checkpoint_of(file.read(MAX_RECEIPT_BYTES + 1), path.name)
        parse_note(note)
    except (OSError, NoteError, ReceiptError) as error:
        raise UsageError(
            f"{shown(str(path))} is no checkpoint: {error}. Nothing was checked.",
            next_step="Give a file that `strongroom checkpoint show` or `lodge` made, byte for byte, or a receipt.",
        ) from error
    return KeptNote(file=str(path), note=note)
