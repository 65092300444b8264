"""Values of entries, openings and result objects, read with doubt: each is what was expected, or not known.

PURE. The log proves that somebody stated a value, not that it makes sense; a projection must get over all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from base.clock import parse_time, to_microseconds
from base.escape import shown
from catalog.display import LONGEST_NAME
from hashing.digest import Digest, DigestFormatError
from hashing.strict_json import Json
from ledger.openings import OpeningMismatchError, bytes_of

_CODE = re.compile(r"[a-z0-9._-]{1,40}", re.ASCII)
_LARGEST_US = 10**17  # some 3,000 years
_SMALLEST_US = -(10**17)


def optional_text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def optional_integer(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def integer(value: Json) -> int:
    return optional_integer(value) or 0


def code(value: Json) -> str:
    """Return ``value`` if it is a code, else ``unknown``."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else "unknown"


def mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def raw_name(value: Json) -> tuple[bytes | None, str]:
    """Return raw bytes of an opening and their display text; (None, "") when they are withheld."""
    try:
        raw = bytes_of(value)
    except OpeningMismatchError:
        return None, ""
    return raw, shown(raw, limit=LONGEST_NAME)


def optional_digest(value: Json) -> Digest | None:
    try:
        return Digest.parse(value) if isinstance(value, str) else None
    except DigestFormatError:
        return None


def optional_time_us(value: Json) -> int | None:
    """Return the microseconds of a time as openings write it."""
    try:
        return to_microseconds(parse_time(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def seconds_us(value: Json) -> int | None:
    """Return the microseconds of a decimal number of seconds; whole numbers may be integers."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    try:
        microseconds = Decimal(value).scaleb(6)
    except InvalidOperation:
        return None
    if not microseconds.is_finite() or not _SMALLEST_US < microseconds < _LARGEST_US:
        return None
    return int(microseconds.to_integral_value())
