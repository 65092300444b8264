"""Claim: the receipt of one entry in a log of 1,000,000 takes at most 50 ms, beyond the start of its process.

Each run is a new process, which has what it imports and nothing else: it opens the log, verifies the entry, proves it
and the first entry under the newest checkpoint, and writes the folder durably. Measured is from the first line after
the imports to the last file. What the whole command takes, with its start and the recording of the consultation, is
printed beside it and has no bar.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from large_log import BATCH, BYTES_AN_ENTRY, log_of
from measuring import STRONGROOM, options, print_machine, run, verdict, workplace

from ledger.layout import StoreLayout
from ledger.reader import LogReader

CLAIM, BAR_MS = "receipt of one entry of a long log: ms beyond the start of the process", 50.0
SIZE = 1_000_000
RUNS = 11
_RECEIPT = """
import sys, time
from pathlib import Path
from exports.log_receipt import log_receipt, write_log_receipt
from ledger.layout import StoreLayout
root, item, target = sys.argv[1:]
began_s, began_cpu_s = time.perf_counter(), time.process_time()
write_log_receipt(log_receipt(StoreLayout(Path(root)), item), Path(target))
print((time.perf_counter() - began_s) * 1000, (time.process_time() - began_cpu_s) * 1000)
"""


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__, pairs=RUNS)
    print_machine(asked)
    size = max(asked.scaled(SIZE), 2 * BATCH)
    with workplace(asked, needs_bytes=size * BYTES_AN_ENTRY) as folder:
        layout = log_of(folder / "store", size)
        items = [item_at(layout, size * (number + 1) // (asked.pairs + 2)) for number in range(asked.pairs + 1)]
        taken = [receipt_ms(layout, item, folder / f"receipt-{number}") for number, item in enumerate(items)]
        began_s = time.perf_counter()
        run([*STRONGROOM, "log", "receipt", items[0], "-o", folder / "by-command", "--store", layout.root])
        whole_ms = (time.perf_counter() - began_s) * 1000
    walls_ms, cpus_ms = zip(*taken[1:], strict=True)  # the first fills the caches of code and pages
    print(f"{size:,} entries; CPU {statistics.median(cpus_ms):.0f} ms of each; the whole command {whole_ms:.0f} ms")
    return verdict(CLAIM, walls_ms, BAR_MS)


def item_at(layout: StoreLayout, seq: int) -> str:
    """Return the item that the entry at ``seq`` defines."""
    with LogReader(layout) as log:
        (item,) = log.entry(seq).subjects
    return item


def receipt_ms(layout: StoreLayout, item: str, target: Path) -> tuple[float, float]:
    """Make the receipt of ``item`` in a new process; return its wall and CPU time behind its imports."""
    command = [sys.executable, "-P", "-c", _RECEIPT, str(layout.root), item, str(target)]
    wall_ms, cpu_ms = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(wall_ms), float(cpu_ms)


if __name__ == "__main__":
    sys.exit(main())
