"""Strict JSON for the checker: canonical bytes of entries (custody-log section 4) and of openings.

Standard library only. Everything refused is a ``MalformedError``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TypeAlias

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

HEX_64 = re.compile(r"[0-9a-f]{64}")
MAX_INTEGER = 2**53 - 1


class MalformedError(Exception):
    """The bytes are not what the format asks for."""


def is_hex(value: object) -> bool:
    """Return whether ``value`` is a lower-case hex SHA-256."""
    return isinstance(value, str) and HEX_64.fullmatch(value) is not None


def canonical_entry_json(raw: bytes) -> Json:
    """Return the value of ``raw``, which must be exactly what the rules of section 4 would write."""
    if not all(0x20 <= byte <= 0x7E for byte in raw):
        raise MalformedError("a byte outside printable ASCII")
    if b"\\" in raw:
        raise MalformedError("an escape: no string may hold a quote or a backslash")
    value = _parse(raw.decode("ascii"))
    _refuse_empty(value)
    if json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii") != raw:
        raise MalformedError("written again by the rules these are other bytes")
    return value


def loose_json(raw: bytes) -> Json:
    """Return the value of UTF-8 JSON with any spelling, without duplicate keys, floats, U+0000 or lone surrogates."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise MalformedError("not UTF-8") from err
    return _parse(text)


def decode_base64(text: Json, *, url: bool = False) -> bytes:
    """Return the bytes behind canonical base64: standard and padded, or with ``url`` URL-safe and unpadded."""
    if not isinstance(text, str):
        raise MalformedError("base64 is not a string")
    try:
        padded = text + "=" * (-len(text) % 4) if url else text
        raw = base64.b64decode(padded, altchars=b"-_" if url else None, validate=True)
    except (ValueError, binascii.Error) as err:
        raise MalformedError("not base64") from err
    again = base64.urlsafe_b64encode(raw).rstrip(b"=") if url else base64.b64encode(raw)
    if again.decode("ascii") != text:
        raise MalformedError("base64 is not in its canonical spelling")
    return raw


def members(value: Json, names: frozenset[str], where: str) -> dict[str, Json]:
    """Return ``value`` as an object that has exactly the members ``names``."""
    if not isinstance(value, dict):
        raise MalformedError(f"{where} is not an object")
    if value.keys() != names:
        raise MalformedError(
            f"{where}: missing {sorted(names - value.keys())}, too many {sorted(value.keys() - names)}"
        )
    return value


def _parse(text: str) -> Json:
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_object, parse_float=_refuse_number, parse_constant=_refuse_number
        )
    except (ValueError, RecursionError) as err:
        raise MalformedError("not JSON") from err
    _walk(value)
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("a key stands twice in one object")
    return found


def _refuse_number(text: str) -> None:
    raise MalformedError(f"a number that is no integer: {text}")


def _walk(value: Json) -> None:
    match value:
        case bool() | None:
            return
        case int():
            if abs(value) > MAX_INTEGER:
                raise MalformedError(f"an integer of 2^53 or more: {value}")
        case str():
            if "\0" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value):
                raise MalformedError("U+0000 or a lone surrogate")
        case list():
            for element in value:
                _walk(element)
        case dict():
            for key, element in value.items():
                _walk(key)
                _walk(element)


def _refuse_empty(value: Json) -> None:
    if isinstance(value, list | dict):
        if not value:
            raise MalformedError("an empty object or list")
        for element in value if isinstance(value, list) else value.values():
            _refuse_empty(element)
