"""Proofs from the tiles of the log: that an entry stands under the newest committed checkpoint.

A proof is made from the tiles by the recursive definition, and given out only after the verifying code accepted it for
the entry's bytes as the database keeps them. A tile, an entry or a checkpoint that was changed shows itself here as a
LedgerError, never as a receipt that does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from base.errors import LedgerError, WaitingError
from hashing.checkpoint import open_checkpoint
from hashing.merkle import inclusion_proof
from hashing.receipt import Receipt, verify_receipt
from hashing.tiles import TileRef, TileSubtrees
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.tile_files import read_tile


class NotSealedError(WaitingError):
    """The entry is recorded, and no checkpoint covers it yet: there is nothing to prove it with."""

    next_step = "Try again in a moment; the recorder seals what it records."

    def __init__(self, seq: int, *, size: int) -> None:
        self.seq, self.size = seq, size
        super().__init__(f"entry {seq} is not sealed yet: the newest checkpoint covers the first {size} entries.")


def prove(layout: StoreLayout, seq: int) -> Receipt:
    """Return the receipt of the entry at ``seq`` under the newest committed checkpoint.

    Raises NotSealedError while no checkpoint covers it, LedgerError when log and database do not fit together.
    """
    (receipt,) = prove_all(layout, [seq])
    return receipt


def prove_all(layout: StoreLayout, seqs: Sequence[int], *, under: bytes | None = None) -> tuple[Receipt, ...]:
    """Return a receipt for each of ``seqs``, all under the same checkpoint: the note ``under``, else the newest one.

    Raises as `prove` does; `under` is one that this log signed earlier, as a witness cosigned it.
    """
    with LogReader(layout) as log:
        newest = log.newest()
        note = newest.note if under is None else under
        size = open_checkpoint(note, log.trust.log_key).size
        if size > newest.checkpoint.size:
            raise LedgerError(f"a checkpoint of size {size} is beyond the log, which has {newest.checkpoint.size}.")
        subtrees = TileSubtrees(lambda ref: _tile(layout, ref), newest.checkpoint.size)
        receipts = []
        for seq in seqs:
            if seq >= size:
                raise NotSealedError(seq, size=size)
            receipt = Receipt(index=seq, proof=tuple(inclusion_proof(seq, size, subtrees)), checkpoint=note)
            verify_receipt(receipt, log.entry(seq).raw, log.trust.log_key)
            receipts.append(receipt)
    return tuple(receipts)


def _tile(layout: StoreLayout, ref: TileRef) -> bytes:
    return read_tile(layout.log, ref)
