"""A checkpoint that somebody kept, held against a log as it is now.

PURE: the note, the key of the log and its roots come in as arguments. What is told apart, because each convicts of
something else: a log that was *rolled back* has fewer entries than it once signed; a *split view* is two roots of one
size, so that two people were shown different logs; a *fork* is a log that went another way before it reached the size
it has now.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from base.errors import LedgerError
from hashing.checkpoint import CheckpointError, open_checkpoint, parse_checkpoint
from hashing.digest import Digest
from hashing.note import NoteError, Verifier, parse_note


class KeptVerdict(StrEnum):
    """What a kept checkpoint says about a log."""

    SAME = "same"  # it is the newest checkpoint of the log
    EXTENSION = "extension"  # the log goes on from it
    ROLLED_BACK = "rolled-back"  # it covers more entries than the log has
    SPLIT_VIEW = "split-view"  # the same size, another root
    FORK = "fork"  # a smaller size, at which the log has another root
    OTHER_LOG = "other-log"  # another origin: the store was replaced, or the note belongs to another store
    INVALID = "invalid"  # not signed by the key of the log, or no checkpoint at all

    @property
    def is_good(self) -> bool:
        return self in (KeptVerdict.SAME, KeptVerdict.EXTENSION)


class KeptNote(msgspec.Struct, frozen=True, kw_only=True):
    """A kept checkpoint, and where the one who asks has it."""

    file: str
    note: bytes


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one kept checkpoint; what is not known of an unreadable one is None."""

    verdict: KeptVerdict
    origin: str | None  # as the note says: of another log nothing is verified
    size: int | None
    root: Digest | None
    found: str  # what the log has in its place, in words


def compare_kept(note: bytes, key: Verifier, *, size: int, root_at: Callable[[int], Digest]) -> KeptAnswer:
    """Return what the kept ``note`` says about the log of ``key``, which has ``size`` sealed entries.

    ``root_at`` gives the root over the first n entries, for n up to ``size``; it is asked at most once, and what it
    raises comes out of here.
    """
    try:
        claimed = parse_checkpoint(parse_note(note).text)
    except (NoteError, CheckpointError) as error:
        return KeptAnswer(verdict=KeptVerdict.INVALID, origin=None, size=None, root=None, found=str(error))

    def answer(verdict: KeptVerdict, found: str) -> KeptAnswer:
        return KeptAnswer(verdict=verdict, origin=claimed.origin, size=claimed.size, root=claimed.root, found=found)

    if claimed.origin != key.name:
        return answer(KeptVerdict.OTHER_LOG, f"a checkpoint of {claimed.origin}")
    try:
        open_checkpoint(note, key)
    except LedgerError as error:
        return answer(KeptVerdict.INVALID, str(error))
    if claimed.size > size:
        return answer(KeptVerdict.ROLLED_BACK, f"{size} entries")
    root = root_at(claimed.size)
    if root == claimed.root:
        return answer(KeptVerdict.SAME if claimed.size == size else KeptVerdict.EXTENSION, f"root {root}")
    return answer(KeptVerdict.SPLIT_VIEW if claimed.size == size else KeptVerdict.FORK, f"root {root}")
