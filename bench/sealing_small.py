"""Claim: 20,000 files of 10 kB are sealed at half the speed, or more, of ``cp -r``, ``sync -f``, ``openssl dgst``.

Ours runs from the start of ``strongroom watch --once --no-analysis`` to its last ``item.sealed`` line, which appears
only when the file is durable, read back from the disk, and covered by a durable signed checkpoint: start of the
program, scan and settling (0.1 s) included. The peer copies, syncs, and hashes the copy once, read from the disk; to
throw the copy out of the page cache is not counted.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import (
    NOT_MEASURED,
    STRONGROOM,
    drop_from_cache,
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

CLAIM = "files per second, 20,000 x 10 kB, durable and read back : cp -r, sync -f, openssl dgst -sha256"
BAR = 0.5
FILES = 20_000
FILE_BYTES = 10_000
FOLDER_FILES = 500
ARGUMENTS = 1000  # files of one openssl


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__)
    if missing(CLAIM, "openssl", "cp", "sync"):
        return NOT_MEASURED
    print_machine(asked, openssl=["openssl", "version"], cp=["cp", "--version"])
    count = asked.scaled(FILES)
    with workplace(asked, needs_bytes=(2 * asked.pairs + 1) * count * FILE_BYTES * 3) as folder:
        share = folder / "share"
        footage(share / "card", count)
        ratios: list[float] = []
        for ours_s, peer_s in pairs_of(
            lambda n: sealing_s(folder / f"run-{n}", share, count),
            lambda n: copying_s(share, folder / f"copy-{n}"),
            asked.pairs,
        ):
            ratios.append(peer_s / ours_s)
            rates = [f"{count / took_s:,.0f} files/s ({took_s:.2f} s)" for took_s in (ours_s, peer_s)]
            print(f"ours {rates[0]}, peer {rates[1]}")
    return verdict(CLAIM, ratios, BAR, at_least=True)


def footage(drop: Path, count: int) -> None:
    """Make one drop of ``count`` files, complete with its marker."""
    for number in range(count):
        place = drop / f"{number // FOLDER_FILES:03d}"
        place.mkdir(parents=True, exist_ok=True)
        random_file(place / f"{number:05d}.jpg", FILE_BYTES)
    (drop / "DONE").touch()
    sync(drop)


def sealing_s(folder: Path, share: Path, count: int) -> float:
    """Return the seconds until all files (the marker is one more) are sealed; what follows is cut short."""
    folder.mkdir()
    store = new_store(folder, share)
    # Receipts of an earlier run lie in the share: they are not of this store, and would be taken as footage.
    for receipt in share.glob("card  *"):
        receipt.unlink()
    began_s = time.perf_counter()
    command: list[str | Path] = [*STRONGROOM, "watch", "--once", "--no-analysis", "--jsonl", "--store", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as recorder:
        if recorder.stdout is None:
            raise SystemExit("no pipe to the recorder")
        sealed = 0
        for line in recorder.stdout:
            sealed += b'"item.sealed"' in line
            if sealed == count + 1:
                took_s = time.perf_counter() - began_s
                recorder.send_signal(signal.SIGTERM)
                recorder.stdout.read()
                return took_s
    raise SystemExit(f"only {sealed} of {count + 1} files were sealed")


def copying_s(share: Path, copy: Path) -> float:
    """Return the seconds that the peer takes for the same."""
    durable_s = seconds([["cp", "-r", share, copy], ["sync", "-f", copy]])
    drop_from_cache(copy)
    files = [path for path in copy.rglob("*") if path.is_file()]
    parts = [files[first : first + ARGUMENTS] for first in range(0, len(files), ARGUMENTS)]
    return durable_s + seconds([["openssl", "dgst", "-sha256", *part] for part in parts])


def seconds(commands: Sequence[Sequence[str | Path]]) -> float:
    began_s = time.perf_counter()
    for command in commands:
        run(command)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    sys.exit(main())
