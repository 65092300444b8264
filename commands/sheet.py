"""`strongroom sheet`: a contact sheet of items or drops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from exports.contact_sheet import Made


@click.command()
@click.argument("identifiers", metavar="ID...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The new HTML file; an existing one is never written over.",
)
@store_option
@output_options("sheet", stream=False)
@click.pass_context
def sheet(ctx: click.Context, identifiers: tuple[str, ...], path: Path, layout: StoreLayout, output: Output) -> None:
    """Make one HTML file with the pictures kept of each ID, an item or a whole drop.

    The file opens in any browser, runs no script and loads nothing. Times are device time, unchecked. The look is
    recorded in the log before the file is written.

    \b
    Exit status:
      0   the file is written
      3   no such item or drop, or more than one
      4   you are not registered here, or have no role that allows it (recorded); or FILE exists or is in the store
      20  written, but pictures are missing from the store or changed: run `strongroom verify`
      22  the catalogue is missing or damaged: `strongroom catalog rebuild`

    \b
    Example:
      strongroom sheet drop_7K3M -o yard.html
    """
    from exports.contact_sheet import refuse_existing

    output.question(f"contact sheet of {', '.join(identifiers)}")
    refuse_existing(path, layout)
    made = _consult(layout, identifiers, path)
    if output.for_people:
        output.text(Word("OK", Tone.GOOD), f"{made.pictures} pictures in {path} ({len(made.page):,} bytes)")
        if made.left_out:
            output.text(Word("LEFT OUT", Tone.WAITING), f"{made.left_out} pictures: name fewer items")
        for digest in made.bad:
            output.text(Word("BAD", Tone.BAD), f"picture {digest} is missing or changed: run `strongroom verify`")
    else:
        output.document(
            {
                "file": str(path),
                "size_bytes": len(made.page),
                "pictures": made.pictures,
                "left_out": made.left_out,
                "bad": [str(digest) for digest in made.bad],
            }
        )
    ctx.exit(20 if made.bad else 0)


def _consult(layout: StoreLayout, identifiers: tuple[str, ...], path: Path) -> Made:
    """Look the items up, record that they are looked at, and only then write the file."""
    from base.clock import now, to_microseconds
    from catalog.bring_forward import CONSULTATIONS, bring_forward_unless_only
    from catalog.consultation import Consultation
    from catalog.detail_rows import read_items
    from catalog.result_objects import derived_store
    from exports.contact_sheet import SheetFacts, write_sheet

    with Consultation(layout, "sheet") as consultation:
        bring_forward_unless_only(layout, CONSULTATIONS)
        items, drops = read_items(layout.catalogue, identifiers)
        # One drop can be named; where there are several, their items say it.
        links = {"drop": drops[0]} if len(drops) == 1 else None
        consultation.viewed(items={details.item.item: details.item.sha256 for details in items}, links=links)
        facts = SheetFacts(
            origin=consultation.origin,
            made_at_us=to_microseconds(now()),
            made_by=consultation.actor.actor,
            role=consultation.role,
        )
        return write_sheet(items, path, derived=derived_store(layout), facts=facts)
