"""Where a log's hashes and entries lie on disk: the tiles and entry bundles of c2sp.org/tlog-tiles.

A tile holds up to 256 hashes of one level (8 tree levels apart); a bundle the 256 entries under a level-0 tile. All
is a pure function of the entries. This module says which files there are at a size, what is in them, and how they
grow; it reads through a function ``read_tile(ref)`` that raises TileMissingError, and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from base.errors import LedgerError
from hashing.merkle import HASH_BYTES, pair_up

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
ENTRIES = -1  # the level of an entry bundle
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)
_LONGEST_PATH = 64  # "tile/entries/" and seven groups of an index below 2^63 are 55


class TileError(LedgerError):
    """A tile, a bundle or its path is not as tlog-tiles says."""


class TileMissingError(TileError):
    """There is no such file."""


class EntryTooLargeError(TileError):
    """An entry has more bytes than its length prefix can say."""

    def __init__(self, *, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        super().__init__(
            f"an entry of {size_bytes} bytes, at most {MAX_ENTRY_BYTES} are possible. Nothing was written."
        )


class TileRef(msgspec.Struct, frozen=True, order=True):
    """One tile (``level`` 0 to 63) or one entry bundle (``level`` ENTRIES); ``width`` 256 means full."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (ENTRIES <= self.level <= MAX_LEVEL and 0 <= self.index < 2**63 and 1 <= self.width <= TILE_WIDTH):
            raise TileError(f"no such tile: level {self.level}, index {self.index}, width {self.width}")

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def full(self) -> TileRef:
        """The full tile of which this one holds a beginning."""
        return replace(self, width=TILE_WIDTH)

    @property
    def path(self) -> str:
        """The path below the root of the log, such as ``tile/0/x001/234.p/17``."""
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"


ReadTile: TypeAlias = Callable[[TileRef], bytes]


def parse_path(path: str) -> TileRef:
    """Return the tile or bundle at ``path``. Raises TileError for any spelling but that of `TileRef.path`."""
    match = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH else None
    if match is None:
        raise TileError(f"not the path of a tile: {path[:80]!r}")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    ref = TileRef(level, index, int(match["width"] or TILE_WIDTH))
    if ref.path != path:  # x000/001, 000.p/256
        raise TileError(f"not the one spelling of a tile's path: {path!r}, expected {ref.path!r}")
    return ref


def tiles_at(size: int) -> Iterator[TileRef]:
    """Yield every hash tile of a log of ``size``, level by level, full ones first, then the partial one."""
    for level, count in _counts(size):
        for index in range(count >> TILE_HEIGHT):
            yield TileRef(level, index)
        if count % TILE_WIDTH:
            yield TileRef(level, count >> TILE_HEIGHT, count % TILE_WIDTH)


def partials_at(size: int) -> list[TileRef]:
    """Return the partial hash tiles of a log of ``size``: its right edge, where it is not full."""
    return [
        TileRef(level, count >> TILE_HEIGHT, count % TILE_WIDTH) for level, count in _counts(size) if count % TILE_WIDTH
    ]


def bundles_at(size: int) -> Iterator[TileRef]:
    """Yield every entry bundle of a log of ``size``: the same indexes and widths as the tiles of level 0."""
    for ref in tiles_at(size):
        if ref.level == 0:
            yield replace(ref, level=ENTRIES)


def frame_entry(entry: bytes) -> bytes:
    """Return ``entry`` as it stands in an entry bundle: big-endian uint16 length, then the bytes.

    Source: c2sp.org/tlog-tiles, "Log Entries". Raises: EntryTooLargeError above 65,535 bytes.
    """
    # Checked before encoding: a truncated entry would be signed and could never be taken back.
    if len(entry) > MAX_ENTRY_BYTES:
        raise EntryTooLargeError(size_bytes=len(entry))
    return len(entry).to_bytes(2, "big") + entry


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of the bundle that holds ``entries`` (1 to 256)."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise TileError(f"a bundle holds 1 to {TILE_WIDTH} entries, not {len(entries)}")
    return b"".join(map(frame_entry, entries))


def decode_bundle(data: bytes, *, count: int) -> list[bytes]:
    """Return the ``count`` entries of the bundle ``data``. Raises TileError unless they fill it to the last byte."""
    entries: list[bytes] = []
    offset = 0
    for _ in range(count):
        begin = offset + 2
        offset = begin + int.from_bytes(data[begin - 2 : begin], "big")
        if offset > len(data):
            raise TileError(f"a bundle of {len(data)} bytes ends within entry {len(entries)} of {count}")
        entries.append(data[begin:offset])
    if offset != len(data):
        raise TileError(f"a bundle has {len(data) - offset} bytes after its {count} entries")
    return entries


