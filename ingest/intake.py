"""The way of a batch of files, from the share to a sealed entry: THE order of the steps, top to bottom.

Nothing is told to anybody before the last step: what is in `Taken` is in the vault, was read back from the disk, and
stands in an entry that a signed checkpoint covers. A crash anywhere leaves the sources where they are; the same files
are then taken again, and each arrival is recorded once. While one batch goes its way, the next is already being copied
into staging: that is all that is done ahead.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from base.errors import EvidenceError
from base.failpoints import reach
from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from ingest.porter import Answers, Porter
from ingest.share import ShareReader
from ingest.share_facts import Copied, Found, Kind, NotCopied, Reason
from ledger.arrivals import Arrival, Refusal
from ledger.record import Proposal, Recorded, Recorder
from ledger.seal import seal
from vault.store import ReadBackMismatchError, Staged, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A file that is a master now."""

    found: Found
    item: str
    sha256: Digest
    size_bytes: int
    log: str  # origin of the log that has its entry
    seq: int
    fresh: bool  # False: this very arrival had been sealed before


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """A file that was not taken. ``changed`` is no refusal: it is looked at again, and taken when it is quiet."""

    found: Found
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of each file of a batch, and the checkpoint that covers it."""

    files: tuple[Sealed | NotTaken, ...]
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    """A batch as the reader left it in staging: what was copied, and what was not."""

    staged: list[tuple[Found, Copied]]
    not_taken: list[NotTaken]


def take_batches(
    drop: str, batches: Iterable[Sequence[Found]], *, reader: ShareReader, porter: Porter, recorder: Recorder
) -> Generator[Taken]:
    """Take ``batches`` (settled entries of one drop) into evidence; yield each only when it is durable and sealed.

    Of large batches three are under way: one is copied, one is brought into the vault, one is recorded and sealed.
    Close the iterator: what is not recorded by then is thrown away. Raises: ShareUnreachableError when the share fails,
    SurroundingsError or SyncFailedError when the disk of the store does; what was copied before is sealed first.
    """
    copies = _copies(batches, reader)
    before: _Copied | None = None
    try:
        for copied in copies:
            if isinstance(copied, EvidenceError):
                if before is not None:
                    yield _taken(drop, before, porter.end(), recorder)
                raise copied
            is_apart = porter.begin([_staged(one) for _, one in copied.staged])
            if before is not None:
                yield _taken(drop, before, porter.end(), recorder)
            before = copied
            if not is_apart:  # nobody works on it while we wait for the next one
                yield _taken(drop, before, porter.end(), recorder)
                before = None
        if before is not None:
            yield _taken(drop, before, porter.end(), recorder)
    finally:
        copies.close()
        porter.cancel()


def _copies(batches: Iterable[Sequence[Found]], reader: ShareReader) -> Generator[_Copied | EvidenceError]:
    """Yield each batch when it is copied, and then the next is being copied already; last, what hindered the reader."""
    copied: _Copied | None = None
    copying: Sequence[Found] | None = None
    try:
        for batch in chain(batches, [None]):
            if copying is not None:
                copied = _split(copying, reader.end_copy())
                reach("intake.copied")
            if batch is not None:
                reader.begin_copy(_readable(batch))
            copying = batch
            if copied is not None:
                ready, copied = copied, None
                yield ready
    except EvidenceError as error:
        if copied is not None:
            yield copied
        yield error
    finally:
        reader.cancel_copy()


def _taken(drop: str, copied: _Copied, stored: Answers, recorder: Recorder) -> Taken:
    """Bring what lies in the vault into the log, and return only when that is sealed."""
    reach("intake.stored")
    outcomes = [_outcome(found, one, answer) for (found, one), answer in zip(copied.staged, stored, strict=True)]
    outcomes += copied.not_taken
    proposals = [(outcome, proposal) for outcome in outcomes for proposal in _proposals(drop, outcome)]
    recorded = recorder.record([proposal for _, proposal in proposals])
    reach("intake.recorded")
    checkpoint = seal(recorder)
    reach("intake.sealed")
    entries = {outcome.found.path: entry for (outcome, _), entry in zip(proposals, recorded, strict=True)}
    return Taken(files=tuple(_told(outcome, entries) for outcome in outcomes), checkpoint=checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _InVault:
    """A file whose bytes are in the vault and not yet recorded."""

    found: Found
    copied: Copied
    stored: Stored


def _readable(batch: Sequence[Found]) -> list[Found]:
    return [found for found in batch if _is_readable(found)]


def _is_readable(found: Found) -> bool:
    return found.kind is Kind.FILE and found.problem is None


def _refused_unread(found: Found) -> NotTaken:
    reason = found.problem or Reason.NOT_A_FILE
    return NotTaken(found=found, reason=reason.value, detail=found.detail)


def _split(batch: Sequence[Found], answers: Sequence[Copied | NotCopied]) -> _Copied:
    by_path = {found.path: found for found in batch}
    copied = _Copied(staged=[], not_taken=[])
    for answer in answers:
        found = by_path[answer.path]
        if isinstance(answer, Copied):
            copied.staged.append((found, answer))
        else:
            copied.not_taken.append(NotTaken(found=found, reason=answer.reason.value, detail=answer.detail))
    copied.not_taken.extend(_refused_unread(found) for found in batch if not _is_readable(found))
    return copied


def _staged(copied: Copied) -> Staged:
    return Staged(name=copied.staging_name, sha256=copied.sha256, size_bytes=copied.size_bytes)


def _outcome(found: Found, copied: Copied, answer: Stored | ReadBackMismatchError) -> _InVault | NotTaken:
    if isinstance(answer, ReadBackMismatchError):
        return NotTaken(found=found, reason="read-back-mismatch", detail=str(answer))
    return _InVault(found=found, copied=copied, stored=answer)


def _proposals(drop: str, outcome: _InVault | NotTaken) -> Iterator[Proposal]:
    """Yield what is to be recorded of one outcome: nothing for a file that changed while it was read."""
    found = outcome.found
    if isinstance(outcome, _InVault):
        yield Arrival(
            drop=drop,
            path=found.path_in_drop,
            sha256=outcome.stored.sha256,
            size_bytes=outcome.stored.size_bytes,
            read_back=outcome.stored.read_back,
            stat=outcome.copied.stat,
        )
    elif outcome.reason != Reason.CHANGED.value:
        yield Refusal(drop=drop, path=found.path_in_drop, kind=found.kind.value, reason=outcome.reason, stat=found.stat)


def _told(outcome: _InVault | NotTaken, entries: dict[bytes, Recorded]) -> Sealed | NotTaken:
    if isinstance(outcome, NotTaken):
        return outcome
    entry = entries[outcome.found.path]
    return Sealed(
        found=outcome.found,
        item=entry.subjects[0],
        sha256=outcome.stored.sha256,
        size_bytes=outcome.stored.size_bytes,
        log=entry.log,
        seq=entry.seq,
        fresh=entry.fresh,
    )
