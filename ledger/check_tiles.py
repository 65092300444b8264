"""The tree made again from the entries, and every file of `log/` held against it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from msgspec.structs import replace

from base import fsio
from base.errors import EvidenceError
from hashing.digest import Digest
from hashing.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, pair_up, tree_root
from hashing.tiles import (
    ENTRIES,
    MAX_BUNDLE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TileError,
    TileMissingError,
    TileRef,
    decode_bundle,
    parse_path,
    partials_at,
    read_hashes,
    split_tile,
    tiles_at,
)
from ledger.tile_files import read_tile
from ledger.verdict import LogVerdict

_WRITING_TAKES_S = 0.5
_STRAY = "Somebody put it there, or a tile was changed."
_LEFTOVER = (
    "What a crash in the middle of writing leaves: nothing was read from it, and the recorder removes it when it "
    "starts. If it is there again after a start, somebody puts it there."
)


class PackedHashes(Sequence[bytes]):
    """Hashes behind each other in one piece of memory: a third of what a list of them takes."""

    def __init__(self, packed: bytes | bytearray) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // HASH_BYTES

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        return bytes(self._packed[at * HASH_BYTES : (at + 1) * HASH_BYTES])


class RecomputedTree:
    """All hashes of a log, made again from its leaves: the root at every size, and what each tile must hold."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[Sequence[bytes]] = [leaves]
        while len(self._levels[-1]) >= TILE_WIDTH:
            self._levels.append(list(_fold_tiles(self._levels[-1])))

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def root_at(self, size: int) -> Digest:
        """Return the root over the first ``size`` entries."""
        return Digest(tree_root(size, self._subtree) if size else EMPTY_ROOT)

    def tile(self, ref: TileRef) -> bytes:
        """Return what the hash tile ``ref`` must hold; fewer bytes when the log is shorter."""
        first = ref.index * TILE_WIDTH
        hashes = self._levels[ref.level] if ref.level < len(self._levels) else []
        return b"".join(hashes[first : first + ref.width])

    def _subtree(self, height: int, index: int) -> bytes:
        level, rest = divmod(height, TILE_HEIGHT)
        hashes: Sequence[bytes] = self._levels[level][index << rest : (index + 1) << rest]
        while len(hashes) > 1:
            hashes = pair_up(hashes)
        return hashes[0]


