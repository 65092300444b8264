"""The findings of one analysis, collected on the way, and the decimals they are written with."""

from __future__ import annotations

from fractions import Fraction
from typing import overload

from media.report import MAX_FINDINGS, FindingCode, MediaFinding

_PLACES = 6


class Findings:
    """What should be known before the recording or its report is trusted."""

    def __init__(self) -> None:
        self._findings: list[MediaFinding] = []
        self._left_out = 0
        self.limits: list[str] = []

    def add(
        self, code: FindingCode, detail: str, *, start: Fraction | None = None, end: Fraction | None = None
    ) -> None:
        """Add one finding; beyond the most that a report carries only their number is kept."""
        if len(self._findings) >= MAX_FINDINGS - 1:
            self._left_out += 1
            return
        self._findings.append(MediaFinding(code=code, start_s=decimal(start), end_s=decimal(end), detail=detail))

    def limit(self, code: str, detail: str) -> str:
        """Add the finding that a limit was hit, once for each limit, and return its text."""
        text = f"{code}: {detail}"
        if code not in self.limits:
            self.limits.append(code)
            self.add("limit", text)
        return text

    def all(self) -> tuple[MediaFinding, ...]:
        """Return the findings in the order in which they were made."""
        if not self._left_out:
            return tuple(self._findings)
        rest = MediaFinding(code="damaged", start_s=None, end_s=None, detail=f"{self._left_out} further findings")
        return (*self._findings, rest)


@overload
def decimal(value: Fraction) -> str: ...
@overload
def decimal(value: None) -> None: ...
@overload
def decimal(value: Fraction | None) -> str | None: ...
def decimal(value: Fraction | None) -> str | None:
    """Return ``value`` in decimal digits, rounded to millionths, without zeroes at the end; None stays None."""
    if value is None:
        return None
    millionths = round(value * 10**_PLACES)
    whole, rest = divmod(abs(millionths), 10**_PLACES)
    text = f"{whole}.{rest:0{_PLACES}d}".rstrip("0").rstrip(".")
    return f"-{text}" if millionths < 0 else text
