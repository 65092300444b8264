"""Random logs at the sizes where tiles begin and end, read and written by us and by tlog-scales: all must be the same.

Of the small sizes every entry and every proof is compared; of those about 256 x 256 every file, and the proofs at the
edges of tiles and at random places.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import tlog_scales.backend
import tlog_scales.reader
import tlog_scales.signing
import tlog_scales.tiles
import tlog_scales.tlog
import tlog_scales.writer
from reference_log import LOG, ORIGIN, PRIVATE, random_entries, write_log

from hashing.checkpoint import open_checkpoint
from hashing.merkle import (
    EMPTY_ROOT,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.tiles import TileRef, TileSubtrees, bundles_at, read_entries, tiles_at

EACH_SIZE = pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000])
PLACES = 40  # of a large log: the edges of tiles, and random ones


def places(size: int) -> list[int]:
    """Return positions of a log of ``size``: all of a small one, the edges of tiles and some random ones of a large."""
    if size <= 600:
        return list(range(size))
    edges = {edge + step for edge in (0, 256, 512, 65_280, 65_536, size) for step in (-1, 0, 1)}
    drawn = random.Random(size).sample(range(size), PLACES)
    return sorted({place for place in (*edges, *drawn) if 0 <= place < size})


class Ours:
    """A log that we wrote, and how we read it."""

    def __init__(self, folder: Path, size: int, *, are_distinct: bool = False) -> None:
        is_small = size <= 600 and not are_distinct
        self.entries = random_entries(size, seed=size) if is_small else [b"%d" % n for n in range(size)]
        cuts = sorted(random.Random(size).sample(range(size + 1), min(3, size)))
        steps = [self.entries[begin:end] for begin, end in zip([0, *cuts], [*cuts, size], strict=True)]
        self.folder, self.size = folder, size
        self.root = write_log(folder, steps).root.raw
        self.subtrees = TileSubtrees(self.read, size)

    def read(self, ref: TileRef) -> bytes:
        return (self.folder / ref.path).read_bytes()

    def theirs(self) -> tlog_scales.reader.TilesReader:
        reader = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(self.folder))
        reader.tile_cache = tlog_scales.reader.TileCache(max_size=600)
        return reader


@EACH_SIZE
def test_they_read_what_we_wrote_and_every_proof_is_the_same(tmp_path: Path, size: int) -> None:
    ours = Ours(tmp_path, size)
    theirs = ours.theirs()
    checkpoint = theirs.get_checkpoint()
    checkpoint.verify(tlog_scales.signing.Vkey.from_string(str(LOG)))
    assert (checkpoint.origin, checkpoint.size, checkpoint.root_hash) == (ORIGIN, size, ours.root)
    assert theirs.calculate_root_hash() == ours.root == root(map(leaf_hash, ours.entries))
    for index in places(size):
        assert theirs.get_entry(index) == ours.entries[index]
        compare_inclusion(ours, theirs, index)
    for old in places(size + 1)[1:]:
        compare_consistency(ours, theirs, old)


def compare_inclusion(ours: Ours, theirs: tlog_scales.reader.TilesReader, index: int) -> None:
    leaf = leaf_hash(ours.entries[index])
    assert leaf == tlog_scales.tiles.leaf_hash(ours.entries[index])
    proof = inclusion_proof(index, ours.size, ours.subtrees)
    assert proof == theirs.get_inclusion_proof(index, ours.size).node_hashes
    verify_inclusion(leaf, index, ours.size, proof, ours.root)
    tlog_scales.tlog.InclusionProof(index, ours.size, proof).check(leaf, ours.root)


def compare_consistency(ours: Ours, theirs: tlog_scales.reader.TilesReader, old: int) -> None:
    old_root = tree_root(old, ours.subtrees)
    assert old_root == theirs.mth(0, old)
    proof = consistency_proof(old, ours.size, ours.subtrees)
    assert proof == theirs.get_consistency_proof(old, ours.size).node_hashes
    verify_consistency(old, ours.size, proof, old_root, ours.root)
    if old < ours.size:
        tlog_scales.tlog.ConsistencyProof(old, ours.size, proof).check(old_root, ours.root)


@EACH_SIZE
def test_we_read_what_they_wrote_and_every_file_is_the_same(tmp_path: Path, size: int) -> None:
    ours = Ours(tmp_path / "ours", size)
    writer = tlog_scales.writer.TilesWriter.create(tmp_path / "log", ORIGIN)
    for begin in range(0, size, 30_000):  # theirs commits in steps as well
        for entry in ours.entries[begin : begin + 30_000]:
            writer.add_leaf(entry)
        writer.commit([tlog_scales.signing.PlainEd25519Signer(ORIGIN, PRIVATE)])
    note = (tmp_path / "log" / "checkpoint").read_bytes()
    assert open_checkpoint(note, LOG).root.raw == ours.root
    assert note == (tmp_path / "ours" / "checkpoint").read_bytes()
    for ref in (*tiles_at(size), *bundles_at(size)):
        assert (tmp_path / "log" / ref.path).read_bytes() == ours.read(ref)
    read = [entry for ref in bundles_at(size) for entry in read_entries(ref, ours.read)]
    assert read == ours.entries


def test_the_empty_log_is_the_same(tmp_path: Path) -> None:
    write_log(tmp_path, [])
    checkpoint = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(tmp_path)).get_checkpoint()
    checkpoint.verify(tlog_scales.signing.Vkey.from_string(str(LOG)))
    assert (checkpoint.size, checkpoint.root_hash) == (0, EMPTY_ROOT)


@pytest.mark.parametrize("size", [2, 257, 513])
def test_what_one_refuses_the_other_refuses(tmp_path: Path, size: int) -> None:
    """A proof with one bit of one hash changed, a hash left out, one doubled, and for the neighbour."""
    ours = Ours(tmp_path, size, are_distinct=True)
    chance = random.Random(size)
    for index in chance.sample(range(size), min(size, 20)):
        leaf, proof = leaf_hash(ours.entries[index]), inclusion_proof(index, size, ours.subtrees)
        at = chance.randrange(len(proof))
        flipped = bytes([proof[at][0] ^ 1 << chance.randrange(8)]) + proof[at][1:]
        bad = [[*proof[:at], flipped, *proof[at + 1 :]], proof[:-1], [*proof, proof[at]], []]
        for hashes in bad:
            assert refusals(index, size, hashes, leaf, ours.root) == (True, True), (index, len(hashes))
        assert refusals(index ^ 1 if index ^ 1 < size else index - 1, size, proof, leaf, ours.root) == (True, True)


def refusals(index: int, size: int, hashes: list[bytes], leaf: bytes, tree: bytes) -> tuple[bool, bool]:
    """Return whether we refuse, and whether they do."""
    refused = []
    for check in (
        lambda: verify_inclusion(leaf, index, size, hashes, tree),
        lambda: tlog_scales.tlog.InclusionProof(index, size, hashes).check(leaf, tree),
    ):
        try:
            check()
        except (ProofError, tlog_scales.tlog.InclusionProofInvalid):
            refused.append(True)
        else:
            refused.append(False)
    return refused[0], refused[1]
