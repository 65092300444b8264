"""What the checker has to say: problems, and notes that are no problem. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken promise: ``code`` names the rule, ``object`` the thing, ``detail`` what was expected and found."""

    code: str
    object: str
    detail: str


@dataclass(slots=True)
class Findings:
    """Everything found so far. A check never stops at the first problem."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def bad(self, code: str, thing: str, detail: str) -> None:
        self.problems.append(Problem(code, thing, detail))

    def note(self, code: str, thing: str, detail: str) -> None:
        self.notes.append(Problem(code, thing, detail))


def entry_name(seq: int) -> str:
    """Return how an entry is named in problems."""
    return f"entry {seq}"
