"""`strongroom log`: the custody log. Receipts to give away are here; `show` and `export` have files of their own."""

from __future__ import annotations

from pathlib import Path

import click

from commands.log_export import export
from commands.log_show import show
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout
from ledger.store_reader import StoreReader


@click.group()
def log() -> None:
    """The custody log: show its entries, hand out receipts, export a history."""


log.add_command(show)
log.add_command(export)


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
        with StoreReader(layout) as reader:
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
                "cosigned_by": list(made.cosigned_by),
                "lacks_quorum": made.lacks_quorum,
                "stamped_by": list(made.stamped_by),
            }
        )
        return
    output.text(Word("OK", Tone.GOOD), f"the receipt of {made.item}, entry {made.seq} of {made.checkpoint.size}")
    output.fields([("sha256", str(made.sha256)), ("files", ", ".join(made.files))])
    if made.lacks_quorum:
        output.note(
            "Too few witnesses have cosigned it yet: its policy asks for more, and whoever checks it is told so. Lodge "
            "the checkpoint, then make the receipt again."
        )
    output.note("Next: whoever gets it needs the public log key by another way; see HOW-TO-CHECK.txt.")
