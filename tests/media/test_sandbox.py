"""The parent's side: whatever becomes of a worker or the zygote, the caller gets a finding, and the next file works."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_worker import await_end, awaited_child, awaited_zygote, outcome_of, sandbox_with, zygote_of
from other_process import run_python

from base.errors import SurroundingsError, UsageError
from media import sandbox as sandbox_module
from media.limits import Limits
from media.report import Failure, Report
from media.sandbox import Sandbox, SandboxUnavailableError

Analyse = Callable[[Path], Report | Failure]
PYTHON = (sys.executable, "-I", "-B", "-c")
SMALL = Limits(wall_s=20, memory_bytes=64 << 20, reply_bytes=1 << 20, cpu_s=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hello"
    path.write_bytes(b"hello world")
    return path


@pytest.mark.parametrize(
    ("code", "outcome", "limits"),
    [
        ("os.abort()", "crash", ()),
        ("ctypes.string_at(0)", "crash", ()),
        ("raise ValueError('broken')", "crash", ()),
        ("def deeper(): deeper()\ndeeper()", "crash", ()),
        ("bytearray(1 << 30)", "memory", ("memory",)),
        ("while True: pass", "cpu", ("cpu",)),
        ("while True: os.write(4, bytes(1 << 16))", "bad-reply", ("reply-bytes",)),
        ("os.write(4, b'garbage')\nos._exit(0)", "bad-reply", ()),
        ("os._exit(0)", "bad-reply", ()),
        ("os.write(4, bytes([0x82]) + b'\\xa6report\\xc0' * 2)\nos._exit(0)", "bad-reply", ()),
        ("os.write(4, b'\\x81\\xa6report\\xdd\\xff\\xff\\xff\\xff')\nos._exit(0)", "bad-reply", ()),
        ("os.write(4, b'\\x81\\xa1x' + b'\\x91' * 900000)\nos._exit(0)", "bad-reply", ()),
    ],
)
def test_every_end_of_a_worker_has_its_outcome(file: Path, code: str, outcome: str, limits: tuple[str, ...]) -> None:
    failure = outcome_of(code, file, limits=SMALL)
    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.limits) == (outcome, limits), failure.detail
    assert failure.tools and "seccomp" in failure.strength


def test_a_worker_that_hangs_is_killed_when_its_time_is_over(file: Path) -> None:
    failure = outcome_of("time.sleep(3600)", file, limits=Limits(wall_s=0.5))
    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.limits) == ("time-out", ("time-out",))


def test_after_a_flood_the_next_file_is_answered(file: Path) -> None:
    """The flood leaves a killed worker and a cancelled job behind; neither may be taken for the next answer."""
    code = "if os.pread(3, 5, 0) == b'hello':\n    while True: os.write(4, bytes(1 << 16))\nreturn 'calm'"
    calm = file.with_name("calm")
    calm.write_bytes(b"calm")
    with sandbox_with(code, limits=SMALL) as started:
        for path, expected in ((file, "bad-reply"), (calm, "not-decodable")) * 3:
            with path.open("rb") as opened:
                failure = started.analyse(opened.fileno(), size_bytes=path.stat().st_size)
            assert isinstance(failure, Failure) and failure.outcome == expected


def test_a_zygote_killed_between_two_files_is_replaced(file: Path) -> None:
    with Sandbox() as started:
        first = started.strength()
        os.kill(zygote_of(started), signal.SIGKILL)
        with file.open("rb") as opened:
            assert isinstance(started.analyse(opened.fileno(), size_bytes=11), Report)
        assert started.strength() == first


def test_nothing_runs_after_close_and_nothing_is_begun_any_more(file: Path) -> None:
    started = Sandbox()
    started.strength()
    zygote = zygote_of(started)
    started.close()
    with pytest.raises(ProcessLookupError):
        os.kill(zygote, 0)
    with file.open("rb") as opened, pytest.raises(SandboxUnavailableError, match="closed"):
        started.analyse(opened.fileno(), size_bytes=11)
    assert started._newest is not None and started._newest._process.returncode is not None


def test_close_does_not_wait_for_a_file_that_is_being_analysed(file: Path) -> None:
    """A recorder that is told to stop has two seconds, and a worker may take minutes."""
    with sandbox_with("time.sleep(60)") as started, ThreadPoolExecutor(1) as pool, file.open("rb") as opened:
        waiting = pool.submit(started.analyse, opened.fileno(), size_bytes=11)
        awaited_child(awaited_zygote(started, other_than=0))
        began_s = time.monotonic()
        started.close()
        with pytest.raises(SandboxUnavailableError, match="closed"):
            waiting.result()
        assert time.monotonic() - began_s < 2


def test_two_hundred_files_leave_no_descriptor_behind(sandbox: Sandbox, file: Path) -> None:
    def open_descriptors() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{zygote_of(sandbox)}/fd"))

    with file.open("rb") as opened:
        sandbox.analyse(opened.fileno(), size_bytes=11)
        before = open_descriptors()
        for _ in range(200):
            assert isinstance(sandbox.analyse(opened.fileno(), size_bytes=11), Report)
        assert open_descriptors() == before


def test_the_offset_and_the_mode_of_the_callers_descriptor_stay_its_own(sandbox: Sandbox, file: Path) -> None:
    with file.open("r+b", buffering=0) as opened:
        opened.seek(3)
        sandbox.analyse(opened.fileno(), size_bytes=11)
        assert opened.tell() == 3


def test_an_empty_file_needs_no_worker(tmp_path: Path, analyse: Analyse) -> None:
    path = tmp_path / "empty"
    path.touch()
    failure = analyse(path)
    assert isinstance(failure, Failure) and failure.outcome == "empty"


def test_a_closed_descriptor_is_an_error_of_the_surroundings(sandbox: Sandbox) -> None:
    with pytest.raises(SurroundingsError):
        sandbox.analyse(987_654, size_bytes=1)


def test_an_unknown_requirement_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="require-seccomp"):
        Sandbox(require="off")


def test_without_seccomp_there_is_no_analysis(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that builds the filter is missing: the zygote says so, and no file is handed over."""
    code = "import sys\nsys.modules['pyseccomp'] = None\nfrom media.child import zygote\nsys.exit(zygote.main())"
    monkeypatch.setattr("media.sandbox._PROGRAM", (*PYTHON, code))
    with Sandbox() as started, file.open("rb") as opened, pytest.raises(SandboxUnavailableError, match="pyseccomp"):
        started.analyse(opened.fileno(), size_bytes=11)


