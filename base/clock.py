"""The clock: the current time in UTC, and whether the kernel says that it is synchronised.

Wall time is a claim that is written down; it orders nothing. Inside the program times are aware datetimes or integer
microseconds since 1970 in UTC.
"""

from __future__ import annotations

import ctypes
import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z", re.ASCII)
_STA_UNSYNC = 0x0040  # linux/timex.h
_libc = ctypes.CDLL(None, use_errno=True)


def now() -> datetime:
    """Return the current time of the machine, in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """Return ``moment`` as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``. Refuses a datetime without a zone (ValueError)."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone is not a moment")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """Return the moment that `format_time` wrote as ``text``. Raises ValueError for any other spelling."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"not a time of the form YYYY-MM-DDTHH:MM:SS.ffffffZ: {text!r}")
    return datetime.fromisoformat(text)


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since 1970-01-01T00:00:00Z."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """Return the moment that lies ``microseconds`` after 1970-01-01T00:00:00Z."""
    return _EPOCH + timedelta(microseconds=microseconds)


class _Timex(ctypes.Structure):
    # Only the head of struct timex is read; the rest is room for the kernel to write into.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def synchronisation() -> str | None:
    """Return ``synchronised``, ``unsynchronised``, or None where the kernel does not tell. Source: adjtimex(2)."""
    buffer = _Timex()
    if _libc.adjtimex(ctypes.byref(buffer)) < 0:
        return None
    return "unsynchronised" if buffer.status & _STA_UNSYNC else "synchronised"
