"""`strongroom status`: what is going on, and what waits for a person."""

from __future__ import annotations

import click

from commands.options import output_options, store_option
from commands.output import Column, Output, Tone, Word
from ledger.layout import StoreLayout

TONES = {"held": Tone.GOOD, "safe": Tone.GOOD, "problem": Tone.BAD, "copying": Tone.WAITING, "received": Tone.WAITING}


@click.command()
@store_option
@output_options("status", stream=False)
@click.pass_context
def status(ctx: click.Context, layout: StoreLayout, output: Output) -> None:
    """Show drops in progress, what waits for a person, shares, disk, and the last checkpoint.

    \b
    Exit status:
      0  nothing waits for a person
      5  a drop is a problem, or not all in evidence yet, or a change waits for endorsements
      8  a share is unreachable or hangs at a file, or the store waits for its disk or its `intake.db`

    \b
    Example:
      strongroom status
    """
    from base.escape import shown
    from ingest.overview import overview

    now = overview(layout)
    code = 8 if now.troubles else 5 if now.waiting or now.proposals else 0
    if not output.for_people:
        output.document(now.as_json())
        ctx.exit(code)
    output.fields(
        [
            ("recorder", now.recorder or Word("not running", Tone.WAITING)),
            *(("closed log", f"{log.origin}, {log.size:,} entries") for log in now.closed_logs),
            ("log", f"{now.origin}, {now.log_size:,} sealed entries, {now.unsealed:,} recorded and not yet sealed"),
            ("last entry", f"{now.last_recorded_at} (the recorder's clock)"),
            ("disk", f"{now.free_bytes / 1e9:,.1f} GB free"),
            ("analysis", f"{now.not_analysed:,} items not looked at yet"),
        ]
    )
    for condition in now.conditions:
        if condition.code != "ready":
            tone = Tone.BAD if condition in now.troubles else Tone.PLAIN
            subject = shown(condition.subject) if condition.subject else "this store"
            output.fields([(subject, Word(f"{condition.code}: {shown(condition.detail)}", tone))])
    for proposal in now.proposals:
        waits = Word(f"{proposal.event.type.name} waits for endorsements by root keys", Tone.WAITING)
        output.fields([(proposal.event.event, waits)])
    output.text()
    output.table(
        [
            Column("state"),
            Column("drop", whole=True),
            Column("name"),
            Column("sealed", right=True),
            Column("files", right=True),
            Column("refused", right=True),
            Column("bytes", right=True),
        ],
        [
            [
                Word(drop.row.state.upper(), TONES.get(drop.row.state, Tone.PLAIN)),
                drop.row.drop_id,
                shown(drop.row.name) + ("" if not drop.row.gone else " (no longer in the share)"),
                len(drop.sealed),
                drop.row.seen_files,
                len(drop.refused),
                drop.row.seen_bytes,
            ]
            for drop in now.drops
        ],
    )
    if not now.drops and not now.troubles:
        output.text("No drop has been seen yet.")
    ctx.exit(code)
