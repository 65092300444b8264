"""A parser as the fuzz tests know it, and the judgement of what it does with bytes.

A parser may do two things with any bytes: give a value, or raise one of its declared errors. A value, written again, is
the same bytes (`one_spelling`), or means the same where a format has several spellings. `judged` says whether it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """One parser. ``write`` gives the bytes of a value that ``read`` gave; None where nobody writes such values."""

    name: str
    read: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...]
    samples: tuple[bytes, ...]
    write: Callable[[Any], bytes] | None = None
    one_spelling: bool = True
    is_json: bool = False  # the samples are JSON, so that members can be changed one by one


def judged(parser: Parser, data: bytes) -> bool:
    """Return whether ``parser`` took ``data``. Any error that is not declared, and any second spelling, is raised."""
    try:
        value = parser.read(data)
    except parser.errors:
        return False
    if parser.write is None:
        return True
    written = parser.write(value)
    if parser.one_spelling and written != data:
        raise AssertionError(f"{parser.name} takes {data[:300]!r}, and writes it as {written[:300]!r}")
    if not parser.one_spelling and parser.read(written) != value:
        raise AssertionError(f"{parser.name} reads {data[:300]!r}, and what it writes is not read as the same")
    return True


def text_of(data: bytes) -> str:
    """Return what a command line makes of ``data``."""
    return data.decode("utf-8", "surrogateescape")


def raw_of(text: object) -> bytes:
    return str(text).encode("utf-8", "surrogateescape")
