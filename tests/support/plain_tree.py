"""The Merkle tree of RFC 6962 written down as the recursive definitions stand there, over plain lists of leaf hashes.

Slow on purpose, and shares no line with the product: it is what the product is compared with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def plain_root(leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return hashlib.sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def plain_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*plain_inclusion(index, leaves[:k]), plain_root(leaves[k:])]
    return [*plain_inclusion(index - k, leaves[k:]), plain_root(leaves[:k])]


def plain_consistency(old_size: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """PROOF(m, D[n]) for 0 < m <= n, with SUBPROOF's third argument as ``whole``."""
    if old_size == len(leaves):
        return [] if whole else [plain_root(leaves)]
    k = _split(len(leaves))
    if old_size <= k:
        return [*plain_consistency(old_size, leaves[:k], whole=whole), plain_root(leaves[k:])]
    return [*plain_consistency(old_size - k, leaves[k:], whole=False), plain_root(leaves[:k])]


def plain_subtree(leaves: Sequence[bytes], height: int, index: int) -> bytes:
    """Return the hash of a perfect subtree, as the makers of proofs ask for it."""
    begin, end = index << height, (index + 1) << height
    assert end <= len(leaves), "a subtree beyond the tree was asked for"
    return plain_root(leaves[begin:end])


def _split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k
