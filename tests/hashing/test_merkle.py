from __future__ import annotations

from base64 import b64decode
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_tree import plain_consistency, plain_inclusion, plain_root, plain_subtree
from vectors import vector_files, vector_json

from hashing.merkle import (
    EMPTY_ROOT,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

INCLUSION = vector_files("transparency-dev-merkle/testdata/inclusion", count=98)
CONSISTENCY = vector_files("transparency-dev-merkle/testdata/consistency", count=98)

# Size 0 proves nothing: transparency-dev/merkle refuses the question, tlog-witness answers it, and so do we.
ACCEPTED_FROM_SIZE_0 = (
    "transparency-dev-merkle/testdata/consistency/additional/size1-is-zero-and-size2-is-not-zero.json"
)

LEAVES = [sha256(b"leaf %d" % n).digest() for n in range(40)]
SIZES = range(len(LEAVES) + 1)

sizes = st.integers(1, len(LEAVES))


def subtrees(size: int) -> Any:
    return partial(plain_subtree, LEAVES[:size])


def hashes(texts: list[str] | None) -> list[bytes]:
    return [b64decode(text) for text in texts or []]


@pytest.mark.parametrize("name", INCLUSION)
def test_published_inclusion_vector(name: str) -> None:
    vector = vector_json(name)
    leaf, whole = b64decode(vector["leafHash"] or ""), b64decode(vector["root"] or "")
    check = partial(verify_inclusion, leaf, vector["leafIdx"], vector["treeSize"], hashes(vector["proof"]), whole)
    if vector["wantErr"]:
        with pytest.raises(ProofError):
            check()
    else:
        check()


@pytest.mark.parametrize("name", CONSISTENCY)
def test_published_consistency_vector(name: str) -> None:
    vector = vector_json(name)
    roots = b64decode(vector["root1"] or ""), b64decode(vector["root2"] or "")
    check = partial(verify_consistency, vector["size1"], vector["size2"], hashes(vector["proof"]), *roots)
    if vector["wantErr"] and name != ACCEPTED_FROM_SIZE_0:
        with pytest.raises(ProofError):
            check()
    else:
        check()


def test_published_hashes_and_roots_of_the_reference_tree() -> None:
    reference = vector_json("transparency-dev-merkle/reference_tree.json")
    computed = vector_json("computed/examples.json")
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in reference["leaf_inputs_hex"]]
    assert [leaf.hex() for leaf in leaves] == computed["leaf_hashes"]
    assert {str(size): root(leaves[:size]).hex() for size in range(9)} == reference["roots"]
    assert leaf_hash(b"L123456").hex() == computed["leaf_L123456"]
    assert node_hash(b"N123", b"N456").hex() == computed["node_N123_N456"]
    assert EMPTY_ROOT.hex() == computed["empty_root"]
    # The empty tree and a tree with one empty entry are different things.
    assert root([leaf_hash(b"")]) != EMPTY_ROOT


@pytest.mark.parametrize(("key", "index", "size"), [("incl_3_7", 3, 7), ("incl_6_7", 6, 7), ("incl_0_8", 0, 8)])
def test_worked_examples_of_inclusion(key: str, index: int, size: int) -> None:
    computed = vector_json("computed/examples.json")
    leaves = [bytes.fromhex(leaf) for leaf in computed["leaf_hashes"]]
    proof = inclusion_proof(index, size, partial(plain_subtree, leaves[:size]))
    assert [each.hex() for each in proof] == computed[key]
    verify_inclusion(leaves[index], index, size, proof, bytes.fromhex(computed["roots"][str(size)]))


@pytest.mark.parametrize(("key", "old", "new"), [("cons_3_7", 3, 7), ("cons_4_7", 4, 7), ("cons_6_8", 6, 8)])
def test_worked_examples_of_consistency(key: str, old: int, new: int) -> None:
    computed = vector_json("computed/examples.json")
    leaves = [bytes.fromhex(leaf) for leaf in computed["leaf_hashes"]]
    proof = consistency_proof(old, new, partial(plain_subtree, leaves[:new]))
    assert [each.hex() for each in proof] == computed[key]


@pytest.mark.parametrize("size", SIZES)
def test_both_ways_to_a_root_agree_with_the_definition(size: int) -> None:
    assert root(LEAVES[:size]) == tree_root(size, subtrees(size)) == plain_root(LEAVES[:size])


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_is_the_defined_one_and_verifies(size: int) -> None:
    whole = plain_root(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, subtrees(size))
        assert proof == plain_inclusion(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof, whole)


