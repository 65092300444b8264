"""What code inside a locked worker can still do: next to nothing. Each attempt is made by a real, locked worker.

Seeded holes that these tests were seen to catch, each alone: the default action ALLOW; ``socket`` among the allowed
calls; ``write`` allowed to the file; ``mmap`` with any protection; root kept; no signal of death; landlock left out.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_worker import RUN_THE_FILE, await_end, awaited_child, awaited_zygote, sandbox_with, zygote_of
from other_process import run_python
from recordings import make

from media.child.lockdown import NOBODY, _ruleset
from media.report import Failure
from media.sandbox import Sandbox

KILLED = {
    "a socket": "libc.socket(2, 2, 0)",
    "a local socket": "libc.socketpair(1, 1, 0, (ctypes.c_int * 2)())",
    "another program": "os.execv('/bin/true', ['true'])",
    "a fork": "os.fork()",
    "a thread": "import _thread; _thread.start_new_thread(time.sleep, (1,))",
    "killing its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "killing everybody": "os.kill(-1, signal.SIGKILL)",
    "writing to the file": "os.write(3, b'x')",
    "changing the mode of the file": "os.fchmod(3, 0o777)",
    "changing the length of the file": "os.ftruncate(3, 0)",
    "removing a path": "os.unlink('/tmp/nothing-of-that-name')",
    "renaming a path": "os.rename('/tmp/a', '/tmp/b')",
    "making a directory": "os.mkdir('/tmp/nothing-of-that-name')",
    "a file in memory": "os.memfd_create('x')",
    "memory that can be executed": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "tracing another process": "libc.ptrace(16, os.getppid(), 0, 0)",
    "reading another process": "libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0)",
    "a new namespace": "libc.unshare(0x10000000)",
    "becoming root again": "os.setresuid(0, 0, 0)",
    "raising its limits": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "the keyring": "libc.syscall(250, 0, 0, 0, 0, 0)",
    "io_uring": "libc.syscall(425, 8, None)",
    "bpf": "libc.syscall(321, 0, None, 0)",
    "another filter": "libc.prctl(22, 2, None, 0, 0)",
}

REFUSED = {
    "opening a file": "os.open('/etc/passwd', os.O_RDONLY)",
    "opening its own memory": "os.open('/proc/self/mem', os.O_RDWR)",
    "opening the file again for writing": "os.open('/proc/self/fd/3', os.O_RDWR)",
    "creating a file": "os.open('/tmp/nothing-of-that-name', os.O_CREAT | os.O_WRONLY)",
    "listing a directory": "os.listdir('/')",
    "asking for a link": "os.readlink('/proc/self/exe')",
}

COUNT_DESCRIPTORS = """
result = []
for number in range(1024):
    try:
        os.fstat(number)
        result.append(number)
    except OSError:
        pass
"""

FACTS = {
    "the file is read": ("result = os.pread(3, 6, 0)", "b'result'"),
    "the environment is empty": ("result = dict(os.environ)", "{}"),
    "only the standard streams, the file and the pipe are open": (COUNT_DESCRIPTORS, "[0, 1, 2, 3, 4]"),
    "the user is nobody, where root started it": (
        "result = (os.getuid(), os.geteuid(), os.getgid())",
        str((NOBODY,) * 3 if os.geteuid() == 0 else (os.getuid(), os.geteuid(), os.getgid())),
    ),
}


@pytest.fixture(scope="module")
def attempts() -> Iterator[Sandbox]:
    with sandbox_with(RUN_THE_FILE) as started:
        yield started


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hello"
    path.write_bytes(b"hello world")
    return path


def outcome_of_attempt(attempts: Sandbox, file: Path, code: str) -> Failure:
    file.write_text(code)
    with file.open("r+b") as opened:  # even a descriptor that could write is handed on for reading only
        outcome = attempts.analyse(opened.fileno(), size_bytes=len(code))
    assert isinstance(outcome, Failure)
    assert file.read_text() == code
    return outcome


@pytest.mark.parametrize("attempt", KILLED)
def test_a_locked_worker_is_killed_for_trying(attempts: Sandbox, file: Path, attempt: str) -> None:
    failure = outcome_of_attempt(attempts, file, KILLED[attempt])
    assert failure.outcome == "sandbox-violation", failure


@pytest.mark.parametrize("attempt", REFUSED)
def test_a_locked_worker_is_refused(attempts: Sandbox, file: Path, attempt: str) -> None:
    failure = outcome_of_attempt(attempts, file, REFUSED[attempt])
    assert failure.detail == "refused: EACCES", failure


@pytest.mark.parametrize("fact", FACTS)
def test_inside_a_locked_worker(attempts: Sandbox, file: Path, fact: str) -> None:
    code, expected = FACTS[fact]
    assert outcome_of_attempt(attempts, file, code).detail == expected


def test_the_kernel_confirms_every_layer(sandbox: Sandbox) -> None:
    strength = sandbox.strength()
    assert strength.seccomp and strength.no_new_privs and strength.rlimits
    assert strength.uid_dropped == (os.geteuid() == 0)
    abi = ctypes.CDLL(None).syscall(444, None, 0, 1)  # landlock_create_ruleset: which version?
    assert strength.landlock_abi == (abi if abi > 0 else None)


def test_a_worker_dies_with_its_zygote(file: Path) -> None:
    with sandbox_with("time.sleep(60)") as started, ThreadPoolExecutor(1) as pool, file.open("rb") as opened:
        started.strength()
        zygote = zygote_of(started)
        outcome = pool.submit(started.analyse, opened.fileno(), size_bytes=11)
        worker = awaited_child(zygote)
        os.kill(zygote, signal.SIGKILL)
        await_end(worker)
        # It is tried once more in a new zygote; that one is killed too, and then the file is given up.
        second = awaited_zygote(started, other_than=zygote)
        awaited_child(second)
        os.kill(second, signal.SIGKILL)
        failure = outcome.result(timeout=30)
    assert isinstance(failure, Failure) and failure.outcome == "crash"


@pytest.mark.parametrize(("abi", "size_bytes"), [(1, 8), (2, 8), (3, 8), (4, 16), (5, 16), (6, 24), (7, 24), (99, 24)])
def test_landlock_is_asked_only_for_what_the_kernel_knows(abi: int, size_bytes: int) -> None:
    """An unknown bit or a longer structure makes the creation fail, and with it the layer."""
    attributes, length = _ruleset(abi)
    assert length == len(attributes) == size_bytes
    rights = struct.unpack_from("=Q", attributes)[0]
    assert rights.bit_length() == {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)


def test_landlock_alone_closes_every_path(file: Path, sandbox: Sandbox) -> None:
    """Without the filter in front of it, which refuses the same calls."""
    if sandbox.strength().landlock_abi is None:
        pytest.fail("this kernel has no landlock: run where it has, or accept the weaker sandbox knowingly")
    code = """
