"""Once per arrival: how the arrival of a file gets its event identifier, however often it is tried.

The identifier is derived from the drop's arrival key, the generation, the content and the raw path, so two attempts at
the same arrival meet in `log.db`'s unique index. The key is never disclosed: without it, nobody who knows a file can
test whether it arrived. Source: docs/reference/custody-log.md, section 6, "Once per arrival".
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from base.errors import LedgerError
from hashing.commitment import parse_opening
from hashing.digest import Digest
from ledger.events.drop import ManifestLine, drop_completed
from ledger.events.event import Event
from ledger.events.item import SourceStat, item_refused, master_defined
from ledger.identifiers import new_identifier
from ledger.openings import bytes_of

EVENT_BYTES = 16  # the first 128 bits of the HMAC
_PART = 500  # values in one statement


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose bytes are in the vault, to be recorded as a master unless this very arrival already is one."""

    drop: str
    path: bytes  # raw, relative to the drop; empty for a drop of one file
    sha256: Digest
    size_bytes: int
    read_back: str
    stat: SourceStat


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a drop that was not taken."""

    drop: str
    path: bytes
    kind: str
    reason: str
    stat: SourceStat | None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """All of a drop that can be taken is sealed. Recorded once, and again when another statement came between."""

    drop: str
    completion: str
    refused: int
    source_manifest: str
    manifest: tuple[ManifestLine, ...]


def arrival_event(key: bytes, *, generation: int, sha256: Digest, path: bytes) -> str:
    """Return the event identifier of an arrival."""
    return _derived(key, b"arrival\n%d\n%s\n%s" % (generation, sha256.hex.encode(), path))


def refusal_event(key: bytes, *, kind: str, stat: SourceStat | None, path: bytes) -> str:
    """Return the event identifier of a refusal: once for each state in which the thing was found."""
    size, mtime = (b"-", b"-") if stat is None else (b"%d" % stat.size_bytes, b"%d" % stat.mtime_ns)
    return _derived(key, b"refused\n%s\n%s\n%s\n%s" % (kind.encode(), size, mtime, path))


def completion_event(key: bytes, completion: Completion, *, generation: int) -> str:
    """Return the event identifier of a completion: it depends on everything that it states.

    ``generation`` counts the earlier completions of the drop.
    """
    lines = b"".join(b"%s %s\n" % (line.item.encode(), line.sha256.hex.encode()) for line in completion.manifest)
    stated = f"{completion.completion} {completion.refused} {completion.source_manifest}".encode()
    return _derived(key, b"completed\n%d\n%s\n%s" % (generation, stated, lines))


def _derived(key: bytes, message: bytes) -> str:
    return f"event_{hmac.digest(key, message, 'sha256')[:EVENT_BYTES].hex()}"


class _Last(msgspec.Struct, frozen=True):
    """The newest arrival of one path, and its generation."""

    generation: int
    sha256: bytes


class ArrivalRow(msgspec.Struct, frozen=True, kw_only=True):
    """What `openings.arrival` keeps of one arrival, beside the position of its entry."""

    drop: str
    path: bytes
    generation: int
    item: str
    sha256: bytes


class ArrivalIndex(msgspec.Struct):
    """Generations, duplicates and positions as they stand inside one record transaction.

    It reads what is committed, in earlier logs of the store too, and remembers what the transaction adds, so a batch
    sees its own arrivals.
    """

    histories: Sequence[tuple[sqlite3.Connection, int]]  # the logs, oldest first, and how many of their entries count
    keys: dict[str, bytes] = msgspec.field(default_factory=dict)
    _last: dict[tuple[str, bytes], _Last | None] = msgspec.field(default_factory=dict)
    _positions: dict[str, int] = msgspec.field(default_factory=dict)
    _seen: dict[bytes, set[str]] = msgspec.field(default_factory=dict)
    _completed: dict[str, list[str]] = msgspec.field(default_factory=dict)

    def expect(self, arrivals: Sequence[Arrival]) -> None:
        """Read what is known of ``arrivals``, all at once, which costs half of asking for each: call it first."""
        for arrival in arrivals:
            self._last[arrival.drop, arrival.path] = None
            self._seen[arrival.sha256.raw] = set()
        for drop in {arrival.drop for arrival in arrivals}:
            for marks, paths in _in_parts(arrival.path for arrival in arrivals if arrival.drop == drop):
                for path, *last in self._rows(
                    "SELECT path, generation, sha256 FROM openings.arrival "
                    f"WHERE drop_id = ? AND path IN ({marks}) AND seq < ? ORDER BY generation",
                    drop,
                    *paths,
                ):
                    self._last[drop, path] = _Last(*last)  # the newest is the last
        for marks, digests in _in_parts(arrival.sha256.raw for arrival in arrivals):
            for digest, drop in self._rows(
                f"SELECT DISTINCT sha256, drop_id FROM openings.arrival WHERE sha256 IN ({marks}) AND seq < ?", *digests
            ):
                self._seen[digest].add(drop)

    def _rows(self, sql: str, *parameters: object) -> Iterator[Any]:
        """Yield the rows of every log, the oldest first. The last parameter of ``sql`` is the end of what counts."""
        for connection, size in self.histories:
            yield from connection.execute(sql, (*parameters, size))

    def is_recorded(self, arrival: Arrival) -> bool:
        """Return whether an expected arrival is the newest of its path, so that its event is in the log already."""
        last = self._last[arrival.drop, arrival.path]
        return last is not None and last.sha256 == arrival.sha256.raw

    def resolve(self, arrival: Arrival) -> tuple[Event, ArrivalRow]:
        """Return the event that records an expected arrival, and its row; the same again for one that is recorded."""
        last = self._last[arrival.drop, arrival.path]
        again = self.is_recorded(arrival)
        generation = 0 if last is None else last.generation + (0 if again else 1)
        item = new_identifier("item")
        event = master_defined(
            item,
            sha256=arrival.sha256,
            size_bytes=arrival.size_bytes,
            position=self._position(arrival.drop),
            read_back=arrival.read_back,
            duplicate=self._duplicate(arrival),
            supersedes="none" if generation == 0 else "earlier-version",
            source_path=arrival.path,
            source_stat=arrival.stat,
            drop=arrival.drop,
            event=arrival_event(
                self.key_of(arrival.drop), generation=generation, sha256=arrival.sha256, path=arrival.path
            ),
        )
        row = ArrivalRow(
            drop=arrival.drop, path=arrival.path, generation=generation, item=item, sha256=arrival.sha256.raw
        )
        return event, row

    def refusal(self, refusal: Refusal) -> Event:
        """Return the event that records ``refusal``."""
        return item_refused(
            refusal.drop,
            kind=refusal.kind,
            reason=refusal.reason,
            source_path=refusal.path,
            source_stat=refusal.stat,
            event=refusal_event(self.key_of(refusal.drop), kind=refusal.kind, stat=refusal.stat, path=refusal.path),
        )

    def completion(self, completion: Completion) -> Event:
        """Return the event that records ``completion``; the same again if it says what the last one of its drop said.

        So a crash records no statement twice, and a state that came back after another one is stated anew.
        """
        key, events = self.key_of(completion.drop), self._completions_of(completion.drop)
        last = completion_event(key, completion, generation=len(events) - 1)
        if not events or events[-1] != last:
            events.append(completion_event(key, completion, generation=len(events)))
        return drop_completed(
            completion.drop,
            completion=completion.completion,
            refused=completion.refused,
            source_manifest=completion.source_manifest,
            manifest=completion.manifest,
            event=events[-1],
        )

    def added(self, row: ArrivalRow) -> None:
        """Remember an arrival that this transaction writes."""
        self._last[row.drop, row.path] = _Last(row.generation, row.sha256)
        self._positions[row.drop] = self._position(row.drop) + 1
        self._seen[row.sha256].add(row.drop)

    def key_of(self, drop: str) -> bytes:
        """Return the arrival key of a drop. Raises LedgerError when its opening is gone."""
        if drop not in self.keys:
            rows = self._rows(
                "SELECT o.text FROM main.subject s JOIN openings.opening o ON o.seq = s.seq WHERE s.name = ? "
                "AND o.type = 'drop.received' AND o.member = 'arrival_key' AND s.seq < ? ORDER BY s.seq LIMIT 1",
                drop,
            )
            row = next(iter([*rows]), None)
            if row is None:
                raise LedgerError(f"the arrival key of {drop} is not in openings.db.")
            self.keys[drop] = bytes_of(parse_opening(row[0]).value)
        return self.keys[drop]

    def _completions_of(self, drop: str) -> list[str]:
        """Return the events of the completions of a drop, oldest first."""
        if drop not in self._completed:
            rows = self._rows(
                "SELECT e.event FROM main.subject s JOIN main.entry e ON e.seq = s.seq "
                "WHERE s.name = ? AND e.type = 'drop.completed' AND s.seq < ? ORDER BY s.seq",
                drop,
            )
            self._completed[drop] = [event for (event,) in rows]
        return self._completed[drop]

    def _position(self, drop: str) -> int:
        if drop not in self._positions:
            counts = self._rows("SELECT count(*) FROM openings.arrival WHERE drop_id = ? AND seq < ?", drop)
            self._positions[drop] = sum(count for (count,) in counts)
        return self._positions[drop]

    def _duplicate(self, arrival: Arrival) -> str:
        drops = self._seen[arrival.sha256.raw]
        if arrival.drop in drops:
            return "same-drop"
        return "other-drop" if drops else "none"


def _in_parts(values: Iterable[bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield distinct ``values`` in parts that one statement may have, each with the placeholders for it."""
    distinct = tuple(dict.fromkeys(values))
    for first in range(0, len(distinct), _PART):
        part = distinct[first : first + _PART]
        yield ", ".join("?" * len(part)), part