def split_tile(data: bytes, *, width: int) -> list[bytes]:
    """Return the ``width`` hashes of the tile ``data``. Raises TileError when it has another length."""
    if len(data) != width * HASH_BYTES:
        raise TileError(f"a tile of width {width} has {width * HASH_BYTES} bytes, not {len(data)}")
    return [data[begin : begin + HASH_BYTES] for begin in range(0, len(data), HASH_BYTES)]


def grow(old_size: int, new_leaf_hashes: Sequence[bytes], read_tile: ReadTile) -> dict[TileRef, bytes]:
    """Return every hash tile that is new, or wider than before, when ``new_leaf_hashes`` are added to ``old_size``.

    Reads only the old right edge: at most one tile per level. Partial widths between the two sizes are left out.
    """
    grown: dict[TileRef, bytes] = {}
    hashes: Sequence[bytes] = new_leaf_hashes
    count = old_size
    level = 0
    while hashes:
        first, within = divmod(count, TILE_WIDTH)
        edge = read_hashes(TileRef(level, first, within), read_tile) if within else []
        hashes = [*edge, *hashes]
        parents = []
        for begin in range(0, len(hashes), TILE_WIDTH):
            tile = hashes[begin : begin + TILE_WIDTH]
            grown[TileRef(level, first + begin // TILE_WIDTH, len(tile))] = b"".join(tile)
            if len(tile) == TILE_WIDTH:  # a partial tile is never hashed into the level above
                parents.append(_fold(tile, TILE_HEIGHT)[0])
        hashes = parents
        count >>= TILE_HEIGHT
        level += 1
    return grown


def bundles_for(old_size: int, new_entries: Sequence[bytes], read_bundle: ReadTile) -> dict[TileRef, bytes]:
    """Return every entry bundle that is new, or wider than before, when ``new_entries`` are added to ``old_size``."""
    if not new_entries:
        return {}
    first, within = divmod(old_size, TILE_WIDTH)
    old = read_entries(TileRef(ENTRIES, first, within), read_bundle) if within else []
    entries = [*old, *new_entries]
    bundles = {}
    for begin in range(0, len(entries), TILE_WIDTH):
        part = entries[begin : begin + TILE_WIDTH]
        bundles[TileRef(ENTRIES, first + begin // TILE_WIDTH, len(part))] = encode_bundle(part)
    return bundles


def read_hashes(ref: TileRef, read_tile: ReadTile) -> list[bytes]:
    """Return the hashes of the tile ``ref``; a partial tile that has gone is read from the full one."""
    try:
        return split_tile(read_tile(ref), width=ref.width)
    except TileMissingError:
        if ref.is_full:
            raise
    return split_tile(read_tile(ref.full), width=TILE_WIDTH)[: ref.width]


def read_entries(ref: TileRef, read_bundle: ReadTile) -> list[bytes]:
    """Return the entries of the bundle ``ref``; a partial bundle that has gone is read from the full one."""
    try:
        return decode_bundle(read_bundle(ref), count=ref.width)
    except TileMissingError:
        if ref.is_full:
            raise
    return decode_bundle(read_bundle(ref.full), count=TILE_WIDTH)[: ref.width]


class TileSubtrees:
    """The hashes of perfect subtrees of a log of ``size``, read from its tiles, for the makers of `hashing.merkle`.

    Called as ``subtrees(height, index)``. The last tiles read are kept with the nodes inside them, so that the proofs
    of neighbouring entries cost a few look-ups each. What a tile says is believed: the caller verifies the result.
    """

    def __init__(self, read_tile: ReadTile, size: int, *, kept_tiles: int = 64) -> None:
        self._read_tile = read_tile
        self._size = size
        self._layers = lru_cache(maxsize=kept_tiles)(self._read_layers)

    def __call__(self, height: int, index: int) -> bytes:
        level, within = divmod(height, TILE_HEIGHT)
        if height < 0 or index < 0 or (index + 1) << height > self._size:
            raise TileError(f"no subtree of height {height} at {index} in a log of {self._size}")
        tile, position = divmod(index << within, TILE_WIDTH)
        layers = self._layers(level, tile)
        while len(layers) <= within:
            layers.append(pair_up(layers[-1]))
        return layers[within][position >> within]

    def _read_layers(self, level: int, tile: int) -> list[list[bytes]]:
        count = self._size >> (TILE_HEIGHT * level)
        width = min(TILE_WIDTH, count - tile * TILE_WIDTH)
        return [read_hashes(TileRef(level, tile, width), self._read_tile)]


def _counts(size: int) -> Iterator[tuple[int, int]]:
    """Yield each level of a log of ``size`` with its number of hashes."""
    level = 0
    while size:
        yield level, size
        size >>= TILE_HEIGHT
        level += 1


def _fold(hashes: Sequence[bytes], levels: int) -> Sequence[bytes]:
    for _ in range(levels):
        hashes = pair_up(hashes)
    return hashes
