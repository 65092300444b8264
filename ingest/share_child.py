"""The share reader process: answers one request after the other, until its recorder is gone.

Started by `ingest.share_process` as ``python -I -m ingest.share_child PID``. It decides nothing, and knows neither log
nor vault. Whatever it did not expect ends it with a traceback: it is disposable, and the recorder starts another one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from base import fsio
from ingest import share_messages as said
from ingest.beneath import RootLostError, open_root
from ingest.copying import Copier, StagingError
from ingest.doorbell import Doorbell
from ingest.receipt_files import ReceiptWriter
from ingest.scan import scan_root
from ingest.share_facts import (
    MAX_SMALL_BYTES,
    Copied,
    Found,
    Hashed,
    NotCopied,
    NotRead,
    ReceiptFile,
    ReceiptRefused,
    RootDescription,
    SmallFile,
    Watching,
)

_PR_SET_PDEATHSIG = 1
_CHUNK_ENTRIES = 500  # entries of a scan in one message
_CHUNK_BYTES = 1 << 20  # ... unless their paths are long
_SPEAK_BYTES = 1 << 15
_PULSE_S = 2.0
_LATER_S = 1.0
_PULSE_BYTES = 64 << 20


class Voice:
    """The pipe to the recorder, for both threads: the one that works and the one that rings."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._spoken_s = time.monotonic()
        self._spoken_count = 0
        self._unspoken = threading.Event()

    def speak_in_time(self) -> None:
        """Let what is to be said later be said after a second at most, from a thread of its own.

        Only so does the recorder know at which file a reader hangs: answers to the ones before must not hang with it.
        """
        threading.Thread(target=self._speak_for_ever, name="voice", daemon=True).start()

    def _speak_for_ever(self) -> None:
        while True:
            self._unspoken.wait()
            time.sleep(_LATER_S)
            self._unspoken.clear()
            self._speak()

    def say(self, reply: said.Reply) -> None:
        """Say ``reply`` now, after what was to be said later."""
        self.say_later(reply)
        self._speak()

    def say_later(self, reply: said.Reply) -> None:
        """Say ``reply`` together with others: the recorder need not wake for each of thousands of small files."""
        data = said.frame(reply)
        with self._lock:
            is_first = not self._pending
            self._pending += data
        if len(self._pending) >= _SPEAK_BYTES:
            self._speak()
        elif is_first:
            self._unspoken.set()

    def _speak(self) -> None:
        with self._lock:
            view = memoryview(bytes(self._pending))
            self._pending.clear()
            while view:
                view = view[os.write(self._descriptor, view) :]

    def pulse(self, count: int) -> None:
        """Say that the work goes on, now and then: the recorder takes silence for death."""
        now_s = time.monotonic()
        if now_s - self._spoken_s >= _PULSE_S or count - self._spoken_count >= _PULSE_BYTES:
            self._spoken_s, self._spoken_count = now_s, count
            self.say(said.Progress(count=count))

    def begin(self) -> None:
        """A new request: its counts begin at 0."""
        self._spoken_s, self._spoken_count = time.monotonic(), 0


