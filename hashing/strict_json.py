"""JSON with one spelling: what is signed is written one way, and what is read is refused unless it means one thing.

Two profiles are written. `canonical` is for log entries and their payloads (custody log, section 4, "Bytes"): printable
ASCII without ``"`` and ``\\``, so no escape ever occurs, and nothing is empty. `canonical_document` is for result
objects and openings, which carry names and free text: any text, escaped to ASCII. Neither ever writes a fraction: JSON
readers disagree about them, and no reader loses an integer below 2^53.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Annotated, NoReturn, TypeAlias, cast

import msgspec

from base.errors import LedgerError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

MAX_ENTRY_BYTES = 65_535  # the length prefix of an entry bundle has two bytes
MAX_DEPTH = 64
INTEGER_LIMIT = 2**53  # exclusive, both ways: beyond it a reader that uses doubles sees another number

_LONG_INTEGER = re.compile(rb"[0-9]{16,}")
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def _not_whole(text: str) -> NoReturn:
    raise ValueError("a number that is not an integer")


_canonical_encoder = msgspec.json.Encoder(order="sorted")
_general_decoder = msgspec.json.Decoder(float_hook=_not_whole)
_document_encoder = json.JSONEncoder(ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


class StrictJsonError(LedgerError):
    """Not JSON, or JSON that the profile does not allow."""


def canonical(value: Json) -> bytes:
    """Return the only bytes that a log entry or its payload may have for ``value``.

    Source: custody log, section 4, "Bytes". Raises: StrictJsonError for what has no such bytes.
    """
    try:
        data = _canonical_encoder.encode(value)
        written = _decode_canonical(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as err:
        raise StrictJsonError(f"cannot be written in an entry: {type(err).__name__}") from err
    # The encoder turns bytes, times, tuples and more into strings and arrays. What is signed must be what was meant.
    if written != value:
        raise StrictJsonError("holds a value that is not null, a boolean, an integer, a string, an array or an object")
    return data


def parse_canonical(data: bytes, *, max_bytes: int = MAX_ENTRY_BYTES) -> Json:
    """Return the value of which ``data`` are the `canonical` bytes. Raises StrictJsonError for any other bytes."""
    _refuse_too_long(data, max_bytes)
    try:
        value = _decode_canonical(data)
        written = _canonical_encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as err:
        raise StrictJsonError(f"not JSON: {type(err).__name__}") from err
    # Finds white space, unsorted and repeated keys, and numbers such as -0.
    if written != data:
        raise StrictJsonError("not canonical JSON: written again by the rules, the bytes differ")
    return value


def canonical_document(value: Json) -> bytes:
    """Return the bytes of a result object or an opening: compact ASCII JSON, sorted keys, any text, ``{}`` allowed.

    Raises: StrictJsonError for fractions, integers from 2^53, lone surrogates, U+0000 and foreign types.
    """
    # The quick way, for what needs no escape and is not nested deep: three times as fast as to look at each value.
    try:
        data = _canonical_encoder.encode(value)
        if _needs_no_escape(data) and _usual_document_decoder().decode(data) == value:
            return data
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass  # the other way says why
    refuse_unless_document(value)
    return _document_encoder.encode(value).encode("ascii")


def parse_document(data: bytes, *, max_bytes: int) -> Json:
    """Return the value in ``data`` as `parse_strict`, refusing also what `canonical_document` could not write.

    Any spelling will do; that of `canonical_document` is read four times as fast. Raises StrictJsonError.
    """
    _refuse_too_long(data, max_bytes)
    try:
        if _needs_no_escape(data):
            value = _usual_document_decoder().decode(data)
            # Written again to the same bytes: no key occurs twice, and no number has another spelling.
            if _canonical_encoder.encode(value) == data:
                return cast(Json, value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass  # the other way says why, or reads it
    value = parse_strict(data, max_bytes=max_bytes)
    refuse_unless_document(value)  # finds U+0000, which is lawful JSON
    return value


def refuse_unless_document(value: object, *, depth: int = 0) -> None:
    """Raise StrictJsonError unless `canonical_document` may write ``value``."""
    if depth > MAX_DEPTH:
        raise StrictJsonError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _refuse_text(value)
    elif isinstance(value, int):  # booleans too
        _refuse_integer(value)
    elif isinstance(value, list):
        for element in value:
            refuse_unless_document(element, depth=depth + 1)
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise StrictJsonError(f"an object key is {type(key).__name__}, not a string")
            _refuse_text(key)
            refuse_unless_document(member, depth=depth + 1)
    elif value is not None:
        raise StrictJsonError(f"holds {type(value).__name__}, which is no JSON type without fractions")


def parse_strict(data: bytes, *, max_bytes: int) -> Json:
    """Return the JSON value in ``data``, whatever its spelling, if every reader would read the same value.

    Refused (StrictJsonError): repeated keys, fractions, exponents, NaN, integers from 2^53, lone surrogates, nesting
    deeper than 64, anything after the value, bytes that are not UTF-8, a byte order mark.
    """
    _refuse_too_long(data, max_bytes)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise StrictJsonError(f"not UTF-8 at byte {err.start}") from err
    # Before parsing: the parser recurses, and how deep it can go depends on who called it.
    _refuse_too_deep(_structure(_ESCAPE.sub("", text).encode("utf-8")))
    try:
        value = _strict_decoder.decode(text)
    except ValueError as err:
        raise StrictJsonError(f"not JSON: {err}") from err
    if _SURROGATE_ESCAPE.search(text):
        _refuse_surrogates(value)
    return cast(Json, value)


def _decode_canonical(data: bytes) -> Json:
    """Return the value in ``data``, if its text, emptiness, integers and depth are those of an entry.

    Control characters need no look here: the encoder escapes them and the parser refuses them, all but DEL.
    """
    if not _needs_no_escape(data):
        raise StrictJsonError('holds text that is not printable ASCII without " and \\')
    try:
        return cast(Json, _usual_decoder().decode(data))
    except msgspec.ValidationError:
        pass  # nested deeper than usual, or not allowed: the general way, three times as slow, says which
    structure = _structure(data)
    if b"{}" in structure or b"[]" in structure:
        raise StrictJsonError("holds an empty object or array; unknown is null")
    _refuse_long_integers(structure)
    _refuse_too_deep(structure)
    return cast(Json, _general_decoder.decode(data))


def _needs_no_escape(data: bytes) -> bool:
    return data.isascii() and b"\\" not in data and b"\x7f" not in data


@lru_cache(maxsize=1)
def _usual_document_decoder() -> msgspec.json.Decoder[object]:
    """As `_usual_decoder`, for values of which arrays and objects may be empty."""
    integer = Annotated[int, msgspec.Meta(gt=-INTEGER_LIMIT, lt=INTEGER_LIMIT)]
    kind: object = bool | integer | str | None
    for _ in range(4):
        kind = bool | integer | str | list[kind] | dict[str, kind] | None  # type: ignore[valid-type]
    return msgspec.json.Decoder(kind)


@lru_cache(maxsize=1)
def _usual_decoder() -> msgspec.json.Decoder[object]:
    """Return a decoder that itself refuses what no entry may hold, for values nested up to five deep, as entries are.

    Its cost doubles with each level of depth: 1.4 ms once, when the first entry is read or written.
    """
    integer = Annotated[int, msgspec.Meta(gt=-INTEGER_LIMIT, lt=INTEGER_LIMIT)]
    filled = msgspec.Meta(min_length=1)
    kind: object = bool | integer | str | None
    for _ in range(5):
        kind = bool | integer | str | Annotated[list[kind], filled] | Annotated[dict[str, kind], filled] | None  # type: ignore[valid-type]
    return msgspec.json.Decoder(kind)


def _structure(data: bytes) -> bytes:
    """Return ``data`` with all strings emptied. Only for JSON without backslashes."""
    return b'"'.join(data.split(b'"')[::2])


def _refuse_long_integers(structure: bytes) -> None:
    for digits in _LONG_INTEGER.findall(structure):
        # The length first: turning a long run of digits into a number takes time that grows with its square.
        if len(digits) > 16 or int(digits) >= INTEGER_LIMIT:
            raise StrictJsonError("holds an integer of 2^53 or more")


def _refuse_too_deep(structure: bytes) -> None:
    if structure.count(b"{") + structure.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", structure):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise StrictJsonError(f"nested deeper than {MAX_DEPTH}")


def _refuse_too_long(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise StrictJsonError(f"{len(data)} bytes of JSON, at most {max_bytes} are allowed here")


def _refuse_text(text: str) -> None:
    if "\0" in text:
        raise StrictJsonError("holds U+0000, which SQL and C readers cut at")
    if not text.isascii():
        _refuse_surrogates(text)


def _refuse_integer(number: int) -> None:
    if not -INTEGER_LIMIT < number < INTEGER_LIMIT:
        raise StrictJsonError("holds an integer of 2^53 or more")


def _refuse_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as err:
        raise StrictJsonError("holds a lone surrogate: not text") from err


def _unique_members(members: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(members)
    if len(unique) != len(members):
        raise ValueError("an object key occurs twice")
    return unique


def _whole_number(text: str) -> int:
    if len(text) > 17 or not -INTEGER_LIMIT < int(text) < INTEGER_LIMIT:
        raise ValueError("an integer of 2^53 or more")
    return int(text)


_strict_decoder = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_int=_whole_number, parse_float=_not_whole, parse_constant=_not_whole
)
