"""Receipts: the proof that one entry stands in a log under a signed checkpoint (c2sp.org/tlog-proof).

A receipt does not hold the entry: whoever checks it brings the bytes. The checkpoint inside is kept verbatim, with all
its signature lines. ``extra`` is not authenticated by anything and is never believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from base.errors import LedgerError
from hashing.base64_text import Base64Error, decode, encode
from hashing.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from hashing.merkle import HASH_BYTES, MAX_SIZE, ProofError, leaf_hash, verify_inclusion
from hashing.note import MAX_NOTE_BYTES, Verifier

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63  # the depth of a tree below 2^63
MAX_EXTRA_BYTES = 65_536
MAX_RECEIPT_BYTES = MAX_NOTE_BYTES + 100_000

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class ReceiptError(LedgerError):
    """Not a receipt, or not one for this entry in this log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A parsed receipt. Nothing in it is verified before `verify_receipt`."""

    index: int
    proof: tuple[bytes, ...]  # the leaf's sibling first, the root's child last
    checkpoint: bytes  # the signed note, verbatim
    extra: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_SIZE:
            raise ReceiptError(f"not the index of an entry: {self.index}")
        if len(self.proof) > MAX_HASHES or any(len(each) != HASH_BYTES for each in self.proof):
            raise ReceiptError(f"a proof has at most {MAX_HASHES} hashes of {HASH_BYTES} bytes")
        if not self.checkpoint or len(self.checkpoint) > MAX_NOTE_BYTES or len(self.extra) > MAX_EXTRA_BYTES:
            raise ReceiptError("the checkpoint of a receipt is missing, or something in it is too long")

    def encode(self) -> bytes:
        """Return the bytes of the file ``NAME.tlog-proof``."""
        extra = [f"extra {encode(self.extra)}"] if self.extra else []
        lines = [HEADER, *extra, f"index {self.index}", *map(encode, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode("ascii") + b"\n" + self.checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Return the receipt of which ``data`` are the bytes. Raises ReceiptError for any other spelling."""
    if len(data) > MAX_RECEIPT_BYTES:
        raise ReceiptError(f"a receipt of {len(data)} bytes, at most {MAX_RECEIPT_BYTES} are allowed")
    head, separator, checkpoint = data.partition(b"\n\n")  # the proof itself has no empty line
    if not separator or not head.isascii():
        raise ReceiptError("a receipt has an ASCII proof, an empty line and a checkpoint")
    header, *lines = head.decode("ascii").split("\n")
    if header != HEADER:
        raise ReceiptError(f"the first line of a receipt is {HEADER!r}, not {header[:80]!r}")
    extra = lines.pop(0) if lines and lines[0].startswith("extra ") else None
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None:
        raise ReceiptError("a receipt without a line `index <number>` where it belongs")
    if len(lines) > MAX_HASHES:
        raise ReceiptError(f"a receipt with {len(lines)} hashes, at most {MAX_HASHES} are possible")
    try:
        proof = tuple(map(decode, lines))
        return Receipt(index=int(match[1]), proof=proof, checkpoint=checkpoint, extra=_parse_extra(extra))
    except Base64Error as err:
        raise ReceiptError(f"a line of a receipt is {err}") from err


def verify_receipt(receipt: Receipt, entry: bytes, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint under which ``receipt`` shows the bytes ``entry`` in the log whose key is ``verifier``.

    Raises: ReceiptError when the checkpoint is not that log's or the entry is not there.
    """
    try:
        checkpoint = open_checkpoint(receipt.checkpoint, verifier)
        verify_inclusion(leaf_hash(entry), receipt.index, checkpoint.size, receipt.proof, checkpoint.root.raw)
    except (CheckpointError, ProofError) as err:
        raise ReceiptError(f"the receipt does not hold: {err}") from err
    return checkpoint


def policy_text(vkey: str) -> str:
    """Return the tlog-policy file that trusts this one log and asks for no witness."""
    return f"log {vkey}\nquorum none\n"


def _parse_extra(line: str | None) -> bytes:
    if line is None:
        return b""
    extra = decode(line.removeprefix("extra "))
    if not extra:
        raise ReceiptError("a receipt with an empty line `extra`")
    return extra
