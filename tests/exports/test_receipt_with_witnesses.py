"""A receipt when witnesses are set: its policy asks for them, and the standalone verifier holds it to that."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_of_log import arrive, copied, receive

from exports.log_receipt import LogReceipt, log_receipt, write_log_receipt
from hashing.policy import parse_policy
from hashing.receipt import parse_receipt
from ledger.layout import StoreLayout
from ledger.lodging import accept, request_to
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal
from ledger.witness import Witness

MOMENT = datetime(2026, 11, 24, 8, 15, 30, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


def witnessed(layout: StoreLayout, folder: Path, *, quorum: str, name: str = "witness.example/") -> list[Witness]:
    """Let the store have two witnesses of which ``quorum`` must agree."""
    made = [Witness.create(folder / f"witness-{n}", f"{name}{n}") for n in range(2)]
    with LogReader(layout) as log:
        for witness in made:
            witness.trust(str(log.trust.log_key))
    lines = [f"witness_quorum = {quorum}", *(f'[[witness]]\nvkey = "{w.key.verifier}"' for w in made)]
    layout.settings.write_text("\n".join([*lines, ""]))
    return made


def item_of(layout: StoreLayout, path: bytes) -> str:
    with Recorder.open(layout) as recorder:
        (item,) = arrive(recorder, receive(recorder, arrival_key=path * 8), [path])
        seal(recorder)
    return item


def cosigned(layout: StoreLayout, *witnesses: Witness) -> None:
    """Let each of ``witnesses`` cosign one and the same checkpoint."""
    requests = [(witness, request_to(layout, witness.key.verifier).encode()) for witness in witnesses]
    for witness, request in requests:
        accept(layout, witness.answer(request, moment=MOMENT).body, [witness.key.verifier], where=None)


def standalone(made: LogReceipt, folder: Path) -> int:
    """Return what the verifier that lies in the receipt itself says of it."""
    write_log_receipt(made, folder)
    done = subprocess.run([sys.executable, "-I", folder / "verify_evidence.py", "receipt", folder], capture_output=True)
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode


def test_under_a_quorum_the_receipt_stands_under_the_checkpoint_that_meets_it(
    layout: StoreLayout, tmp_path: Path
) -> None:
    first, second = witnessed(layout, tmp_path, quorum='"all"')
    item = item_of(layout, b"1.mp4")
    cosigned(layout, first, second)
    item_of(layout, b"2.mp4")  # the log goes on, and nobody cosigned that yet
    made = log_receipt(layout, item)
    assert (made.checkpoint.size, made.lacks_quorum) == (4, False)
    assert set(made.cosigned_by) == {"witness.example/0", "witness.example/1"}
    policy = parse_policy(made.files["policy"])
    assert policy.verify(parse_receipt(made.files["receipt.tlog-proof"]).checkpoint).checkpoint == made.checkpoint
    assert standalone(made, tmp_path / "receipt") == 0


@pytest.mark.parametrize(("quorum", "code"), [('"all"', 6), ("1", 0), ('"any"', 0), ('"none"', 0)])
def test_one_witness_of_two_is_enough_where_one_is_asked_for(
    layout: StoreLayout, tmp_path: Path, quorum: str, code: int
) -> None:
    first, _ = witnessed(layout, tmp_path, quorum=quorum)
    item = item_of(layout, b"1.mp4")
    cosigned(layout, first)
    made = log_receipt(layout, item)
    assert made.lacks_quorum == (code == 6)
    assert standalone(made, tmp_path / "receipt") == code


def test_a_witness_may_be_called_in_any_script(layout: StoreLayout, tmp_path: Path) -> None:
    first, _ = witnessed(layout, tmp_path, quorum="1", name="zeugin.example/bür\u014d-")
    item = item_of(layout, b"1.mp4")
    cosigned(layout, first)
    assert standalone(log_receipt(layout, item), tmp_path / "receipt") == 0


def test_a_receipt_before_any_cosignature_says_what_it_lacks(layout: StoreLayout, tmp_path: Path) -> None:
    witnessed(layout, tmp_path, quorum="2")
    made = log_receipt(layout, item_of(layout, b"1.mp4"))
    assert (made.lacks_quorum, made.cosigned_by) == (True, ())
    assert standalone(made, tmp_path / "receipt") == 6


def test_a_cosignature_that_came_before_the_entry_does_not_cover_it(layout: StoreLayout, tmp_path: Path) -> None:
    first, _ = witnessed(layout, tmp_path, quorum="1")
    cosigned(layout, first)
    made = log_receipt(layout, item_of(layout, b"1.mp4"))
    assert (made.lacks_quorum, made.checkpoint.size) == (True, 5)
