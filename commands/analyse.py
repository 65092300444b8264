"""`strongroom analyse`: look at sealed items in the sandbox, now."""

from __future__ import annotations

import click

from commands.options import output_options, store_option
from commands.output import Mode, Output, Tone, Word
from ledger.layout import StoreLayout


@click.command()
@click.argument("identifier", metavar="[ID]", required=False)
@click.option("--again", is_flag=True, help="Items that were analysed before as well.")
@store_option
@output_options("analyse")
def analyse(identifier: str | None, layout: StoreLayout, output: Output, *, again: bool) -> None:
    """Look at every item not looked at yet, or at the item or drop ID, in the sandbox.

    A hostile or broken file gives a recorded finding, and is no error of this command.

    \b
    Exit status:
      0  done
      3  no such item or drop
      7  a recorder holds this store: it analyses by itself
      8  the sandbox is not to be had at the strength that is configured

    \b
    Example:
      strongroom analyse item_7K3M --again
    """
    from commands.progress import Progress
    from ingest.analysis_run import analyse_store

    with Progress("analysing", unit="items") as progress:
        for done in analyse_store(layout, identifier, again=again, progress=progress):
            line = {
                "event": "item.analysed",
                "item": done.task.item,
                "keyframes": done.keyframes,
                "outcome": done.outcome,
            }
            if output.mode is Mode.JSONL:
                output.line(line)
            elif output.for_people:
                output.text(
                    Word("LOOKED AT", Tone.QUIET), f"{done.task.item}: {done.outcome}, {done.keyframes} pictures"
                )
