"""The frozen entries, read by a program that was not there when they were written.

The product's own tests hold it to these bytes; here the checker says whether the bytes are what the design asks for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checker import Problem
from checker_chain import Chain
from checker_entry import Entry, read_entry
from checker_findings import Findings
from checker_openings import read_opening
from checker_tree import leaf_hash, sha256
from vectors import VECTORS, vector_json

GOLDEN = sorted((VECTORS / "events").glob("*.json"))


def golden(path: Path) -> Any:
    return vector_json(f"events/{path.name}")


def chain_with(entry: bytes) -> tuple[Entry, list[Problem]]:
    """Return the entry as the second one of the golden log, or the first if it opens it."""
    first = vector_json("events/log.opened.json")["entry"].encode()
    findings = Findings()
    chain = Chain(findings)
    chain.extend([first] if entry == first else [first, entry])
    return read_entry(entry), findings.problems


def test_the_golden_entries_are_there() -> None:
    assert {"log.opened", "drop.received", "master.defined", "analysis.completed"} <= {path.stem for path in GOLDEN}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_entry_is_an_entry(path: Path) -> None:
    frozen = golden(path)
    entry, problems = chain_with(frozen["entry"].encode())
    # A golden log has two entries, so the drop that the second belongs to was never received.
    assert {problem.code for problem in problems} <= {"entry.drop"}
    assert entry.type == path.stem == frozen["event"]["type"]
    assert sha256(entry.raw).hex() == frozen["sha256"]
    assert leaf_hash(entry.raw).hex() == frozen["leaf_hash"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_entry_says_what_went_in(path: Path) -> None:
    frozen = golden(path)
    entry = read_entry(frozen["entry"].encode())
    assert entry.event == frozen["event"]["event"]
    assert entry.subjects == frozen["event"]["subjects"]
    assert entry.facts == (frozen["event"]["facts"] or {})
    assert entry.drop == frozen["event"]["drop"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_each_commitment_of_a_golden_entry_opens_to_its_value(path: Path) -> None:
    frozen = golden(path)
    entry = read_entry(frozen["entry"].encode())
    texts = {opening["commitment"]: opening["text"] for opening in frozen["openings"]}
    committed = entry.committed()
    assert len(texts) == len(frozen["openings"]) == len(committed)
    found: dict[str, list[str]] = {}
    for member, n, commitment in committed:
        name = f"{entry.event}/{member}" + ("" if n is None else f"/{n}")
        assert sha256(texts[commitment].encode()).hex() == commitment
        found.setdefault(member, []).append(spelling(read_opening(texts[commitment], name)))
    assert {member: sorted(values) for member, values in found.items()} == {
        member: sorted(map(spelling, value if isinstance(entry.commitments[member], list) else [value]))
        for member, value in frozen["event"]["values"].items()
    }


def spelling(value: object) -> str:
    return json.dumps(value, sort_keys=True)
