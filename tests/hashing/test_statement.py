from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_json

from hashing.digest import Digest
from hashing.statement import (
    STATEMENT_TYPE,
    StatementError,
    Subject,
    build_statement,
    parse_entry_statement,
    parse_statement,
    read_statement,
)
from hashing.strict_json import Json, canonical

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
DIGEST = Digest.of(b"footage")


def statement(**members: Any) -> dict[str, Any]:
    """Return a good statement with some members replaced."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "a", "digest": {"sha256": DIGEST.hex}}],
        "predicateType": "https://x.example/1",
        "predicate": {"k": 1},
    } | members


@pytest.mark.parametrize("case", vector_json("in-toto/statements.json"), ids=lambda case: case.get("why", "valid"))
def test_published_statement(case: dict[str, Any]) -> None:
    if not case["valid"]:
        with pytest.raises(StatementError):
            parse_statement(case["json"].encode())
        return
    read = parse_statement(case["json"].encode())
    assert read.subjects == (Subject("theSub", {"alg1": "abc123"}),)
    assert (read.predicate_type, read.predicate) == ("thePredicate", {"keyObj": {"subKey": "subVal"}})


def test_the_worked_statement_is_built_byte_by_byte() -> None:
    worked = json.loads(EXAMPLES["stmt"])
    built = build_statement(
        {"EXH-0001/clip-0001.mp4": Digest.of(b"")},
        predicate_type="https://ledger.example/custody-event/v1",
        predicate=worked["predicate"],
    )
    data = canonical(built)
    assert data.decode() == EXAMPLES["stmt"]
    assert (len(data), sha256(data).hexdigest()) == (EXAMPLES["stmt_len"], EXAMPLES["stmt_sha"])
    read = parse_entry_statement(data)
    assert read == parse_statement(data) == read_statement(built)
    assert read.predicate["action"] == "acquire"


@given(st.dictionaries(st.text("abcXYZ_019", min_size=1, max_size=6), st.binary(max_size=4), min_size=1, max_size=8))
def test_subjects_ascend_by_name_whatever_their_order(contents: dict[str, bytes]) -> None:
    subjects = {name: Digest.of(content) for name, content in contents.items()}
    built = build_statement(subjects, predicate_type="t", predicate={"k": 1})
    read = parse_entry_statement(canonical(built))
    assert [each.name for each in read.subjects] == sorted(subjects)
    assert {each.name: each.digest["sha256"] for each in read.subjects} == {
        name: digest.hex for name, digest in subjects.items()
    }


@pytest.mark.parametrize(("subjects", "predicate_type"), [({}, "t"), ({"": DIGEST}, "t"), ({"a": DIGEST}, "")])
def test_a_statement_that_no_reader_would_accept_is_not_built(subjects: dict[str, Digest], predicate_type: str) -> None:
    with pytest.raises(StatementError):
        build_statement(subjects, predicate_type=predicate_type, predicate={})


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        statement(_type=None),
        statement(_type="https://in-toto.io/Statement/v0.1"),
        statement(_type=STATEMENT_TYPE + "/"),
        statement(predicateType=""),
        statement(predicateType=7),
        statement(predicate=[]),
        statement(predicate="text"),
        statement(subject=None),
        statement(subject=[]),
        statement(subject=["a"]),
        statement(subject=[{"name": "a"}]),
        statement(subject=[{"name": "a", "digest": {}}]),
        statement(subject=[{"name": "a", "digest": None}]),
        statement(subject=[{"name": "a", "digest": {"sha256": ""}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": None}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": DIGEST.hex[:-1]}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": DIGEST.hex + "\n"}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": DIGEST.hex.upper()}}]),
        statement(subject=[{"name": "a", "digest": {"sha512": DIGEST.hex}}]),
        statement(subject=[{"name": 7, "digest": {"sha256": DIGEST.hex}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": DIGEST.hex}}] * 2),
        statement(subject=[{"digest": {"x": "y"}}] * 100_001),
    ],
    ids=range(24),
)
def test_what_is_no_statement_is_refused(value: Json) -> None:
    with pytest.raises(StatementError):
        read_statement(value)


def test_unknown_members_and_algorithms_are_no_reason_to_refuse() -> None:
    subject = [{"name": "a", "mediaType": "video/mp4", "digest": {"sha256": DIGEST.hex, "dirHash": "h1:x="}}]
    read = read_statement(statement(subject=subject, more=1))
    assert read.subjects[0].digest["dirHash"] == "h1:x="
    assert read_statement({**statement(), "predicate": None}).predicate == {}


def test_a_subject_without_a_name_has_an_empty_one() -> None:
    read = read_statement(statement(subject=[{"digest": {"x": "1"}}, {"digest": {"x": "2"}}]))
    assert [each.name for each in read.subjects] == ["", ""]


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(statement(), sort_keys=True).encode(),  # white space
        json.dumps(statement(), separators=(",", ":")).encode(),  # order
        json.dumps(statement(more="é"), sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(statement(predicate={}), sort_keys=True, separators=(",", ":")).encode(),
    ],
)
def test_the_payload_of_an_entry_must_be_canonical_and_another_statement_need_not(payload: bytes) -> None:
    parse_statement(payload)
    with pytest.raises(StatementError, match="not the statement of an entry"):
        parse_entry_statement(payload)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"a":1,"a":2}', b"\xff", b" " * 65_536])
def test_a_payload_that_is_no_json_is_refused_by_the_declared_error(payload: bytes) -> None:
    for read in (parse_statement, parse_entry_statement):
        with pytest.raises(StatementError):
            read(payload)
