"""How far a verification is: first the entries of the log, then the bytes of the objects."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from commands.progress import Progress


class VerifyProgress:
    """Called with what is counted, what is done and what there is in all; use as a context manager."""

    def __init__(self, resume: Path | None) -> None:
        self._resume = resume
        self._unit = ""
        self._shown: Progress | None = None
        self._told = "nothing was checked yet"

    def __enter__(self) -> Self:
        return self

    def __call__(self, unit: str, done: int, total: int) -> None:
        if unit != self._unit:
            self._end()
            self._unit = unit
            self._shown = Progress("log" if unit == "entries" else "objects", unit=unit)
            self._shown.__enter__()
        if self._shown is not None:
            self._shown(done, total)
        self._told = f"{done:,} of {total:,} {unit} were checked" + (
            "" if unit == "entries" else ", after the whole log"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if kind is KeyboardInterrupt:
            sys.stderr.write(f"Stopped: {self._told}. No verdict was reached, and nothing was changed.\n")
            if self._resume is not None and self._unit == "bytes":
                sys.stderr.write(f"Go on with --resume {shlex.quote(str(self._resume))}.\n")

    def _end(self) -> None:
        if self._shown is not None:
            self._shown.__exit__(None, None, None)
            self._shown = None
