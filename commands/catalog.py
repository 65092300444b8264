"""`strongroom catalog`: the searchable view, checked or made again."""

from __future__ import annotations

import click

from commands.options import output_options, store_option
from commands.output import Column, Output, Tone, Word
from ledger.layout import StoreLayout


@click.group()
def catalog() -> None:
    """The catalogue: a view of the log that can be thrown away and made again."""


@catalog.command()
@store_option
@output_options("catalog rebuild", stream=False)
def rebuild(layout: StoreLayout, output: Output) -> None:
    """Make the catalogue again from the log, and put it in the place of whatever was there.

    Until it is complete the old one serves. The log and the vault are not touched.

    \b
    Exit status:
      0   the catalogue is new
      7   another rebuild or check is running
      8   the disk refused
      21  the log is damaged: stop, and call the custodian

    \b
    Example:
      strongroom catalog rebuild
    """
    from catalog.rebuild import rebuild as make_again

    cursor = make_again(layout)
    if output.for_people:
        output.text(Word("OK", Tone.GOOD), f"the catalogue shows all {cursor.size:,} sealed entries of {cursor.origin}")
    else:
        root = str(cursor.root) if cursor.root else None
        output.document({"origin": cursor.origin, "size": cursor.size, "root": root})


@catalog.command()
@store_option
@output_options("catalog check", stream=False)
@click.pass_context
def check(ctx: click.Context, layout: StoreLayout, output: Output) -> None:
    """Compare the catalogue with the log, row by row, and list ALL differences. Changes nothing.

    \b
    Exit status:
      0   the catalogue is what the log says
      7   a rebuild or another check is running
      9   the catalogue is of a newer version of this program
      21  the log is damaged: stop, and call the custodian
      22  the catalogue differs: `strongroom catalog rebuild`

    \b
    Example:
      strongroom catalog check --json
    """

    from base.errors import worst_exit_code
    from catalog.check import check_catalogue

    findings = check_catalogue(layout)
    if output.for_people:
        columns = (Column("finding"), Column("where"), Column("expected"), Column("found"))
        output.table(columns, [(one.code, one.object, one.expected, one.found) for one in findings])
        if findings:
            output.text(Word("BAD", Tone.BAD), f"{len(findings)} differences: run `strongroom catalog rebuild`")
        else:
            output.text(Word("OK", Tone.GOOD), "the catalogue is what the log says")
    else:
        output.document({"findings": [finding._asdict() for finding in findings]})
    ctx.exit(worst_exit_code(finding.exit_code for finding in findings))
