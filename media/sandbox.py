"""The parent side of the sandbox: starts the zygote, hands it one file at a time, and distrusts every answer.

The zygote (`media.child.zygote`) loads the decoding libraries once and forks one locked worker per file; it gets an
empty environment and one socket. A worker gets the file, opened anew for reading, and the write end of a pipe. This
module decodes no media: it bounds the reply, checks its shape, and turns every way in which a worker can end into a
`Report` or a `Failure`. A zygote that dies is started again by the next call.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, get_args

from base.errors import SurroundingsError, UsageError
from media.limits import Limits
from media.report import Failure, FailureOutcome, Report, Strength, Tool, storable
from media.wire import CANCEL, MAX_MESSAGE_BYTES, Ended, Job, Ready, Reply, Requirement, WireError, decode, encode

_START_S = 60.0  # loading the libraries takes about one second; a cold disk may take many
_GRACE_S = 10.0  # the zygote kills on time; this is for the case that the zygote itself hangs
_CHUNK_BYTES = 1 << 20
# -I: no PYTHON* variable, no current directory, no user site; -B: it writes no file at all.
_PROGRAM = (sys.executable, "-I", "-B", "-m", "media.child.zygote")

_log = logging.getLogger("strongroom.media")

_SIGNAL_OUTCOMES: dict[int, tuple[FailureOutcome, tuple[str, ...]]] = {
    signal.SIGSYS: ("sandbox-violation", ()),
    signal.SIGXCPU: ("cpu", ("cpu",)),
}


class SandboxUnavailableError(SurroundingsError):
    """The required layers of the sandbox cannot be had here: analysis waits, sealing goes on."""

    code = "sandbox"
    next_step = "See `strongroom doctor`. Sealing goes on; analysis starts by itself when the sandbox can be had."


class _ZygoteDiedError(Exception):
    """The zygote ended, or stopped answering, before the worker's end was known."""


@dataclass(frozen=True, slots=True)
class _Answer:
    reply: bytes
    overflowed: bool
    ended: Ended


