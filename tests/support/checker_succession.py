"""From one log of a store to the next: custody-log sections 2 and 3. Each log is checked like the open one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from checker_entry import Entry
from checker_findings import Findings, entry_name
from checker_json import Json
from checker_keys import check_opening
from checker_tree import Checkpoint

_CARRIED_KINDS = ("item", "drop", "actor")


@dataclass(frozen=True, slots=True)
class End:
    """One log as its successor must name it, and where each of its chains stood."""

    origin: str | None
    checkpoint: Checkpoint | None
    note: bytes
    entries: Mapping[int, Entry]
    heads: Mapping[str, tuple[int, str]]


def closed_folder(store: Path, origin: str) -> Path:
    return store / "closed" / hashlib.sha256(origin.encode()).hexdigest()


def predecessor_of(entries: Mapping[int, Entry]) -> dict[str, Json] | None:
    """Return what the first entry says of the log before."""
    stated = entries[0].facts.get("predecessor") if 0 in entries else None
    return stated if isinstance(stated, dict) else None


def check_link(before: End, entries: Mapping[int, Entry], findings: Findings) -> None:
    """The log of ``entries`` names the one before it as that ended, and that one names it."""
    stated = predecessor_of(entries) or {}
    checkpoint = before.checkpoint
    expected = {
        "origin": before.origin,
        "size": checkpoint.size if checkpoint else None,
        "root": checkpoint.root.hex() if checkpoint else None,
        "note": hashlib.sha256(before.note).hexdigest(),
    }
    for member, value in expected.items():
        if stated.get(member) != value:
            findings.bad("link.predecessor", member, f"{stated.get(member)!r} is stated, {value!r} is there")
    check_opening(before.entries, entries[0], findings)
    if stated.get("ended") == "closed":
        _check_closed(before, entries[0], findings)


def _check_closed(before: End, first: Entry, findings: Findings) -> None:
    last = before.entries.get(max(before.entries, default=0))
    successor = last.facts.get("successor") if last is not None and last.type == "log.closed" else None
    expected = {"origin": first.log, "log_vkey": first.facts.get("log_vkey")}
    if successor != expected:
        findings.bad("link.closed", str(before.origin), f"its last entry names {successor!r} and not {expected!r}")
    elif before.checkpoint is None or last is None or before.checkpoint.size != last.seq + 1:
        findings.bad("link.closed", str(before.origin), "log.closed is not the last sealed entry")


def check_carried(ends: Iterable[End], entries: Mapping[int, Entry], findings: Findings) -> None:
    """A thing of an earlier log enters with custody.carried, from the end of its chain. ``ends``: newest first."""
    ends = list(ends)
    known: set[str] = set()
    for seq, entry in entries.items():
        if entry.type == "custody.carried":
            for name in entry.subjects:
                _check_one(name, entry, ends, findings)
        for name in (*entry.subjects, *([entry.drop] if entry.drop else [])):
            first_time = name not in known and name.partition("_")[0] in _CARRIED_KINDS
            if first_time and entry.type != "custody.carried" and any(name in end.heads for end in ends):
                findings.bad("carried.missing", entry_name(seq), f"speaks of {name} before it was carried over")
            known.add(name)


def _check_one(name: str, entry: Entry, ends: list[End], findings: Findings) -> None:
    end = next((end for end in ends if name in end.heads), None)
    if end is None or end.checkpoint is None:
        findings.bad("carried.unknown", entry_name(entry.seq), f"no earlier log knows {name}")
        return
    count, digest = end.heads[name]
    seq = max(seq for seq, one in end.entries.items() if name in one.subjects)
    expected = {
        "reference": {"log": end.origin, "seq": seq, "entry": digest},
        "count": count,
        "size": end.checkpoint.size,
        "root": end.checkpoint.root.hex(),
        "note": hashlib.sha256(end.note).hexdigest(),
    }
    for member, value in expected.items():
        if entry.facts.get(member) != value:
            findings.bad("carried.wrong", entry_name(entry.seq), f"{member} of {name} should be {value!r}")


def joined(parts: Iterable[Mapping[int, Entry]]) -> dict[int, Entry]:
    """Return the entries of several logs, counted on from one to the next, the oldest first."""
    found: dict[int, Entry] = {}
    for part in parts:
        first = len(found)
        found.update({first + number: entry for number, entry in enumerate(part.values())})
    return found
