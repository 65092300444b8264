"""Python code run in a process of its own: to record beside the test, or to be killed at a failpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent


def start_python(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start ``code`` with ``arguments`` in sys.argv[1:]; it can import the product and tests/support."""
    # The product is imported from where this process has it: the wheel under test, or the checkout.
    paths = [str(SUPPORT), *(path for path in sys.path if path)]
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_python(code: str, *arguments: object, **environment: str) -> str:
    """Run ``code`` to its end and return what it printed; fail if it fails."""
    with start_python(code, *arguments, **environment) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def run_killed(code: str, *arguments: object, failpoint: str, fired: Path) -> None:
    """Run ``code`` until the ``failpoint`` kills it, and fail if it was not there that it ended."""
    with start_python(
        code, *arguments, STRONGROOM_FAILPOINTS=f"{failpoint}=kill", STRONGROOM_FAILPOINTS_FIRED=str(fired)
    ) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert fired.read_text().split() == [failpoint.partition("@")[0]]
