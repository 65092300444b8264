"""Runs every measurement of docs/performance.md, one after the other: what `make bench` does.

`--scale 0.1` makes all of them smaller, for a quick look; `--only NAME` runs one. Exit statuses: 0 every bar is kept, 1
a bar is missed or a measurement broke, 6 something was not measured because its peer is not installed, or the disk is
too full. 1 is worse than 6, and 6 is never 0: what was not measured is not good.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from measuring import KEPT, MISSED, NOT_MEASURED

# Short ones first; what makes many files last, so that its deletion disturbs nothing.
SCRIPTS = (
    "start_up",
    "sandbox_start",
    "tier1",
    "queries",
    "receipt",
    "verify_log",
    "verify_masters",
    "sealing_large",
    "sealing_small",
)
WORDS = {KEPT: "kept", MISSED: "MISSED", NOT_MEASURED: "not measured"}


def main() -> int:
    """Run, print a summary, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1", help="part of the full size (default 1)")
    parser.add_argument("--folder", default=".", help="where to work (default: here; a real disk)")
    parser.add_argument("--only", choices=SCRIPTS, action="append", help="run this one; repeatable")
    asked = parser.parse_args()
    statuses = {
        name: measurement(name, "--scale", asked.scale, "--folder", asked.folder) for name in asked.only or SCRIPTS
    }
    print("\nSummary")
    for name, status in statuses.items():
        print(f"  {name:<16} {WORDS.get(status, f'BROKEN (exit status {status})')}")
    return overall(list(statuses.values()))


def measurement(name: str, *arguments: str) -> int:
    """Run one script and return its exit status."""
    print(f"\n== {name}", flush=True)
    script = Path(__file__).with_name(f"{name}.py")
    return subprocess.run([sys.executable, "-P", script, *arguments], stdin=subprocess.DEVNULL).returncode


def overall(statuses: list[int]) -> int:
    """Return the exit status for all: a missed bar or a broken script is worse than what was not measured."""
    if any(status not in (KEPT, NOT_MEASURED) for status in statuses):
        return MISSED
    return NOT_MEASURED if NOT_MEASURED in statuses else KEPT


if __name__ == "__main__":
    sys.exit(main())
