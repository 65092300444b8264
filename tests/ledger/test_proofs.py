"""Receipts made from the tiles of a real log, checked by somebody else's program too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from store_of_log import arrive, receive, store_of_size
from tlog_scales import signing, tlog

from base.errors import LedgerError
from hashing.merkle import leaf_hash
from hashing.receipt import Receipt, parse_receipt, verify_receipt
from hashing.tiles import TileRef, tiles_at
from ledger.layout import StoreLayout
from ledger.proofs import NotSealedError, prove, prove_all
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal

SIZES = (2, 255, 256, 257, 600)


@pytest.fixture(scope="module", params=SIZES)
def sized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoreLayout, int]:
    size: int = request.param
    return store_of_size(tmp_path_factory.mktemp("log") / "store", size), size


def edges(size: int) -> list[int]:
    """Return the positions where a proof has another shape: the ends, and both sides of each tile border."""
    return sorted({seq for seq in (0, 1, 2, 127, 128, 254, 255, 256, 257, 511, 512, size - 2, size - 1) if seq < size})


def check_with_scales(receipt: Receipt, entry: bytes, vkey: str) -> None:
    """Verify with tlog-scales, which shares no code with us; it raises when anything does not hold."""
    checkpoint = tlog.Checkpoint.from_text(receipt.checkpoint.decode())
    checkpoint.verify(signing.Vkey.from_string(vkey))
    proof = tlog.InclusionProof(receipt.index, checkpoint.size, list(receipt.proof))
    proof.check(leaf_hash(entry), checkpoint.root_hash)


def test_every_edge_of_the_tiles_has_a_receipt_that_another_program_accepts(sized: tuple[StoreLayout, int]) -> None:
    layout, size = sized
    with LogReader(layout) as log:
        vkey, key = str(log.trust.log_key), log.trust.log_key
        entries = {seq: log.entry(seq).raw for seq in edges(size)}
    for (seq, raw), receipt in zip(entries.items(), prove_all(layout, edges(size)), strict=True):
        assert receipt.index == seq
        assert verify_receipt(parse_receipt(receipt.encode()), raw, key).size == size
        check_with_scales(receipt, raw, vkey)


def test_a_receipt_holds_for_no_other_entry(sized: tuple[StoreLayout, int]) -> None:
    layout, size = sized
    with LogReader(layout) as log:
        other, key = log.entry(size - 2).raw, log.trust.log_key
    with pytest.raises(LedgerError, match="does not hold"):
        verify_receipt(prove(layout, size - 1), other, key)


@pytest.mark.parametrize("beyond", [0, 1, 1000])
def test_nothing_beyond_the_checkpoint_has_a_receipt(sized: tuple[StoreLayout, int], beyond: int) -> None:
    layout, size = sized
    with pytest.raises(NotSealedError, match=f"covers the first {size} entries"):
        prove(layout, size + beyond)


def test_an_entry_has_no_receipt_until_it_is_sealed(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 2)
    with Recorder.open(layout) as recorder:
        receive(recorder)
        with pytest.raises(NotSealedError):
            prove(layout, 2)
        seal(recorder)
        assert prove(layout, 2).index == 2


def test_a_proof_made_before_the_log_grew_still_holds_after(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 250)
    before = prove(layout, 249)
    with Recorder.open(layout) as recorder:
        arrive(recorder, receive(recorder), [b"more %d" % n for n in range(40)])
        seal(recorder)
    with LogReader(layout) as log:
        raw, key = log.entry(249).raw, log.trust.log_key
    assert verify_receipt(before, raw, key).size == 250
    assert verify_receipt(prove(layout, 249), raw, key).size == 291


def test_tiles_of_a_later_unpublished_size_do_not_disturb_a_proof(tmp_path: Path) -> None:
    """A sealer beside us writes its tiles before it commits, and removes partial ones that a full one replaced."""
    layout = store_of_size(tmp_path / "store", 255)
    partial = layout.log / TileRef(0, 0, 255).path
    with Recorder.open(layout) as recorder:
        arrive(recorder, receive(recorder), [b"one more"])
        seal(recorder)
    assert not partial.exists()  # gone: the full tile serves for it
    put_newest_checkpoint_back(layout, size=255)
    assert prove(layout, 254).index == 254


def put_newest_checkpoint_back(layout: StoreLayout, *, size: int) -> None:
    with sqlite3.connect(layout.log_db) as connection:
        connection.execute("DELETE FROM checkpoint WHERE size > ?", (size,))
    connection.close()


@pytest.mark.parametrize("level_of_tile", [0, 1])
def test_a_changed_tile_gives_an_error_and_never_a_receipt(tmp_path: Path, level_of_tile: int) -> None:
    layout = store_of_size(tmp_path / "store", 600)
    for ref in tiles_at(600):
        if ref.level == level_of_tile:
            change_first_byte(layout.log / ref.path)
    with pytest.raises(LedgerError):
        prove(layout, 599)


def change_first_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_an_entry_changed_in_the_database_gets_no_receipt(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 5)
    with sqlite3.connect(layout.log_db) as connection:
        (raw,) = connection.execute("SELECT raw FROM entry WHERE seq = 4").fetchone()
        (older,) = connection.execute("SELECT raw FROM entry WHERE seq = 3").fetchone()
        assert raw != older
        connection.execute("UPDATE entry SET raw = ? WHERE seq = 4", (older,))
    connection.close()
    with pytest.raises(LedgerError, match="does not hold"):
        prove(layout, 4)


def test_a_missing_tile_is_an_error_of_the_log(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 257)
    (layout.log / TileRef(0, 0).path).unlink()
    with pytest.raises(LedgerError, match="missing"):
        prove(layout, 256 - 1)
