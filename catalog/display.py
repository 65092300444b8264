"""How values of the catalogue are shown: escaped names cut to a length, times in RFC 3339, seconds as numbers.

PURE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from base.clock import format_time, from_microseconds
from base.escape import MAX_SHOWN

# What a command prints as JSON: unlike in the log, seconds are numbers with a fraction.
Printed: TypeAlias = "bool | int | float | str | Sequence[Printed] | Mapping[str, Printed] | None"

LONGEST_NAME = 4096  # characters of a name or path that the catalogue keeps and indexes; PATH_MAX bytes are no more


def cut(text: str) -> str:
    """Return escaped text as it is shown: a long one ends in an ellipsis."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def time_text(microseconds: int | None) -> str | None:
    """Return a time in RFC 3339, whole seconds without a fraction; None also for one that no calendar here has."""
    if microseconds is None:
        return None
    try:
        return format_time(from_microseconds(microseconds)).replace(".000000Z", "Z")
    except OverflowError:  # a picture centuries into a recording that says it began in the year 9999
        return None


def seconds(microseconds: int | None) -> float | None:
    """Return microseconds as seconds; the decimal spelling is exact to the microsecond."""
    return None if microseconds is None else microseconds / 1_000_000
