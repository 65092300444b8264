"""`strongroom drop`: state and receipts of drops."""

from __future__ import annotations

import json
import sys

import click

from base.errors import NotFoundError
from base.escape import shown
from commands.options import output_options, store_option
from commands.output import Column, Output, Tone, Word
from commands.status import TONES
from ledger.layout import StoreLayout


@click.group()
def drop() -> None:
    """State and receipts of drops."""


@drop.command()
@click.argument("identifier", metavar="[DROP]", required=False)
@store_option
@output_options("drop status", stream=False)
@click.pass_context
def status(ctx: click.Context, identifier: str | None, layout: StoreLayout, output: Output) -> None:
    """Show every drop, or all about DROP (identifier, unique beginning of it, or name).

    \b
    Exit status:
      0  shown; nothing of it waits for a person
      3  no such drop
      5  shown; it is a problem, or not all in evidence yet

    \b
    Example:
      strongroom drop status drop_7K3M
    """
    from ingest.overview import all_drops, drop_status

    drops = all_drops(layout) if identifier is None else [drop_status(layout, identifier)]
    code = 5 if any(one.waits for one in drops) else 0
    if not output.for_people:
        output.document({"drops": [one.as_json() for one in drops]})
        ctx.exit(code)
    for one in drops:
        row = one.row
        output.text(Word(row.state.upper(), TONES.get(row.state, Tone.PLAIN)), f"{shown(row.name)}  ({row.drop_id})")
        output.fields(
            [
                ("share", shown(row.root) + ("" if not row.gone else " (the drop is no longer in it)")),
                ("settled by", row.settled_by),
                ("files", f"{len(one.sealed):,} of {row.seen_files:,} sealed, {row.seen_bytes:,} bytes seen"),
                ("source manifest", row.manifest),
            ]
        )
        output.table(
            [Column("refused"), Column("reason")],
            [[shown(refused.path) or "(the drop itself)", refused.reason] for refused in one.refused],
        )
        output.text()
    ctx.exit(code)


@drop.command()
@click.argument("identifier", metavar="DROP")
@store_option
@output_options("drop receipt", stream=False)
def receipt(identifier: str, layout: StoreLayout, output: Output) -> None:
    """Print the newest receipt of DROP: the same text that lies beside it in the share.

    For shares that can't be written, and for the telephone: the answer to "may I wipe the card?". With --json the same
    in fields: what is missing is listed whole there, and the text stands beside it.

    \b
    Exit status:
      0  printed
      3  no such drop, or no receipt yet

    \b
    Example:
      strongroom drop receipt drop_7K3M
    """
    from ingest.overview import drop_status

    one = drop_status(layout, identifier)
    text, facts = ((layout.receipts / one.row.drop_id / f"{one.row.state}.{part}") for part in ("txt", "json"))
    if not text.exists() or not (output.for_people or facts.exists()):
        raise NotFoundError(
            f"there is no receipt of {one.row.drop_id} yet.", next_step="Wait until the recorder has seen the drop."
        )
    if output.for_people:
        sys.stdout.write(text.read_text("utf-8"))
    else:
        output.document({**json.loads(facts.read_bytes()), "text": text.read_text("utf-8")})
