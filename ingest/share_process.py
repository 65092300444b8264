"""One share reader process, seen from the recorder: started, spoken to with a deadline on silence, killed.

Every wait here ends: with an answer, with silence that lasted too long, or with a request to stop. A reader that is
stuck in a system call on a dead share can't be killed: it is told to die and left to the kernel, never waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
from collections.abc import Callable

from base.errors import EvidenceError, SurroundingsError
from base.escape import shown
from ingest.share_messages import Bell, Reply, Request, ShareMessageError, Start, frame, reply_buffer

POLL_S = 0.25  # how often a wait asks whether to stop
_PIPE_BYTES = 1 << 20  # so that a batch of answers fits while the recorder is busy with the batch before
_READ_BYTES = _PIPE_BYTES
_KILL_GRACE_S = 0.5


class ShareUnreachableError(SurroundingsError):
    """The share, or the process that reads it, did not answer. Nothing is concluded about what lies in it."""

    code = "share-unreachable"
    next_step = "Bring the share back; it is tried again by itself. Nothing in it is taken for deleted."

    def __init__(self, message: str, *, cause: str) -> None:
        super().__init__(message)
        self.cause = cause  # silent, ended, nonsense, root (the root gave an error), waiting (not tried yet)
        self.path: bytes | None = None  # the file that the reader was copying when it fell silent or ended


class ShareReaderBugError(EvidenceError):
    """The share reader ended with an error that it does not know."""


class StopRequestedError(EvidenceError):
    """The recorder was told to stop while it waited for a share."""

    exit_code = 143
    code = "stopped"
    next_step = "Start it again: what was not sealed is taken again from the share."


class Patience:
    """How long a silence may last, and who may end the waiting. A deadline moves on with each sign of work."""

    def __init__(self, *, silence_s: float, stop: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._silence_s, self._stop, self._clock = silence_s, stop, clock
        self._deadline_s = 0.0
        self._last_look = False
        self.renew()

    def renew(self) -> None:
        """Begin a fresh deadline: the reader did something."""
        self._deadline_s = self._clock() + self._silence_s
        self._last_look = False

    def wait(self, descriptor: int, event: int) -> None:
        """Return when ``event`` is there. Raises: StopRequestedError, ShareUnreachableError (silent)."""
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            if self._stop():
                raise StopRequestedError("stopped while a share was being read; nothing was left half done.")
            left_s = self._deadline_s - self._clock()
            # One look after the deadline: if it was us who slept or were slow, the answer lies there already.
            if not self._last_look and poll.poll(1000 * max(0.0, min(POLL_S, left_s))):
                self._last_look = left_s <= 0
                return
            if left_s <= 0:
                raise ShareUnreachableError(
                    f"the share reader was silent for {self._silence_s:g} s and was abandoned.", cause="silent"
                )


class ReaderProcess:
    """A running share reader. PDEATHSIG ties it to the *thread* that started it: start it from one that lives on."""

    def __init__(self, root: bytes, staging: bytes, *, watch: bool) -> None:
        self._complaints = os.memfd_create("share-reader-stderr", os.MFD_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-m", "ingest.share_child", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                env=_clean_environment(),
                cwd="/",
                process_group=0,  # Ctrl-C in a terminal is the recorder's to answer
            )
        except OSError as err:
            os.close(self._complaints)
            raise ShareUnreachableError(f"a share reader could not be started: {err.strerror}.", cause="ended") from err
        assert self._process.stdin is not None and self._process.stdout is not None  # both are PIPE
        self._input, self._output = self._process.stdin, self._process.stdout
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(OSError):  # a limit of the system; smaller is only slower
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._buffer = reply_buffer()
        self._started = frame(Start(root=root, staging=staging, watch=watch))
        self.rung = False  # a bell arrived

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the reader says something."""
        return self._output.fileno()

    def send(self, request: Request, patience: Patience) -> None:
        """Write ``request`` whole, or raise: ShareUnreachableError, ShareReaderBugError, StopRequestedError."""
        view = memoryview(self._started + frame(request))
        self._started = b""
        while view:
            patience.wait(self._input.fileno(), select.POLLOUT)
            try:
                view = view[os.write(self._input.fileno(), view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self._raise_ended()
            patience.renew()

    def receive(self, patience: Patience) -> Reply:
        """Return the next message that is not a bell. Raises as `send`."""
        while True:
            while (message := self._next_message()) is not None:
                if not isinstance(message, Bell):
                    # Bells come from a thread that goes on ringing while the reader hangs: no sign of work.
                    patience.renew()
                    return message
                self.rung = True
            patience.wait(self._output.fileno(), select.POLLIN)
            if not self._fill():
                self._raise_ended()

    def hear_bells(self) -> bool:
        """Take what has arrived between calls, without waiting; False when the reader has ended."""
        alive = True
        while alive and select.select([self._output], [], [], 0)[0]:
            alive = self._fill()
        while (message := self._next_message()) is not None:
            if not isinstance(message, Bell):
                raise ShareUnreachableError("the share reader spoke without being asked.", cause="nonsense")
            self.rung = True
        return alive

    def kill(self) -> bool:
        """Kill the reader; False when it is stuck in the kernel and was left there."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_GRACE_S)
        self._input.close()
        self._output.close()
        os.close(self._complaints)
        return self.is_gone()

    def is_gone(self) -> bool:
        """Whether the process has ended (and was reaped)."""
        return self._process.poll() is not None

    def _next_message(self) -> Reply | None:
        try:
            return self._buffer.next_message()
        except ShareMessageError as err:
            raise ShareUnreachableError(f"the share reader sent {err}", cause="nonsense") from err

    def _fill(self) -> bool:
        try:
            data = os.read(self._output.fileno(), _READ_BYTES)
        except BlockingIOError:
            return True
        self._buffer.feed(data)
        return bool(data)

    def _raise_ended(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_GRACE_S)
        code = self._process.returncode
        if code is None or code <= 0:
            how = "closed its pipe" if code is None else f"ended by signal {-code}" if code else "ended"
            raise ShareUnreachableError(f"the share reader {how} in the middle of a request.", cause="ended")
        size = os.fstat(self._complaints).st_size
        last_words = os.pread(self._complaints, 4000, max(0, size - 4000))
        raise ShareReaderBugError(f"the share reader failed with status {code}: {shown(last_words, limit=4000)}")


def _clean_environment() -> dict[str, str]:
    """Return what the reader gets of our environment: nothing but the test faults."""
    return {name: value for name, value in os.environ.items() if name.startswith("STRONGROOM_FAILPOINTS")}
