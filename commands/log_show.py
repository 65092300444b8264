"""`strongroom log show`: the readable custody history of an item, a drop, a person or a period."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from base.errors import NotFoundError
from commands.options import output_options, store_option
from commands.output import Mode, Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from hashing.digest import Digest
    from ledger.completeness import SubjectChain
    from ledger.history import History, Period, ToldEntry
    from ledger.reader import LogReader
    from ledger.store_reader import StoreReader

NEWEST = 100  # entries of the whole log, where neither a number nor a period is given


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What somebody wants to see."""

    name: str | None
    drop: str | None
    period: Period
    limit: int | None
    size: int  # entries that were recorded when it was asked: the look itself is not among them

    @property
    def is_whole(self) -> bool:
        """Whether nothing but a number narrows it: then all entries of the thing are wanted."""
        return self.drop in (None, self.name) and not self.period.is_bounded


@click.command()
@click.argument("identifier", metavar="[ID]", required=False)
@click.option("--from", "begin", metavar="T", help="Entries recorded at this time or later (UTC or offset).")
@click.option("--to", "end", metavar="T", help="Entries recorded before it; a day counts whole.")
@click.option("--drop", metavar="D", help="Only entries that name this drop.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"The newest N entries only.  [default: all; of the whole log without a period, the newest {NEWEST}]",
)
@store_option
@output_options("log show")
def show(
    identifier: str | None,
    begin: str | None,
    end: str | None,
    drop: str | None,
    limit: int | None,
    layout: StoreLayout,
    output: Output,
) -> None:
    """Show the custody history of an item, a drop, a person or a period, or the end of the whole log; oldest first.

    ID and D are identifiers, or the beginning of one (4 characters or more). A drop's history has the entries of its
    items, a person's has what the person did. Times are the recorder's clock; the order is that of the log. That you
    looked is recorded before anything is shown. Auditors see no names, paths or places. A value that is not shown is
    named: withheld (you may not see it), erased (the log says so) or missing.

    \b
    Exit status:
      0   shown
      2   the period can't be understood
      3   no such item, drop or person
      4   you are not registered here, or have no role that allows it; recorded
      21  the log is damaged

    \b
    Example:
      strongroom log show item_7K3M
    """
    from catalog.consultation import Consultation
    from ledger.actors import actors
    from ledger.events.vocabulary import OpeningClass
    from ledger.history import classes_for, history_of, told_entries
    from ledger.store_reader import StoreReader

    period = read_period(begin, end)
    with Consultation(layout, "log-show") as consultation, StoreReader(layout) as reader:
        asked = _asked(reader, identifier, drop, period, limit)
        history = history_of(reader, asked.name, limit=asked.limit, period=period, drop=asked.drop)
        items, links = _looked_at(reader, asked)
        consultation.viewed(items=items, links=links)
        output.question(_in_words(asked, consultation.role))
        classes = classes_for(consultation.role)
        told = told_entries(reader, history, classes)
        if output.mode is Mode.PEOPLE:
            users = {one.actor: one.user for one in actors(layout).values()} if OpeningClass.PERSONAL in classes else {}
            _print_history(output, asked, history, told, users, reader)
        else:
            _write_history(output, asked, history, told, reader)


def read_period(begin: str | None, end: str | None) -> Period:
    """Return the period between two times as people type them. Raises UsageError, with a suggestion."""
    from base.clock import from_microseconds
    from catalog.questions import interval_us
    from ledger.history import Period

    from_us, to_us = interval_us(begin, end)
    return Period(
        begin=None if from_us is None else from_microseconds(from_us),
        end=None if to_us is None else from_microseconds(to_us),
    )


def in_words(period: Period) -> str:
    """Return a period for a sentence: `from ... up to ...`, or nothing for all time."""
    from base.clock import format_time

    begin = "" if period.begin is None else f" from {format_time(period.begin)}"
    end = "" if period.end is None else f" up to {format_time(period.end)}"
    return begin + end


