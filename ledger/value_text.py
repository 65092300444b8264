"""What a value of an opening, or an open fact, looks like in one line for people.

PURE. Whatever comes in, only escaped text goes out; JSON output never goes through here.
"""

from __future__ import annotations

import json

from base.escape import shown
from hashing.strict_json import Json
from ledger.openings import OpeningMismatchError, bytes_of

EMPTY = "(empty)"


def value_text(value: Json) -> str:
    """Return ``value`` in one line: text as it is, raw bytes escaped, an object as names and values."""
    match value:
        case str():
            return shown(value)
        case dict() if set(value) == {"base64"}:
            return _raw_bytes(value)
        case dict():
            return "  ".join(f"{shown(key)} {_inside(each)}" for key, each in value.items())
        case _:
            return shown(json.dumps(value, ensure_ascii=False))


def _raw_bytes(value: Json) -> str:
    try:
        return shown(bytes_of(value)) or EMPTY
    except OpeningMismatchError:
        return shown(json.dumps(value, ensure_ascii=False))


def _inside(value: Json) -> str:
    """Return a value that stands inside another one."""
    return shown(value) if isinstance(value, str) else shown(json.dumps(value, ensure_ascii=False))
