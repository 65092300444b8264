"""The zygote: loads the decoding libraries once, then forks one locked worker per file.

It runs as ``python -I -B -m media.child.zygote SOCKET`` with an empty environment, decodes nothing itself, and answers
one job at a time. It ends when its parent does, because the socket closes. One thread only, so that forking is safe.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from media.report import storable
from media.wire import MAX_MESSAGE_BYTES, Ended, Job, Ready, WireError, decode, encode

if TYPE_CHECKING:
    from media.child.worker import Crew

# Read by the libraries while they are loaded or first used; the workers' own environment is empty.
_LIBRARY_SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # its threads would make the fork unsafe
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_OPENCL_RUNTIME": "disabled",
}


def main() -> int:
    """Serve the socket whose number is the only argument."""
    os.environ.update(_LIBRARY_SETTINGS)
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        parent.set_inheritable(False)
        try:
            from media.child.worker import Crew  # only now, so that what is missing on this machine can be told
        except (ImportError, OSError, RuntimeError) as err:
            parent.send(encode(Ready(tools=(), problem=storable(f"{type(err).__name__}: {err}")[:1000])))
            return 1
        crew = Crew()
        parent.send(encode(Ready(tools=crew.tools, problem=None)))
        _serve(parent, crew)
    return 0


def _serve(parent: socket.socket, crew: Crew) -> None:
    """Run one worker after the other until the parent is gone."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(parent, MAX_MESSAGE_BYTES, 2)
        if not message:
            return
        try:
            job = decode(message, Job)
        except WireError:
            job = None  # a "cancel" that came too late: its worker has ended already
        if job is not None and len(descriptors) == 2:
            parent.send(encode(_run(parent, crew, job, file=descriptors[0], reply=descriptors[1])))
        else:
            _close_all(descriptors)


def _run(parent: socket.socket, crew: Crew, job: Job, *, file: int, reply: int) -> Ended:
    """Fork a worker for ``job`` and return how it ended."""
    zygote = os.getpid()
    pid = os.fork()
    if pid == 0:
        crew.work(job, file=file, reply=reply, parent=zygote)  # never returns
    _close_all([file, reply])
    worker = os.pidfd_open(pid)
    try:
        timed_out = _await_end(worker, parent, wall_s=job.limits.wall_s)
        end = os.waitid(os.P_PIDFD, worker, os.WEXITED)
    finally:
        os.close(worker)
    if end is None:
        raise ChildProcessError("a worker ended without leaving its status")
    exited = end.si_code == os.CLD_EXITED
    return Ended(
        exit_code=end.si_status if exited else None, signal=None if exited else end.si_status, timed_out=timed_out
    )


def _await_end(worker: int, parent: socket.socket, *, wall_s: float) -> bool:
    """Wait for the worker's end; kill it when its time is over, or at once when the parent says so or is gone."""
    poll = select.poll()
    poll.register(worker, select.POLLIN)
    poll.register(parent, select.POLLIN)
    deadline = time.monotonic() + wall_s
    events = poll.poll(wall_s * 1000)
    while not events and time.monotonic() < deadline:  # poll counts whole milliseconds
        events = poll.poll(1)
    if any(descriptor == worker for descriptor, _ in events):
        return False
    if events:
        parent.recv(MAX_MESSAGE_BYTES)  # "cancel"; an empty message, the parent's end, is met again by the caller
    signal.pidfd_send_signal(worker, signal.SIGKILL)
    return not events


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
