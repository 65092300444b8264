"""Known answers: what the program computes, held against what the standards and other programs published.

Each question is asked through the code that seals evidence, not through a copy of it. The expected values are from the
documents named beside them; those of our own formats are frozen in tests/vectors/ and were found by two programs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from base.errors import EvidenceError
from hashing import dsse, ed25519, merkle, tiles
from hashing.checkpoint import open_checkpoint
from hashing.commitment import commitment, make_opening, parse_opening
from hashing.digest import Digest
from hashing.note import parse_vkey
from hashing.receipt import parse_receipt, verify_receipt
from hashing.strict_json import canonical, parse_canonical
from hashing.words import spoken_form
from ledger.keys.known_answer import signature_by_seed

_REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to compute, and what must come out."""

    code: str
    what: str
    source: str
    expected: str
    ask: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came out."""

    code: str
    what: str
    source: str
    expected: str
    found: str

    @property
    def is_right(self) -> bool:
        return self.found == self.expected


def answers() -> list[Answer]:
    """Ask every question and return the answers, in a fixed order."""
    return [
        Answer(code=each.code, what=each.what, source=each.source, expected=each.expected, found=_found(each))
        for each in QUESTIONS
    ]


def _found(question: Question) -> str:
    try:
        return question.ask()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside is a wrong answer, and is told as that
        return f"{type(error).__name__}: {error}"


def _refusal(act: Callable[[], object]) -> str:
    """Return ``refused`` when ``act`` raises a declared error, else say that it was accepted."""
    try:
        act()
    except EvidenceError:
        return _REFUSED
    return "accepted"


# ------------------------------------------------------------------------------------------------ digests, signatures

_MESSAGE_448 = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
_PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def _million() -> str:
    """Digest a million letters in pieces, as large files are."""
    running = hashlib.sha256()
    for _ in range(1000):
        running.update(b"a" * 1000)
    return running.hexdigest()


def _verified() -> str:
    ed25519.verify(_PUBLIC, b"\x72", bytes.fromhex(_SIGNATURE))
    return "verified"


def _malleable() -> str:
    """Offer the published signature with the group order added to its scalar: another spelling of the same."""
    signature = bytes.fromhex(_SIGNATURE)
    scalar = int.from_bytes(signature[32:], "little") + _GROUP_ORDER
    return _refusal(lambda: ed25519.verify(_PUBLIC, b"\x72", signature[:32] + scalar.to_bytes(32, "little")))


# ------------------------------------------------------------------------------------------------ trees, checkpoints

_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
_ROOT_7 = "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
_VKEY = "ledger.example/unit-7+39c2d025+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
_PROOF = (
    "c2sp.org/tlog-proof@v1\nindex 3\nApjRIpBtz8EIkstTpzmS/FufST6kybrbJ7eRtBJ6f+c=\n"
    "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=\ng327FS6bB5AQcX6E6GXaTrwPoZioBtWdMb8VrM7yLQ4=\n\n"
)
_TEXT = "ledger.example/unit-7\n7\n3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n"
_LINE = "OcLQJe1hZT6rfjTgeFCTznDHL2sMeKQ8hr3sK+qaRYfmCyTGZDIzSlzomHS47ircqYhBKqFDbqKwVJEZDpresxQK+go="
_NOTE = f"{_TEXT}\n\u2014 ledger.example/unit-7 {_LINE}\n".encode()


def _root(count: int) -> str:
    return merkle.root(merkle.leaf_hash(leaf) for leaf in _LEAVES[:count]).hex()


def _receipt() -> str:
    checkpoint = verify_receipt(parse_receipt(_PROOF.encode("ascii") + _NOTE), _LEAVES[3], parse_vkey(_VKEY))
    return f"{checkpoint.size} {checkpoint.root}"


def _other_entry() -> str:
    receipt = parse_receipt(_PROOF.encode("ascii") + _NOTE)
    return _refusal(lambda: verify_receipt(receipt, _LEAVES[4], parse_vkey(_VKEY)))


def _subtree(height: int, index: int) -> bytes:
    leaves = _LEAVES[index << height : (index + 1) << height]
    return merkle.root(merkle.leaf_hash(leaf) for leaf in leaves)


def _consistency() -> str:
    proof = merkle.consistency_proof(4, 8, _subtree)
    merkle.verify_consistency(4, 8, proof, bytes.fromhex(_root(4)), bytes.fromhex(_root(8)))
    return "verified"


def _fork() -> str:
    proof = merkle.consistency_proof(4, 8, _subtree)
    other = merkle.node_hash(_subtree(1, 1), _subtree(1, 0))
    return _refusal(lambda: merkle.verify_consistency(4, 8, proof, other, bytes.fromhex(_root(8))))


def _other_size() -> str:
    return _refusal(lambda: open_checkpoint(_NOTE.replace(b"\n7\n", b"\n8\n", 1), parse_vkey(_VKEY)))


# ------------------------------------------------------------------------------------------------ entries, openings


def _opening() -> str:
    text = make_opening(salt=bytes(range(16)), event="event_" + "0f" * 16, member="name", value={"base64": "Yf8="})
    return f"{commitment(text)} {parse_opening(text).value}"


def _other_salt() -> str:
    texts = [make_opening(salt=bytes([n] * 16), event="event_" + "0f" * 16, member="name", value=None) for n in (0, 1)]
    return str(commitment(texts[0]) != commitment(texts[1])).lower()


def _bundle() -> str:
    bundle = tiles.encode_bundle(_LEAVES[:4])
    return f"{bundle.hex()} {len(tiles.decode_bundle(bundle, count=4))}"


QUESTIONS = (
    Question(
        code="sha256-empty",
        what="SHA-256 of nothing",
        source="FIPS 180-4",
        expected="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ask=lambda: str(Digest.of(b"")),
    ),
    Question(
        code="sha256-448-bits",
        what="SHA-256 of 56 bytes",
        source="FIPS 180-4",
        expected="248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ask=lambda: str(Digest.of(_MESSAGE_448)),
    ),
    Question(
        code="sha256-million",
        what="SHA-256 of a million letters, in pieces",
        source="FIPS 180-4",
        expected="cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ask=_million,
    ),
    Question(
        code="ed25519-sign",
        what="an Ed25519 signature",
        source="RFC 8032, 7.1, test 2",
        expected=_SIGNATURE,
        ask=lambda: signature_by_seed(_SEED, b"\x72").hex(),
    ),
    Question(
        code="ed25519-verify",
        what="the same signature verified",
        source="RFC 8032, 7.1, test 2",
        expected="verified",
        ask=_verified,
    ),
    Question(
        code="ed25519-other-message",
        what="the same signature under another message",
        source="RFC 8032",
        expected=_REFUSED,
        ask=lambda: _refusal(lambda: ed25519.verify(_PUBLIC, b"\x73", bytes.fromhex(_SIGNATURE))),
    ),
    Question(
        code="ed25519-malleable",
        what="the same signature in another spelling",
        source="RFC 8032, 5.1.7",
        expected=_REFUSED,
        ask=_malleable,
    ),
    Question(
        code="merkle-root",
        what="the root over eight leaves",
        source="RFC 6962 test tree",
        expected="5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ask=lambda: _root(8),
    ),
    Question(
        code="merkle-consistency",
        what="four leaves are the beginning of eight",
        source="RFC 9162, 2.1.4",
        expected="verified",
        ask=_consistency,
    ),
    Question(
        code="merkle-fork",
        what="four other leaves are not",
        source="RFC 9162, 2.1.4",
        expected=_REFUSED,
        ask=_fork,
    ),
    Question(
        code="checkpoint-proof",
        what="an entry under a signed checkpoint",
        source="C2SP tlog-proof, tests/vectors",
        expected=f"7 {_ROOT_7}",
        ask=_receipt,
    ),
    Question(
        code="checkpoint-other-entry",
        what="another entry at the same place",
        source="C2SP tlog-proof, tests/vectors",
        expected=_REFUSED,
        ask=_other_entry,
    ),
    Question(
        code="checkpoint-other-size",
        what="the checkpoint with another size",
        source="C2SP signed-note",
        expected=_REFUSED,
        ask=_other_size,
    ),
    Question(
        code="checkpoint-words",
        what="the seven words of a checkpoint",
        source="BIP-39, tests/vectors",
        expected="furnace bamboo certain major summer good abstract",
        ask=lambda: " ".join(spoken_form(_TEXT)),
    ),
    Question(
        code="commitment",
        what="the commitment of an opening",
        source="RFC 9901, 4.2",
        expected="7ef6bd89c951a33a957b19cadd4d1f23059ff465d270676a399e87c544409be1 {'base64': 'Yf8='}",
        ask=_opening,
    ),
    Question(
        code="commitment-salt",
        what="the same value under another salt is another commitment",
        source="RFC 9901, 4.2",
        expected="true",
        ask=_other_salt,
    ),
    Question(
        code="dsse-pae",
        what="what an entry's signature covers",
        source="DSSE, protocol",
        expected="44535345763120323920687474703a2f2f6578616d706c652e636f6d2f48656c6c6f576f726c64203131"
        "2068656c6c6f20776f726c64",
        ask=lambda: dsse.pae("http://example.com/HelloWorld", b"hello world").hex(),
    ),
    Question(
        code="canonical-json",
        what="the one spelling of an entry",
        source="docs/reference/custody-log.md, 4",
        expected='{"a":null,"b":[1,"x"]} refused',
        ask=lambda: (
            canonical({"b": [1, "x"], "a": None}).decode() + " " + _refusal(lambda: parse_canonical(b'{"b":1,"a":2}'))
        ),
    ),
    Question(
        code="tile-path",
        what="where tile 1,234,067 lies",
        source="C2SP tlog-tiles",
        expected="tile/0/x001/x234/067 tile/entries/x001/x234/067.p/17",
        ask=lambda: f"{tiles.TileRef(0, 1234067).path} {tiles.TileRef(tiles.ENTRIES, 1234067, 17).path}",
    ),
    Question(
        code="bundle",
        what="four entries in a bundle",
        source="C2SP tlog-tiles",
        expected="000000010000011000022021 4",
        ask=_bundle,
    ),
)
