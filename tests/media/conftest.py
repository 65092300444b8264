"""One sandbox for the tests of a session, and a short way to put a file into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from media.limits import Limits
from media.report import Failure, Report
from media.sandbox import Sandbox

Analyse: TypeAlias = Callable[[Path], Report | Failure]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(limits=Limits(wall_s=120, cpu_s=60)) as started:
        yield started


@pytest.fixture
def analyse(sandbox: Sandbox) -> Analyse:
    return lambda path: analysed(sandbox, path)


def analysed(sandbox: Sandbox, path: Path) -> Report | Failure:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return sandbox.analyse(descriptor, size_bytes=path.stat().st_size)
    finally:
        os.close(descriptor)
