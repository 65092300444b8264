"""The worked examples in docs/reference/ are the vectors that the tests run on."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = CHECKOUT / "docs" / "reference"
VECTORS = CHECKOUT / "tests" / "vectors"
FORMATS = (REFERENCE / "formats.md").read_text("utf-8")
COMPUTED = json.loads((VECTORS / "computed" / "examples.json").read_text("utf-8"))

_FENCE = re.compile(r"^```text\n(.*?)^```", re.DOTALL | re.MULTILINE)


def texts(value: object) -> list[str]:
    """Return every string inside a JSON value."""
    if isinstance(value, str):
        return [value]
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for element in inside for text in texts(element)]


def test_every_digest_of_the_examples_is_a_vector() -> None:
    digests = {found for block in _FENCE.findall(FORMATS) for found in re.findall(r"\b[0-9a-f]{64}\b", block)}
    assert len(digests) >= 9
    assert digests <= set(texts(COMPUTED))


@pytest.mark.parametrize("name", ["cp7", "log_vkey", "bundle7", "pae_hello"])
def test_the_example_is_the_vector(name: str) -> None:
    assert COMPUTED[name].rstrip("\n") in FORMATS


def test_the_receipt_is_the_vector_with_the_checkpoint_left_out() -> None:
    proof, _, checkpoint = COMPUTED["tlog_proof"].partition("\n\n")
    assert f"{proof}\n\n<the checkpoint above" in FORMATS
    assert checkpoint == COMPUTED["cp7"]


def test_the_golden_entry_on_the_page_is_the_frozen_one() -> None:
    page = (REFERENCE / "custody-log.md").read_text("utf-8")
    found = re.search(r"<!-- golden: (\S+) -->\n```json\n(.*?)```", page, re.DOTALL)
    assert found is not None
    golden = json.loads((VECTORS / "events" / f"{found[1]}.json").read_text("utf-8"))
    assert json.loads(found[2]) == json.loads(base64.b64decode(json.loads(golden["entry"])["payload"]))
