"""The share, as the recorder sees it: every system call that touches it is made by a disposable process.

A share that is dead can hold whoever touches it for ever, beyond any signal. So one reader process per root scans,
copies and writes receipts; it is asked one thing at a time, and silence has a deadline. A silent reader is abandoned,
counted, and replaced with back-off. What the reader says is checked here; it decides nothing.

Not here: what is a drop, what is finished, what is recorded. One `ShareReader` is for one thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from base import fsio
from base.escape import shown
from ingest import share_messages as said
from ingest.share_batch import CopyUnderWay
from ingest.share_facts import (
    Copied,
    Found,
    Hashed,
    NotCopied,
    NotRead,
    ReceiptFile,
    ReceiptRefused,
    RemovalOutcome,
    RootDescription,
    ScanOutcome,
    SmallFile,
    Watching,
)
from ingest.share_process import Patience, ReaderProcess, ShareReaderBugError, ShareUnreachableError

SILENCE_S = 60.0
MAX_BACK_OFF_S = 60.0
MAX_ABANDONED = 8  # readers stuck in the kernel at one time; with so many no further one is started
RECEIPT_TEMPORARY = ".strongroom-{}.tmp"
_TEMPORARY = re.compile(rb"\.strongroom-[0-9a-f]{32}\.tmp", re.ASCII)


class ShareReader:
    """One root of a share. Any call may raise ShareUnreachableError, StopRequestedError or ShareReaderBugError."""

    def __init__(
        self,
        root: bytes,
        staging: Path,
        *,
        reserve_bytes: int = 0,
        silence_s: float = SILENCE_S,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int], None] = lambda _count: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.retry_at_s = 0.0  # by ``clock``: earlier calls are refused at once, so that a dead share costs nothing
        self.failures = 0  # in a row
        self._staging = staging
        self._reserve_bytes = reserve_bytes
        self._silence_s, self._stop, self._clock = silence_s, stop, clock
        self._on_progress = on_progress
        self._process: ReaderProcess | None = None
        self._abandoned: list[ReaderProcess] = []
        self._watching = False
        self._rung = False
        self._batch: CopyUnderWay | None = None
        self._never_ready = os.eventfd(0, os.EFD_CLOEXEC)

    # ------------------------------------------------------------------------------------------------ looking

    def describe_root(self) -> RootDescription:
        """Return what is known of the root, without writing to it."""
        reply = self._ask(said.DescribeRoot())
        if isinstance(reply, said.RootReply):
            return reply.root
        raise self._nonsense(reply)

    def scan(self) -> Generator[Found | ScanOutcome]:
        """Yield every entry in the order of the file system, and last the outcome of the scan.

        A directory that fails while it is listed is yielded a second time, with its problem. An iteration that is
        left before its end costs the reader process.
        """
        with contextlib.closing(self._exchange(said.Scan())) as replies:
            for reply in replies:
                if isinstance(reply, said.FoundChunk):
                    yield from reply.found
                elif isinstance(reply, said.ScanEnd):
                    yield reply.outcome
                else:
                    raise self._nonsense(reply)

    def watch(self) -> Watching:
        """Hang up the doorbell, where events can be trusted: from now on changes in the root wake `fileno`."""
        self._watching = True
        self._rung = True  # what came before the bell hung has to be looked for
        reply = self._ask(said.Watch())
        if isinstance(reply, said.WatchReply):
            return reply.watching
        raise self._nonsense(reply)

    def fileno(self) -> int:
        """Return the descriptor to select on for the bell; ask anew each time, a new reader has another one."""
        return self._never_ready if self._process is None else self._process.fileno()

    def take_bell(self) -> bool:
        """Whether the bell has rung since the last time, or the reader has ended: scan now."""
        if self._process is not None and self._batch is None:
            try:
                alive = self._process.hear_bells()
            except ShareUnreachableError:
                alive = False
            self._rung |= self._process.rung
            self._process.rung = False
            if not alive:
                self._abandon()
                self._rung = True
        rung, self._rung = self._rung, False
        return rung

    # ------------------------------------------------------------------------------------------------ copying

    def copy_batch(self, found: Sequence[Found]) -> list[Copied | NotCopied]:
        """Copy files into staging while hashing them; one answer per file, in order. Nothing is synced yet.

        On any error the whole batch is thrown away, in staging too. Raises: DiskError when staging can't be written.
        """
        self.begin_copy(found)
        return self.end_copy()

    def begin_copy(self, found: Sequence[Found]) -> None:
        """Let the reader begin with a batch; `end_copy` waits for it. Until then nothing else can be asked."""
        if self._batch is not None:
            raise ValueError("a batch is being copied: end_copy first")
        batch = CopyUnderWay(found, free_bytes=fsio.free_bytes(self._staging) - self._reserve_bytes)
        self._send(said.CopyBatch(orders=batch.orders))
        self._batch = batch

    def end_copy(self) -> list[Copied | NotCopied]:
        """Return the answers of the batch that `begin_copy` began, as `copy_batch` does.

        A ShareUnreachableError says at which file the reader was when it was lost.
        """
        batch, self._batch = self._batch, None
        if batch is None:
            raise ValueError("end_copy without begin_copy")
        try:
            with contextlib.closing(self._replies()) as replies:
                for order in batch.orders:
                    if not batch.take(reply := next(replies), order):
                        raise self._nonsense(reply)
                if not isinstance(last := next(replies), said.CopyEnd):
                    raise self._nonsense(last)
        except BaseException as err:
            if isinstance(err, ShareUnreachableError) and err.cause in ("silent", "ended"):
                err.path = batch.awaited
            self._sweep(batch.staging_names)
            raise
        return batch.answers

    def cancel_copy(self) -> None:
        """Throw away the batch that `begin_copy` began, if there is one; it costs the reader process."""
        batch, self._batch = self._batch, None
        if batch is not None:
            self._abandon()
            self._sweep(batch.staging_names)

    # ------------------------------------------------------------------------------------------------ reading

    def hash_file(self, path: bytes) -> Hashed | NotRead:
        """Return the digest of a file as it is now."""
        reply = self._ask(said.HashFile(path=path))
        if isinstance(reply, said.HashReply):
            return reply.hashed
        if isinstance(reply, said.NotReadReply):
            return reply.not_read
        raise self._nonsense(reply)

    def read_small(self, path: bytes, max_bytes: int) -> SmallFile | NotRead:
        """Return the content of a file of at most ``max_bytes`` (at most `MAX_SMALL_BYTES`) as it is now."""
        reply = self._ask(said.ReadSmall(path=path, max_bytes=max_bytes))
        if isinstance(reply, said.SmallReply):
            return reply.file
        if isinstance(reply, said.NotReadReply):
            return reply.not_read
        raise self._nonsense(reply)

    # ----------------------------------------------------------------------------------------------- receipts

    @staticmethod
    def new_temporary_name() -> bytes:
        """Return an unguessable name for a receipt that is being written: note it before it is used."""
        return RECEIPT_TEMPORARY.format(secrets.token_hex(16)).encode()

    @staticmethod
    def is_temporary_name(name: bytes) -> bool:
        """Whether `new_temporary_name` gives names of this form; that it gave this one, it does not say."""
        return _TEMPORARY.fullmatch(name) is not None

    def write_receipt(self, temporary: bytes, content: bytes) -> ReceiptFile | ReceiptRefused:
        """Write a new file in the root under a temporary name, synced. Note its identity, then `name_receipt`."""
        return self._receipt(said.WriteReceipt(temporary=temporary, content=content))

    def name_receipt(self, written: ReceiptFile, names: Sequence[bytes]) -> ReceiptFile | ReceiptRefused:
        """Give a written receipt the first of ``names`` that is free, and return what it is now.

        Nothing is ever replaced. If ``written`` is no longer there, or no longer ours, it is refused.
        """
        return self._receipt(said.NameReceipt(written=written, names=list(names)))

    def remove_receipt(self, receipt: ReceiptFile, aside: bytes) -> RemovalOutcome | ReceiptRefused:
        """Remove a receipt of ours if it is still what was written; anything else under its name is left alone.

        It is first renamed to ``aside`` (from `new_temporary_name`), so that nothing put in its place can be lost.
        """
        reply = self._ask(said.RemoveReceipt(receipt=receipt, aside=aside))
        if isinstance(reply, said.RemovalReply):
            return reply.outcome
        if isinstance(reply, said.ReceiptRefusedReply):
            return reply.refused
        raise self._nonsense(reply)

    def _receipt(self, request: said.Request) -> ReceiptFile | ReceiptRefused:
        reply = self._ask(request)
        if isinstance(reply, said.ReceiptReply):
            return reply.receipt
        if isinstance(reply, said.ReceiptRefusedReply):
            return reply.refused
        raise self._nonsense(reply)

    # ------------------------------------------------------------------------------------------------ process

    @property
    def abandoned(self) -> int:
        """How many readers are stuck in the kernel now."""
        self._reap()
        return len(self._abandoned)

    @property
    def pid(self) -> int | None:
        """The process that reads now, if there is one."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the reader. What it had begun is thrown away."""
        self.cancel_copy()
        self._abandon()
        os.close(self._never_ready)

    def _ask(self, request: said.Request) -> said.Reply:
        with contextlib.closing(self._exchange(request)) as replies:
            return next(replies)

    def _exchange(self, request: said.Request) -> Generator[said.Reply]:
        if self._batch is not None:
            raise ValueError("a batch is being copied: end_copy first")
        self._send(request)
        yield from self._replies()

    def _send(self, request: said.Request) -> None:
        process = self._ready_process()
        try:
            process.send(request, self._patience())
        except BaseException as err:
            self._give_up(err)
            raise

    def _replies(self) -> Generator[said.Reply]:
        """Yield the answers up to the one that ends the exchange. Whoever stops earlier loses the reader."""
        process = self._process
        if process is None:
            raise ValueError("nothing was asked")
        patience = self._patience()
        idle = False
        try:
            while not idle:
                reply = process.receive(patience)
                if isinstance(reply, said.Progress):
                    self._on_progress(reply.count)
                    continue
                idle = not isinstance(reply, said.FoundChunk | said.CopiedReply | said.NotCopiedReply)
                if idle:
                    self.failures = 0
                _raise_if_failed(reply)
                yield reply
        except BaseException as err:
            if not idle:
                self._give_up(err)
            raise

    def _ready_process(self) -> ReaderProcess:
        if self._process is None:
            self._reap()
            wait_s = self.retry_at_s - self._clock()
            if wait_s > 0:
                raise ShareUnreachableError(f"the share is tried again in {wait_s:.0f} s.", cause="waiting")
            if len(self._abandoned) >= MAX_ABANDONED:
                raise ShareUnreachableError(f"{MAX_ABANDONED} readers hang in this share.", cause="waiting")
            try:
                self._process = ReaderProcess(self.root, os.fsencode(self._staging), watch=self._watching)
            except ShareUnreachableError as err:
                self._give_up(err)
                raise
        return self._process

    def _give_up(self, error: BaseException) -> None:
        """Abandon the reader in the middle of an exchange; after a failure the next one has to wait its time."""
        self._abandon()
        if isinstance(error, ShareUnreachableError | ShareReaderBugError):
            self.failures += 1
            self.retry_at_s = self._clock() + min(MAX_BACK_OFF_S, 2.0 ** min(self.failures - 1, 10))

    def _abandon(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._rung |= process.rung
            if not process.kill():
                self._abandoned.append(process)

    def _reap(self) -> None:
        self._abandoned = [process for process in self._abandoned if not process.is_gone()]

    def _sweep(self, names: list[str]) -> None:
        # A reader that hangs in the kernel was killed: it never writes here again, at most its last call ends.
        try:
            with fsio.directory(self._staging) as staging:
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        fsio.remove(name, dir_fd=staging)
        except OSError as err:
            raise fsio.DiskError.from_os(err, "cleaning up staging") from err

    def _patience(self) -> Patience:
        return Patience(silence_s=self._silence_s, stop=self._stop, clock=self._clock)

    def _nonsense(self, reply: said.Reply) -> ShareUnreachableError:
        error = ShareUnreachableError(
            f"the share reader answered {type(reply).__name__} out of place.", cause="nonsense"
        )
        self._give_up(error)
        return error


def _raise_if_failed(reply: said.Reply) -> None:
    if isinstance(reply, said.RootLost):
        raise ShareUnreachableError(f"the root of the share can't be read: {shown(reply.detail)}.", cause="root")
    if isinstance(reply, said.StoreFailed):
        raise fsio.DiskError.from_os(OSError(reply.code, os.strerror(reply.code)), "writing into staging")
