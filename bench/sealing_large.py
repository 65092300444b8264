"""Claim: sealing ten files of 400 MB costs at most 1.7 times the CPU of ``openssl dgst -sha256`` run twice over them.

Ours is the whole of ``strongroom watch --once --no-analysis``, every process of it: start, scan, copy and hash, sync,
read back from the disk and hash again, vault, entries, checkpoint, catalogue, receipts. Analysis is left out: sealing
never waits for it, and `tier1.py` measures it. The peer hashes twice what already lies there, and copies nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from measuring import (
    NOT_MEASURED,
    STRONGROOM,
    Cost,
    cost_of,
    missing,
    new_store,
    options,
    pairs_of,
    print_machine,
    random_file,
    run,
    sync,
    verdict,
    workplace,
)

CLAIM = "CPU of sealing 10 x 400 MB : openssl dgst -sha256 twice"
BAR = 1.7
FILES = 10
FILE_BYTES = 400_000_000


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__)
    if missing(CLAIM, "openssl"):
        return NOT_MEASURED
    print_machine(asked, openssl=["openssl", "version"])
    size = asked.scaled(FILE_BYTES)
    with workplace(asked, needs_bytes=2 * FILES * size + (1 << 30)) as folder:
        share = folder / "share"
        files = footage(share / "card", size)
        ratios: list[float] = []
        for ours, peer in pairs_of(lambda n: sealing(folder / f"run-{n}", share), lambda _: twice(files), asked.pairs):
            # Ten large files, not thousands: nothing is slower after it, and the disk need not hold all runs.
            shutil.rmtree(folder / f"run-{len(ratios)}")
            sync(folder)
            ratios.append(ours.cpu_s / peer.cpu_s)
            costs = [f"{cost.cpu_s:.2f} CPU-s ({cost.wall_s:.1f} s)" for cost in (ours, peer)]
            print(f"ours {costs[0]}, peer {costs[1]}")
    return verdict(CLAIM, ratios, BAR)


def footage(drop: Path, size_bytes: int) -> list[Path]:
    """Make one drop, complete with its marker."""
    drop.mkdir(parents=True)
    files = [drop / f"{number}.mp4" for number in range(FILES)]
    for file in files:
        random_file(file, size_bytes)
    (drop / "DONE").touch()
    sync(drop)
    return files


def sealing(folder: Path, share: Path) -> Cost:
    """Return what it takes to seal the share into a new store."""
    folder.mkdir()
    store = new_store(folder, share)
    # Receipts of an earlier run lie in the share: they are not of this store, and would be taken as footage.
    for receipt in share.glob("card  *"):
        receipt.unlink()
    return cost_of(lambda: run([*STRONGROOM, "watch", "--once", "--no-analysis", "--store", store]))


def twice(files: list[Path]) -> Cost:
    """Return what it takes to hash the files two times."""
    command: list[str | Path] = ["openssl", "dgst", "-sha256", *files]

    def hash_twice() -> None:
        run(command)
        run(command)

    return cost_of(hash_twice)


if __name__ == "__main__":
    sys.exit(main())
