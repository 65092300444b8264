"""Entries of the custody log as they are printed for people: blocks of lines, and what is known of their chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from base.clock import format_time
from base.escape import shown
from commands.output import Cell, Output, Tone, Word
from hashing.strict_json import Json
from ledger.completeness import SubjectChain
from ledger.history import ToldEntry, meaning_of
from ledger.value_text import EMPTY, told_value, value_text

MOST_LINES = 20  # of one list; the rest is counted
SERVICE = "the service"
NOT_KNOWN_HERE = "a type that this version does not know: what it did is not told here"
MOST_CHAINS = 20  # of which complete ones are named; the rest is counted


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
    """Yield what stands under the head line: what happened, subjects, facts, values, and what is not told."""
    entry = told.entry
    yield "  means", meaning_of(entry) or Word(NOT_KNOWN_HERE, Tone.WAITING)
    for name, digest in entry.subjects.items():
        yield "  about", f"{shown(name)}  sha256 {digest}"
    if entry.drop is not None:
        yield "  drop", shown(entry.drop)
    for name, value in [*entry.facts.items(), *told.values.items()]:
        yield from ((f"  {shown(label)}", cell) for label, cell in _cells(name, told_value(name, value)))
    for name in told.withheld:
        yield from ((f"  {shown(name)}", Word(text, Tone.WAITING)) for text in told.reasons(name))
    yield "  entry", f"sha256 {entry.digest}"


def print_chains(output: Output, chains: list[SubjectChain], *, shown_all: bool) -> None:
    """Say of each thing whether the entries above are all that the log has of it."""
    for chain in chains[:MOST_CHAINS]:
        match chain.verdict:
            case "complete":
                text = f"{chain.name}: {chain.entries:,} entries, each names the one before; none is missing."
                output.note(Word("COMPLETE" if shown_all else "CHAIN", Tone.GOOD), text)
            case "unknown-types":
                text = f"{chain.name}: {chain.unknown:,} of {chain.entries:,} entries are of a type not known here."
                output.note(Word("NOT COMPLETE", Tone.WAITING), text)
            case _:
                where = "it has no entry" if chain.gap is None else f"entry {chain.gap} does not follow the one before"
                output.note(Word("GAP", Tone.BAD), f"{chain.name}: {where}. Run `strongroom verify`.")
    if len(chains) > MOST_CHAINS:
        rest = chains[MOST_CHAINS:]
        complete = sum(chain.verdict == "complete" for chain in rest)
        output.note(Word("CHAINS"), f"{len(rest):,} more things: the chains of {complete:,} are complete. See --json.")


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
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value_text(value)
    return Word(EMPTY, Tone.QUIET) if text == EMPTY else text
