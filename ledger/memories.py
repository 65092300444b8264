"""What others remember of this log: checkpoints that were lodged, held against the log before anything is recorded.

A store that was put back whole, databases, tiles and checkpoint together, is in order inside: only somebody outside can
know better. Remembered are the notes in `private/lodged/` and those in the places that ``[[memory]]`` in the settings
names: a file, or a directory with `*.checkpoint` and `*.tlog-proof` files, such as a stick or the state of a witness.
A place is believed only as far as the log's own signature goes, so a note that this log never signed stops nobody.

KNOWN GAPS: a configured place on a network that hangs makes the start hang; shares are never read here. A store that
was put back to before its log was closed does not know the successor, whose notes look like those of another store: so
lodge the last checkpoint of a log that is closed, too.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from base import fsio
from base.errors import EvidenceError, LedgerError
from base.escape import shown
from hashing.checkpoint import Checkpoint
from hashing.cosignature import origin_hash
from hashing.digest import Digest
from hashing.merkle import ProofError, consistency_proof, tree_root, verify_consistency
from hashing.note import MAX_NOTE_BYTES, Verifier
from hashing.receipt import MAX_RECEIPT_BYTES, ReceiptError, parse_receipt
from hashing.tiles import TileRef, TileSubtrees
from ledger.earlier import log_layouts
from ledger.kept import KeptAnswer, KeptNote, KeptVerdict, compare_kept
from ledger.layout import StoreLayout
from ledger.published import ForkedError, RolledBackError
from ledger.reader import LogReader
from ledger.tile_files import read_tile

MOST_NOTES = 10_000  # read of one place
_NOTE_SUFFIX, _PROOF_SUFFIX = ".checkpoint", ".tlog-proof"
_NEXT_STEP = (
    "Record nothing here, keep the store and the remembered checkpoint as they are, and call the custodian: only a "
    "successor log may go on."
)

_logger = logging.getLogger(__name__)


class RememberedError(RolledBackError):
    """Somebody outside remembers more entries than the log has: it was put back to an earlier state."""

    next_step = _NEXT_STEP


class SplitViewError(ForkedError):
    """Somebody outside remembers another root at the size that the log has: two people were shown different logs."""

    next_step = _NEXT_STEP


class RememberedForkError(ForkedError):
    """Somebody outside remembers another root at a smaller size: the log was written a second time from there."""

    next_step = _NEXT_STEP


class Memories(msgspec.Struct, frozen=True, kw_only=True):
    """The notes that were found, how many places outside are set, and how many of these remember this log."""

    notes: tuple[KeptNote, ...]
    places: int = 0
    reached: int = 0

    @property
    def is_unanchored(self) -> bool:
        """Return whether places are set and none answered."""
        return self.places > 0 and self.reached == 0


class LogRoots:
    """The roots that a log had, from its tiles, each shown to lead to the root of the newest checkpoint."""

    def __init__(self, log: Path, newest: Checkpoint) -> None:
        self._newest = newest
        self._subtrees = TileSubtrees(lambda ref: _read(log, ref), newest.size)

    def at(self, size: int) -> Digest:
        """Return the root at ``size``. Raises LedgerError when the tiles do not fit the newest checkpoint."""
        root = tree_root(size, self._subtrees)
        try:
            verify_consistency(size, self._newest.size, self.proof(size), root, self._newest.root.raw)
        except ProofError as error:
            # Not the fault of whoever remembers: without this check a damaged tile would look like a fork.
            raise LedgerError(f"the tiles do not give the root of size {self._newest.size}: {error}.") from error
        return Digest(root)

    def proof(self, size: int) -> list[bytes]:
        """Return the proof that the newest checkpoint continues the log of ``size``."""
        return consistency_proof(size, self._newest.size, self._subtrees) if 0 < size < self._newest.size else []


def lodged_name(origin: str) -> str:
    """Return the file name of a lodged note of the log ``origin``: logs that follow each other lie side by side."""
    return f"{origin_hash(origin)[:16]}{_NOTE_SUFFIX}"


def lodged_notes(layout: StoreLayout) -> list[KeptNote]:
    """Return the notes in `private/lodged/`, by size."""
    folders = [path for path in layout.lodged.iterdir() if path.name.isdecimal()] if layout.lodged.is_dir() else []
    paths = [path for folder in sorted(folders, key=lambda path: int(path.name)) for path in sorted(folder.iterdir())]
    notes = (_kept(path) for path in paths if path.suffix == _NOTE_SUFFIX)
    return [note for note in notes if note is not None]


def notes_at(place: Path) -> list[KeptNote]:
    """Return the notes in a place outside: a file, or a directory of them. One that can't be read has none."""
    try:
        if not stat.S_ISDIR(place.stat().st_mode):
            files = [place]
        else:
            files = sorted(path for path in place.iterdir() if path.suffix in (_NOTE_SUFFIX, _PROOF_SUFFIX))[
                :MOST_NOTES
            ]
    except OSError as error:
        _logger.warning("memory.unreachable place=%s reason=%s", shown(str(place)), error.strerror)
        return []
    return [note for note in map(_kept, files) if note is not None]


def remember(layout: StoreLayout, key: Verifier, places: Sequence[Path]) -> Memories:
    """Return everything that is remembered of the log of ``key``, inside `private/lodged/` and in ``places``."""
    notes = lodged_notes(layout)
    reached = 0
    for place in places:
        found = notes_at(place)
        reached += any(_is_ours(note, key) for note in found)
        notes += found  # those of other logs too: one that this log continues is compared with its own
    return Memories(notes=tuple(notes), places=len(places), reached=reached)


def hold_against(
    log: Path, newest: Checkpoint, key: Verifier, notes: Iterable[KeptNote]
) -> list[tuple[KeptNote, KeptAnswer]]:
    """Return what each of ``notes`` says about the log below ``log`` whose newest checkpoint is ``newest``."""
    roots = LogRoots(log, newest)
    return [(note, compare_kept(note.note, key, size=newest.size, root_at=roots.at)) for note in notes]


def hold_against_all(
    layout: StoreLayout, newest: Checkpoint, key: Verifier, notes: Iterable[KeptNote]
) -> list[tuple[KeptNote, KeptAnswer]]:
    """As `hold_against` for the open log of ``layout``; a note of a log that it continues is held against that one."""
    answers = hold_against(layout.log, newest, key, notes)
    others = {at for at, (_, answer) in enumerate(answers) if answer.verdict is KeptVerdict.OTHER_LOG}
    for home in log_layouts(layout)[1:] if others else []:
        with LogReader(home) as log:
            closed, its_key = log.sealed(), log.trust.log_key
        mine = [at for at in sorted(others) if answers[at][1].origin == its_key.name]
        held = hold_against(home.log, closed, its_key, [answers[at][0] for at in mine])
        for at, answer in zip(mine, held, strict=True):
            answers[at] = answer
        others -= {*mine}
    return answers


def refuse_contradicted(answers: Iterable[tuple[KeptNote, KeptAnswer]]) -> None:
    """Raise the error that names what the answers convict the log of: a rollback, a split view or a fork."""
    for note, answer in answers:
        where = f"{shown(note.file)} remembers {answer.size} entries with the root {answer.root}"
        match answer.verdict:
            case KeptVerdict.ROLLED_BACK:
                raise RememberedError(f"ROLLED BACK: {where}, and this log has {answer.found}.")
            case KeptVerdict.SPLIT_VIEW:
                raise SplitViewError(f"SPLIT VIEW: {where}, and at this size this log has the {answer.found}.")
            case KeptVerdict.FORK:
                raise RememberedForkError(f"FORK: {where}, and at that size this log had the {answer.found}.")
            case KeptVerdict.SAME | KeptVerdict.EXTENSION | KeptVerdict.OTHER_LOG:
                continue
            case KeptVerdict.INVALID:
                _logger.warning("memory.invalid file=%s reason=%s", shown(note.file), answer.found)


def checkpoint_of(data: bytes, name: str) -> bytes:
    """Return the checkpoint in a file: the note itself, or the one inside a receipt. Raises ReceiptError."""
    return parse_receipt(data).checkpoint if name.endswith(_PROOF_SUFFIX) else data


def _is_ours(note: KeptNote, key: Verifier) -> bool:
    # Asked as if the log were empty, any note that it signed is an answer; roots are compared later.
    verdict = compare_kept(note.note, key, size=0, root_at=lambda _: Digest(bytes(32))).verdict
    return verdict not in (KeptVerdict.INVALID, KeptVerdict.OTHER_LOG)


def _kept(path: Path) -> KeptNote | None:
    most = MAX_RECEIPT_BYTES if path.suffix == _PROOF_SUFFIX else MAX_NOTE_BYTES
    try:
        return KeptNote(file=str(path), note=checkpoint_of(fsio.read_file(path, max_bytes=most), path.name))
    except FileNotFoundError:
        return None
    except (OSError, EvidenceError, ReceiptError) as error:
        _logger.warning("memory.unreadable file=%s reason=%s", shown(str(path)), error)
        return None


def _read(log: Path, ref: TileRef) -> bytes:
    return read_tile(log, ref)