def _fold_tiles(hashes: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the root of each full tile of ``hashes``."""
    for first in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH):
        tile: Sequence[bytes] = hashes[first : first + TILE_WIDTH]
        while len(tile) > 1:
            tile = pair_up(tile)
        yield tile[0]


def first_entry(log: Path) -> bytes:
    """Return the first entry in the public bundles, which may be damaged; empty where there is none to read."""
    bundle = log / TileRef(ENTRIES, 0).path
    for path in (bundle, *sorted(bundle.with_name(f"{bundle.name}.p").glob("*"))):
        try:
            data = fsio.read_file(path, max_bytes=MAX_BUNDLE_BYTES)
        except (EvidenceError, OSError):
            continue
        return data[2 : 2 + int.from_bytes(data[:2], "big")]
    return b""


def published_leaves(log: Path, ref: TileRef) -> list[bytes]:
    """Return the leaf hashes of a bundle that can't be read, from the hash tile above it as far as there is one."""
    try:
        return read_hashes(replace(ref, level=0), lambda ref: read_tile(log, ref))
    except (EvidenceError, OSError):
        return [leaf_hash(b"")] * ref.width  # then no root will fit


def check_tiles(log: Path, tree: RecomputedTree, verdict: LogVerdict) -> None:
    """List each hash tile that does not hold what the entries give."""
    for ref in tiles_at(tree.size):
        try:
            found = _tile(log, ref)
        except (EvidenceError, OSError) as error:
            file_damage(verdict, ref, error)
            continue
        if found != tree.tile(ref):
            file_damage(verdict, ref, TileError("other hashes than those of the entries"))


def check_partials(log: Path, sizes: Iterable[int], verdict: LogVerdict) -> None:
    """List each partial tile of an earlier checkpoint that has gone without a full one in its place."""
    partials = {ref for size in sizes for ref in partials_at(size)}
    partials |= {replace(ref, level=ENTRIES) for ref in partials if ref.level == 0}
    for ref in sorted(partials):
        # In this order: a recorder beside us writes the full one before it removes its beginnings.
        if not (log / ref.path).exists() and not (log / ref.full.path).exists():
            file_damage(verdict, ref, TileMissingError("there is no such file, and no full tile in its place"))


def _tile(log: Path, ref: TileRef) -> bytes:
    try:
        return read_tile(log, ref)
    except TileMissingError:
        if ref.is_full:
            raise
    return read_tile(log, ref.full)[: ref.width * 32]


def file_damage(verdict: LogVerdict, ref: TileRef, error: Exception) -> None:
    """List one damaged file of the public log."""
    verdict.add(
        "tile-damaged",
        f"log/{ref.path}",
        expected="the file that the entries give",
        found=str(error),
        meaning="The public log has been damaged or changed after it was sealed.",
    )


def check_nothing_else(log: Path, tree: RecomputedTree, recorded: Callable[[], int], verdict: LogVerdict) -> None:
    """List everything in `log/` that is not the checkpoint, a tile of recorded entries, or the beginning of one."""
    problems = _problems(log, tree, recorded)
    if problems:
        # A recorder beside us may have been writing just now: only what stays is listed.
        time.sleep(_WRITING_TAKES_S)
        still = _problems(log, tree, recorded)
        problems = {name: problem for name, problem in still.items() if name in problems}
    for name, problem in problems.items():
        verdict.add(
            "stray-file",
            f"log/{name}",
            expected="nothing in log/ but the checkpoint and its tiles",
            found=problem,
            meaning=_LEFTOVER if fsio.is_temporary(name.rpartition("/")[2]) else _STRAY,
        )


def _problems(log: Path, tree: RecomputedTree, recorded: Callable[[], int]) -> dict[str, str]:
    paths = {str(path.relative_to(log)): path for path in sorted(log.rglob("*"))}
    end = recorded()  # asked after looking: every tile that was seen is one of entries that are recorded now
    problems = {}
    for name, path in paths.items():
        if name == "checkpoint" or (path.is_dir() and not path.is_symlink()):
            continue
        problem = _problem_of_file(path, name, tree, end)
        if problem:
            problems[name] = problem
    return problems


def _problem_of_file(path: Path, name: str, tree: RecomputedTree, recorded: int) -> str:
    if fsio.is_temporary(path.name):
        return "a temporary file"
    try:
        ref = parse_path(name)
    except TileError:
        return "a file that is none of them"
    if path.is_symlink():
        return "a link"
    # A crash between the tiles and their checkpoint leaves tiles of entries that are recorded and not yet sealed.
    if ref.index * TILE_WIDTH + ref.width > recorded >> (TILE_HEIGHT * max(ref.level, 0)):
        return "a tile beyond the end of the log"
    try:
        hashes = _hashes_in(fsio.read_file(path, max_bytes=MAX_BUNDLE_BYTES), ref)
    except FileNotFoundError:
        return ""  # a partial tile that a full one has just replaced
    except (EvidenceError, OSError) as error:
        return str(error)
    expected = tree.tile(replace(ref, level=max(ref.level, 0)))
    return "" if hashes.startswith(expected) else "another beginning of the tile"


def _hashes_in(data: bytes, ref: TileRef) -> bytes:
    """Return the hashes of a tile, or those of the entries in a bundle."""
    if ref.level == ENTRIES:
        return b"".join(map(leaf_hash, decode_bundle(data, count=ref.width)))
    return b"".join(split_tile(data, width=ref.width))
