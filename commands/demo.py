"""`strongroom demo`: the whole way once, on the sample footage."""

from __future__ import annotations

from pathlib import Path

import click

from commands.options import output_options
from commands.output import Output

DEFAULT_DEMO = Path("strongroom-demo")


@click.command()
@click.argument("directory", metavar="[DIR]", default=DEFAULT_DEMO, type=click.Path(path_type=Path))
@output_options("demo", stream=False)
@click.pass_context
def demo(ctx: click.Context, directory: Path, output: Output) -> None:
    """Make a store, a share and sample footage in DIR, run the whole way once, and say what to try next.

    DIR (default ./strongroom-demo) is emptied first only if an earlier demo made it.

    \b
    Exit status:
      0  everything worked, and the store verifies
      4  DIR is not empty, and no demo made it

    \b
    Example:
      strongroom demo
    """
    from commands.demonstration import Demonstration

    ctx.exit(Demonstration(directory.absolute(), output).run())
