"""Claims about starting (P11): `--help` costs at most 1.6 times ``import click``, and `find`, its consultation recorded
and sealed, at most 1.6 times one bare script with click, sqlite3, an Ed25519 signature and two durable commits.

All are new processes of the same interpreter, run alternately, compiled beforehand; CPU time of user and system. `find`
asks a store of its own that holds nothing yet. Prints machine, versions, each median and the ratios beside their
limits. Exit status 1: a limit was passed.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROUNDS = 15
LIMIT = 1.6

_BARE = """
import sqlite3, sys
import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

@click.command()
@click.argument("folder")
def bare(folder):
    signature = Ed25519PrivateKey.generate().sign(b"x" * 2000)
    for name in ("a.db", "b.db"):
        connection = sqlite3.connect(f"{folder}/{name}")
        connection.execute("CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, signature BLOB)")
        connection.execute("INSERT INTO entry (signature) VALUES (?)", (signature,))
        connection.commit()
        connection.close()
    click.echo("done")

bare()
"""


def main() -> int:
    """Measure and print; return the exit status."""
    load = os.getloadavg()[0]
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, load {load:.1f}")
    print(f"Python {platform.python_version()}, {ROUNDS} rounds")
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        costs = measured(Path(folder))
    for name, values in costs.items():
        print(f"{name:<14} {statistics.median(values) * 1000:6.1f} ms CPU")
    good = [_compared(costs, "--help", "import click"), _compared(costs, "find", "bare script")]
    return 0 if all(good) else 1


def measured(folder: Path) -> Mapping[str, Sequence[float]]:
    """Return the CPU seconds of each command, round by round."""
    # Compiled code is kept where the bench can write, whatever the environment says: users have it compiled too.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    store, program = str(folder / "store"), [sys.executable, "-m", "cli"]
    subprocess.run([*program, "init", store], env=environment, capture_output=True, check=True)
    commands = {
        "import click": [sys.executable, "-c", "import click"],
        "--help": [*program, "--help"],
        "bare script": [sys.executable, "-c", _BARE, str(folder)],
        "find": [*program, "find", "--store", store],
    }
    for command in commands.values():
        _cpu_s(command, environment)
    rounds = [{name: _cpu_s(command, environment) for name, command in commands.items()} for _ in range(ROUNDS)]
    return {name: [costs[name] for costs in rounds] for name in commands}


def _cpu_s(command: Sequence[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _compared(costs: Mapping[str, Sequence[float]], ours: str, peer: str) -> bool:
    ratio = statistics.median(mine / theirs for mine, theirs in zip(costs[ours], costs[peer], strict=True))
    print(f"P11 {ours} : {peer}   median ratio {ratio:.2f} (limit {LIMIT})" + ("" if ratio <= LIMIT else "   TOO SLOW"))
    return ratio <= LIMIT


if __name__ == "__main__":
    sys.exit(main())
