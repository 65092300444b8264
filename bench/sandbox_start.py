"""Claim: a locked worker answers an empty job within 5 ms, from the request (before the fork) to the first byte.

Prints machine and versions, then minimum, median and 95th percentile of 200 jobs after ten to warm up.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time

from measuring import KEPT, MISSED, options, print_machine

from media.limits import Limits
from media.wire import Job, Ready, decode, encode

CLAIM = "a locked worker, from the request to the first byte of its reply"
JOBS = 200
WARM_UP = 10
BAR_MS = 5.0


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__)
    print_machine(asked)
    jobs = asked.scaled(JOBS)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-I", "-B", "-m", "media.child.zygote", str(theirs.fileno())]
    with ours, subprocess.Popen(command, env={}, pass_fds=[theirs.fileno()]) as zygote:
        theirs.close()
        ready = decode(ours.recv(1 << 16), Ready)
        if ready.problem is not None:
            raise SystemExit(ready.problem)
        times = [first_byte_ms(ours) for _ in range(jobs + WARM_UP)][WARM_UP:]
        ours.close()
        zygote.wait()
    middle, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    word = "kept" if middle <= BAR_MS else "MISSED"
    print(f"empty job, locked, to first byte: min {min(times):.2f}, median {middle:.2f}, p95 {late:.2f} ms")
    print(f"{CLAIM}   median {middle:.2f} ms, bar <= {BAR_MS:.2f} ms: {word}")
    return KEPT if middle <= BAR_MS else MISSED


def first_byte_ms(zygote: socket.socket) -> float:
    """Return milliseconds from the request to the first byte of the reply."""
    job = encode(Job(task="probe", require="require-seccomp", limits=Limits()))
    reading, writing = os.pipe()
    with open(os.devnull, "rb") as nothing, open(reading, "rb", buffering=0) as reply:
        started = time.perf_counter()
        socket.send_fds(zygote, [job], [nothing.fileno(), writing])
        os.close(writing)
        reply.read(1)
        elapsed = time.perf_counter() - started
        reply.read()
    zygote.recv(1 << 16)
    return elapsed * 1000


if __name__ == "__main__":
    sys.exit(main())