class _ScanReport:
    """Entries on their way to the recorder, in messages of some hundred."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._found: list[Found] = []
        self._bytes = 0

    def add(self, found: Found) -> None:
        self._found.append(found)
        self._bytes += len(found.path)
        if len(self._found) >= _CHUNK_ENTRIES or self._bytes >= _CHUNK_BYTES:
            self.send()

    def send(self) -> None:
        if self._found:
            self._voice.say(said.FoundChunk(found=self._found))
        self._found, self._bytes = [], 0


class Reader:
    """Answers requests about one root."""

    def __init__(self, start: said.Start, voice: Voice) -> None:
        self._root, self._staging = start.root, start.staging
        self._voice = voice
        self._bell = Doorbell(lambda: voice.say(said.Bell()))
        self._wants_bell = start.watch

    def answer(self, request: said.Request) -> None:
        """Answer one request, with an error of the share or the store if it is one."""
        self._voice.begin()
        try:
            self._answer(request)
        except RootLostError as err:
            self._voice.say(said.RootLost(code=err.errno, detail=os.strerror(err.errno)))
        except StagingError as err:
            self._voice.say(said.StoreFailed(code=err.errno, detail=os.strerror(err.errno)))

    def _answer(self, request: said.Request) -> None:
        match request:
            case said.Scan():
                self._scan()
            case said.CopyBatch():
                self._copy(request)
            case said.HashFile():
                self._with_root(lambda root_fd: _read_reply(self._copier(root_fd).hash(request.path)))
            case said.ReadSmall():
                most = min(request.max_bytes, MAX_SMALL_BYTES)
                self._with_root(lambda root_fd: _read_reply(self._copier(root_fd).read_small(request.path, most)))
            case said.WriteReceipt():
                self._with_root(
                    lambda root_fd: _receipt_reply(ReceiptWriter(root_fd).write(request.temporary, request.content))
                )
            case said.NameReceipt():
                self._with_root(
                    lambda root_fd: _receipt_reply(ReceiptWriter(root_fd).give_name(request.written, request.names))
                )
            case said.RemoveReceipt():
                self._with_root(lambda root_fd: _removal_reply(root_fd, request))
            case said.DescribeRoot():
                self._with_root(lambda root_fd: said.RootReply(root=_description(self._root, root_fd)))
            case said.Watch():
                self._wants_bell = True
                self._voice.say(said.WatchReply(watching=self._watch()))

    def _with_root(self, work: Callable[[int], said.Reply]) -> None:
        # Opened anew for each request: a descriptor kept open would keep a dead or old mount in place.
        root_fd = open_root(self._root)
        try:
            self._voice.say(work(root_fd))
        finally:
            os.close(root_fd)

    def _copier(self, root_fd: int) -> Copier:
        return Copier(root_fd, alive=self._voice.pulse)

    def _scan(self) -> None:
        report = _ScanReport(self._voice)
        outcome = scan_root(self._root, report.add, self._voice.pulse)
        report.send()
        if self._wants_bell and not self._bell.hangs_at(outcome.device, outcome.inode) and self._watch().by_events:
            self._voice.say(said.Bell())  # for what happened between the scan and now
        self._voice.say(said.ScanEnd(outcome=outcome))

    def _copy(self, batch: said.CopyBatch) -> None:
        root_fd = open_root(self._root)
        try:
            staging_fd = _open_staging(self._staging)
            try:
                copier = self._copier(root_fd)
                for order in batch.orders:
                    taken = copier.copy(order, staging_fd)
                    self._voice.say_later(_copy_reply(taken))
            finally:
                os.close(staging_fd)
        finally:
            os.close(root_fd)
        self._voice.say(said.CopyEnd())

    def _watch(self) -> Watching:
        try:
            file_system = fsio.remote_type(self._root)
            if file_system is not None:
                return Watching(by_events=False, detail=f"{file_system} tells of no changes made elsewhere")
            self._bell.hang(self._root)
        except OSError as err:
            return Watching(by_events=False, detail=err.strerror or str(err))
        return Watching(by_events=True)


def _copy_reply(taken: Copied | NotCopied) -> said.Reply:
    return said.CopiedReply(taken) if isinstance(taken, Copied) else said.NotCopiedReply(taken)


def _read_reply(taken: Hashed | SmallFile | NotRead) -> said.Reply:
    match taken:
        case Hashed():
            return said.HashReply(taken)
        case SmallFile():
            return said.SmallReply(taken)
        case NotRead():
            return said.NotReadReply(taken)


def _receipt_reply(written: ReceiptFile | ReceiptRefused) -> said.Reply:
    return said.ReceiptReply(written) if isinstance(written, ReceiptFile) else said.ReceiptRefusedReply(written)


def _removal_reply(root_fd: int, request: said.RemoveReceipt) -> said.Reply:
    outcome = ReceiptWriter(root_fd).remove(request.receipt, request.aside)
    return said.ReceiptRefusedReply(outcome) if isinstance(outcome, ReceiptRefused) else said.RemovalReply(outcome)


def _description(root: bytes, root_fd: int) -> RootDescription:
    found = os.fstat(root_fd)
    mounted_read_only = bool(os.fstatvfs(root_fd).f_flag & os.ST_RDONLY)
    return RootDescription(
        device=found.st_dev,
        inode=found.st_ino,
        file_system=fsio.remote_type(root),
        read_only=mounted_read_only or not os.access(root, os.W_OK | os.X_OK, effective_ids=True),
    )


def _open_staging(path: bytes) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as err:
        raise StagingError(err) from err


def _die_with(recorder: int) -> None:
    """Let the kernel kill us when the recorder is gone: nobody else would, in the middle of a copy."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != recorder:
        sys.exit(0)  # it went before we asked


def main() -> None:
    """Serve the recorder whose process id is our argument, over stdin and stdout."""
    _die_with(int(sys.argv[1]))
    os.umask(0o022)  # for receipts; what is staged gets its mode said
    # Whatever prints must not end up between the frames.
    voice = Voice(os.dup(1))
    voice.speak_in_time()
    os.dup2(2, 1)
    requests = said.request_buffer()
    reader: Reader | None = None
    while data := os.read(0, fsio.CHUNK):
        requests.feed(data)
        while (request := requests.next_message()) is not None:
            if isinstance(request, said.Start):
                reader = Reader(request, voice)
            elif reader is not None:
                reader.answer(request)


if __name__ == "__main__":
    main()
