"""The Merkle tree of RFC 6962 / RFC 9162 with SHA-256: hashes, roots, proofs and their verification.

Hashes are raw 32-byte strings here. Proofs are made by the recursive definition and verified by the iterative
algorithm of RFC 9162, so that one mistake cannot hide in both. The makers read the hash of a perfect subtree through a
function ``subtree(height, index)``: the root over the ``2**height`` leaves from ``index * 2**height`` on. Nothing here
knows where hashes are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

from base.errors import LedgerError

HASH_BYTES = 32
MAX_SIZE = 2**63  # exclusive; no log gets near, and every reader has 64 bits
EMPTY_ROOT = sha256(b"").digest()

Subtree: TypeAlias = Callable[[int, int], bytes]


class ProofError(LedgerError):
    """A proof does not prove what it is offered for."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of ``entry`` as a leaf. Source: RFC 9162, section 2.1.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over ``left`` and ``right``. Source: RFC 9162, section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def pair_up(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the nodes over neighbouring ``hashes``; a last one without a neighbour is left out."""
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=False)]


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over all ``leaf_hashes``."""
    hashes = list(leaf_hashes)
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > 1:
        # A hash without a neighbour is carried up unchanged: never doubled, never padded.
        hashes = pair_up(hashes) + ([hashes[-1]] if len(hashes) % 2 else [])
    return hashes[0]


def tree_root(size: int, subtree: Subtree) -> bytes:
    """Return the root of the tree with ``size`` leaves."""
    _refuse_size(size)
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that leaf ``index`` is in the tree of ``size``: the leaf's sibling first, the root's child last.

    Raises: ProofError when there is no such leaf.
    """
    _refuse_size(size)
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            proof.append(_range_root(middle, end, subtree))
            end = middle
        else:
            proof.append(_range_root(begin, middle, subtree))
            begin = middle
    return proof[::-1]


def consistency_proof(old_size: int, new_size: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of ``old_size`` is a prefix of the tree of ``new_size``; empty from size 0.

    Raises: ProofError when ``old_size`` is the larger.
    """
    _refuse_size(new_size)
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree of {old_size} is no prefix of a tree of {new_size}")
    if old_size in {0, new_size}:
        return []
    proof: list[bytes] = []
    begin, end = 0, new_size
    while old_size != end:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            proof.append(_range_root(middle, end, subtree))
            end = middle
        else:
            proof.append(_range_root(begin, middle, subtree))
            begin = middle
    if begin:  # else the rest is the old tree itself, whose root the verifier has
        proof.append(_range_root(begin, end, subtree))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless ``proof`` shows the leaf hash ``leaf`` at ``index`` of the tree of ``size``.

    Source: RFC 9162, section 2.1.3.2.
    """
    _refuse_size(size)
    _refuse_hashes([leaf, root, *proof])
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    node, last = index, size - 1
    found = leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(f"an inclusion proof of {len(proof)} hashes is too long for leaf {index} of {size}")
        if node % 2 or node == last:
            found = node_hash(sibling, found)
            node, last = _skip_lone_levels(node, last)
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError(f"an inclusion proof of {len(proof)} hashes is too short for leaf {index} of {size}")
    if found != root:
        raise ProofError(f"leaf {index} is not in the tree of {size} whose root is {root.hex()}")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raise ProofError unless ``proof`` shows the tree of ``old_size`` as a prefix of the tree of ``new_size``.

    From size 0 only the empty proof and the empty root are accepted. Source: RFC 9162, section 2.1.4.2.
    """
    _refuse_size(new_size)
    _refuse_hashes(proof)
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree of {old_size} is no prefix of a tree of {new_size}")
    if old_size in {0, new_size}:
        _verify_without_hashes(old_size, new_size, proof, old_root, new_root)
        return
    if not proof:
        raise ProofError(f"an empty proof shows nothing about sizes {old_size} and {new_size}")
    found_old, found_new = _walk_consistency(old_size, new_size, proof, old_root)
    if found_old != old_root:
        raise ProofError(f"the proof does not lead to the root {old_root.hex()} of size {old_size}")
    if found_new != new_root:
        raise ProofError(f"size {new_size} with root {new_root.hex()} does not continue size {old_size}: a fork")


def _verify_without_hashes(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    if proof:
        raise ProofError(f"from size {old_size} to {new_size} the proof must be empty, not {len(proof)} hashes")
    if old_size == new_size and old_root != new_root:
        raise ProofError(f"two roots for size {old_size}: {old_root.hex()} and {new_root.hex()}: a fork")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError(f"the empty tree has another root than {old_root.hex()}")


def _walk_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    # A size that is a power of two is one whole subtree: its root starts the walk and is not in the proof.
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else proof
    node, last = old_size - 1, new_size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    found_old = found_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError(f"a consistency proof of {len(proof)} hashes is too long for {old_size} and {new_size}")
        if node % 2 or node == last:
            found_old = node_hash(sibling, found_old)
            found_new = node_hash(sibling, found_new)
            node, last = _skip_lone_levels(node, last)
        else:
            found_new = node_hash(found_new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError(f"a consistency proof of {len(proof)} hashes is too short for {old_size} and {new_size}")
    return found_old, found_new


def _skip_lone_levels(node: int, last: int) -> tuple[int, int]:
    """Go up while ``node`` is a right edge without a neighbour, which is carried up unchanged."""
    while node and node % 2 == 0:
        node, last = node >> 1, last >> 1
    return node, last


def _range_root(begin: int, end: int, subtree: Subtree) -> bytes:
    """Return the root over the leaves from ``begin`` to ``end``, where ``begin`` is aligned to what is left of it."""
    perfect: list[bytes] = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        perfect.append(subtree(height, begin >> height))
        begin += 1 << height
    found = perfect.pop()
    while perfect:
        found = node_hash(perfect.pop(), found)
    return found


def _split(count: int) -> int:
    """Return the largest power of two strictly below ``count`` (>= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _refuse_size(size: int) -> None:
    if not 0 <= size < MAX_SIZE:
        raise ProofError(f"not the size of a tree: {size}")


def _refuse_hashes(hashes: Sequence[bytes]) -> None:
    # A hash of another length would let one proof be read as another tree.
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"a hash in a proof, or a root, has not {HASH_BYTES} bytes")
