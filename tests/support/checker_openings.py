"""Commitments and their openings (custody-log section 4, Commitments)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from checker_databases import OpeningRow
from checker_entry import Entry
from checker_findings import Findings, entry_name
from checker_json import Json, MalformedError, decode_base64, loose_json

SALT_BYTES = 16


@dataclass(slots=True)
class Opened:
    """The opened values of one entry: members by name, elements of listed members under (member, n)."""

    values: dict[str, Json] = field(default_factory=dict)
    elements: dict[tuple[str, int], Json] = field(default_factory=dict)


def read_opening(text: str, name: str) -> Json:
    """Return the value in an opening, which must be for ``name`` (``<event>/<member>`` or with ``/<n>``)."""
    content = loose_json(decode_base64(text, url=True))
    if not isinstance(content, list) or len(content) != 3:
        raise MalformedError("not [salt, name, value]")
    salt, said, value = content
    if len(decode_base64(salt, url=True)) != SALT_BYTES:
        raise MalformedError("the salt has not 16 bytes")
    if said != name:
        raise MalformedError(f"it opens {said!r}")
    return value


def check_openings(
    entries: Mapping[int, Entry], rows: Sequence[OpeningRow], erased: set[str], findings: Findings
) -> dict[int, Opened]:
    """Each commitment has exactly one fitting opening or was erased, and no opening stands without its entry."""
    committed = {
        commitment: (seq, member, n) for seq, entry in entries.items() for member, n, commitment in entry.committed()
    }
    opened = {seq: Opened() for seq in entries}
    for row in rows:
        _take(row, committed, entries, opened, findings)
    standing = Counter(row.commitment.hex() for row in rows)
    for commitment, (seq, member, _) in committed.items():
        if commitment in erased and standing[commitment]:
            findings.bad("opening.erased", entry_name(seq), f"{member} was erased, and its opening is still there")
        elif commitment not in erased and not standing[commitment]:
            findings.bad("opening.missing", entry_name(seq), f"{member}: no opening of {commitment}")
        elif standing[commitment] > 1:
            findings.bad("opening.twice", entry_name(seq), f"{member}: {standing[commitment]} openings of {commitment}")
    return opened


def _take(
    row: OpeningRow,
    committed: Mapping[str, tuple[int, str, int | None]],
    entries: Mapping[int, Entry],
    opened: Mapping[int, Opened],
    findings: Findings,
) -> None:
    place = committed.get(row.commitment.hex())
    if place is None:
        findings.bad("opening.extra", entry_name(row.seq), f"{row.member}: no entry has {row.commitment.hex()}")
        return
    seq, member, n = place
    entry = entries[seq]
    name = member if n is None else f"{member}/{n}"
    if row.seq != seq or row.type != entry.type or row.member not in (member, name):
        found = f"it is kept under entry {row.seq}, {row.type}, {row.member}"
        findings.bad("opening.place", entry_name(seq), f"{name} of {entry.type}: {found}")
    if hashlib.sha256(row.text.encode()).digest() != row.commitment:
        findings.bad("opening.digest", entry_name(seq), f"{name}: the text has another digest than its commitment")
        return
    try:
        value = read_opening(row.text, f"{entry.event}/{name}")
    except MalformedError as err:
        findings.bad("opening.form", entry_name(seq), f"{name}: {err}")
        return
    if n is None:
        opened[seq].values[member] = value
    else:
        opened[seq].elements[member, n] = value


def raw_bytes(value: Json) -> bytes | None:
    """Return the bytes of a value that stands for raw bytes (``{"base64": ...}``) or for text, else None."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and value.keys() == {"base64"}:
        try:
            return decode_base64(value["base64"])
        except MalformedError:
            return None
    return None
