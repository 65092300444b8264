"""What the receipts of a drop are called: a file manager shows names, so the name is the answer.

PURE. A name is legal on ext4 and on SMB shares, at most 255 bytes, and begins with the name of the drop, so that it
stands beside it. Nothing is ever recognised by such a name: anybody can make one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from enum import StrEnum

MAX_NAME_BYTES = 255
MAX_DROP_NAME_BYTES = 120  # of the name of the drop within the name of a receipt; the rest needs some 100
MAX_LOOK_ALIKES = 50

_ILLEGAL = frozenset('\\/:*?"<>|%')  # for SMB; and our own escape character
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # as in base.escape


class State(StrEnum):
    """How far a drop is, as its receipt says it."""

    RECEIVED = "received"
    COPYING = "copying"
    HELD = "held"
    SAFE = "safe"
    PROBLEM = "problem"


class Part(StrEnum):
    """The files of one receipt; the value is the extension."""

    PAGE = "html"
    TEXT = "txt"
    PROOF = "tlog-proof"
    ENTRY = "entry.json"


def receipt_names(
    drop_name: bytes, state: State, part: Part, *, drop_id: str | None, files_sealed: int, files_seen: int
) -> Iterator[bytes]:
    """Yield the names for one part of a receipt: the proper one first, then what to use where it is taken."""
    stem = f"{legal_name(drop_name, drop_id=drop_id)}  {_answer(state, files_sealed, files_seen)}"
    yield f"{stem}.{part}".encode()
    for number in range(2, MAX_LOOK_ALIKES):
        yield f"{stem} ({number}).{part}".encode()


def names_a_receipt(name: bytes) -> bool:
    """Whether a file is called as receipts are called: by us, by another recorder on the same share, or by a forger."""
    text = name.decode("utf-8", "surrogateescape")
    answers = ("  1-COPYING  DO-NOT-WIPE", "  2-HELD  DO-NOT-WIPE", "  3-SAFE-TO-WIPE  ", "  X-PROBLEM  KEEP-THE-CARD")
    return any(answer in text for answer in answers) and text.endswith(tuple(f".{part}" for part in Part))


def legal_name(drop_name: bytes, *, drop_id: str | None) -> str:
    """Return the name of a drop as it begins the name of a receipt: escaped like ``%0A``, cut when it is long.

    A name that was cut is followed by the identifier of the drop: two long names may begin alike.
    """
    characters = list(map(_legal_character, drop_name.decode("utf-8", "surrogateescape")))
    # A leading dot would hide the receipt; blanks and dots at an end are lost on SMB, or can't be seen.
    for index in {0, len(characters) - 1} if characters else set():
        if characters[index] in (" ", "."):
            characters[index] = f"%{ord(characters[index]):02X}"
    escaped = "".join(characters)
    if len(escaped.encode()) <= MAX_DROP_NAME_BYTES:
        return escaped
    return f"{_cut(characters)}…" if drop_id is None else f"{_cut(characters)}… {drop_id}"


def _answer(state: State, files_sealed: int, files_seen: int) -> str:
    match state:
        case State.RECEIVED | State.COPYING:
            return "1-COPYING  DO-NOT-WIPE"
        case State.HELD:
            return "2-HELD  DO-NOT-WIPE"
        case State.SAFE:
            return f"3-SAFE-TO-WIPE  {files_sealed} of {files_seen}"
        case State.PROBLEM:
            return "X-PROBLEM  KEEP-THE-CARD"


def _legal_character(character: str) -> str:
    legal = character not in _ILLEGAL and unicodedata.category(character) not in _ESCAPED_CATEGORIES
    if legal and (character == " " or not character.isspace()):
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _cut(characters: list[str]) -> str:
    """Return as many whole characters as fit: an escape is never torn."""
    kept, size_bytes = [], 0
    for character in characters:
        size_bytes += len(character.encode())
        if size_bytes > MAX_DROP_NAME_BYTES:
            break
        kept.append(character)
    return "".join(kept)
