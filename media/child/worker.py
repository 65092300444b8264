"""One worker: locks itself, does one job, writes one reply, exits.

Importing this module loads every library that reads a hostile file, so that the zygote imports it once, before any
fork: after the lock nothing can be loaded any more.
"""

from __future__ import annotations

import fcntl
import os
import socket
import traceback
from dataclasses import replace
from typing import NoReturn

import cv2

from media.child import libraries
from media.child.analysis import Analysis
from media.child.lockdown import FILE, REPLY, LayerMissingError, Lock
from media.report import Failure, Report, Strength, storable
from media.wire import Job, Reply, encode

_OUT_OF_THE_WAY = 16  # descriptors are moved above this before they get their fixed numbers


class Crew:
    """What all workers inherit: the loaded libraries and the prepared lock."""

    def __init__(self) -> None:
        libraries.warm_up()
        self.tools = libraries.tools()
        self._lock = Lock()

    def work(self, job: Job, *, file: int, reply: int, parent: int) -> NoReturn:
        """Do ``job`` in this process, which was forked for it, and end the process."""
        exit_code = 1
        try:
            _place(file, reply)
            os.environ.clear()
            _write(encode(self._answer(job, parent=parent)))
            exit_code = 0
        finally:
            os._exit(exit_code)  # whatever happened: a forked process must never return into the zygote's loop

    def _answer(self, job: Job, *, parent: int) -> Reply:
        try:
            strength = self._lock.lock(require=job.require, limits=job.limits, parent=parent)
        except LayerMissingError as err:
            return Reply(unavailable=storable(str(err)))
        if job.task == "forbidden":
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
        if job.task != "analyse":
            return Reply(strength=strength)
        outcome = self._signed(_analysed(job), strength)
        if isinstance(outcome, Report):
            return Reply(strength=strength, report=outcome)
        return Reply(strength=strength, failure=outcome)

    def _signed(self, outcome: Report | Failure, strength: Strength) -> Report | Failure:
        return replace(outcome, tools=self.tools, strength=tuple(strength.codes()))


def _analysed(job: Job) -> Report | Failure:
    try:
        return Analysis(FILE, limits=job.limits).run()
    except Exception as err:  # noqa: BLE001  # nothing goes on: the item gets this as its finding, the worker ends
        return _failure(err)


def _failure(err: Exception) -> Failure:
    if isinstance(err, MemoryError) or (isinstance(err, cv2.error) and err.code == cv2.Error.StsNoMem):
        return Failure(outcome="memory", limits=("memory",), detail="a decoder asked for more than is allowed")
    last = traceback.extract_tb(err.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno}"
    return Failure(outcome="crash", detail=storable(f"{type(err).__name__} at {where}: {err}")[:1000])


def _place(file: int, reply: int) -> None:
    high_file = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    high_reply = fcntl.fcntl(reply, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.dup2(high_file, FILE, inheritable=False)
    os.dup2(high_reply, REPLY, inheritable=False)


def _write(reply: bytes) -> None:
    rest = memoryview(reply)
    while rest:
        rest = rest[os.write(REPLY, rest) :]
