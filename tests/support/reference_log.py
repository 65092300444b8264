"""A log in files as our formats say, written by the product alone, for programs of others to read: and its keys."""

from __future__ import annotations

import random
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from hashing.merkle import leaf_hash, tree_root
from hashing.note import parse_vkey, sign_note, vkey
from hashing.tiles import TileMissingError, TileRef, TileSubtrees, bundles_for, grow

ORIGIN = "ledger.example/unit-7"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
LOG = parse_vkey(vkey(ORIGIN, PUBLIC))


class LogSigner:
    name = ORIGIN
    key_id = LOG.key_id

    def sign(self, message: bytes) -> bytes:
        return PRIVATE.sign(message)


def random_entries(count: int, *, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(chance.choice([0, 1, 40, 700])) for _ in range(count)]


def write_log(root: Path, steps: list[list[bytes]]) -> Checkpoint:
    """Write a log below ``root`` as our formats say, in several steps, and return its checkpoint."""

    def read(ref: TileRef) -> bytes:
        try:
            return (root / ref.path).read_bytes()
        except FileNotFoundError as err:
            raise TileMissingError(ref.path) from err

    size = 0
    for entries in steps:
        files = {**grow(size, list(map(leaf_hash, entries)), read), **bundles_for(size, entries, read)}
        for ref, data in files.items():
            (root / ref.path).parent.mkdir(parents=True, exist_ok=True)
            (root / ref.path).write_bytes(data)
        size += len(entries)
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=Digest(tree_root(size, TileSubtrees(read, size))))
    root.mkdir(parents=True, exist_ok=True)
    (root / "checkpoint").write_bytes(sign_note(checkpoint.text(), [LogSigner()]))
    return checkpoint


def halves(entries: list[bytes], *, seed: int) -> list[list[bytes]]:
    cut = random.Random(seed).randint(0, len(entries))
    return [entries[:cut], entries[cut:]]
