"""`strongroom checkpoint`: the signed checkpoint of the log."""

from __future__ import annotations

import sys

import click

from commands.options import output_options, store_option
from commands.output import Output
from ledger.layout import StoreLayout


@click.group()
def checkpoint() -> None:
    """The signed checkpoint of the log: what an auditor keeps from one visit to the next."""


@checkpoint.command()
@store_option
@output_options("checkpoint show", stream=False)
def show(layout: StoreLayout, output: Output) -> None:
    """Print the newest checkpoint: the signed note itself, byte for byte.

    \b
    Exit status:
      0   the checkpoint was printed
      21  the log has none, or it does not verify

    \b
    Example:
      strongroom checkpoint show > kept-2026-11.checkpoint
    """
    from hashing.words import spoken_form
    from ledger.reader import LogReader

    with LogReader(layout) as log:
        newest = log.newest()
    if not output.for_people:
        output.document(
            {
                "origin": newest.checkpoint.origin,
                "size": newest.checkpoint.size,
                "root": newest.checkpoint.root.hex,
                "note": newest.note.decode("utf-8"),
                "words": list(spoken_form(newest.checkpoint.text())),
            }
        )
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(newest.note)
    sys.stdout.buffer.flush()