class Sandbox:
    """Analyses files in locked workers, one worker per call. A context manager; safe to share between threads."""

    def __init__(self, *, require: str = "require-seccomp", limits: Limits | None = None) -> None:
        """Remember what is required. Nothing starts before the first call. Raises UsageError for an unknown name."""
        self._require = _requirement(require)
        self._limits = limits or Limits()
        self._program = _PROGRAM
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None  # ready for jobs
        self._newest: _Zygote | None = None  # ready or not: the process to kill
        self._is_closed = False
        self._strength: Strength | None = None

    def strength(self) -> Strength:
        """Return the layers that a worker found active on itself. Raises SandboxUnavailableError."""
        with self._lock:
            self._ready_zygote()
            if self._strength is None:
                raise SandboxUnavailableError("the probe of the sandbox gave no answer")
            return self._strength

    def tools(self) -> tuple[Tool, ...]:
        """Return the libraries of the workers, with their versions. Raises SandboxUnavailableError."""
        with self._lock:
            return self._ready_zygote().tools

    def attempt_forbidden(self) -> str:
        """Let a locked worker open a socket, and return how that ended: ``killed``, as it must, or something else.

        Raises SandboxUnavailableError where the required layers cannot be had.
        """
        with self._lock:
            zygote = self._ready_zygote()
            try:
                with open(os.devnull, "rb") as nothing:
                    job = Job(task="forbidden", require=self._require, limits=replace(self._limits, wall_s=_GRACE_S))
                    ended = zygote.run(job, nothing.fileno()).ended
            except _ZygoteDiedError as err:
                self._discard_zygote()
                raise SandboxUnavailableError(f"the sandbox process ended: {err}") from err
        return "killed" if ended.signal == signal.SIGSYS else f"not killed: {ended}"

    def analyse(self, descriptor: int, *, size_bytes: int) -> Report | Failure:
        """Return what a fresh worker found in the file open as ``descriptor``.

        The file is opened anew for reading, so that neither the offset nor the flags of ``descriptor`` are shared.
        Raises: SandboxUnavailableError where the required layers cannot be had; the file was then not looked at.
        """
        with self._lock:
            if size_bytes == 0:
                return Failure(outcome="empty", detail="the file has no bytes")
            file = _reopened(descriptor)
            try:
                return self._analyse(file)
            finally:
                os.close(file)

    def close(self) -> None:
        """End the zygote and its worker at once, for good: a call that is waiting in another thread fails."""
        self._is_closed = True
        if (newest := self._newest) is not None:
            newest.end()  # before the lock, which whoever waits for the worker holds
        with self._lock:
            self._discard_zygote()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _analyse(self, file: int) -> Report | Failure:
        job = Job(task="analyse", require=self._require, limits=self._limits)
        answer = self._run(job, file)
        if answer is None:
            return self._failure("crash", detail="the sandbox process died twice while it analysed this file")
        return self._verdict(answer)

    def _run(self, job: Job, file: int) -> _Answer | None:
        """Return the answer to ``job``; on the death of the zygote, which a worker cannot cause, try once more."""
        for _ in range(2):
            zygote = self._ready_zygote()
            try:
                return zygote.run(job, file)
            except _ZygoteDiedError as err:
                _log.warning("sandbox.zygote_died reason=%s", err)
                self._discard_zygote()
        return None

    def _verdict(self, answer: _Answer) -> Report | Failure:
        if answer.ended.timed_out:
            return self._failure("time-out", limits=("time-out",), detail=f"killed after {self._limits.wall_s} s")
        if answer.overflowed:
            return self._failure("bad-reply", limits=("reply-bytes",), detail="the worker wrote more than it may")
        if answer.ended.signal is not None:
            outcome, limits = _SIGNAL_OUTCOMES.get(answer.ended.signal, ("crash", ()))
            return self._failure(outcome, limits=limits, detail=f"the worker was ended by signal {answer.ended.signal}")
        try:
            reply = decode(answer.reply, Reply)
        except WireError as err:
            return self._failure("bad-reply", detail=f"exit code {answer.ended.exit_code}; {err}")
        return self._checked(reply)

    def _checked(self, reply: Reply) -> Report | Failure:
        if reply.unavailable is not None:
            raise SandboxUnavailableError(f"the sandbox cannot be had here: {reply.unavailable}")
        if reply.report is not None and reply.failure is None:
            return reply.report
        if reply.failure is not None and reply.report is None:
            return reply.failure
        return self._failure("bad-reply", detail="the reply holds neither exactly one report nor one failure")

    def _failure(self, outcome: FailureOutcome, *, limits: tuple[str, ...] = (), detail: str) -> Failure:
        tools = self._zygote.tools if self._zygote else ()
        strength = tuple(self._strength.codes()) if self._strength else ()
        text = storable(detail)[:1000]
        return Failure(outcome=outcome, limits=limits, detail=text, tools=tools, strength=strength)

    def _ready_zygote(self) -> _Zygote:
        if self._zygote is not None:
            return self._zygote
        self._raise_if_closed()
        zygote = self._newest = _Zygote(self._program)
        try:
            self._raise_if_closed()  # again, now that there is a process: either `close` sees it, or we see `close`
            zygote.await_ready()
            self._strength = self._probe(zygote)
        except _ZygoteDiedError as err:
            zygote.kill()
            self._raise_if_closed()
            raise SandboxUnavailableError(f"the sandbox process did not start: {err}") from err
        except BaseException:
            zygote.kill()
            raise
        self._zygote = zygote
        return zygote

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise SandboxUnavailableError("the sandbox is closed")

    def _probe(self, zygote: _Zygote) -> Strength:
        limits = replace(self._limits, wall_s=_GRACE_S)
        with open(os.devnull, "rb") as nothing:
            answer = zygote.run(Job(task="probe", require=self._require, limits=limits), nothing.fileno())
        try:
            reply = decode(answer.reply, Reply)
        except WireError as err:
            raise SandboxUnavailableError(f"a locked worker did not answer ({answer.ended}): {err}") from err
        if reply.strength is None:
            raise SandboxUnavailableError(f"the sandbox cannot be had here: {reply.unavailable}")
        return reply.strength

    def _discard_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.kill()
        self._zygote = None


