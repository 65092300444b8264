"""The public formats, from ledger-format.md: Merkle roots (2), tile geometry and paths (3), notes (4), checkpoints (5).

Pure: bytes in, values out. Everything refused is a ``MalformedError``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checker_ed25519 import verifies
from checker_json import MalformedError, decode_base64

BUNDLE_LEVEL = -1  # our number for tile/entries, which has the indexes and widths of level 0
TILE_WIDTH = 256
ED25519_NOTE = 1


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right)


class Frontier:
    """The growing right edge of a tree: append leaf hashes, ask for the root at any moment (section 2)."""

    def __init__(self) -> None:
        self.size = 0
        self._perfect: list[bytes] = []  # roots of perfect subtrees, largest first, one per set bit of the size

    def append(self, leaf: bytes) -> None:
        carried, size = leaf, self.size
        while size & 1:
            carried = node_hash(self._perfect.pop(), carried)
            size >>= 1
        self._perfect.append(carried)
        self.size += 1

    def root(self) -> bytes:
        if not self._perfect:
            return sha256(b"")
        root = self._perfect[-1]
        for left in reversed(self._perfect[:-1]):
            root = node_hash(left, root)
        return root


def roots_at(leaves: Iterable[bytes], sizes: set[int]) -> dict[int, bytes]:
    """Return the root at each of ``sizes`` that the tree reaches."""
    frontier, found = Frontier(), {}
    if 0 in sizes:
        found[0] = frontier.root()
    for leaf in leaves:
        frontier.append(leaf)
        if frontier.size in sizes:
            found[frontier.size] = frontier.root()
    return found


def tree_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the hashes of every tile level: each higher one is the roots of the full tiles below (section 3.2)."""
    levels = [list(leaves)]
    while len(levels[-1]) >= TILE_WIDTH:
        below = levels[-1]
        level = []
        for start in range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH):
            frontier = Frontier()
            for hashed in below[start : start + TILE_WIDTH]:
                frontier.append(hashed)
            level.append(frontier.root())
        levels.append(level)
    return levels


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The name of one tile or, at ``BUNDLE_LEVEL``, of one entry bundle."""

    level: int
    index: int
    width: int

    def path(self) -> str:
        """Return the path below ``log/`` (section 3.1)."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level == BUNDLE_LEVEL else str(self.level)
        return f"tile/{level}/{number}" + ("" if self.width == TILE_WIDTH else f".p/{self.width}")

    def full(self) -> Tile:
        return Tile(self.level, self.index, TILE_WIDTH)


_TILE_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([0-9]{1,3}))?")


def parse_tile_path(path: str) -> Tile | None:
    """Return the tile that ``path`` names, or None. Strict: the path is made again from the numbers and compared."""
    match = _TILE_PATH.fullmatch(path)
    if match is None:
        return None
    level = BUNDLE_LEVEL if match[1] == "entries" else int(match[1])
    tile = Tile(level, int(match[2].replace("x", "").replace("/", "") + match[3]), int(match[4] or TILE_WIDTH))
    fits = level <= 63 and 1 <= tile.width <= TILE_WIDTH
    return tile if fits and tile.path() == path else None


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile and bundle that a tree of ``size`` has (section 3.3)."""
    level, count = 0, size
    while count:
        for kind in (BUNDLE_LEVEL, 0) if level == 0 else (level,):
            for index in range(count // TILE_WIDTH):
                yield Tile(kind, index, TILE_WIDTH)
            if count % TILE_WIDTH:
                yield Tile(kind, count // TILE_WIDTH, count % TILE_WIDTH)
        level, count = level + 1, count // TILE_WIDTH


def bundle_bytes(entries: Sequence[bytes]) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the ``width`` entries of a bundle (section 3.4)."""
    entries, at = [], 0
    for _ in range(width):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise MalformedError("the bundle ends inside an entry")
        entries.append(entry)
        at += 2 + length
    if at != len(data):
        raise MalformedError("bytes after the last entry of the bundle")
    return entries


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 note verifier key: ``<name>+<8 hex>+<base64(1 || public key)>`` (section 4)."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        parts = text.split("+", 2)
        if len(parts) != 3 or not parts[0] or re.search(r"\s", parts[0]):
            raise MalformedError("not a verifier key")
        blob = decode_base64(parts[2])
        if len(blob) != 33 or blob[0] != ED25519_NOTE:
            raise MalformedError("not an Ed25519 verifier key")
        key_id = sha256(parts[0].encode() + b"\n" + blob)[:4]
        if parts[1] != key_id.hex():
            raise MalformedError(f"the key ID is {parts[1]}, the key makes it {key_id.hex()}")
        return cls(parts[0], key_id, blob[1:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed checkpoint as it was read. Nothing about it is believed before ``is_signed_by``."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]  # key name, key ID, signature

    def is_signed_by(self, key: VerifierKey) -> bool:
        """Return whether the key signed, and no line of that key is wrong."""
        mine = [line[2] for line in self.signatures if line[:2] == (key.name, key.key_id)]
        return bool(mine) and all(verifies(key.public_key, signature, self.text) for signature in mine)


_SIGNATURE_LINE = re.compile("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+=*)")


def parse_checkpoint(note: bytes) -> Checkpoint:
    """Return the checkpoint in a signed note, read strictly (sections 4, 5 and 15). No extension lines."""
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as err:
        raise MalformedError("the note is not UTF-8") from err
    if any(ord(char) < 0x20 and char != "\n" for char in whole):
        raise MalformedError("a control character in the note")
    text, gap, signed = whole.rpartition("\n\n")
    if not gap or not signed.endswith("\n"):
        raise MalformedError("no signature lines, or no newline at the end")
    lines = text.split("\n")
    if len(lines) != 3 or not lines[0]:
        raise MalformedError("a checkpoint has exactly three lines: origin, size, root")
    if re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]) is None:
        raise MalformedError("the size is no decimal number")
    root = decode_base64(lines[2])
    if len(root) != 32:
        raise MalformedError("the root has not 32 bytes")
    signatures = tuple(_signature_line(line) for line in signed[:-1].split("\n"))
    return Checkpoint(lines[0], int(lines[1]), root, (text + "\n").encode(), signatures)


def _signature_line(line: str) -> tuple[str, bytes, bytes]:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise MalformedError("not a signature line")
    blob = decode_base64(match[2])
    if len(blob) < 5:
        raise MalformedError("a signature too short for its key ID")
    return match[1], blob[:4], blob[4:]


def expected_tile(tile: Tile, entries: Sequence[bytes], levels: Sequence[Sequence[bytes]]) -> bytes | None:
    """Return what the tile must hold, or None where the entries do not reach so far."""
    start, stop = tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width
    if tile.level == BUNDLE_LEVEL:
        return bundle_bytes(entries[start:stop]) if stop <= len(entries) else None
    if tile.level >= len(levels) or stop > len(levels[tile.level]):
        return None
    return b"".join(levels[tile.level][start:stop])


def missing_tiles(sizes: Iterable[int], present: Mapping[Tile, bytes]) -> list[Tile]:
    """Return the tiles that one of ``sizes`` needs and that neither they nor their full tiles stand for (3.5)."""
    needed = {tile for size in sizes for tile in tiles_of(size)}
    return sorted(tile for tile in needed if tile not in present and tile.full() not in present)
