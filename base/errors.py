"""Every way a command can end other than well: the error classes, their exit codes, and findings.

An error names the object, what was expected, what was found, what it means for the evidence, and what to do next.
One exit code has one meaning for ever (docs/reference/exit-codes.md). Nothing here prints or exits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

# Worst first (cli.md); a code that is not listed, such as 2 or 130, ends the command by itself and outranks all.
WORST_FIRST = (21, 20, 22, 1, 10, 8, 9, 7, 4, 3, 6, 5, 0)


class EvidenceError(Exception):
    """Base of all declared errors: a message, a next step, and an exit code."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "bug"
    next_step: str = "Report this as a bug, with the report file."

    def __init__(self, message: str, *, next_step: str | None = None, refs: Iterable[str] = ()) -> None:
        super().__init__(message)
        if next_step is not None:
            self.next_step = next_step
        self.refs = tuple(refs)


class UsageError(EvidenceError):
    """The command was called wrongly, or a settings file says something unknown."""

    exit_code = 2
    code = "usage"
    next_step = "See --help."


class NotFoundError(EvidenceError):
    """No such item, drop, store or key."""

    exit_code = 3
    code = "not-found"
    next_step = "Check the identifier; `strongroom find` lists items."


class RefusedError(EvidenceError):
    """A rule said no."""

    exit_code = 4
    code = "refused"
    next_step = "Ask the custodian of this store."


class WaitingError(EvidenceError):
    """Done, but something waits for a person."""

    exit_code = 5
    code = "waiting"
    next_step = "See `strongroom status`."


class UncheckedError(EvidenceError):
    """Could not be checked. Never good, never bad."""

    exit_code = 6
    code = "unchecked"
    next_step = "Provide what is missing and check again."


class BusyError(EvidenceError):
    """Another process holds what is needed."""

    exit_code = 7
    code = "busy"
    next_step = "Try again later."


class SurroundingsError(EvidenceError):
    """Disk full, share down, a read or write failed, the clock is unusable."""

    exit_code = 8
    code = "surroundings"
    next_step = "Mend the cause; then start again. Nothing sealed is lost."


class NewerDataError(EvidenceError):
    """Written by a newer version of this program."""

    exit_code = 9
    code = "newer-data"
    next_step = "Use the newer version of strongroom."


class SyncFailedError(EvidenceError):
    """A sync to disk failed: what was written may be lost. The process ends at once and never retries."""

    exit_code = 10
    code = "sync-failed"
    next_step = "Start it again: what was in work is taken again from its source. If it happens twice, check the disk."


class IntegrityError(EvidenceError):
    """Bytes are not what their record claims."""

    exit_code = 20
    code = "content"
    next_step = "Stop, keep the store as it is, and call the custodian."


class LedgerError(EvidenceError):
    """The log: signature, order, gap, rollback, fork, wrong key. Nothing continues until a person decides."""

    exit_code = 21
    code = "log"
    next_step = "Stop, keep the store as it is, and call the custodian."


class CatalogueError(EvidenceError):
    """The catalogue differs from the log it is made from."""

    exit_code = 22
    code = "catalogue"
    next_step = "Run `strongroom catalog rebuild`: it is made again from the log."


class Finding(NamedTuple):
    """One piece of damage, or one thing that could not be checked, as `verify` lists it."""

    code: str
    object: str  # identifier, digest or file inside the store; never a place or a name
    expected: str
    found: str
    meaning: str
    exit_code: int
    last_good: str | None = None


def worst_exit_code(codes: Iterable[int]) -> int:
    """Return the worst of ``codes`` by the order of docs/reference/exit-codes.md; 0 when there are none."""
    return min(codes, key=_badness, default=0)


def _badness(code: int) -> int:
    return WORST_FIRST.index(code) if code in WORST_FIRST else -1
