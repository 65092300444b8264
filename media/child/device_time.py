"""What a recording claims about its own time. PURE. A claim: unchecked, and with a zone that is often unknown."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Literal, TypeAlias

from base.clock import format_time
from media.report import DeviceTime

Zone: TypeAlias = Literal["utc", "offset", "unknown"]

_EXIF_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
_MEDIAINFO_TIME = re.compile(
    r"(?P<before>UTC )?(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?P<after> ?UTC|Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
# Container clocks that were never set: the epochs of ISO media and of Unix.
_UNSET = (datetime(1904, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))
_VIDEO_KEYS = ("general.recorded_date", "general.mastered_date", "general.encoded_date", "video1.encoded_date")


def of_still(value: Callable[[str], str | None]) -> DeviceTime | None:
    """Return the moment that EXIF gives; ``value`` looks a key up."""
    for key, offset_key, fraction_key in (
        ("EXIF DateTimeOriginal", "EXIF OffsetTimeOriginal", "EXIF SubSecTimeOriginal"),
        ("EXIF DateTimeDigitized", "EXIF OffsetTimeDigitized", "EXIF SubSecTimeDigitized"),
        ("Image DateTime", "EXIF OffsetTime", "EXIF SubSecTime"),
    ):
        found = _EXIF_TIME.fullmatch((value(key) or "").strip())
        if found:
            zone, offset = _zone(value(offset_key) or "")
            moment = _moment(found.groups(), offset)
            if moment is not None:
                start = moment + timedelta(microseconds=_microseconds(value(fraction_key) or ""))
                return _claim(start, None, source="exif", key=key, zone=zone)
    return None


def of_video(value: Callable[[str], str | None], *, duration: Fraction | None) -> DeviceTime | None:
    """Return the time that the container gives. Whether it names the start or the end is a matter of the device."""
    for key in _VIDEO_KEYS:
        found = _MEDIAINFO_TIME.fullmatch((value(key) or "").strip())
        if found:
            zone, offset = _zone(found["before"] or found["after"] or "")
            moment = _moment(found.groups()[1:7], offset)
            if moment is not None:
                return _claim(moment, duration, source="mediainfo", key=key, zone=zone)
    return None


def _claim(start: datetime, duration: Fraction | None, *, source: str, key: str, zone: Zone) -> DeviceTime | None:
    try:
        end = None if duration is None else start + timedelta(microseconds=round(duration * 1_000_000))
        return DeviceTime(
            start=format_time(start), end=None if end is None else format_time(end), source=source, key=key, zone=zone
        )
    except OverflowError:
        return None  # beyond the year 9999


def _moment(parts: tuple[str | None, ...], offset: timedelta) -> datetime | None:
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if moment in _UNSET else moment


def _zone(text: str) -> tuple[Zone, timedelta]:
    if text.strip() in ("UTC", "Z"):
        return "utc", timedelta(0)
    found = _OFFSET.fullmatch(text.strip())
    if not found or int(found[2]) > 14 or int(found[3]) > 59:
        return "unknown", timedelta(0)
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return "offset", -offset if found[1] == "-" else offset


def _microseconds(fraction: str) -> int:
    digits = fraction.strip()
    return int(digits[:6].ljust(6, "0")) if digits.isascii() and digits.isdigit() else 0