def test_a_filter_that_cannot_be_loaded_is_a_sandbox_that_cannot_be_had(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys\nfrom media.child import lockdown, zygote\n"
        "class Broken:\n    def load(self): raise OSError(22, 'no seccomp here')\n"
        "lockdown._allow_list = Broken\nsys.exit(zygote.main())"
    )
    monkeypatch.setattr("media.sandbox._PROGRAM", (*PYTHON, code))
    with Sandbox() as started, file.open("rb") as opened, pytest.raises(SandboxUnavailableError, match="no seccomp"):
        started.analyse(opened.fileno(), size_bytes=11)


def test_where_landlock_is_required_its_absence_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys\nfrom media.child import lockdown, zygote\n"
        "lockdown.Lock._probe_landlock = lambda self: None\nsys.exit(zygote.main())"
    )
    monkeypatch.setattr("media.sandbox._PROGRAM", (*PYTHON, code))
    with Sandbox(require="require-landlock") as started, pytest.raises(SandboxUnavailableError, match="landlock"):
        started.strength()
    with Sandbox() as started:
        assert started.strength().landlock_abi is None
        with file.open("rb") as opened:
            report = started.analyse(opened.fileno(), size_bytes=11)
    assert isinstance(report, Report) and not any("landlock" in code for code in report.strength)


def test_the_zygote_ends_when_its_parent_is_killed() -> None:
    code = "import os, signal\nfrom media.sandbox import Sandbox\none = Sandbox()\none.strength()\n"
    code += "print(one._zygote.pid, flush=True)\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])"
    zygote = int(run_python(code))
    await_end(zygote)


def test_a_forbidden_call_ends_a_locked_worker_and_not_the_next_one() -> None:
    with Sandbox() as sandbox:
        assert sandbox.attempt_forbidden() == "killed"
        assert sandbox.strength().seccomp
        assert {tool.name for tool in sandbox.tools()} >= {"opencv", "libavcodec"}
        assert sandbox.attempt_forbidden() == "killed"


def test_a_lock_that_allows_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded hole: workers whose lock does nothing."""
    program = """
import sys
from media.child import lockdown, zygote
from media.report import Strength
lockdown.Lock.lock = lambda *_, **__: Strength(**{values!r})
sys.exit(zygote.main())
"""
    with Sandbox() as real:
        strength = real.strength()
    values = {name: getattr(strength, name) for name in strength.__dataclass_fields__}
    monkeypatch.setattr(sandbox_module, "_PROGRAM", (sys.executable, "-I", "-B", "-c", program.format(values=values)))
    with Sandbox() as sandbox:
        assert sandbox.attempt_forbidden().startswith("not killed")
