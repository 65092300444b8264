"""What a check of the log found: counts, findings, and what must therefore be in the vault."""

from __future__ import annotations

from dataclasses import dataclass, field

from base.errors import Finding, LedgerError
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT
from ledger.kept import KeptAnswer, KeptNote

_EMPTY = Digest(EMPTY_ROOT)


@dataclass(slots=True)
class LogVerdict:
    """What a check of the log found. ``masters`` and ``results`` say what must be in the vault and in `derived/`."""

    origin: str = ""
    size: int = 0
    root: Digest = _EMPTY
    entries_checked: int = 0
    openings_checked: int = 0
    unknown_types: int = 0
    findings: list[Finding] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    against: list[tuple[KeptNote, KeptAnswer]] = field(default_factory=list)
    masters: dict[Digest, int | None] = field(default_factory=dict)
    results: set[Digest] = field(default_factory=set)

    def add(
        self, code: str, name: str, *, expected: str, found: str, meaning: str, last_good: str | None = None
    ) -> None:
        """List one piece of damage to the log."""
        self.findings.append(
            Finding(
                code=code,
                object=name,
                expected=expected,
                found=found,
                meaning=meaning,
                exit_code=LedgerError.exit_code,
                last_good=last_good,
            )
        )
