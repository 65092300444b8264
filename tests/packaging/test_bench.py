"""`make bench` says what it did not measure, and never calls that good. No figure is judged here: machines differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BENCH = CHECKOUT / "bench"
SCRIPTS = sorted(
    path.stem for path in BENCH.glob("*.py") if path.stem not in ("measuring", "run_all", "bare_script", "large_log")
)


def run_bench(
    script: str, *arguments: str | Path, path: str | None = None, before: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(BENCH), "PATH": os.environ["PATH"] if path is None else path}
    program = [str(BENCH / f"{script}.py")] if not before else ["-c", before]
    command = [sys.executable, "-P", *program, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("script", ["tier1", "sealing_large", "sealing_small"])
def test_a_peer_that_is_not_installed_is_not_measured(tmp_path: Path, script: str) -> None:
    done = run_bench(script, "--folder", tmp_path, path=str(tmp_path))
    assert done.returncode == 6
    assert "not measured" in done.stdout
    assert "is not installed" in done.stdout


def test_make_bench_ends_with_6_when_a_peer_is_missing(tmp_path: Path) -> None:
    done = run_bench("run_all", "--only", "tier1", "--folder", tmp_path, path=str(tmp_path))
    assert done.returncode == 6
    assert done.stdout.endswith("Summary\n  tier1            not measured\n")


def test_too_small_a_disk_is_not_measured(tmp_path: Path) -> None:
    """Asked for more than any disk has."""
    done = run_bench("sealing_large", "--scale", "1e9", "--folder", tmp_path)
    assert done.returncode == 6
    assert "GB must be free" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statuses", "overall"),
    [
        ([0, 0], 0),
        ([0, 6], 6),
        ([6, 1], 1),  # a missed bar is worse than one that was not measured
        ([0, 2], 1),  # a script that broke measured nothing, and nobody may read that as good
        ([0, -9], 1),
    ],
)
def test_the_worst_decides(statuses: list[int], overall: int) -> None:
    done = run_bench("run_all", before=f"import sys, run_all; sys.exit(run_all.overall({statuses}))")
    assert done.returncode == overall, done.stderr


def test_make_bench_runs_every_script() -> None:
    done = run_bench("run_all", before="import run_all; print(*sorted(run_all.SCRIPTS))")
    assert done.stdout.split() == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_described_in_the_documentation(script: str) -> None:
    assert f"`{script}`" in (CHECKOUT / "docs" / "performance.md").read_text("utf-8")


def test_a_measurement_prints_its_claim_its_ratio_its_bar_and_where(tmp_path: Path) -> None:
    done = run_bench("start_up", "--pairs", "1", "--folder", tmp_path)
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("machine: ")
    assert any(line.startswith("versions: Python 3.") for line in lines)
    assert sum("median ratio" in line and "bar <= 1.60" in line for line in lines) == 2
    assert list(tmp_path.iterdir()) == []
