"""The checkpoints held against each other, against what is published, and against those that somebody kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from base import fsio
from base.errors import EvidenceError, LedgerError
from hashing.checkpoint import Checkpoint, open_checkpoint
from hashing.note import MAX_NOTE_BYTES, Verifier
from ledger.check_databases import CheckedDatabase
from ledger.check_tiles import RecomputedTree
from ledger.kept import KeptAnswer, KeptNote, KeptVerdict, compare_kept
from ledger.verdict import LogVerdict

_PUBLISHING_TAKES_S = 1.0
SPLIT_VIEW_MEANS = "Two roots of one size were signed: different people were shown different logs."


def kept_checkpoints(log: CheckedDatabase, key: Verifier, verdict: LogVerdict) -> dict[int, Checkpoint]:
    """Return every checkpoint that the database keeps, by size; one that does not verify is a finding."""
    kept = {}
    for size, root, note in log.rows("SELECT size, root, note FROM checkpoint ORDER BY size"):
        try:
            checkpoint = open_checkpoint(bytes(note), key)
        except (LedgerError, TypeError) as error:
            _invalid(verdict, f"kept checkpoint of size {size}", str(error))
            continue
        if (checkpoint.size, checkpoint.root.raw) != (size, root):
            _invalid(verdict, f"kept checkpoint of size {size}", f"a note of size {checkpoint.size}")
        kept[checkpoint.size] = checkpoint
    return kept


def _invalid(verdict: LogVerdict, name: str, found: str) -> None:
    verdict.add(
        "checkpoint-invalid",
        name,
        expected="a checkpoint signed by the key of this log",
        found=found,
        meaning="The checkpoint has been changed, or was made with another key.",
    )


class PublishedCheck:
    """The published checkpoint. Made before the database is read: a recorder beside us commits, then publishes."""

    def __init__(self, path: Path, key: Verifier, verdict: LogVerdict) -> None:
        self._path = path
        self._key = key
        self._verdict = verdict
        self.published = self._read()  # None where there is none that verifies

    def check(self, kept: Mapping[int, Checkpoint]) -> None:
        """List it when the published checkpoint is not the newest that the database keeps."""
        newest = kept.get(max(kept, default=0))
        if self.published is None:
            return
        if newest is None or self.published.size > newest.size:
            self._verdict.add(
                "log-rolled-back",
                "private/log.db",
                expected=f"at least the {self.published.size} entries that the published checkpoint covers",
                found=f"{0 if newest is None else newest.size} sealed entries",
                meaning="The database was put back to an earlier state: entries that were published are gone.",
            )
        elif self.published.size < newest.size:
            self._check_behind(newest)
        elif self.published != newest:
            _split_view(self._verdict, "log/checkpoint", expected=newest, found=self.published)

    def _check_behind(self, newest: Checkpoint) -> None:
        """Give a recorder beside us the moment it needs to publish what it has committed."""
        deadline = time.monotonic() + _PUBLISHING_TAKES_S
        while (published := self._read()) is not None and published.size < newest.size:
            if time.monotonic() > deadline:
                self._verdict.add(
                    "checkpoint-behind",
                    "log/checkpoint",
                    expected=f"size {newest.size}",
                    found=f"size {published.size}",
                    meaning="The published log is older than the database. After a crash the recorder publishes again "
                    "at its start; otherwise somebody has put it back.",
                )
                return
            time.sleep(0.05)

    def _read(self) -> Checkpoint | None:
        try:
            return open_checkpoint(fsio.read_file(self._path, max_bytes=MAX_NOTE_BYTES), self._key)
        except FileNotFoundError:
            _invalid(self._verdict, "log/checkpoint", "no file")
        except (EvidenceError, OSError) as error:
            _invalid(self._verdict, "log/checkpoint", str(error))
        return None


def check_roots(kept: Mapping[int, Checkpoint], tree: RecomputedTree, verdict: LogVerdict) -> None:
    """List every kept checkpoint whose root is not that of the entries as they are."""
    last_good = None
    for size, checkpoint in sorted(kept.items()):
        root = tree.root_at(size)
        if root == checkpoint.root:
            last_good = f"checkpoint of size {size}"
            verdict.good_sizes.append(size)
            continue
        verdict.add(
            "root-mismatch",
            f"checkpoint of size {size}",
            expected=f"root {checkpoint.root}",
            found=f"root {root} over the entries as they are",
            meaning="Entries below this size were changed after they were sealed.",
            last_good=last_good,
        )


def check_against(notes: Sequence[KeptNote], key: Verifier, tree: RecomputedTree, verdict: LogVerdict) -> None:
    """Answer each checkpoint that somebody kept by itself; what this log is not a continuation of is a finding too."""
    for kept in notes:
        answer = compare_kept(kept.note, key, size=tree.size, root_at=tree.root_at)
        verdict.against.append((kept, answer))
        if not answer.verdict.is_good:
            add_kept(answer, key, verdict)


# verdict -> code of the finding, and what it means
_KEPT = {
    KeptVerdict.ROLLED_BACK: ("log-rolled-back", "This log once had more entries than now: it was put back."),
    KeptVerdict.SPLIT_VIEW: ("log-split-view", SPLIT_VIEW_MEANS),
    KeptVerdict.FORK: (
        "log-forked",
        "Entries below this size were others when the checkpoint was signed: the log was written a second time.",
    ),
    KeptVerdict.OTHER_LOG: (
        "log-replaced",
        "The checkpoint is one of another log: the store was replaced, or the file belongs to another store.",
    ),
    KeptVerdict.INVALID: ("checkpoint-invalid", "The checkpoint has been changed, or was made with another key."),
}


def add_kept(answer: KeptAnswer, key: Verifier, verdict: LogVerdict, *, what: str = "given checkpoint") -> None:
    """List it that the log is no continuation of a kept checkpoint; ``what`` says which kind of copy it is."""
    code, meaning = _KEPT[answer.verdict]
    if answer.verdict is KeptVerdict.ROLLED_BACK:
        expected = f"a log of at least {answer.size} entries"
    elif answer.verdict in (KeptVerdict.SPLIT_VIEW, KeptVerdict.FORK):
        expected = f"root {answer.root} at size {answer.size}"
    else:
        expected = f"a checkpoint signed by {key.name}"
    name = what if answer.size is None else f"{what} of size {answer.size}"
    verdict.add(code, name, expected=expected, found=answer.found, meaning=meaning)


def _split_view(verdict: LogVerdict, name: str, *, expected: Checkpoint, found: Checkpoint) -> None:
    verdict.add(
        "log-split-view",
        name,
        expected=f"root {expected.root} at size {expected.size}",
        found=f"root {found.root}",
        meaning=SPLIT_VIEW_MEANS,
    )
