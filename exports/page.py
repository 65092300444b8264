"""The printable pages of reports: one HTML file, no script, nothing loaded, everything escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from base.clock import format_time
from ledger.history import Period

HERE = Path(__file__).parent


@cache
def page_template(name: str) -> Template:
    """Return a template of this folder; whatever is put into it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def period_text(period: Period) -> str:
    """Return a period for people."""
    if not period.is_bounded:
        return "all that was recorded"
    begin = "the beginning" if period.begin is None else format_time(period.begin)
    end = "the end" if period.end is None else format_time(period.end)
    return f"recorded from {begin} up to {end}"
