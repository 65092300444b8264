from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from vectors import vector_json

from hashing.note import (
    MAX_SIGNATURES,
    Algorithm,
    BadSignatureError,
    NoteError,
    NoteSignature,
    UnverifiedNoteError,
    Verifier,
    add_signatures,
    cosignature_message,
    key_id,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
    vkey,
)

X_MOD: dict[str, Any] = vector_json("x-mod-note/note.json")
C2SP: dict[str, Any] = vector_json("c2sp/examples.json")
EXAMPLES: dict[str, Any] = vector_json("computed/examples.json")
ERRORS = {
    "unverified": UnverifiedNoteError,
    "invalid-signature": BadSignatureError,
    "malformed": NoteError,
    "error": NoteError,
}


@dataclass(frozen=True)
class Signer:
    """A signer of notes with its key in memory."""

    name: str
    key_id: bytes
    private: Ed25519PrivateKey

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


def signer_of(text: str) -> Signer:
    """Return the signer of x/mod's text form PRIVATE+KEY+<name>+<key ID>+<base64(1, seed)>."""
    _, _, name, id_hex, blob = text.split("+", 4)
    return Signer(name, bytes.fromhex(id_hex), Ed25519PrivateKey.from_private_bytes(b64decode(blob)[1:]))


PETER = signer_of(X_MOD["signer_key"])
PETER_KEY = parse_vkey(X_MOD["vkey"])


@pytest.mark.parametrize("case", X_MOD["open"], ids=lambda case: case["desc"])
def test_published_note(case: dict[str, Any]) -> None:
    data = b64decode(case["msg_b64"]) if "msg_b64" in case else case["msg"].encode()
    verifiers = list(map(parse_vkey, case["vkeys"]))
    if case["want"] != "ok":
        with pytest.raises(ERRORS[case["want"]]):
            verify_note(data, verifiers)
        return
    note = verify_note(data, verifiers)
    assert note.text == case["text"]
    assert [line.name for line in note.verified] == case["verified"]
    assert [line.name for line in note.unverified] == case["unverified"]


def test_a_malformed_note_is_malformed_and_not_merely_unverified() -> None:
    malformed = [case for case in X_MOD["open"] if case["want"] == "malformed"]
    assert len(malformed) >= 7
    for case in malformed:
        data = b64decode(case["msg_b64"]) if "msg_b64" in case else case["msg"].encode()
        with pytest.raises(NoteError):
            parse_note(data)


def test_published_signature_is_made_again() -> None:
    assert sign_note(X_MOD["sign"]["text"], [PETER]).decode() == X_MOD["sign"]["note"]


def test_published_c2sp_note_verifies() -> None:
    example = C2SP["signed_note"]
    note = verify_note(example["note"].encode(), [parse_vkey(example["vkey"])])
    assert note.text == "This is an example message.\n"


@pytest.mark.parametrize(
    "key", [X_MOD["vkey"], X_MOD["other_vkey"], C2SP["signed_note"]["vkey"], EXAMPLES["log_vkey"], EXAMPLES["wit_vkey"]]
)
def test_a_vkey_is_written_as_it_was_read(key: str) -> None:
    verifier = parse_vkey(key)
    assert str(verifier) == key
    assert vkey(verifier.name, verifier.public, verifier.algorithm) == key


@pytest.mark.parametrize("key", X_MOD["bad_vkeys"])
def test_a_bad_or_unknown_vkey_is_refused(key: str) -> None:
    with pytest.raises(NoteError):
        parse_vkey(key)


def test_every_part_and_every_change_of_a_vkey_is_refused() -> None:
    """As x/mod tests it: all proper substrings, and every single byte plus one."""
    key = X_MOD["vkey"]
    others = {key[begin:end] for begin in range(len(key)) for end in range(begin, len(key) + 1)} - {key}
    others |= {key[:place] + chr(ord(key[place]) + 1) + key[place + 1 :] for place in range(len(key))}
    assert len(others) > 2000
    for other in others:
        with pytest.raises(NoteError):
            parse_vkey(other)


@pytest.mark.parametrize("name", ["", "a b", "a\u00a0b", "a\u2003", "\u3000", "a\n", "a+b", "n" * 256, "a\udcff"])
def test_a_key_name_has_no_white_space_and_no_plus(name: str) -> None:
    with pytest.raises(NoteError):
        vkey(name, PETER_KEY.public)


def test_a_key_of_small_order_gets_no_verifier() -> None:
    with pytest.raises(NoteError, match="small order"):
        vkey("ledger.example", bytes(32))


def test_worked_key_ids() -> None:
    log, witness = bytes.fromhex(EXAMPLES["log_pub"]), bytes.fromhex(EXAMPLES["wit_pub"])
    assert key_id("ledger.example/unit-7", 1, log).hex() == EXAMPLES["log_keyid"]
    assert key_id("witness.example/w1", Algorithm.COSIGNATURE_V1, witness).hex() == EXAMPLES["wit_keyid"]
    with pytest.raises(NoteError, match="does not belong"):
        Verifier("ledger.example/unit-7", bytes(4), Algorithm.ED25519, log)


note_texts = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]) | st.just("\n"), max_size=40).map(
    lambda text: text + "\n"
)


@given(note_texts)
def test_any_text_is_signed_and_read_back(text: str) -> None:
    note = verify_note(sign_note(text, [PETER]), [PETER_KEY])
    assert note.text == text


