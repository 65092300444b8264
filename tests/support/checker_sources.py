"""What the outside knows, against the store: sources given, lines told, words that must not be seen.

Architecture section 6: I1, I6, I9, I10; custody-log section 4 (open facts) and section 6 (once per arrival).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checker_entry import Entry
from checker_findings import Findings, entry_name
from checker_json import Json
from checker_openings import Opened, raw_bytes
from checker_tree import Tile

# Nine bytes are left at the worst alignment: shorter pieces of base64 are found by chance ("ste" is in "master").
MIN_CANARY_BYTES = 11


@dataclass(frozen=True, slots=True)
class Arrival:
    """One master.defined as its openings tell it."""

    seq: int
    drop: str
    generation: int
    path: bytes  # relative to the drop
    full_paths: tuple[bytes, ...]  # what the source may have been called; a drop may be a single file
    sha256: str


def arrivals(
    entries: Mapping[int, Entry],
    opened: Mapping[int, Opened],
    findings: Findings,
    *,
    before: Sequence[Arrival] = (),
    drops: dict[str, Mapping[str, Json]],
) -> list[Arrival]:
    """Return every arrival, and check its ``event`` against the arrival key of its drop (section 6).

    ``before`` are those of earlier logs, ``drops`` what these opened of each drop; the drops of this log are added.
    """
    drops |= {
        entry.drop or next(iter(entry.subjects)): opened[seq].values
        for seq, entry in entries.items()
        if entry.type == "drop.received"
    }
    generations = generations_of(before)
    found = []
    for seq, entry in entries.items():
        if entry.type != "master.defined" or entry.drop is None:
            continue
        path = raw_bytes(opened[seq].values.get("source_path"))
        if path is None:
            findings.note("source.unknown", entry_name(seq), "no opening of source_path")
            continue
        generation = generations.setdefault((entry.drop, path), 0)
        generations[entry.drop, path] += 1
        received = drops.get(entry.drop, {})
        (digest,) = set(entry.subjects.values()) if len(set(entry.subjects.values())) == 1 else ("",)
        arrival = Arrival(
            seq,
            entry.drop,
            generation,
            path,
            _full_paths(raw_bytes(received.get("share")), raw_bytes(received.get("name")), path),
            digest,
        )
        found.append(arrival)
        _check_event(arrival, entry.event, raw_bytes(received.get("arrival_key")), findings)
    return found


def generations_of(found: Iterable[Arrival]) -> dict[tuple[str, bytes], int]:
    """Return how often each path of each drop arrived."""
    return dict(Counter((arrival.drop, arrival.path) for arrival in found))


def _full_paths(share: bytes | None, name: bytes | None, path: bytes) -> tuple[bytes, ...]:
    if share is None or name is None:
        return ()
    drop = share.rstrip(b"/") + b"/" + name
    if path in (b"", b"."):
        return (drop,)
    return (drop + b"/" + path, drop) if path == name else (drop + b"/" + path,)


def arrival_event(key: bytes, generation: int, sha256: str, path: bytes) -> str:
    """Return the ``event`` of an arrival."""
    message = b"arrival\n%d\n%s\n%s" % (generation, sha256.encode(), path)
    return "event_" + hmac.new(key, message, hashlib.sha256).digest()[:16].hex()


def _check_event(arrival: Arrival, event: str, key: bytes | None, findings: Findings) -> None:
    if key is None:
        findings.note("source.unkeyed", entry_name(arrival.seq), f"{arrival.drop} has no opened arrival key")
    elif len(key) != 32:
        findings.bad("source.key", arrival.drop, f"an arrival key of {len(key)} bytes")
    elif event != arrival_event(key, arrival.generation, arrival.sha256, arrival.path):
        findings.bad("source.event", entry_name(arrival.seq), "its event is not that of its key, content and path")


def check_repeats(found: Iterable[Arrival], findings: Findings) -> None:
    """The same content at the same place of a drop is a fresh arrival only after another content (I10)."""
    last: dict[tuple[str, bytes], Arrival] = {}
    for arrival in found:
        before = last.get((arrival.drop, arrival.path))
        if before is not None and before.sha256 == arrival.sha256:
            findings.bad("source.twice", entry_name(arrival.seq), f"is the arrival of {entry_name(before.seq)} again")
        last[arrival.drop, arrival.path] = arrival


def account_for(
    sources: Mapping[bytes, str], found: Iterable[Arrival], findings: Findings, *, nothing_else: bool
) -> None:
    """Each source (full path -> SHA-256) stands in an arrival (I1, I9); with ``nothing_else`` each arrival in one."""
    seen: set[tuple[bytes, str]] = set()
    for arrival in found:
        seen.update((path, arrival.sha256) for path in arrival.full_paths)
        if nothing_else and not any(sources.get(path) == arrival.sha256 for path in arrival.full_paths):
            findings.bad("source.extra", entry_name(arrival.seq), f"no source has SHA-256 {arrival.sha256}")
    for path, digest in sources.items():
        if (path, digest) not in seen:
            findings.bad("source.missing", repr(path), f"no arrival with SHA-256 {digest}")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One line that told somebody ``item.sealed``."""

    item: str
    sha256: str
    seq: int


def check_acknowledged(
    told: Iterable[Acknowledged], entries: Mapping[int, Entry], size: int, findings: Findings
) -> None:
    """What was told as sealed stands in a sealed entry for ever (I6)."""
    for line in told:
        entry = entries.get(line.seq) if line.seq < size else None
        if entry is None or entry.type != "master.defined" or entry.subjects.get(line.item) != line.sha256:
            findings.bad("acknowledged.lost", line.item, f"{entry_name(line.seq)} does not seal {line.sha256}")


def spellings(name: bytes) -> set[bytes]:
    """Return every way in which ``name`` might stand in a file: raw, hex, JSON, and base64 at each alignment."""
    found = {name, name.hex().encode(), name.hex().upper().encode()}
    text = name.decode("utf-8", "surrogateescape")
    found.update(
        json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape")
        for ascii_only in (True, False)
    )
    for shift in range(3):
        # Only whole groups of this name: the first and last characters also depend on its neighbours.
        whole = name[(3 - shift) % 3 :]
        whole = whole[: len(whole) // 3 * 3]
        found.update({base64.b64encode(whole), base64.urlsafe_b64encode(whole)})
    return found


def check_canaries(names: Iterable[bytes], places: Iterable[tuple[str, bytes]], findings: Findings) -> None:
    """None of ``names`` stands in any of ``places`` in any spelling (section 4, "Never open")."""
    sought = {name: spellings(name) for name in names}
    short = [name for name in sought if len(name) < MIN_CANARY_BYTES]
    if short:
        raise ValueError(f"too short to be no chance hit: {short}")
    for place, content in places:
        for name, ways in sought.items():
            if any(way in content for way in ways):
                findings.bad("canary.found", place, f"holds {name!r}")


def public_places(
    home: Path, tiles: Mapping[Tile, bytes], note: bytes, entries: Mapping[int, Entry]
) -> Iterator[tuple[str, bytes]]:
    """Yield what may hold no value: the log, the files of log.db, and every payload as it reads when decoded."""
    yield "log/checkpoint", note
    for tile, content in tiles.items():
        yield tile.path(), content
    for path in sorted(home.glob("private/log.db*")):
        yield path.relative_to(home).as_posix(), path.read_bytes()
    for seq, entry in entries.items():
        yield entry_name(seq), entry.signed
