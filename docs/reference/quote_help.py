"""Put the current --help texts into docs/reference/cli.md: `make reference`.

The page is written by hand, but each quotation stands behind a mark such as ``<!-- help: drop status -->`` and is
replaced by what the program says. A test makes the page again and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from cli import strongroom

PAGE = Path(__file__).resolve().parent / "cli.md"
WIDTH = 100  # characters; a help text that followed the width of somebody's terminal could not be compared
_QUOTATION = re.compile(r"<!-- help: ([a-z ]+) -->\n```text\n.*?```", re.DOTALL)


def command_paths(group: click.Group = strongroom, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command and group of the tree with its name on the command line."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from command_paths(command, (*path, name))


def help_text(path: str) -> str:
    """Return what ``strongroom PATH --help`` prints on a terminal of `WIDTH` characters."""
    arguments = [*path.split(), "--help"]
    done = CliRunner().invoke(
        strongroom, arguments, prog_name="strongroom", terminal_width=WIDTH, catch_exceptions=False
    )
    return "".join(f"{line.rstrip()}\n" for line in done.output.splitlines())


def quoted(page: str) -> str:
    """Return ``page`` with every quotation as the program says it now."""

    def quotation(found: re.Match[str]) -> str:
        return f"<!-- help: {found[1]} -->\n```text\n{help_text(found[1])}```"

    return _QUOTATION.sub(quotation, page)


def quoted_paths(page: str) -> list[str]:
    """Return the commands whose help ``page`` quotes, in order."""
    return [found[1] for found in _QUOTATION.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(quoted(PAGE.read_text("utf-8")), "utf-8")
