"""Claims: `--help` costs at most 1.6 times the CPU of ``import click``, and `find` 1.6 times that of a bare script.

The second peer, bench/bare_script.py, has click, sqlite3, one Ed25519 signature and two durable commits, in the same
interpreter. Our `find` opens store and log, looks at the last checkpoint, searches, and records the consultation before
it answers. CPU is user and system time of the process; each pair is run often, because one run takes some hundredths of
a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measuring import (
    STRONGROOM,
    Cost,
    cost_of,
    new_store,
    options,
    pairs_of,
    print_machine,
    run,
    verdict,
    workplace,
)

HELP_CLAIM = "CPU of strongroom --help : python -c 'import click'"
FIND_CLAIM = "CPU of strongroom find, recorded : a bare script that searches, signs and commits twice"
BAR = 1.6
PAIRS = 20
ITEMS = 20
BARE_SCRIPT = Path(__file__).with_name("bare_script.py")


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__, pairs=PAIRS)
    print_machine(asked)
    with workplace(asked) as folder:
        store = filled_store(folder)
        helping = compared(
            HELP_CLAIM, [*STRONGROOM, "--help"], [sys.executable, "-P", "-c", "import click"], pairs=asked.pairs
        )
        bare: list[str | Path] = [sys.executable, "-P", BARE_SCRIPT, folder, "yard"]
        finding = compared(FIND_CLAIM, [*STRONGROOM, "find", "yard", "--store", store], bare, pairs=asked.pairs)
    return max(helping, finding)


def filled_store(folder: Path) -> Path:
    """Make a store with some items."""
    drop = folder / "share" / "card"
    drop.mkdir(parents=True)
    for number in range(ITEMS):
        (drop / f"yard-{number:02d}.txt").write_text(f"note {number}\n", "utf-8")
    (drop / "DONE").touch()
    store = new_store(folder, drop.parent)
    run([*STRONGROOM, "watch", "--once", "--store", store])
    return store


def compared(claim: str, ours: list[str | Path], peer: list[str | Path], *, pairs: int) -> int:
    """Run both commands in turns and print the verdict."""
    for command in (ours, peer):
        run(command)  # once before, for byte code, page cache, and the peer's databases
    costs: list[tuple[Cost, Cost]] = list(
        pairs_of(lambda _: cost_of(lambda: run(ours)), lambda _: cost_of(lambda: run(peer)), pairs)
    )
    ours_ms, peer_ms = (sorted(pair[side].cpu_s * 1000 for pair in costs)[len(costs) // 2] for side in (0, 1))
    print(f"ours {ours_ms:.0f} ms, peer {peer_ms:.0f} ms of CPU (medians of {pairs})")
    return verdict(claim, [mine.cpu_s / theirs.cpu_s for mine, theirs in costs], BAR)


if __name__ == "__main__":
    sys.exit(main())
