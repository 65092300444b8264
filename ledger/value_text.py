"""What a value of an opening, or an open fact, looks like in one line for people.

PURE. Whatever comes in, only escaped text goes out; JSON output never goes through here.
"""

from __future__ import annotations

import json

from base.clock import format_time
from base.errors import LedgerError
from base.escape import shown
from hashing.base64_text import decode
from hashing.endorsement import read_endorsement
from hashing.strict_json import Json
from ledger.entry import ENDORSEMENTS
from ledger.openings import OpeningMismatchError, bytes_of

EMPTY = "(empty)"


def told_value(name: str, value: Json) -> Json:
    """Return the ``value`` of the member ``name`` as people read it: of endorsements, who signed them and when."""
    if name != ENDORSEMENTS or not isinstance(value, list):
        return value
    return [_endorsement(each) for each in value]


def _endorsement(value: Json) -> Json:
    try:
        endorsement = read_endorsement(decode(str(value)))
    except LedgerError:
        return value
    return f"by the key {endorsement.keyid}, signed {format_time(endorsement.signed_at)} by its own clock"


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
