"""Two programs that are not ours look at a log: the checker of tests/support, and tlog-scales."""

from __future__ import annotations

from pathlib import Path

import tlog_scales.backend
import tlog_scales.reader
import tlog_scales.signing
import tlog_scales.tiles
from checker import Checker


def problems_of(store: Path, *, vkey: str | None = None, idle: bool = True) -> list[str]:
    """Return what either finds wrong with the log of a store. Whether the vault has the masters is not asked."""
    checker = Checker(store, vkey=vkey, idle=idle)
    found = [f"{problem.code} {problem.object}: {problem.detail}" for problem in checker.check()]
    found = [problem for problem in found if not problem.startswith(("vault.missing", "derived.missing"))]
    return [*found, *_problems_of_tiles(store / "log", vkey or _vkey_of(checker))]


def _vkey_of(checker: Checker) -> str:
    first = checker.entries[0]
    return str(first.facts["log_vkey"])


def _problems_of_tiles(log: Path, vkey: str) -> list[str]:
    reader = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(log))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(tlog_scales.signing.Vkey.from_string(vkey))
    found = []
    if reader.calculate_root_hash() != checkpoint.root_hash:
        found.append(f"tlog-scales: another root at size {checkpoint.size}")
    for index in {0, checkpoint.size // 2, checkpoint.size - 1}:
        leaf = tlog_scales.tiles.leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, checkpoint.size).check(leaf, checkpoint.root_hash)
    return found
