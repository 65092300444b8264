"""The known answers: right on a sound program, wrong as soon as one thing beneath is broken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from hashing import ed25519, merkle
from hashing.digest import Digest
from ingest.known_answers import QUESTIONS, answers


def test_every_answer_is_right() -> None:
    assert [(each.code, each.found) for each in answers() if not each.is_right] == []


def test_every_question_is_asked_once_and_names_its_source() -> None:
    assert [each.code for each in answers()] == [each.code for each in QUESTIONS]
    assert len({each.code for each in QUESTIONS}) == len(QUESTIONS) == 20
    assert all(each.source and each.what and each.expected for each in QUESTIONS)


class BrokenHash:
    """A SHA-256 that forgets the last byte of what it is given."""

    def __init__(self, data: bytes = b"") -> None:
        self._real = _SHA256(data[:-1])

    def update(self, data: bytes) -> None:
        self._real.update(data[:-1])

    def digest(self) -> bytes:
        return self._real.digest()

    def hexdigest(self) -> str:
        return self._real.hexdigest()


_SHA256 = hashlib.sha256


def raises(*_: object) -> Any:
    raise ZeroDivisionError("a broken library")


def other_node(left: bytes, right: bytes) -> bytes:
    return Digest.of(right + left).raw


# what is broken -> how, and which answers must notice it
BROKEN: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "SHA-256": (
        lambda patch: patch.setattr("hashlib.sha256", BrokenHash),
        {"sha256-448-bits", "sha256-million", "commitment"},
    ),
    "a library that raises": (
        lambda patch: patch.setattr(Digest, "of", classmethod(raises)),
        {"sha256-empty", "sha256-448-bits", "commitment"},
    ),
    "a verifier that accepts everything": (
        lambda patch: patch.setattr(ed25519, "verify", lambda *_: None),
        {"ed25519-other-message", "ed25519-malleable"},
    ),
    "a signer that signs something else": (
        lambda patch: patch.setattr("ledger.keys.file.FileSigner.sign", lambda *_: bytes(64)),
        {"ed25519-sign"},
    ),
    "a tree without its two prefixes": (
        lambda patch: patch.setattr(merkle, "node_hash", other_node),
        {"merkle-consistency"},
    ),
    "proofs that always fit": (
        lambda patch: patch.setattr(merkle, "verify_consistency", lambda *_: None),
        {"merkle-fork"},
    ),
    "salts that are not used": (
        lambda patch: patch.setattr("ingest.known_answers.make_opening", lambda **_: "b3BlbmluZw"),
        {"commitment", "commitment-salt"},
    ),
    "a reader that takes any order of members": (
        lambda patch: patch.setattr("ingest.known_answers.parse_canonical", lambda *_: {}),
        {"canonical-json"},
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_beneath_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    breaks, noticed = BROKEN[name]
    breaks(monkeypatch)
    wrong = {each.code for each in answers() if not each.is_right}
    assert noticed <= wrong


def test_an_answer_that_raises_is_wrong_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Digest, "of", classmethod(raises))
    (empty,) = [each for each in answers() if each.code == "sha256-empty"]
    assert empty.found == "ZeroDivisionError: a broken library"
