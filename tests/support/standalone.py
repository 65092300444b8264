"""The standalone verifier as a stranger runs it: without this program, and, for many cases, in this process."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from verifier import verify_evidence

FOLDER = Path(verify_evidence.__file__).parent
SOURCE = FOLDER / "verify_evidence.py"
SHELL = FOLDER / "VERIFY.sh"
BARE = {"PATH": f"/usr/bin:/bin:{Path(sys.executable).parent}", "LC_ALL": "C"}


class Answer(NamedTuple):
    """What was answered: exit status, the lines, and in process what was found as code, object, text."""

    status: int
    told: str
    found: list[tuple[int, str, str]]


def answer(*arguments: object, module: ModuleType = verify_evidence) -> Answer:
    """Run the verifier in this process."""
    out = io.StringIO()
    reports: list[verify_evidence.Report] = []

    class Kept(verify_evidence.Report):
        def __init__(self, out: io.StringIO) -> None:
            super().__init__(out)
            reports.append(self)

    before = module.Report
    module.Report = Kept  # type: ignore[attr-defined]
    try:
        status = module.main([str(argument) for argument in arguments], out)
    finally:
        module.Report = before  # type: ignore[attr-defined]
    return Answer(status, out.getvalue(), reports[0].found if reports else [])


def ask(*arguments: object, cwd: Path, python: str = sys.executable) -> Answer:
    """Run a copy of the verifier as a stranger does: in an empty directory, with the standard library and no more."""
    copy = cwd / "verify_evidence.py"
    copy.write_bytes(SOURCE.read_bytes())
    command = [python, "-I", "-S", "-W", "error", copy.name, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=BARE, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == "", done.stderr
    return Answer(done.returncode, done.stdout, [])
