"""`strongroom config`: the settings."""

from __future__ import annotations

import click

from base.config import read_settings
from commands.options import output_options, store_option
from commands.output import Column, Output
from ledger.layout import StoreLayout


@click.group()
def config() -> None:
    """The settings of the store."""


@config.command()
@click.option("--origin", is_flag=True, help="Tell where each value came from: file or default.")
@store_option
@output_options("config show", stream=False)
def show(layout: StoreLayout, output: Output, *, origin: bool) -> None:
    """Print every setting of the store.

    \b
    Exit status:
      0  the settings were printed
      2  strongroom.toml says something unknown
      3  no such store

    \b
    Example:
      strongroom config show --origin
    """
    settings = read_settings(layout.settings)
    values = settings.as_dict()
    if not output.for_people:
        told: dict[str, object] = {"settings": values}
        if origin:
            told["origin"] = dict(settings.origins)
        output.document(told)
        return
    columns = [Column("setting"), Column("value"), *([Column("from")] if origin else [])]
    rows = []
    for name, value in values.items():
        text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
        rows.append([name, text, *([settings.origins.get(name, "default")] if origin else [])])
    output.table(columns, rows)
