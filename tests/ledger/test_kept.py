"""A kept checkpoint against a log: every answer has its own name."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from hashing.merkle import leaf_hash, root
from hashing.note import sign_note
from ledger.kept import KeptVerdict, compare_kept
from ledger.keys.file import FileSigner
from ledger.seal import LogKey

ORIGIN, SIZE = "strongroom/TESTSTORE0000", 5
PRIVATE = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEY = LogKey(PRIVATE, ORIGIN)
STRANGER = LogKey(FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))), ORIGIN)
LEAVES = [leaf_hash(b"%d" % n) for n in range(SIZE)]
ELSEWHERE = Digest.of(b"another history")


def root_at(size: int) -> Digest:
    return Digest(root(LEAVES[:size]))


def note(size: int, its_root: Digest, *, origin: str = ORIGIN, key: LogKey = KEY) -> bytes:
    signer = key if origin == ORIGIN else LogKey(PRIVATE, origin)
    return sign_note(Checkpoint(origin=origin, size=size, root=its_root).text(), [signer])


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [
        (note(5, root_at(5)), KeptVerdict.SAME),
        (note(4, root_at(4)), KeptVerdict.EXTENSION),
        (note(0, root_at(0)), KeptVerdict.EXTENSION),
        (note(6, ELSEWHERE), KeptVerdict.ROLLED_BACK),
        (note(5, ELSEWHERE), KeptVerdict.SPLIT_VIEW),
        (note(4, ELSEWHERE), KeptVerdict.FORK),
        (note(5, root_at(5), origin="strongroom/ANOTHERSTORE0"), KeptVerdict.OTHER_LOG),
        (note(5, root_at(5), key=STRANGER), KeptVerdict.INVALID),  # the right root, and nobody of this log signed it
        (note(5, root_at(5)).replace(b"\n5\n", b"\n4\n"), KeptVerdict.INVALID),
        (b"not a note", KeptVerdict.INVALID),
    ],
)
def test_a_kept_checkpoint_gets_the_one_word_that_is_true_of_it(kept: bytes, verdict: KeptVerdict) -> None:
    answer = compare_kept(kept, KEY.verifier, size=SIZE, root_at=root_at)
    assert answer.verdict is verdict
    assert answer.verdict.is_good == (verdict in (KeptVerdict.SAME, KeptVerdict.EXTENSION))
    assert answer.found


def test_a_root_beyond_the_end_is_never_asked_for() -> None:
    def refuse(size: int) -> Digest:
        raise AssertionError(f"asked for the root at {size}")

    assert compare_kept(note(9, ELSEWHERE), KEY.verifier, size=SIZE, root_at=refuse).verdict is KeptVerdict.ROLLED_BACK


def test_of_another_log_its_claim_is_told_and_not_believed() -> None:
    answer = compare_kept(note(3, ELSEWHERE, origin="other/log"), KEY.verifier, size=SIZE, root_at=root_at)
    assert (answer.origin, answer.size, answer.root) == ("other/log", 3, ELSEWHERE)
