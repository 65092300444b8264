"""A sandbox whose workers run given code after they were locked: what a decoder taken over by a file could do.

The code replaces the analysis inside the zygote of one test; the product has no such way in.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

import pytest

from media import sandbox
from media.limits import Limits
from media.report import Failure, Report
from media.sandbox import Sandbox

# sys.argv is ["-c", SOCKET] here, as for `python -m media.child.zygote SOCKET`.
_ZYGOTE = """
import ctypes, errno, mmap, os, signal, socket, subprocess, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from media.child import zygote
from media.child.analysis import Analysis
from media.report import Failure
libc = ctypes.CDLL(None, use_errno=True)
def taken_over():
{code}
def run(self):
    try:
        return Failure(outcome="not-decodable", detail=str(taken_over()))
    except OSError as err:
        return Failure(outcome="not-decodable", detail="refused: " + errno.errorcode[err.errno])
Analysis.run = run
sys.exit(zygote.main())
"""


@contextmanager
def sandbox_with(code: str, *, limits: Limits | None = None) -> Iterator[Sandbox]:
    """Yield a sandbox whose workers run ``code``, the body of a function.

    What it returns comes back as the detail of a failure; an OSError as ``refused: EACCES``.
    """
    program = _ZYGOTE.format(code=indent(code, "    "))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "_PROGRAM", (sys.executable, "-I", "-B", "-c", program))
        started = Sandbox(limits=limits)
    with started:
        yield started


# A worker that runs its file: many attempts can then share one zygote, whose start is the slow part.
RUN_THE_FILE = """
found = {}
exec(compile(os.pread(3, 1 << 16, 0), "attempt", "exec"), globals(), found)
return found.get("result")
"""


def outcome_of(code: str, file: Path, *, limits: Limits | None = None) -> Report | Failure:
    """Return what the parent makes of a worker that runs ``code`` with ``file`` open."""
    with sandbox_with(code, limits=limits) as started, file.open("rb") as opened:
        return started.analyse(opened.fileno(), size_bytes=file.stat().st_size)


def zygote_of(started: Sandbox) -> int:
    """Return the process id of the running zygote."""
    zygote = started._zygote
    assert zygote is not None
    return zygote.pid


def awaited_zygote(started: Sandbox, *, other_than: int) -> int:
    """Return the process id of the next zygote, as soon as it serves."""
    for _ in _patience():
        zygote = started._zygote
        if zygote is not None and zygote.pid != other_than:
            return zygote.pid
    raise AssertionError("no other zygote was started")


def awaited_child(parent: int) -> int:
    """Return the process id of a child of ``parent``, as soon as there is one."""
    for _ in _patience():
        found = _children(parent)
        if found:
            return found[0]
    raise AssertionError(f"process {parent} started no child")


def await_end(pid: int) -> None:
    """Wait until process ``pid`` is gone (a zombie is)."""
    for _ in _patience():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
    raise AssertionError(f"process {pid} still runs")


def _children(parent: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [int(pid) for pid in tasks.read_text().split()]
    return found


def _patience() -> Iterator[None]:
    """Yield every hundredth of a second, for half a minute: the end of a process rings no bell for a stranger."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)
