"""`strongroom log`: what the custody log says, and receipts to give away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from commands.options import output_options, store_option
from commands.output import Mode, Output, Tone, Word
from hashing.digest import Digest
from ledger.history import History, ToldEntry
from ledger.layout import StoreLayout
from ledger.reader import LogReader

NEWEST = 100  # entries of the whole log, where no number is given


@click.group()
def log() -> None:
    """The custody log: show its entries, hand out receipts."""


@log.command()
@click.argument("identifier", metavar="[ID]", required=False)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"The newest N entries only.  [default: all of an ID, the newest {NEWEST} of the whole log]",
)
@store_option
@output_options("log show")
def show(identifier: str | None, limit: int | None, layout: StoreLayout, output: Output) -> None:
    """Show the custody history of an item, a drop or a person, or the newest entries of the whole log; oldest first.

    ID is an identifier, or the beginning of one (4 characters or more). A drop's history has the entries of its items,
    a person's has what the person did. That you looked is recorded before anything is shown. Auditors see no names,
    paths or places: what you may not see, or is erased, shows as withheld.

    \b
    Exit status:
      0   shown
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
    from ledger.history import classes_for, history_of, tell, thing_named

    with Consultation(layout, "log-show") as consultation, LogReader(layout) as reader:
        name = thing_named(reader, identifier) if identifier else None
        history = history_of(reader, name, limit=limit if limit or name else NEWEST)
        items, links = _looked_at(reader, name)
        consultation.viewed(items=items, links=links)
        output.question(_in_words(history, consultation.role))
        classes = classes_for(consultation.role)
        told = (tell(opened, classes) for opened in history.entries(reader))
        if output.mode is Mode.PEOPLE:
            users = {one.actor: one.user for one in actors(layout).values()} if OpeningClass.PERSONAL in classes else {}
            _print_history(output, history, told, users, sealed=reader.sealed().size)
        else:
            _write_history(output, history, told, sealed=reader.sealed().size)


@log.command()
@click.argument("item", metavar="ITEM")
@click.option(
    "-o", "target", metavar="DIR", required=True, type=click.Path(path_type=Path), help="A new or empty directory."
)
@store_option
@output_options("log receipt", stream=False)
def receipt(item: str, target: Path, layout: StoreLayout, output: Output) -> None:
    """Write the receipt of ITEM to DIR: its entry, the proofs, the keys, and how a stranger checks them by hand.

    The receipt tells no name, path or place. With the file beside it, anybody can check that these bytes were recorded
    in this log; HOW-TO-CHECK.txt says how, and what that does not show. That it was made is recorded.

    \b
    Exit status:
      0   written
      3   no such item
      4   DIR is not empty or lies in the store; or you have no role that allows it (recorded)
      8   DIR can't be written
      21  the log is damaged: no receipt was made

    \b
    Example:
      strongroom log receipt item_7K3M -o receipt-for-the-court
    """
    from catalog.consultation import Consultation
    from exports.log_receipt import definition_of, log_receipt, refuse_used, write_log_receipt
    from ledger.history import thing_named

    with Consultation(layout, "log-receipt") as consultation:
        with LogReader(layout) as reader:
            name = thing_named(reader, item)
            digest = definition_of(reader, name).subjects[name]
        refuse_used(target, layout)
        consultation.viewed(items={name: digest})
    made = log_receipt(layout, name)
    write_log_receipt(made, target)
    if not output.for_people:
        output.document(
            {
                "item": made.item,
                "sha256": str(made.sha256),
                "seq": made.seq,
                "checkpoint": {"size": made.checkpoint.size, "root": made.checkpoint.root.hex},
                "directory": str(target),
                "files": list(made.files),
            }
        )
        return
    output.text(Word("OK", Tone.GOOD), f"the receipt of {made.item}, entry {made.seq} of {made.checkpoint.size}")
    output.fields([("sha256", str(made.sha256)), ("files", ", ".join(made.files))])
    output.note("Next: whoever gets it needs the public log key by another way; see HOW-TO-CHECK.txt.")


def _looked_at(reader: LogReader, name: str | None) -> tuple[dict[str, Digest], dict[str, str] | None]:
    """Return what a look at the history of ``name`` is recorded as: an item, or a link to anything else."""
    if name is None or name == "log":
        return {}, None
    kind = name.partition("_")[0]
    return ({name: reader.digest_of(name)}, None) if kind == "item" else ({}, {kind: name})


def _in_words(history: History, role: str) -> str:
    of_what = "the whole log" if history.name is None else history.name
    return f"custody history of {of_what}, as {role}, oldest entry first"


def _print_history(
    output: Output, history: History, told: Iterator[ToldEntry], users: dict[str, str], *, sealed: int
) -> None:
    from commands.history import print_entry

    unknown = unsealed = 0
    for one in told:
        print_entry(output, one, users)
        unknown += not one.entry.known
        unsealed += one.entry.seq >= sealed
    output.note(f"Entries shown: {len(history.seqs):,}.")
    if history.earlier:
        output.note(Word("NOT SHOWN", Tone.WAITING), f"{history.earlier:,} earlier entries: see --limit.")
    if unknown:
        output.note(Word("UNKNOWN", Tone.WAITING), f"{unknown:,} of a type that this version does not know.")
    if unsealed:
        output.note(Word("NOT SEALED", Tone.WAITING), f"{unsealed:,} are recorded, and no checkpoint covers them yet.")


def _write_history(output: Output, history: History, told: Iterator[ToldEntry], *, sealed: int) -> None:
    from commands.history import as_json

    unknown = 0
    entries = []
    for one in told:
        unknown += not one.entry.known
        if output.mode is Mode.JSONL:
            output.line(as_json(one))
        else:
            entries.append(as_json(one))
    rest = {"name": history.name, "earlier": history.earlier, "unknown_types": unknown, "sealed": sealed}
    if output.mode is Mode.JSONL:
        output.line({"event": "summary", "entries": len(history.seqs), **rest})
    else:
        output.document({"entries": entries, **rest})
