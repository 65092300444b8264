"""Claim: masters are verified as fast as ``xargs -P2 openssl dgst -sha256`` reads them.

Three sets: A of 10 x 400 MB, B of 2,000 x 1 MB, C of 50,000 x 10 kB. Both read the same files in a vault and hash them
on all cores. Ours lets each file leave memory before it reads it, so that the disk is what is verified; so the peer's
files are dropped from memory too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from measuring import (
    NOT_MEASURED,
    Cost,
    cost_of,
    drop_from_cache,
    missing,
    options,
    pairs_of,
    print_machine,
    random_file,
    run,
    sync,
    verdict,
    workplace,
)

from vault.local import LocalStore, hash_descriptor
from vault.store import Staged

SETS = {"A": (10, 400_000_000, 1.10), "B": (2_000, 1_000_000, 1.10), "C": (50_000, 10_000, 1.40)}  # count, bytes, bar
BATCH = 500
_PEER = 'find "$1" -type f -print0 | xargs -0 -P2 -n 64 openssl dgst -sha256'
_CHECK = """
import sys
from pathlib import Path
from vault.check import check_objects
from vault.local import LocalStore
from vault.reading import reading
root, staging, count, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
store = LocalStore(root, staging)
recorded = dict.fromkeys(store.digests(), size)
with reading(root, staging, objects=count, size_bytes=count * size) as read:
    counts = check_objects(store, recorded, room="vault", read=read)
sys.exit(0 if counts.matched == count and not counts.findings else 1)
"""


def main() -> int:
    """Measure and print; return the exit status."""
    asked = options(__doc__)
    if missing("verify masters : xargs openssl", "openssl", "xargs", "find"):
        return NOT_MEASURED
    print_machine(asked, openssl=["openssl", "version"])
    statuses = []
    for name, (full_count, size_bytes, bar) in SETS.items():
        count = asked.scaled(full_count)
        with workplace(asked, needs_bytes=count * (size_bytes + 4096) * 2) as folder:
            vault = vault_of(folder, count, size_bytes)
            ratios = []
            for ours, peer in pairs_of(
                lambda _, vault=vault, count=count, size=size_bytes: our_cost(vault, count, size),  # type: ignore[misc]  # defaults of a lambda
                lambda _, vault=vault: peer_cost(vault),  # type: ignore[misc]  # defaults of a lambda
                asked.pairs,
            ):
                ratios.append(ours.wall_s / peer.wall_s)
                print(
                    f"{name}: ours {ours.wall_s:.2f} s ({ours.cpu_s:.2f} CPU-s), "
                    f"peer {peer.wall_s:.2f} s ({peer.cpu_s:.2f} CPU-s)"
                )
        statuses.append(verdict(f"verify {name}: wall : xargs -P2 openssl dgst", ratios, bar))
    return max(statuses)


def vault_of(folder: Path, count: int, size_bytes: int) -> Path:
    """Make a vault of ``count`` random objects."""
    vault, staging = folder / "vault", folder / "staging"
    for path in (vault, vault / "sha256", staging):
        path.mkdir()
    store = LocalStore(vault, staging)
    for first in range(0, count, BATCH):
        store.put_batch([staged(staging, size_bytes) for _ in range(first, min(first + BATCH, count))])
    sync(vault)
    return vault


def staged(staging: Path, size_bytes: int) -> Staged:
    path = staging / os.urandom(16).hex()
    random_file(path, size_bytes)
    path.chmod(0o444)
    with path.open("rb") as file:
        digest, size = hash_descriptor(file.fileno())
    return Staged(name=path.name, sha256=digest, size_bytes=size)


def our_cost(vault: Path, count: int, size_bytes: int) -> Cost:
    drop_from_cache(vault)
    command = [
        sys.executable,
        "-P",
        "-c",
        _CHECK,
        str(vault),
        str(vault.with_name("staging")),
        str(count),
        str(size_bytes),
    ]
    return cost_of(lambda: run(command))


def peer_cost(vault: Path) -> Cost:
    drop_from_cache(vault)
    return cost_of(lambda: run(["sh", "-c", _PEER, "sh", vault]))


if __name__ == "__main__":
    sys.exit(main())