import os, sys
from media.child.lockdown import Lock
lock = Lock()
open(sys.argv[1]).close()
lock._prctl(38, 1)
lock._restrict_paths("require-landlock")
for flags in (os.O_RDONLY, os.O_RDWR, os.O_CREAT | os.O_WRONLY):
    try:
        os.open(sys.argv[1], flags)
    except PermissionError:
        print("refused")
"""
    assert run_python(code, file).split() == ["refused"] * 3


def test_the_limits_alone_stop_writing_forking_and_memory(file: Path) -> None:
    code = """
import os, sys, signal
from media.child.lockdown import _limit_resources
from media.limits import Limits
out = os.open(sys.argv[1], os.O_RDWR)
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
_limit_resources(Limits(memory_bytes=1 << 20))
for attempt in (lambda: os.write(out, b"x"), os.fork, lambda: bytearray(1 << 26)):
    try:
        attempt()
        print("worked")
    except (OSError, MemoryError) as err:
        print(type(err).__name__)
"""
    assert run_python(code, file).split() == ["OSError", "BlockingIOError", "MemoryError"]


@pytest.mark.needs("strace", "ffmpeg")
def test_after_the_lock_a_worker_opens_nothing_and_reaches_nobody(tmp_path: Path) -> None:
    """Seen from the outside, by strace, while it analyses a real recording whose demuxer would like to open a table."""
    recording, trace = make(tmp_path, "plain.ts"), tmp_path / "trace"
    code = (
        "import os, sys\nfrom media.sandbox import Sandbox\nwith Sandbox() as one, open(sys.argv[1], 'rb') as file:\n"
    )
    code += "    print(one.analyse(file.fileno(), size_bytes=os.stat(sys.argv[1]).st_size).outcome)"
    command = ["strace", "-f", "-o", str(trace), sys.executable, "-P", "-c", code, str(recording)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "complete", done.stderr
    calls = _after_the_lock(trace.read_text(errors="replace").splitlines())
    assert len(calls) > 100 and any(call.startswith("read(") for call in calls)
    reaching = re.compile(r"(openat2?|open|socket|connect|execve|clone3?|fork|vfork|kill|unlink|rename|mkdir)\(")
    reached = [call for call in calls if reaching.match(call) and "= -1 EACCES" not in call]
    # strace shows for a refused call what the kernel would have been asked, and a result that the filter made up.
    assert [call for call in reached if not call.startswith("openat(")] == []
    assert all("<unfinished" not in call for call in reached)


def _after_the_lock(lines: list[str]) -> list[str]:
    """Return the calls of the last worker behind the call that loaded its filter."""
    split = [line.split(maxsplit=1) for line in lines]
    # On a busy machine strace writes a call in two lines, and only the second one has the result.
    marks = ("SECCOMP_SET_MODE_FILTER", "<... seccomp resumed>")
    loads = [
        (index, pid)
        for index, (pid, call) in enumerate(split)
        if any(mark in call for mark in marks) and call.rstrip().endswith("= 0")
    ]
    index, worker = loads[-1]
    return [call for pid, call in split[index + 1 :] if pid == worker]
