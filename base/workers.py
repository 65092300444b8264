"""Child processes that answer requests: for work that one core is too slow for.

A worker is ``python -I -m MODULE PARENT DESCRIPTOR``; its module calls `serve`. Requests and answers are bytes, and
answers come back in the order of the requests. A worker reads only what its module reads, hears no Ctrl-C (that is its
parent's to answer), and dies with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Self

from base.errors import SurroundingsError

MOST_WORKERS = 4
_PR_SET_PDEATHSIG = 1
_ASKED_AHEAD = 2  # requests that a worker has: one in work, one that waits for it
_OUT_OF_ORDER = 16  # answers that may wait for an earlier one


class WorkerDiedError(SurroundingsError):
    """A worker process ended before it had answered: killed, or out of memory."""

    next_step = "Look at the memory of the machine, then run the command again."


def cores() -> int:
    """Return how many workers this process may keep busy."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


class Workers:
    """Some processes of one module; use as a context manager."""

    def __init__(self, module: str, count: int) -> None:
        self._module = module
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pipes: list[Connection] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.kill()
            process.wait()

    def answers(self, requests: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the answer to each request, in order. A request is drawn when a worker is about to be free for it."""
        numbered = enumerate(requests)
        asked: dict[Connection, deque[int]] = {pipe: deque() for pipe in self._pipes}
        done: dict[int, bytes] = {}
        given = 0
        for _ in range(_ASKED_AHEAD):
            for pipe in self._pipes:
                self._ask(pipe, numbered, asked[pipe])
        while any(asked.values()):
            busy = [pipe for pipe in self._pipes if asked[pipe]]
            ready = wait(busy)
            for pipe in (pipe for pipe in busy if pipe in ready):
                done[asked[pipe].popleft()] = self._receive(pipe)
                while given in done:
                    yield done.pop(given)
                    given += 1
                if len(done) < _OUT_OF_ORDER or not any(asked.values()):
                    self._ask(pipe, numbered, asked[pipe])
            for pipe in self._pipes:
                if not asked[pipe] and len(done) < _OUT_OF_ORDER:
                    self._ask(pipe, numbered, asked[pipe])

    def _ask(self, pipe: Connection, numbered: Iterator[tuple[int, bytes]], asked: deque[int]) -> None:
        request = next(numbered, None)
        if request is None:
            return
        asked.append(request[0])
        try:
            pipe.send_bytes(request[1])
        except OSError as error:
            raise self._died() from error

    def _receive(self, pipe: Connection) -> bytes:
        try:
            return pipe.recv_bytes()
        except (OSError, EOFError) as error:
            raise self._died() from error

    def _died(self) -> WorkerDiedError:
        states = []
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                states.append(str(process.wait(0.5)))
        return WorkerDiedError(f"a worker process ended (status {', '.join(states) or 'not known'}).")

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._pipes.append(Connection(ours.detach()))
        with theirs:
            self._processes.append(
                subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-X", "utf8", "-m", self._module),
                        *(str(os.getpid()), str(theirs.fileno())),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,
                )
            )


def serve(answer: Callable[[bytes], bytes]) -> None:
    """Answer the requests of the parent, in a worker, until it closes the pipe."""
    parent, descriptor = map(int, sys.argv[1:])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return  # it went before we asked
    pipe = Connection(descriptor)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            pipe.send_bytes(answer(pipe.recv_bytes()))
