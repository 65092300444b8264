"""Entries of the custody log as they are printed: blocks of lines for people, objects for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from base.clock import format_time
from base.escape import shown
from commands.output import Cell, Output, Tone, Word
from hashing.strict_json import Json
from ledger.history import ToldEntry
from ledger.openings import OpeningMismatchError, bytes_of

MOST_LINES = 20  # of one list; the rest is counted
SERVICE = "the service"


def as_json(told: ToldEntry) -> dict[str, object]:
    """Return one entry for programs: values exactly as they were opened."""
    entry = told.entry
    return {
        "seq": entry.seq,
        "type": entry.type,
        "recorded_at": format_time(entry.recorded_at),
        "actor": told.actor,
        "role": entry.role,
        "drop": entry.drop,
        "subjects": {name: str(digest) for name, digest in entry.subjects.items()},
        "facts": dict(entry.facts),
        "values": dict(told.values),
        "withheld": dict(told.withheld),
        "entry": str(entry.digest),
    }


def print_entry(output: Output, told: ToldEntry, users: Mapping[str, str]) -> None:
    """Print one entry for people. ``users`` are the login names of actors, as far as the reader may know them."""
    entry = told.entry
    output.text(
        Word(f"#{entry.seq}", Tone.TITLE),
        format_time(entry.recorded_at),
        Word(shown(entry.type), Tone.TITLE),
        *([] if entry.known else [Word("UNKNOWN TYPE", Tone.WAITING)]),
        f"by {_who(told, users)}",
    )
    output.fields(_lines(told))
    output.text()


def _who(told: ToldEntry, users: Mapping[str, str]) -> str:
    if "actor" in told.withheld:
        name = "somebody (withheld)"
    elif told.actor is None:
        name = SERVICE
    else:
        user = users.get(told.actor)
        name = shown(told.actor) + (f" ({shown(user)})" if user else "")
    return name if told.entry.role is None else f"{name} as {shown(told.entry.role)}"


def _lines(told: ToldEntry) -> Iterator[tuple[str, Cell]]:
    """Yield what stands under the head line: subjects, open facts, opened values, and what is withheld."""
    entry = told.entry
    for name, digest in entry.subjects.items():
        yield "  about", f"{shown(name)}  sha256 {digest}"
    if entry.drop is not None:
        yield "  drop", shown(entry.drop)
    for name, value in [*entry.facts.items(), *told.values.items()]:
        yield from ((f"  {shown(label)}", cell) for label, cell in _cells(name, value))
    for name, count in told.withheld.items():
        yield f"  {shown(name)}", Word("withheld" if count == 1 else f"{count} values withheld", Tone.WAITING)
    yield "  entry", f"sha256 {entry.digest}"


def _cells(name: str, value: Json) -> Iterator[tuple[str, Cell]]:
    """Yield a value in one line, a list in a line for each element; null and the empty list say nothing."""
    if isinstance(value, list):
        for element in value[:MOST_LINES]:
            yield name, _cell(element)
        if len(value) > MOST_LINES:
            yield name, Word(f"and {len(value) - MOST_LINES:,} more: see --json", Tone.QUIET)
    elif value is not None:
        yield name, _cell(value)


def _cell(value: Json) -> Cell:
    match value:
        case bool() | None:
            return json.dumps(value)
        case int():
            return value
        case str():
            return shown(value)
        case dict() if set(value) == {"base64"}:
            return _raw_bytes(value)
        case dict():
            return "  ".join(f"{shown(key)} {_inside(each)}" for key, each in value.items())
        case _:
            return shown(json.dumps(value, ensure_ascii=False))


def _raw_bytes(value: Json) -> Cell:
    try:
        return shown(bytes_of(value)) or Word("(empty)", Tone.QUIET)
    except OpeningMismatchError:
        return shown(json.dumps(value, ensure_ascii=False))


def _inside(value: Json) -> str:
    """Return a value that stands inside another one."""
    if isinstance(value, str):
        return shown(value)
    return shown(json.dumps(value, ensure_ascii=False))
