"""What is asked of the catalogue: a `find` question, its times, its hash and its cursor, read from what people type.

PURE. Times in questions are device time, as the cameras said it, unchecked; a time without an offset is read as UTC,
and an interval holds its beginning and not its end.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from base.clock import from_microseconds, to_microseconds
from base.errors import UsageError
from base.escape import shown
from catalog.display import time_text
from hashing.strict_json import Json

BEFORE_SEALED = ("seen", "settled", "staged")  # files in these states are known to the recorder, not to the catalogue
STATES = (*BEFORE_SEALED, "sealed", "analysed")
DEFAULT_LIMIT = 50
MOST = 1000
SHORTEST_PREFIX = 4  # characters of a hash or an identifier

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{4,64}", re.ASCII)
_TIME_HELP = "Write 2026-11-23, 2026-11-23T22:00 or 2026-11-23T22:00:00+01:00; without an offset it is UTC."


class Position(msgspec.Struct, frozen=True):
    """A place in the order of the list: newest device time first, items without one last, then by identifier."""

    device_start_us: int | None
    item: str

    def as_text(self) -> str:
        """Return the opaque cursor that stands for this position."""
        text = json.dumps([self.device_start_us, self.item], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the catalogue."""

    words: tuple[str, ...] = ()
    from_us: int | None = None
    to_us: int | None = None
    hash_prefix: str | None = None
    state: str | None = None
    drop: str | None = None
    limit: int = DEFAULT_LIMIT
    after: Position | None = None

    @property
    def asks_for_time(self) -> bool:
        return self.from_us is not None or self.to_us is not None

    @property
    def hint(self) -> str | None:
        """Where the answer is, when the catalogue can't have it."""
        if self.state not in BEFORE_SEALED:
            return None
        return f"Files that are {self.state} are not in the catalogue, which holds what is sealed: see `drop status`."

    def as_json(self) -> dict[str, Json]:
        """Return the question as it is recorded and shown."""
        return {
            "words": [shown(word) for word in self.words] or None,
            "from": time_text(self.from_us),
            "to": time_text(self.to_us),
            "time": "device time, unchecked",
            "hash": self.hash_prefix,
            "state": self.state,
            "drop": shown(self.drop) if self.drop is not None else None,
            "limit": self.limit,
            "after": self.after.as_text() if self.after else None,
        }

    def in_words(self) -> str:
        """Return the question as it was understood, for people."""
        parts = [f"word '{shown(word)}'" for word in self.words]
        if self.asks_for_time:
            parts.append(
                f"from {time_text(self.from_us) or 'the beginning'} up to {time_text(self.to_us) or 'the end'}"
            )
            parts.append("in device time, unchecked, UTC")
        for name, value in (("hash", self.hash_prefix), ("state", self.state), ("drop", self.drop)):
            if value is not None:
                parts.append(f"{name} {shown(value)}")
        parts.append(f"at most {self.limit}")
        return ", ".join(parts)


def question(
    *,
    words: Sequence[str] = (),
    begin: str | None = None,
    end: str | None = None,
    digest: str | None = None,
    state: str | None = None,
    drop: str | None = None,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Question:
    """Return the question that these words ask. Raises UsageError, with a suggestion, for what can't be understood."""
    from_us, to_us = interval_us(begin, end)
    if not 1 <= limit <= MOST:
        raise UsageError(f"--limit is 1 to {MOST}, not {limit}.", next_step="Go on with --after and the cursor.")
    for word in words:
        _refuse_unsearchable(word)
    return Question(
        words=tuple(words),
        from_us=from_us,
        to_us=to_us,
        hash_prefix=None if digest is None else _hash_prefix(digest),
        state=state,
        drop=drop,
        limit=limit,
        after=None if after is None else _position(after),
    )


def interval_us(begin: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Return an interval in microseconds, None for an end that is not given. Raises UsageError, with a suggestion."""
    from_us = None if begin is None else _moment_us(begin, closes=False)
    to_us = None if end is None else _moment_us(end, closes=True)
    if from_us is not None and to_us is not None and to_us <= from_us:
        raise UsageError("the end of the interval is not after its beginning.", next_step=_TIME_HELP)
    return from_us, to_us


def _moment_us(text: str, *, closes: bool) -> int:
    """Return the microseconds of a moment; of a day its beginning, or its end where it ``closes`` an interval."""
    try:
        if _DATE.fullmatch(text):
            day = datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
            return to_microseconds(day + timedelta(days=1) if closes else day)
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            microseconds = to_microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
            from_microseconds(microseconds)  # an offset can lead out of the years that have a name
            return microseconds
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"{shown(text)} is not a time.", next_step=_TIME_HELP)


def _hash_prefix(text: str) -> str:
    lowered = text.lower()
    if not _HEX.fullmatch(lowered):
        raise UsageError(
            f"{shown(text)} is not a SHA-256 digest or the beginning of one.",
            next_step=f"Give {SHORTEST_PREFIX} to 64 hexadecimal digits, as `sha256sum` prints them.",
        )
    return lowered


def _refuse_unsearchable(word: str) -> None:
    if not any(character.isalnum() for character in word):
        raise UsageError(
            f"'{shown(word)}' has no letter or digit to look for.",
            next_step="Words are matched whole; a star at the end (`IMG*`) matches any that begin so.",
        )


def _position(text: str) -> Position:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        start, item = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(item, str) or not (start is None or (isinstance(start, int) and abs(start) < 2**62)):
            raise ValueError("not a position")
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise UsageError(
            "--after is not a cursor of this program.",
            next_step="Give the `next` of the page before, as it was printed.",
        ) from None
    return Position(start, item)
