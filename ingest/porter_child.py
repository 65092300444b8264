"""The process that brings staged files into the vault, one batch after the other, until its recorder is gone.

Started by `ingest.porter` as ``python -I -m ingest.porter_child PID DESCRIPTOR VAULT STAGING``. It knows neither share
nor log, and decides nothing: what it does with a batch is `LocalStore.put_batch`.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from base.errors import EvidenceError, SyncFailedError
from ingest.porter import Done, Failed, Mismatch, Put
from vault.local import LocalStore
from vault.store import Staged, Stored

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the recorder whose process id is the first argument, over the socket whose number is the second."""
    recorder, descriptor, root, staging = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(recorder):
        return  # it went before we asked
    pipe = Connection(int(descriptor))
    requests: queue.SimpleQueue[Put | None] = queue.SimpleQueue()
    # A thread takes the requests off the socket: the recorder must never wait for us to hand one over.
    threading.Thread(target=_listen, args=(pipe, requests), daemon=True).start()
    vault = LocalStore(Path(root), Path(staging))
    while (request := requests.get()) is not None:
        pipe.send_bytes(msgspec.msgpack.encode(_answer(vault, request.files)))


def _listen(pipe: Connection, requests: queue.SimpleQueue[Put | None]) -> None:
    try:
        while True:
            requests.put(msgspec.msgpack.decode(pipe.recv_bytes(), type=Put))
    except (EOFError, OSError):
        requests.put(None)


def _answer(vault: LocalStore, files: list[Staged]) -> Done | Failed:
    try:
        answers = vault.put_batch(files)
    except EvidenceError as error:
        is_sync = isinstance(error, SyncFailedError)
        return Failed(message=str(error), next_step=error.next_step or "", is_sync=is_sync)
    methods = {answer.read_back for answer in answers if isinstance(answer, Stored)}
    mismatches = [
        Mismatch(index=index, found=answer.found)
        for index, answer in enumerate(answers)
        if not isinstance(answer, Stored)
    ]
    return Done(read_back=methods.pop() if methods else "", mismatches=mismatches)


if __name__ == "__main__":
    main()