@pytest.mark.parametrize("new", SIZES)
def test_every_consistency_proof_is_the_defined_one_and_verifies(new: int) -> None:
    for old in range(1, new + 1):
        proof = consistency_proof(old, new, subtrees(new))
        assert proof == plain_consistency(old, LEAVES[:new])
        verify_consistency(old, new, proof, plain_root(LEAVES[:old]), plain_root(LEAVES[:new]))


@given(data=st.data(), size=sizes)
def test_no_other_leaf_index_size_or_proof_verifies(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, whole = plain_inclusion(index, LEAVES[:size]), plain_root(LEAVES[:size])
    other_index = data.draw(st.integers(0, size + 1).filter(lambda other: other != index))
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index], other_index, size, proof, whole)
    with pytest.raises(ProofError):
        verify_inclusion(sha256(b"forged").digest(), index, size, proof, whole)
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index], index, size, damaged(data, proof), whole)


@given(data=st.data(), new=sizes)
def test_no_other_history_verifies(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    proof = plain_consistency(old, LEAVES[:new])
    old_root, new_root = plain_root(LEAVES[:old]), plain_root(LEAVES[:new])
    forged = [*LEAVES[: old - 1], sha256(b"forged").digest(), *LEAVES[old:new]]
    with pytest.raises(ProofError):
        verify_consistency(old, new, proof, plain_root(forged[:old]), new_root)
    with pytest.raises(ProofError):
        verify_consistency(old, new, proof, old_root, plain_root(forged))
    with pytest.raises(ProofError):
        verify_consistency(old, new, plain_consistency(old, forged), old_root, plain_root(forged))
    with pytest.raises(ProofError):
        verify_consistency(old, new, damaged(data, proof), old_root, new_root)


def damaged(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    """Return ``proof`` with one hash added, or removed, or changed, or two exchanged."""
    extra = sha256(b"extra").digest()
    place = data.draw(st.integers(0, len(proof)))
    ways = [[*proof[:place], extra, *proof[place:]], [*proof[:place], extra[:31], *proof[place:]]]
    if place < len(proof):
        ways += [proof[:place] + proof[place + 1 :], [*proof[:place], extra, *proof[place + 1 :]]]
    if len(proof) > 1:
        ways.append([*proof[1:], proof[0]])
    return data.draw(st.sampled_from(ways))


@pytest.mark.parametrize(
    ("old", "new", "proof", "old_root", "new_root"),
    [
        (0, 5, [LEAVES[0]], EMPTY_ROOT, plain_root(LEAVES[:5])),
        (0, 5, [], plain_root(LEAVES[:5]), plain_root(LEAVES[:5])),
        (0, 0, [], EMPTY_ROOT, LEAVES[0]),
        (5, 5, [], plain_root(LEAVES[:5]), plain_root(LEAVES[:4])),
        (5, 5, [LEAVES[0]], plain_root(LEAVES[:5]), plain_root(LEAVES[:5])),
        (6, 5, [], plain_root(LEAVES[:6]), plain_root(LEAVES[:5])),
        (4, 5, [], plain_root(LEAVES[:4]), plain_root(LEAVES[:5])),
        (-1, 5, [], EMPTY_ROOT, plain_root(LEAVES[:5])),
        (1, 2**63, [LEAVES[0]], LEAVES[0], LEAVES[1]),
    ],
)
def test_edges_of_consistency_that_are_refused(
    old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes
) -> None:
    with pytest.raises(ProofError):
        verify_consistency(old, new, proof, old_root, new_root)


def test_edges_of_consistency_that_are_accepted() -> None:
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    verify_consistency(0, 5, [], EMPTY_ROOT, plain_root(LEAVES[:5]))
    verify_consistency(5, 5, [], plain_root(LEAVES[:5]), plain_root(LEAVES[:5]))
    assert consistency_proof(0, 5, subtrees(5)) == consistency_proof(5, 5, subtrees(5)) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: inclusion_proof(5, 5, subtrees(5)),
        lambda: inclusion_proof(-1, 5, subtrees(5)),
        lambda: inclusion_proof(0, 0, subtrees(0)),
        lambda: consistency_proof(6, 5, subtrees(5)),
        lambda: consistency_proof(-1, 5, subtrees(5)),
        lambda: tree_root(-1, subtrees(0)),
        lambda: tree_root(2**63, subtrees(0)),
    ],
)
def test_a_proof_that_cannot_exist_is_not_made(make: Any) -> None:
    with pytest.raises(ProofError):
        make()