class _Zygote:
    """The process that forks workers, and our end of its socket."""

    def __init__(self, program: tuple[str, ...]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self.tools: tuple[Tool, ...] = ()
        with theirs:
            self._process = subprocess.Popen(
                [*program, str(theirs.fileno())],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C in the terminal is for the parent to answer
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self) -> None:
        """Wait until the libraries are loaded. Raises _ZygoteDiedError, or SandboxUnavailableError with its reason."""
        try:
            ready = decode(self._receive(deadline=time.monotonic() + _START_S), Ready)
        except WireError as err:
            raise _ZygoteDiedError(str(err)) from err
        if ready.problem is not None:
            raise SandboxUnavailableError(f"the sandbox process cannot load its libraries: {ready.problem}")
        self.tools = ready.tools

    def run(self, job: Job, file: int) -> _Answer:
        """Hand over one job and return what came of it. Raises _ZygoteDiedError."""
        deadline = time.monotonic() + job.limits.wall_s + _GRACE_S
        reading, writing = os.pipe()
        try:
            try:
                socket.send_fds(self._socket, [encode(job)], [file, writing])
            except OSError as err:
                raise _ZygoteDiedError(str(err)) from err
            finally:
                os.close(writing)
            reply, overflowed = self._read_reply(reading, deadline=deadline, limit=job.limits.reply_bytes)
        finally:
            os.close(reading)
        try:
            return _Answer(reply, overflowed, decode(self._receive(deadline=deadline), Ended))
        except WireError as err:
            raise _ZygoteDiedError(str(err)) from err

    def end(self) -> None:
        """End the process at once; its worker dies with it. Safe from any thread: whoever waits for it is told."""
        self._process.kill()

    def kill(self) -> None:
        """End the process and give back what is held for it."""
        self.end()
        self._socket.close()
        self._process.wait()

    def _read_reply(self, reading: int, *, deadline: float, limit: int) -> tuple[bytes, bool]:
        """Return the reply and whether it went beyond ``limit`` bytes; then the worker is killed."""
        reply = bytearray()
        while _wait_readable(reading, deadline):
            chunk = os.read(reading, min(_CHUNK_BYTES, limit + 1 - len(reply)))
            if not chunk:
                return bytes(reply), False
            reply += chunk
            if len(reply) > limit:
                self._cancel()
                return b"", True
        raise _ZygoteDiedError("it did not end a worker in time")

    def _cancel(self) -> None:
        try:
            self._socket.send(CANCEL)
        except OSError as err:
            raise _ZygoteDiedError(str(err)) from err

    def _receive(self, *, deadline: float) -> bytes:
        if not _wait_readable(self._socket.fileno(), deadline):
            raise _ZygoteDiedError("it did not answer in time")
        try:
            message = self._socket.recv(MAX_MESSAGE_BYTES)
        except OSError as err:
            raise _ZygoteDiedError(str(err)) from err
        if not message:
            raise _ZygoteDiedError("it ended")
        return message


def _wait_readable(descriptor: int, deadline: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _reopened(descriptor: int) -> int:
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as err:
        raise SurroundingsError(f"the file to analyse cannot be opened again for reading: {err.strerror}") from err


def _requirement(name: str) -> Requirement:
    for known in get_args(Requirement):
        if name == known:
            return known  # type: ignore[no-any-return]  # get_args is typed as a tuple of Any
    raise UsageError(f"sandbox = {name!r} is not known; it is one of {', '.join(get_args(Requirement))}")
