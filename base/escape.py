"""Untrusted text made harmless for people: file names, metadata, notes.

Control, escape, bidirectional and line-separator characters show as ``\\u202e``; bytes that are not UTF-8 show as
``\\xff``; a backslash shows doubled, so what is shown can be told apart from what was escaped. This is for display
only: the raw bytes are kept elsewhere and are never derived from the escaped text.
"""

from __future__ import annotations

import re
import unicodedata

MAX_SHOWN = 200  # characters; a longer text is cut with an ellipsis and its length

# Cc control, Cf format (bidi, zero width), Cs lone surrogates, Co private use, Cn unassigned, Zl/Zp separators.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str | bytes, *, limit: int = MAX_SHOWN) -> str:
    """Return ``text`` safe for a terminal, a log line or a page, at most ``limit`` characters of it."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    escaped = "".join(map(_shown_character, text[: limit + 1]))
    if len(text) > limit or len(escaped) > 4 * limit:
        return f"{escaped[:limit]}… ({len(text)} characters)"
    return escaped


def _shown_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isascii() and character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) in _ESCAPED_CATEGORIES or (character.isspace() and character != " "):
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return character


def code_of(text: str) -> str:
    """Return ``text`` as a code of at most 40 characters ``a-z0-9._-``; anything else becomes a dash."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())[:40] or "-"


def csv_cell(text: str) -> str:
    """Return ``text`` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
