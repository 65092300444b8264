"""A policy says whom somebody believes: what is not understood in it is refused, and a quorum is what it says."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_bytes, vector_json

from base.errors import LedgerError
from hashing.checkpoint import CheckpointError
from hashing.cosignature import cosign
from hashing.note import Algorithm, add_signatures, key_id, parse_vkey, vkey
from hashing.policy import MAX_POLICY_BYTES, Policy, PolicyError, PolicyNotMetError, parse_policy
from hashing.receipt import policy_text

EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
LOG, WITNESS = EXAMPLES["log_vkey"], EXAMPLES["wit_vkey"]
NOTE_7 = vector_bytes("computed/log7/checkpoint")  # signed by LOG, cosigned by WITNESS
FORK = vector_bytes("computed/fork300.checkpoint")


class Signer:
    """A witness with a key of its own."""

    def __init__(self, number: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
        self.public = self._key.public_key().public_bytes_raw()
        self.name = f"witness.example/{number}"
        self.key_id = key_id(self.name, Algorithm.COSIGNATURE_V1, self.public)
        self.vkey = vkey(self.name, self.public, Algorithm.COSIGNATURE_V1)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


SIGNERS = {name: Signer(number) for number, name in enumerate("abcdefw", start=1)}
WITNESSES = "".join(f"witness {name} {signer.vkey}\n" for name, signer in SIGNERS.items())


def policy(text: str) -> Policy:
    return parse_policy(text.encode("utf-8"))


def test_the_policy_of_a_receipt_is_one() -> None:
    read = policy(policy_text(LOG))
    assert [str(log.key) for log in read.logs] == [LOG]
    assert read.verify(NOTE_7).checkpoint.size == 7


def test_a_cosigned_note_meets_a_policy_that_asks_for_the_witness() -> None:
    read = policy(f"# ours\n\n \t# more\nlog {LOG} https://log.example/\nwitness  w\t{WITNESS}\nquorum w\n")
    attested = read.verify(NOTE_7)
    assert {name: each.timestamp for name, each in attested.cosignatures.items()} == {"w": 1790000000}
    assert read.logs[0].url == "https://log.example/"


def test_a_note_that_the_witness_did_not_cosign_does_not_meet_it() -> None:
    read = policy(f"log {LOG}\nwitness w {WITNESS}\nquorum w\n")
    bare = NOTE_7[: NOTE_7.index("\N{EM DASH} witness".encode())]
    assert read.read(bare).checkpoint.size == 7
    with pytest.raises(PolicyNotMetError, match="none of the witnesses"):
        read.verify(bare)


def test_a_bad_line_of_a_listed_witness_is_no_mere_absence() -> None:
    read = policy(f"log {LOG}\nwitness w {WITNESS}\nquorum none\n")
    damaged = NOTE_7[:-5] + (b"A" if NOTE_7[-5:-4] != b"A" else b"B") + NOTE_7[-4:]
    with pytest.raises(CheckpointError):
        read.verify(damaged)


@pytest.mark.parametrize("note", [b"", b"not a note", NOTE_7[:40], FORK.replace(b"ledger", b"badger")])
def test_what_no_log_of_the_policy_signed_is_refused(note: bytes) -> None:
    with pytest.raises(LedgerError):
        policy(f"log {LOG}\nquorum none\n").verify(note)


@pytest.mark.parametrize(
    ("lines", "quorum", "meets"),
    [
        ("", "none", lambda names: True),
        ("", "b", lambda names: "b" in names),
        ("group g any a b c", "g", lambda names: bool(names & set("abc"))),
        ("group g all a b c", "g", lambda names: names >= set("abc")),
        ("group g 2 a b c", "g", lambda names: len(names & set("abc")) >= 2),
        ("group g 1 a", "g", lambda names: "a" in names),
        (
            "group x 2 a b c\ngroup y any d e f\ngroup z all x y w",
            "z",
            lambda names: len(names & set("abc")) >= 2 and bool(names & set("def")) and "w" in names,
        ),
        ("group x 2 a b c\ngroup z any x w", "x", lambda names: len(names & set("abc")) >= 2),
    ],
)
def test_a_quorum_is_met_by_exactly_these_witnesses(lines: str, quorum: str, meets: Any) -> None:
    """All 128 sets of seven witnesses, against what the words mean."""
    read = policy(f"log {LOG}\n{WITNESSES}{lines}\nquorum {quorum}\n")
    for size in range(len(SIGNERS) + 1):
        for names in combinations(SIGNERS, size):
            assert read.is_met_by(names) == meets(set(names)), names
    assert policy(read.text()) == read


def test_cosignatures_count_by_key_whatever_the_policy_calls_their_makers() -> None:
    read = policy(f"log {LOG}\n{WITNESSES}group g 2 a b c\nquorum g\n")
    checkpoint = read.read(NOTE_7).checkpoint
    lines = [cosign(checkpoint, SIGNERS[name], timestamp=1800000000) for name in ("a", "c")]
    with pytest.raises(PolicyNotMetError):
        read.verify(add_signatures(NOTE_7, [lines[0], lines[0]]))
    assert set(read.verify(add_signatures(NOTE_7, lines)).cosignatures) == {"a", "c"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"log {LOG}\n",  # no quorum
        f"log {LOG}\nquorum none\nquorum none\n",
        f"log {LOG}\nquorum w\n",
        f"log {LOG}\nquorum none none\n",
        f"log {LOG}\nquorum none\r\n",
        f"log {LOG}\nquorum none\n\x00",
        f"log {LOG}\nquorum none\n\x7f",
        f"log {LOG} url url\nquorum none\n",
        f"log {LOG}x\nquorum none\n",
        f"log {WITNESS}\nquorum none\n",  # a key of type 4 signs no log
        f"log {LOG}\nlog {LOG}\nquorum none\n",
        f"log {LOG}\nwitness w {LOG}\nquorum none\n",  # a key of type 1 is no witness
        f"log {LOG}\nwitness w {WITNESS}\nwitness v {WITNESS}\nquorum none\n",
        f"log {LOG}\nwitness none {WITNESS}\nquorum none\n",
        f"log {LOG}\nwitness w\nquorum none\n",
        f"log {LOG}\nLOG {LOG}\nquorum none\n",
        f"log {LOG}\nquorum g\n{WITNESSES}group g any a\n",  # only what stands above can be named
        f"log {LOG}\n{WITNESSES}group g any a a\nquorum g\n",
        f"log {LOG}\n{WITNESSES}group g any a\ngroup h any a\nquorum g\n",
        f"log {LOG}\n{WITNESSES}group g any g\nquorum g\n",
        f"log {LOG}\n{WITNESSES}group a any b\nquorum a\n",
        f"log {LOG}\n{WITNESSES}group none any b\nquorum none\n",
        f"log {LOG}\n{WITNESSES}group g any\nquorum none\n",
        f"log {LOG}\n{WITNESSES}group g 0 a\nquorum g\n",
        f"log {LOG}\n{WITNESSES}group g 02 a b\nquorum g\n",
        f"log {LOG}\n{WITNESSES}group g 3 a b\nquorum g\n",
        f"log {LOG}\n{WITNESSES}group g some a b\nquorum g\n",
    ],
)
def test_what_is_not_understood_refuses_the_whole_policy(text: str) -> None:
    with pytest.raises(PolicyError):
        policy(text)


def test_only_comments_may_be_other_bytes_than_text() -> None:
    assert parse_policy(b"# \xff\xfe\n" + policy_text(LOG).encode()).quorum == "none"
    with pytest.raises(PolicyError, match="UTF-8"):
        parse_policy(policy_text(LOG).encode() + b"witness \xff " + WITNESS.encode())


def test_a_huge_policy_is_refused_unread() -> None:
    with pytest.raises(PolicyError, match="at most"):
        parse_policy(b"#" * (MAX_POLICY_BYTES + 1))


_WORDS = st.sampled_from(
    [
        "log",
        "witness",
        "group",
        "quorum",
        "any",
        "all",
        "none",
        "1",
        "2",
        "a",
        "b",
        "#",
        LOG,
        WITNESS,
        SIGNERS["a"].vkey,
    ]
)


@given(st.lists(st.lists(_WORDS, max_size=5).map(" ".join), max_size=8).map("\n".join) | st.text())
def test_a_reader_of_policies_raises_only_its_declared_error(text: str) -> None:
    try:
        read = policy(text)
    except PolicyError:
        return
    assert policy(read.text()) == read


def test_a_verifier_key_in_the_policy_is_the_one_that_was_written() -> None:
    read = policy(f"log {LOG}\n{WITNESSES}quorum none\n")
    assert read.witnesses["a"].key == parse_vkey(SIGNERS["a"].vkey)


def test_groups_may_be_nested_as_deep_as_a_file_is_long() -> None:
    groups = "group g0 1 a\n" + "".join(f"group g{n} 1 g{n - 1}\n" for n in range(1, 5000))
    read = policy(f"log {LOG}\n{WITNESSES}{groups}quorum g4999\n")
    assert read.is_met_by(["a"])
    assert not read.is_met_by(["b"])
    assert not read.is_met_by(["g0"])  # a group is met by its members, not by its name
