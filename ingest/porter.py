"""Brings staged files into the vault: a few small ones itself, more or larger ones in a process of its own.

While that process syncs, reads back and hashes one batch, the recorder signs the one before, and hears when it is told
to stop. What the process says counts only when its batch is wholly in the vault; when it dies, the batch is taken again
from the share. One `Porter` is for one thread: the process dies with the thread that started it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Annotated, Protocol

import msgspec

from base.errors import EvidenceError, SurroundingsError, SyncFailedError
from hashing.digest import Digest
from ingest.share_process import StopRequestedError
from vault.store import ObjectStore, ReadBackMismatchError, Staged, Stored

# From here on a process of its own is worth its messages; below it, one file is in the vault sooner without.
APART_FILES = 64
APART_BYTES = 32 << 20
STOP_GRACE_S = 1.0  # of the two seconds in which a recorder that is told to stop has to end
_POLL_S = 0.25
_MAX_MESSAGE_BYTES = 16 << 20

Answers = list[Stored | ReadBackMismatchError]


class PorterDiedError(SurroundingsError):
    """The process that brings files into the vault ended in the middle of its work."""

    code = "porter"
    next_step = "The files are taken again by themselves; if it happens again, look for what kills processes here."


class Put(msgspec.Struct, frozen=True):
    """The request: take these staged files into the vault."""

    files: list[Staged]


class Mismatch(msgspec.Struct, frozen=True):
    """The file at this place of the request is, read back, another one."""

    index: Annotated[int, msgspec.Meta(ge=0)]
    found: Digest


class Done(msgspec.Struct, frozen=True, tag=True):
    """The whole batch is in the vault, all but the mismatches."""

    read_back: str
    mismatches: list[Mismatch]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Nothing of the batch counts."""

    message: str
    next_step: str
    is_sync: bool


def parse_answer(data: bytes) -> Done | Failed:
    """Return the answer in ``data``. Raises PorterDiedError for anything else: such a process is not asked again."""
    try:
        return msgspec.msgpack.decode(data, type=Done | Failed)
    # EvidenceError: a Digest of wrong length. RecursionError: an unknown member that is nested deep.
    except (msgspec.MsgspecError, EvidenceError, UnicodeError, RecursionError) as error:
        raise PorterDiedError("the process that brings files into the vault gave no readable answer.") from error


class PutApart(Protocol):
    """What takes batches in another process, in the order in which they are asked for."""

    def prepare(self) -> None: ...

    def ask(self, staged: Sequence[Staged]) -> None: ...

    def answer(self) -> Done | Failed: ...

    def kill(self) -> None: ...


class Porter:
    """Takes batches into one vault, first in, first out: `begin` any number, `end` each."""

    def __init__(self, vault: ObjectStore, apart: PutApart | None = None) -> None:
        self._vault = vault
        self._apart = apart
        self._begun: deque[tuple[Sequence[Staged], bool]] = deque()  # and whether it was given to the process

    def prepare(self, files: int) -> None:
        """Let the process start while the first of ``files`` are still being copied, if it will be wanted."""
        if self._apart is not None and files >= APART_FILES:
            self._apart.prepare()

    def begin(self, staged: Sequence[Staged]) -> bool:
        """Let a batch be taken; return whether a process is at work on it. Only `end` says that it is in the vault.

        Raises: PorterDiedError.
        """
        apart = self._apart if _is_large(staged) else None
        self._begun.append((staged, apart is not None))
        if apart is not None:
            apart.ask(staged)
        return apart is not None

    def end(self) -> Answers:
        """Return what became of the oldest batch that was begun: one answer for each file, in order.

        Raises as `ObjectStore.put_batch`; PorterDiedError, StopRequestedError. Then `cancel` what else was begun.
        """
        staged, is_apart = self._begun[0]
        if self._apart is None or not is_apart:
            self._begun.popleft()
            return self._vault.put_batch(staged)
        done = self._apart.answer()
        self._begun.popleft()
        if isinstance(done, Done):
            return _answers(staged, done)
        if done.is_sync:
            raise SyncFailedError(done.message)
        raise SurroundingsError(done.message, next_step=done.next_step)

    def cancel(self) -> None:
        """Throw away what was begun and not ended: it stays in the share, and is taken again."""
        if any(is_apart for _, is_apart in self._begun):
            self.close()
        while self._begun:
            self._vault.discard(self._begun.popleft()[0])

    def close(self) -> None:
        """End the process, if there is one."""
        if self._apart is not None:
            self._apart.kill()


def _is_large(staged: Sequence[Staged]) -> bool:
    return len(staged) >= APART_FILES or sum(file.size_bytes for file in staged) >= APART_BYTES


def _answers(staged: Sequence[Staged], done: Done) -> Answers:
    answers: Answers = [
        Stored(sha256=file.sha256, size_bytes=file.size_bytes, read_back=done.read_back) for file in staged
    ]
    for mismatch in done.mismatches:
        answers[mismatch.index] = ReadBackMismatchError(sent=staged[mismatch.index].sha256, found=mismatch.found)
    return answers


class PorterProcess:
    """The process (`ingest.porter_child`); started by the first batch, and again by the first after its death."""

    def __init__(self, root: bytes, staging: bytes, *, stop: Callable[[], bool] = lambda: False) -> None:
        self._arguments = [os.fsdecode(root), os.fsdecode(staging)]
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def prepare(self) -> None:
        """Start the process, unless it runs. Where it can't be started, the first `ask` says so."""
        with contextlib.suppress(OSError):
            self._ready_pipe()

    def ask(self, staged: Sequence[Staged]) -> None:
        """Hand over a batch. The process reads all requests at once: this never waits for its work."""
        try:
            self._ready_pipe().send_bytes(msgspec.msgpack.encode(Put(files=list(staged))))
        except OSError as error:
            raise self._died() from error

    def answer(self) -> Done | Failed:
        """Return the answer to the oldest request. Raises PorterDiedError, and StopRequestedError soon after a stop."""
        if self._pipe is None:
            raise PorterDiedError("nobody was asked to bring files into the vault.")
        stopped_s: float | None = None
        try:
            while not self._pipe.poll(_POLL_S):
                stopped_s = stopped_s or (time.monotonic() if self._stop() else None)
                if stopped_s is not None and time.monotonic() - stopped_s >= STOP_GRACE_S:
                    raise StopRequestedError("stopped while files were on their way into the vault; none was sealed.")
            data = self._pipe.recv_bytes(_MAX_MESSAGE_BYTES)
        except (OSError, EOFError) as error:
            raise self._died() from error
        try:
            return parse_answer(data)
        except PorterDiedError:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process at once. A file is then in the vault, whole, or still in staging."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe = self._process = None

    def _ready_pipe(self) -> Connection:
        if self._pipe is None:
            ours, theirs = socket.socketpair()
            self._pipe = Connection(ours.detach())
            with theirs:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-X", "utf8", "-m", "ingest.porter_child"),
                        *(str(os.getpid()), str(theirs.fileno()), *self._arguments),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={name: value for name, value in os.environ.items() if name.startswith("STRONGROOM_FAILPOINTS")},
                    process_group=0,  # Ctrl-C in a terminal is the recorder's to answer
                )
        return self._pipe

    def _died(self) -> PorterDiedError:
        status: int | None = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(_POLL_S)
        self.kill()
        return PorterDiedError(f"the process that brings files into the vault ended (status {status}).")