@given(st.binary(max_size=80) | st.text("— \nab=+AA\u2003é", max_size=80).map(str.encode))
def test_any_bytes_are_a_note_or_refused_by_the_declared_error(data: bytes) -> None:
    try:
        note = parse_note(data)
    except NoteError:
        return
    assert (note.text + "\n" + "".join(line.line for line in note.signatures)).encode() == data


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "carriage\r\n", "nul\0\n"])
def test_a_text_that_no_note_may_have_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, [PETER])


def test_a_note_needs_a_signer() -> None:
    with pytest.raises(NoteError):
        sign_note("text\n", [])


def line(name: str, blob: bytes) -> str:
    return f"— {name} {b64encode(blob).decode()}\n"


GOOD = sign_note("text\n", [PETER]).decode()


@pytest.mark.parametrize(
    "note",
    [
        GOOD[:-1],
        GOOD + "\n",
        GOOD.replace("\n\n", "\n"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("—", "-"),
        GOOD.replace("— ", "—"),
        GOOD.replace("— PeterNeumann ", "— "),
        GOOD.replace("PeterNeumann ", "PeterNeumann\u00a0"),
        GOOD.replace("PeterNeumann", "Peter+Neumann"),
        GOOD + line("no\x01body", bytes(68)),
        GOOD.replace("=\n", "\n"),
        GOOD + "— nobody\n",
        GOOD + line("nobody", b"only"),
        GOOD + line("nobody", b""),
        GOOD + "— nobody AAAAAA=\n",
        GOOD + "tail\n",
        "\n" + GOOD[GOOD.index("\n\n") + 2 :],
    ],
)
def test_a_note_with_any_other_form_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        verify_note(note.encode(), [PETER_KEY])


def test_the_last_empty_line_separates_the_text_from_the_signatures() -> None:
    text = "one\n\n\ntwo\n\n— three AAAA\n"
    assert verify_note(sign_note(text, [PETER]), [PETER_KEY]).text == text


def test_every_line_of_a_known_key_must_fit_also_a_repeated_one() -> None:
    bad = line(PETER.name, PETER.key_id + bytes(64))
    for note in (GOOD + bad, GOOD.replace("— ", bad + "— ")):
        with pytest.raises(BadSignatureError):
            verify_note(note.encode(), [PETER_KEY])


def test_a_changed_text_makes_the_signature_bad() -> None:
    with pytest.raises(BadSignatureError):
        verify_note(GOOD.replace("text", "test").encode(), [PETER_KEY])


@pytest.mark.parametrize("blob", [b"", bytes(63), bytes(65), bytes(72)])
def test_a_known_key_with_a_signature_of_another_length_makes_the_note_worthless(blob: bytes) -> None:
    other = parse_vkey(EXAMPLES["wit_vkey"])
    note = (GOOD + line(other.name, other.key_id + blob + b"x")).encode()
    assert verify_note(note, [PETER_KEY]).unverified[0].name == other.name
    with pytest.raises(BadSignatureError):
        verify_note(note, [PETER_KEY, other])


def test_the_same_name_with_another_key_is_an_unknown_key() -> None:
    forged = Signer("PeterNeumann", bytes(4), Ed25519PrivateKey.from_private_bytes(bytes(32)))
    note = verify_note(sign_note("text\n", [PETER, forged]), [PETER_KEY])
    assert [each.key_id for each in note.verified] == [PETER.key_id]
    assert [each.key_id for each in note.unverified] == [forged.key_id]
    with pytest.raises(UnverifiedNoteError):
        verify_note(sign_note("text\n", [forged]), [PETER_KEY])


def test_the_number_of_signatures_and_the_size_are_capped() -> None:
    many = [NoteSignature(f"witness{n}", bytes(4), bytes(64)) for n in range(MAX_SIGNATURES - 1)]
    full = add_signatures(GOOD.encode(), many)
    assert len(parse_note(full).signatures) == MAX_SIGNATURES
    with pytest.raises(NoteError, match="at most 100"):
        add_signatures(full, many[:1])
    with pytest.raises(NoteError, match="at most 1000000"):
        parse_note(b"a" * 1_000_001)


def test_added_signatures_leave_what_was_there() -> None:
    grown = add_signatures(GOOD.encode(), [NoteSignature("witness", bytes(4), bytes(72))])
    assert grown.startswith(GOOD.encode())
    assert [each.name for each in verify_note(grown, [PETER_KEY]).unverified] == ["witness"]
    with pytest.raises(NoteError):
        add_signatures(GOOD.encode(), [NoteSignature("wit ness", bytes(4), bytes(72))])


def test_published_and_computed_cosignature_messages() -> None:
    text = C2SP["checkpoint_unverifiable_no_key_published"].partition("\n\n")[0] + "\n"
    assert cosignature_message(text, 1679315147).decode() == C2SP["cosigned_message_for_time_1679315147"]
    computed = EXAMPLES["cp7"].partition("\n\n")[0] + "\n"
    assert cosignature_message(computed, 1790000000).decode() == EXAMPLES["cosig_msg"]
    for timestamp in (-1, 2**63):
        with pytest.raises(NoteError):
            cosignature_message(computed, timestamp)


@pytest.mark.parametrize("timestamp", [2**63, 2**64 - 1])
def test_a_cosignature_with_a_time_beyond_63_bits_is_bad(timestamp: int) -> None:
    witness = parse_vkey(EXAMPLES["wit_vkey"])
    note = (GOOD + line(witness.name, witness.key_id + timestamp.to_bytes(8, "big") + bytes(64))).encode()
    with pytest.raises(BadSignatureError, match="63 bits"):
        verify_note(note, [PETER_KEY, witness])