def _asked(reader: LogReader, identifier: str | None, drop: str | None, period: Period, limit: int | None) -> _Asked:
    from ledger.history import thing_named

    name = thing_named(reader, identifier) if identifier else None
    named_drop = None
    if drop is not None:
        named_drop = thing_named(reader, drop if drop.lower().startswith("drop_") else f"drop_{drop}")
        if not named_drop.startswith("drop_"):
            raise NotFoundError(f"{drop!r} is not a drop.")
        name = name or named_drop
    everything = name is None and not period.is_bounded
    return _Asked(
        name=name,
        drop=named_drop,
        period=period,
        limit=limit or (NEWEST if everything else None),
        size=reader.recorded(),
    )


def _looked_at(reader: LogReader, asked: _Asked) -> tuple[dict[str, Digest], dict[str, str] | None]:
    """Return what a look is recorded as: an item, or a link to anything else."""
    name = asked.name
    if name is None or name == "log":
        return {}, None
    kind = name.partition("_")[0]
    return ({name: reader.digest_of(name)}, None) if kind == "item" else ({}, {kind: name})


def _in_words(asked: _Asked, role: str) -> str:
    of_what = "the whole log" if asked.name is None else asked.name
    in_drop = f" in {asked.drop}" if asked.drop not in (None, asked.name) else ""
    when = f", recorded{in_words(asked.period)}" if asked.period.is_bounded else ""
    return f"custody history of {of_what}{in_drop}{when}, as {role}, oldest entry first"


def _chains(asked: _Asked, reader: LogReader, items: Iterable[str]) -> list[SubjectChain]:
    """Return the chain of the thing that was asked for, and of the items of a drop."""
    from ledger.completeness import subject_chain

    if asked.name is None:
        return []
    return [subject_chain(reader, name, before=asked.size) for name in dict.fromkeys([asked.name, *items])]


class _Counted:
    """What is counted while entries are shown."""

    def __init__(self) -> None:
        self.unknown = 0
        self.items: dict[str, None] = {}

    def add(self, told: ToldEntry, asked: _Asked) -> None:
        self.unknown += not told.entry.known
        if asked.name is not None and told.entry.drop == asked.name:
            self.items.update((name, None) for name in told.entry.subjects if name.startswith("item_"))


def _print_history(
    output: Output,
    asked: _Asked,
    history: History,
    told: Iterable[ToldEntry],
    users: dict[str, str],
    reader: StoreReader,
) -> None:
    from commands.history import print_chains, print_entry

    counted, unsealed, sealed = _Counted(), 0, reader.sealed().size
    log = None if len(reader.parts()) > 1 else reader.origin
    for one in told:
        if one.entry.log != log:  # positions begin again with each log
            log = one.entry.log
            output.text(Word(f"log {log}", Tone.TITLE))
        print_entry(output, one, users)
        counted.add(one, asked)
        unsealed += one.entry.log == reader.origin and one.entry.seq >= sealed
    output.note(f"Entries shown: {len(history.seqs):,}.")
    if history.earlier:
        output.note(Word("NOT SHOWN", Tone.WAITING), f"{history.earlier:,} earlier entries: see --limit.")
    if counted.unknown:
        output.note(Word("UNKNOWN", Tone.WAITING), f"{counted.unknown:,} of a type that this version does not know.")
    if unsealed:
        output.note(Word("NOT SEALED", Tone.WAITING), f"{unsealed:,} are recorded, and no checkpoint covers them yet.")
    chains = _chains(asked, reader, counted.items)
    print_chains(output, chains, shown_all=asked.is_whole and not history.earlier)


def _write_history(
    output: Output, asked: _Asked, history: History, told: Iterable[ToldEntry], reader: LogReader
) -> None:
    from base.clock import format_time

    counted, entries = _Counted(), []
    for one in told:
        counted.add(one, asked)
        if output.mode is Mode.JSONL:
            output.line(one.as_json())
        else:
            entries.append(one.as_json())
    begin, end = asked.period.begin, asked.period.end
    rest = {
        "name": history.name,
        "drop": asked.drop,
        "from": None if begin is None else format_time(begin),
        "to": None if end is None else format_time(end),
        "earlier": history.earlier,
        "unknown_types": counted.unknown,
        "sealed": reader.sealed().size,
        "chains": [chain.as_json() for chain in _chains(asked, reader, counted.items)],
    }
    if output.mode is Mode.JSONL:
        output.line({"event": "summary", "entries": len(history.seqs), **rest})
    else:
        output.document({"entries": entries, **rest})
