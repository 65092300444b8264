from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_bytes, vector_json

from hashing.note import parse_vkey
from hashing.receipt import HEADER, Receipt, ReceiptError, parse_receipt, policy_text, verify_receipt

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
LOG = parse_vkey(EXAMPLES["log_vkey"])
DATA_3 = vector_bytes("computed/log7-index3.tlog-proof")
ENTRY_3 = vector_bytes("computed/log7-index3.entry")
HASH = b64encode(bytes(32)).decode()


@pytest.mark.parametrize("case", vector_json("formats-tlog-proof/marshal.json"), ids=lambda case: str(case["index"]))
def test_published_receipt_is_written_and_read_back(case: dict[str, Any]) -> None:
    receipt = Receipt(
        index=case["index"],
        proof=tuple(map(b64decode, case["hashes"])),
        checkpoint=case["checkpoint"].encode(),
        extra=b64decode(case.get("extra", "")),
    )
    assert receipt.encode().decode() == case["want"]
    assert parse_receipt(case["want"].encode()) == receipt


@pytest.mark.parametrize("case", vector_json("formats-tlog-proof/parse_errors.json"), ids=lambda case: case["why"])
def test_published_parse_error(case: dict[str, Any]) -> None:
    with pytest.raises(ReceiptError):
        parse_receipt(case["proof"].encode())


def test_the_worked_receipt_verifies_and_is_written_again() -> None:
    receipt = parse_receipt(DATA_3)
    assert DATA_3.decode() == EXAMPLES["tlog_proof"]
    assert receipt.encode() == DATA_3
    checkpoint = verify_receipt(receipt, ENTRY_3, LOG)
    assert (checkpoint.size, str(checkpoint.root)) == (7, EXAMPLES["roots"]["7"])


@pytest.mark.parametrize("index", [0, 255, 256, 599])
def test_the_computed_receipts_of_the_log_of_600_verify(index: int) -> None:
    receipt = parse_receipt(vector_bytes(f"computed/log600-index{index}.tlog-proof"))
    assert receipt.index == index
    assert verify_receipt(receipt, vector_bytes(f"computed/log600-index{index}.entry"), LOG).size == 600


def test_a_receipt_for_other_bytes_or_another_place_does_not_hold() -> None:
    receipt = parse_receipt(DATA_3)
    others = [
        (receipt, ENTRY_3 + b"\0"),
        (replace(receipt, index=2), ENTRY_3),
        (replace(receipt, index=7), ENTRY_3),
        (replace(receipt, proof=receipt.proof[1:]), ENTRY_3),
        (replace(receipt, proof=(*receipt.proof, bytes(32))), ENTRY_3),
        (replace(receipt, checkpoint=vector_bytes("computed/log600/checkpoint")), ENTRY_3),
        (replace(receipt, checkpoint=receipt.checkpoint.replace(b"\n7\n", b"\n8\n")), ENTRY_3),
        (replace(receipt, checkpoint=b"no note"), ENTRY_3),
    ]
    for other, entry in others:
        with pytest.raises(ReceiptError, match="does not hold"):
            verify_receipt(other, entry, LOG)
    with pytest.raises(ReceiptError, match="does not hold"):
        verify_receipt(receipt, ENTRY_3, parse_vkey(vector_json("x-mod-note/note.json")["vkey"]))


@given(
    index=st.integers(0, 2**63 - 1),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=5),
    checkpoint=st.binary(min_size=1, max_size=40),
    extra=st.binary(max_size=40),
)
def test_any_receipt_is_read_back(index: int, proof: list[bytes], checkpoint: bytes, extra: bytes) -> None:
    receipt = Receipt(index=index, proof=tuple(proof), checkpoint=checkpoint, extra=extra)
    assert parse_receipt(receipt.encode()) == receipt


@given(
    st.binary(max_size=60)
    | st.text(f"index 012\nextra= {HASH[:2]}", max_size=80).map(f"{HEADER}\n{{}}".format).map(str.encode)
)
def test_any_bytes_are_a_receipt_or_refused_by_the_declared_error(data: bytes) -> None:
    try:
        receipt = parse_receipt(data)
    except ReceiptError:
        return
    assert receipt.encode() == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        f"{HEADER}\nindex 0\n",
        f"{HEADER}\nindex 0\n\n",  # no checkpoint
        f"{HEADER} \nindex 0\n\ncheckpoint\n",
        f"{HEADER}\r\nindex 0\r\n\r\ncheckpoint\n",
        f"{HEADER}\nindex 00\n\ncheckpoint\n",
        f"{HEADER}\nindex 01\n\ncheckpoint\n",
        f"{HEADER}\nindex +1\n\ncheckpoint\n",
        f"{HEADER}\nindex  1\n\ncheckpoint\n",
        f"{HEADER}\nindex 1 \n\ncheckpoint\n",
        f"{HEADER}\nindex ١\n\ncheckpoint\n",
        f"{HEADER}\nindex 9223372036854775808\n\ncheckpoint\n",
        f"{HEADER}\nIndex 1\n\ncheckpoint\n",
        f"{HEADER}\nextra \nindex 0\n\ncheckpoint\n",
        f"{HEADER}\nextra AA\nindex 0\n\ncheckpoint\n",
        f"{HEADER}\nextra AA==\nextra AA==\nindex 0\n\ncheckpoint\n",
        f"{HEADER}\nindex 0\nextra AA==\n\ncheckpoint\n",
        f"{HEADER}\nindex 0\n{HASH} \n\ncheckpoint\n",
        f"{HEADER}\nindex 0\n{HASH[:-2]}B=\n\ncheckpoint\n",
        f"{HEADER}\nindex 0\n" + f"{HASH}\n" * 64 + "\ncheckpoint\n",
        f"{HEADER}\nindex 0\n\n" + "a" * 1_000_001,
        f"{HEADER}\nindex 0\n\n" + "a" * 2_000_000,
    ],
    ids=lambda text: repr(text[22:50]),
)
def test_another_spelling_of_a_receipt_is_refused(text: str) -> None:
    with pytest.raises(ReceiptError):
        parse_receipt(text.encode())


@pytest.mark.parametrize(
    "members",
    [
        {"index": -1},
        {"index": 2**63},
        {"proof": (bytes(31),)},
        {"proof": (bytes(32),) * 64},
        {"checkpoint": b""},
        {"extra": bytes(65_537)},
    ],
    ids=lambda members: next(iter(members)),
)
def test_a_receipt_that_cannot_exist_is_not_made(members: dict[str, Any]) -> None:
    with pytest.raises(ReceiptError):
        replace(parse_receipt(DATA_3), **members)


def test_the_policy_trusts_one_log_and_asks_for_no_witness() -> None:
    assert policy_text(EXAMPLES["log_vkey"]) == f"log {EXAMPLES['log_vkey']}\nquorum none\n"
