"""The sandbox starts whatever descriptors its parent holds open: their numbers decide where the worker's own fall."""

from __future__ import annotations

import os

import pytest

from media.sandbox import Sandbox


@pytest.mark.parametrize("held", [0, 3, 20])
def test_a_worker_can_be_locked_however_many_files_the_parent_holds_open(held: int) -> None:
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(held)]
    try:
        with Sandbox() as sandbox:
            assert "seccomp" in sandbox.strength().codes()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
