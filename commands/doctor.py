"""`strongroom doctor`: this machine."""

from __future__ import annotations

import click

from commands.options import DEFAULT_STORE, STORE_VARIABLE, output_options
from commands.output import Column, Output, Tone, Word

_TONES = {"OK": Tone.GOOD, "NOTE": Tone.WAITING, "BAD": Tone.BAD}


@click.command()
@click.option(
    "--store",
    "store",
    envvar=STORE_VARIABLE,
    type=click.Path(),
    metavar="DIR",
    help=f"A store to look at as well; default {STORE_VARIABLE}, else ./{DEFAULT_STORE} if it is there.",
)
@output_options("doctor", stream=False)
@click.pass_context
def doctor(ctx: click.Context, store: str | None, output: Output) -> None:
    """Check this machine: mounts and how each is watched, clock, space, versions, strength of the sandbox.

    \b
    Exit status:
      0  nothing is wrong
      8  something is wrong that keeps strongroom from working as it should

    \b
    Example:
      strongroom doctor --store /srv/strongroom
    """
    from ingest.examination import examine

    results = examine(store or (str(DEFAULT_STORE) if DEFAULT_STORE.is_dir() else None))
    code = 8 if any(result.verdict == "BAD" for result in results) else 0
    if not output.for_people:
        output.document({"checks": [result.as_json() for result in results]})
        ctx.exit(code)
    output.table(
        [Column("verdict"), Column("what"), Column("found")],
        [[Word(result.verdict, _TONES[result.verdict]), result.what, result.found] for result in results],
    )
    for result in results:
        if result.advice:
            output.text(Word(result.verdict, _TONES[result.verdict]), f"{result.what}: {result.advice}")
    ctx.exit(code)
