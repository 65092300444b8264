"""atheris at work on every parser, a few seconds each; hours are for whoever changes one: docs/design/testing.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from parser_table import PARSERS

SECONDS = int(os.environ.get("STRONGROOM_FUZZ_SECONDS", "10"))
TARGET = Path(__file__).with_name("atheris_target.py")


@pytest.mark.long
@pytest.mark.needs("atheris")
@pytest.mark.parametrize("name", [parser.name for parser in PARSERS])
def test_atheris_finds_nothing(name: str, tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-P",
        TARGET,
        name,
        tmp_path,
        f"-max_total_time={SECONDS}",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr
