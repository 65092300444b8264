from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain_tree import plain_root
from vectors import vector_bytes, vector_json

from hashing.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.tiles import (
    ENTRIES,
    EntryTooLargeError,
    TileError,
    TileMissingError,
    TileRef,
    TileSubtrees,
    bundles_at,
    bundles_for,
    decode_bundle,
    encode_bundle,
    frame_entry,
    grow,
    parse_path,
    partials_at,
    read_entries,
    read_hashes,
    split_tile,
    tiles_at,
)

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
EDGE_SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513]


def entries_up_to(size: int) -> list[bytes]:
    return [b"entry %d" % n for n in range(size)]


class Store:
    """Tiles in memory, counting what is read."""

    def __init__(self) -> None:
        self.files: dict[TileRef, bytes] = {}
        self.read: list[TileRef] = []

    def __call__(self, ref: TileRef) -> bytes:
        self.read.append(ref)
        if ref not in self.files:
            raise TileMissingError(ref.path)
        return self.files[ref]

    def append(self, old_size: int, entries: list[bytes]) -> None:
        grown = grow(old_size, list(map(leaf_hash, entries)), self)
        bundles = bundles_for(old_size, entries, self)
        for ref, data in {**grown, **bundles}.items():
            assert ref not in self.files, "a tile that was there already is not a new one"
            self.files[ref] = data


def store_of(size: int) -> Store:
    store = Store()
    store.append(0, entries_up_to(size))
    return store


# ------------------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("index", "path"), [*EXAMPLES["paths"].items(), *vector_json("c2sp/examples.json")["tile_paths"].items()]
)
def test_published_and_computed_paths(index: str, path: str) -> None:
    assert TileRef(0, int(index)).path == f"tile/0/{path}"
    assert TileRef(ENTRIES, int(index)).path == f"tile/entries/{path}"
    assert TileRef(5, int(index), 112).path == f"tile/5/{path}.p/112"


@given(st.builds(TileRef, st.integers(ENTRIES, 63), st.integers(0, 2**63 - 1), st.integers(1, 256)))
def test_a_path_is_read_back(ref: TileRef) -> None:
    assert parse_path(ref.path) == ref


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/00/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/data/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/000.p",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/999",
        "tile/0/٠٠٠",
        "tile/0/../0/000",
        "tile/0/" + "x001/" * 7 + "000",
        "tile/0/" + "x001/" * 100_000 + "000",
    ],
    ids=lambda path: path[:30],
)
def test_another_spelling_of_a_path_is_refused(path: str) -> None:
    with pytest.raises(TileError):
        parse_path(path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_that_cannot_exist_has_no_reference(level: int, index: int, width: int) -> None:
    with pytest.raises(TileError):
        TileRef(level, index, width)


# ------------------------------------------------------------------------------------------------ geometry


def test_published_geometry() -> None:
    def widths(size: int, level: int) -> list[int]:
        return [ref.width for ref in tiles_at(size) if ref.level == level]

    assert vector_json("c2sp/examples.json")["geometry"]["70000"] == {
        "L0_full": 273,
        "L0_partial": 112,
        "L1_full": 1,
        "L1_partial": 17,
        "L2_partial": 1,
    }
    assert widths(70_000, 0) == [256] * 273 + [112]
    assert widths(70_000, 1) == [256, 17]
    assert widths(70_000, 2) == [1]
    assert [ref.path for ref in tiles_at(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_at(0)) == []
    assert [ref.path for ref in partials_at(70_000)] == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert partials_at(65_536) == [TileRef(2, 0, 1)]


@given(st.integers(0, 200_000))
def test_the_bundles_lie_where_the_tiles_of_level_0_lie(size: int) -> None:
    tiles = [(ref.index, ref.width) for ref in tiles_at(size) if ref.level == 0]
    assert [(ref.index, ref.width) for ref in bundles_at(size)] == tiles
    assert sum(width for _, width in tiles) == size


# ------------------------------------------------------------------------------------------------ bundles


def test_the_worked_bundle_and_tile() -> None:
    entries = [bytes.fromhex(entry) for entry in EXAMPLES["leaf_inputs"][:7]]
    assert encode_bundle(entries).hex() == EXAMPLES["bundle7"]
    assert grow(0, list(map(leaf_hash, entries)), Store()) == {TileRef(0, 0, 7): bytes.fromhex(EXAMPLES["tile7"])}
    assert vector_bytes("computed/log7/tile/0/000.p/7").hex() == EXAMPLES["tile7"]
    assert decode_bundle(vector_bytes("computed/log7/tile/entries/000.p/7"), count=7) == entries


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), count=len(entries)) == entries


@given(data=st.binary(max_size=40), count=st.integers(0, 8))
def test_any_bytes_are_the_bundle_of_their_entries_or_refused(data: bytes, count: int) -> None:
    try:
        entries = decode_bundle(data, count=count)
    except TileError:
        return
    assert len(entries) == count
    assert b"".join(map(frame_entry, entries)) == data


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 1),
        (b"\0", 1),
        (b"\0\1", 1),
        (b"\0\1a\0", 1),
        (b"\0\1a\0", 2),
        (b"\0\1ab", 1),
        (b"\0\1a\0\1b", 1),
        (b"\0\1a", 2),
    ],
)
def test_a_bundle_that_does_not_end_with_its_last_entry_is_refused(data: bytes, count: int) -> None:
    with pytest.raises(TileError):
        decode_bundle(data, count=count)


def test_the_longest_entry_fits_and_one_byte_more_is_refused_before_it_is_written() -> None:
    assert decode_bundle(encode_bundle([b"a" * 65_535]), count=1) == [b"a" * 65_535]
    with pytest.raises(EntryTooLargeError, match="65536 bytes") as refused:
        encode_bundle([b"a" * 65_536])
    assert refused.value.size_bytes == 65_536


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_holds_1_to_256_entries(count: int) -> None:
    with pytest.raises(TileError):
        encode_bundle([b""] * count)


@pytest.mark.parametrize("length", [0, 31, 33, 63, 65])
def test_a_tile_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(TileError):
        split_tile(bytes(length), width=2)


# ------------------------------------------------------------------------------------------------ growing and reading


@pytest.mark.parametrize("size", EDGE_SIZES)
def test_a_log_grown_at_once_has_exactly_the_files_of_its_size(size: int) -> None:
    assert set(store_of(size).files) == {*tiles_at(size), *bundles_at(size)}


def test_the_computed_log_of_600_is_grown_byte_by_byte() -> None:
    store = store_of(600)
    for ref, data in store.files.items():
        assert vector_bytes(f"computed/log600/{ref.path}") == data


def test_the_computed_log_of_70000_is_grown_byte_by_byte() -> None:
    store = store_of(70_000)
    found = {ref.path: sha256(data).hexdigest() for ref, data in store.files.items()}
    expected = EXAMPLES["tile_sha"]
    assert {path: found[path] for path in expected} == expected
    assert tree_root(70_000, TileSubtrees(store, 70_000)).hex() == EXAMPLES["root70000"]
    for size in (256, 257, 1000, 65_536):
        assert tree_root(size, TileSubtrees(store, size)).hex() == EXAMPLES[f"root{size}"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6))
@example([255, 1, 1, 254, 1, 1])
@example([0, 513, 0, 256])
def test_growing_step_by_step_gives_the_same_files_as_at_once(steps: list[int]) -> None:
    store, size = Store(), 0
    for step in steps:
        store.read.clear()
        store.append(size, entries_up_to(size + step)[size:])
        # Sealing reads the old right edge and nothing else: one tile per level and one bundle.
        assert set(store.read) <= {*partials_at(size), *(ref for ref in bundles_at(size) if not ref.is_full)}
        assert {*tiles_at(size + step), *bundles_at(size + step)} <= set(store.files)
        size += step
    whole = store_of(size)
    assert {ref: store.files[ref] for ref in whole.files} == whole.files


def test_only_new_and_wider_tiles_are_written_at_every_level() -> None:
    store = store_of(256 * 256 - 1)
    grown = grow(256 * 256 - 1, [leaf_hash(b"the last one")], store)
    assert sorted(ref.path for ref in grown) == ["tile/0/255", "tile/1/000", "tile/2/000.p/1"]
    assert grow(300, [], store) == {}
    assert bundles_for(300, [], store) == {}


def test_a_partial_that_has_gone_is_read_from_the_full_tile() -> None:
    store = store_of(256)
    leaves = list(map(leaf_hash, entries_up_to(256)))
    assert read_hashes(TileRef(0, 0, 7), store) == leaves[:7]
    assert read_entries(TileRef(ENTRIES, 0, 7), store) == entries_up_to(7)
    # A seal that is repeated after a crash: the full tile is there, the partial one below it has gone.
    assert grow(7, leaves[7:9], store)[TileRef(0, 0, 9)] == b"".join(leaves[:9])
    assert tree_root(7, TileSubtrees(store, 7)) == root(leaves[:7])


@pytest.mark.parametrize("read", [read_hashes, read_entries])
def test_a_tile_that_is_missing_altogether_is_said_to_be_missing(read: Callable[..., object]) -> None:
    for ref in (TileRef(0, 0), TileRef(0, 0, 7)):
        with pytest.raises(TileMissingError):
            read(ref, Store())


@pytest.mark.parametrize("size", EDGE_SIZES[1:])
def test_roots_and_proofs_come_from_tiles(size: int) -> None:
    leaves = list(map(leaf_hash, entries_up_to(size)))
    subtrees = TileSubtrees(store_of(size), size)
    whole = tree_root(size, subtrees)
    assert whole == plain_root(leaves)
    for index in sorted({0, 1, size // 2, 254, 255, 256, size - 1} & set(range(size))):
        verify_inclusion(leaves[index], index, size, inclusion_proof(index, size, subtrees), whole)
    for old in sorted({1, 2, 255, 256, 257, size - 1, size} & set(range(1, size + 1))):
        verify_consistency(old, size, consistency_proof(old, size, subtrees), plain_root(leaves[:old]), whole)


def test_the_worked_consistency_proof_from_256_to_600_comes_from_the_tiles() -> None:
    def read(ref: TileRef) -> bytes:
        return vector_bytes(f"computed/log600/{ref.path}")

    proof = consistency_proof(256, 600, TileSubtrees(read, 600))
    assert [each.hex() for each in proof] == [
        "af8345866548b5a3cd58f5654383ef704cf0ea8198271d2fa172765fea5cd6e3",
        "2e8f79779e8dc4aae83b32d2ff3e47f964630b993b92b2376589f2b007f7d72a",
    ]


def test_proofs_of_neighbours_read_each_tile_once() -> None:
    store = store_of(600)
    store.read.clear()
    subtrees = TileSubtrees(store, 600)
    for index in range(600):
        inclusion_proof(index, 600, subtrees)
    assert len(store.read) == len(set(store.read)) == len(list(tiles_at(600)))


@pytest.mark.parametrize(("height", "index"), [(0, 7), (3, 0), (-1, 0), (0, -1), (2, 1)])
def test_a_subtree_beyond_the_log_is_refused(height: int, index: int) -> None:
    with pytest.raises(TileError):
        TileSubtrees(store_of(7), 7)(height, index)
