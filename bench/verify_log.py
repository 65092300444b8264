"""Claim: a full verification of the log costs at most 1.3 times the CPU of one Ed25519 `verify` call for each entry.

The log has 1,000,000 entries, as an auditor has it: `log/` alone. Every entry is parsed, its signature, place and
chains are checked, every tile is recomputed. The peer verifies the same signatures over the same bytes and does nothing
else. Two processes must be 1.8 times as fast as one, and the first process, which joins what the others
found, may need at most 500 MB. The same log with both
databases, each opening fitted to its commitment, is measured once and has no bar.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from large_log import BATCH, BYTES_AN_ENTRY, log_of
from measuring import Options, cost_of, options, pairs_of, print_machine, verdict, workplace

from hashing.ed25519 import load_public
from hashing.tiles import ENTRIES, TILE_WIDTH, TileRef, read_entries
from ledger.entry import parse_entry
from ledger.layout import StoreLayout
from ledger.tile_files import read_tile
from ledger.trust import trust_of

COST, COST_BAR = "log verify: CPU per entry : one verify call", 1.30
SPEED, SPEED_BAR = "log verify: 2 processes : 1", 1.8
MEMORY, MEMORY_BAR_MB = "log verify: memory of the first process, MB", 500.0
SIZE = 1_000_000
SIGNATURES = 20_000  # that the peer verifies
_CHECK = """
import json, sys
from pathlib import Path
from ledger.check import check_log
from ledger.layout import StoreLayout
verdict = check_log(StoreLayout(Path(sys.argv[1])), processes=int(sys.argv[2]))
# Not getrusage: that counts the memory of whoever started this process with it.
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
told = {"entries": verdict.entries_checked, "findings": len(verdict.findings), "kilobytes": int(line.split()[1])}
print(json.dumps(told))
"""


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__, pairs=3)
    print_machine(asked)
    size = max(asked.scaled(SIZE), 2 * BATCH)
    with workplace(asked, needs_bytes=size * BYTES_AN_ENTRY) as folder:
        layout = log_of(folder / "store", size)
        wall_s, cpu_s, used_mb = measured(layout.root, size, processes=2)
        print(f"with databases: {wall_s:.1f} s, {cpu_s / size * 1e6:.0f} us CPU an entry, {used_mb:.0f} MB; no bar")
        copy = folder / "copy"
        copy.mkdir()
        layout.log.rename(copy / "log")
        return measure(asked, StoreLayout(copy), size)


def measure(asked: Options, copy: StoreLayout, size: int) -> int:
    costs, speeds, used = [], [], []
    for (one_s, one_cpu_s, one_mb), (two_s, two_cpu_s, two_mb) in pairs_of(
        lambda _: measured(copy.root, size, processes=1), lambda _: measured(copy.root, size, processes=2), asked.pairs
    ):
        peer_us = peer_cpu_us(copy, size)
        costs.append(two_cpu_s / size * 1e6 / peer_us)
        speeds.append(one_s / two_s)
        used.append(max(one_mb, two_mb))
        print(
            f"1 process {one_s:.1f} s, {one_cpu_s / size * 1e6:.1f} us CPU an entry; 2 processes {two_s:.1f} s, "
            f"{two_cpu_s / size * 1e6:.1f} us; verify alone {peer_us:.1f} us; {used[-1]:.0f} MB"
        )
    statuses = [
        verdict(COST, costs, COST_BAR),
        verdict(SPEED, speeds, SPEED_BAR, at_least=True),
        verdict(MEMORY, used, MEMORY_BAR_MB),
    ]
    return max(statuses)


def measured(root: Path, size: int, *, processes: int) -> tuple[float, float, float]:
    """Verify a log in a process of its own, or several; return wall and CPU seconds, and its megabytes."""
    answers: list[str] = []

    def check() -> None:
        command = [sys.executable, "-P", "-c", _CHECK, str(root), str(processes)]
        answers.append(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)

    cost = cost_of(check)
    told = json.loads(answers[0])
    if (told["entries"], told["findings"]) != (size, 0):
        raise SystemExit(f"the log was not verified: {told}")
    return cost.wall_s, cost.cpu_s, told["kilobytes"] / 1024


def peer_cpu_us(copy: StoreLayout, size: int) -> float:
    """Return what one verification of the signature of an entry costs, in microseconds of CPU."""
    entries = [
        parse_entry(raw)
        for first in range(0, min(SIGNATURES, size // TILE_WIDTH * TILE_WIDTH), TILE_WIDTH)
        for raw in read_entries(TileRef(ENTRIES, first // TILE_WIDTH), lambda ref: read_tile(copy.log, ref))
    ]
    (public,) = trust_of(entries[0]).recorder_keys.values()
    key = load_public(public)
    signed = [(entry.envelope.signatures[0].sig, entry.envelope.signed_bytes) for entry in entries]
    began_s = time.process_time()
    for signature, message in signed:
        key.verify(signature, message)
    return (time.process_time() - began_s) / len(signed) * 1e6


if __name__ == "__main__":
    sys.exit(main())
