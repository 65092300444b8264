"""The log on the disk: ``log/checkpoint`` and ``log/tile/...`` (ledger-format 3-5, 15; custody-log sections 3 and 6).

Only the files below ``log/`` are read here. What ``log.db`` says about them is compared by the caller.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checker_findings import Findings
from checker_json import MalformedError
from checker_tree import (
    BUNDLE_LEVEL,
    Checkpoint,
    Tile,
    VerifierKey,
    expected_tile,
    leaf_hash,
    missing_tiles,
    parse_checkpoint,
    parse_tile_path,
    roots_at,
    split_bundle,
    tiles_of,
    tree_levels,
)


@dataclass(frozen=True, slots=True)
class LogFiles:
    """What stands in ``log/``, read once."""

    note: bytes
    checkpoint: Checkpoint | None
    tiles: dict[Tile, bytes]
    entries: list[bytes]  # from the bundles; shorter than the checkpoint says where one is missing or broken


def read_log(folder: Path, findings: Findings) -> LogFiles:
    """Read everything in ``log/``; whatever is neither checkpoint nor tile is a problem."""
    note, tiles = b"", dict[Tile, bytes]()
    for path, name in _files_below(folder, findings):
        tile = parse_tile_path(name)
        if name == "checkpoint":
            note = path.read_bytes()
        elif tile is not None:
            tiles[tile] = path.read_bytes()
        else:
            findings.bad("log.stray", name, "log/ holds nothing but checkpoint and tiles")
    try:
        checkpoint = parse_checkpoint(note)
    except MalformedError as err:
        findings.bad("checkpoint.form", "log/checkpoint", str(err))
        return LogFiles(note, None, tiles, [])
    return LogFiles(note, checkpoint, tiles, _entries(checkpoint.size, tiles, findings))


def _files_below(folder: Path, findings: Findings) -> list[tuple[Path, str]]:
    found = []
    for parent, folders, names in os.walk(folder):
        for name in [*names, *folders]:
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.append((path, relative))
            elif not stat.S_ISDIR(mode):
                findings.bad("log.stray", relative, "neither a file nor a directory")
    return found


def _entries(size: int, tiles: dict[Tile, bytes], findings: Findings) -> list[bytes]:
    entries: list[bytes] = []
    for bundle in (tile for tile in tiles_of(size) if tile.level == BUNDLE_LEVEL):
        # A partial bundle may be gone when the full one stands; its entries are the first of the full one (3.5).
        found = bundle if bundle in tiles else bundle.full()
        if found not in tiles:
            return entries  # told by check_tiles
        try:
            entries += split_bundle(tiles[found], found.width)[: bundle.width]
        except MalformedError as err:
            findings.bad("tile.bytes", found.path(), str(err))
            return entries
    return entries


def check_signature(name: str, checkpoint: Checkpoint, key: VerifierKey, findings: Findings) -> None:
    """The log's own key signed, and the origin is the name of the key (section 5)."""
    if checkpoint.origin != key.name:
        findings.bad("checkpoint.origin", name, f"is of {checkpoint.origin!r}, the key is of {key.name!r}")
    if not checkpoint.is_signed_by(key):
        findings.bad("checkpoint.signature", name, f"no right signature of {key.name}+{key.key_id.hex()}")


def check_roots(
    checkpoints: Sequence[tuple[str, Checkpoint]], entries: Sequence[bytes], findings: Findings
) -> list[bytes]:
    """Every checkpoint has the root of its entries, so each is a prefix of the next (I2). Returns the leaf hashes."""
    leaves = [leaf_hash(entry) for entry in entries]
    roots = roots_at(leaves, {checkpoint.size for _, checkpoint in checkpoints})
    for name, checkpoint in checkpoints:
        root = roots.get(checkpoint.size)
        if root is None:
            findings.bad("checkpoint.size", name, f"size {checkpoint.size}, but only {len(leaves)} entries are there")
        elif root != checkpoint.root:
            findings.bad("checkpoint.root", name, f"says {checkpoint.root.hex()}, the entries give {root.hex()}")
    return leaves


def check_tiles(
    log: LogFiles, sizes: set[int], entries: Sequence[bytes], leaves: Sequence[bytes], findings: Findings
) -> None:
    """Every tile that a signed size needs is there, and every tile there is what the entries make it (3.2-3.5)."""
    levels = tree_levels(leaves)
    for tile, data in sorted(log.tiles.items()):
        expected = expected_tile(tile, entries, levels)
        if expected is None:
            findings.bad("tile.beyond", tile.path(), f"reaches beyond the {len(entries)} entries known")
        elif expected != data:
            findings.bad("tile.bytes", tile.path(), "holds other bytes than its entries make")
    for tile in missing_tiles(sizes, log.tiles):
        findings.bad("tile.missing", tile.path(), "a signed size needs it")
