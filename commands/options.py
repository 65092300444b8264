"""Options that many commands share: which store, for whom the result is, and colour.

``@store_option`` hands the command a ``layout``, ``@output_options("find")`` an ``output``. A flag is stronger than the
environment, the environment stronger than the default.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from base.errors import NotFoundError, RefusedError
from base.escape import shown
from commands.output import Mode, Output
from ledger.layout import StoreLayout

R = TypeVar("R")

DEFAULT_STORE = Path("strongroom-store")
STORE_VARIABLE = "STRONGROOM_STORE"


class StoreNotFoundError(NotFoundError):
    """There is no store where one was expected."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"no store at {shown(str(path))}: strongroom.toml is missing there. Nothing was read or changed.",
            next_step=f"Name the store with --store DIR or {STORE_VARIABLE}, or make one: `strongroom init DIR`.",
        )


class StoreClosedError(RefusedError):
    """The store belongs to another account, and this one may not enter it: not even a refusal can be recorded there."""

    next_step = (
        "Run it as the account that owns the store: `sudo -u strongroom strongroom ...`; docs/guide/operator.md has "
        "the sudoers lines."
    )

    def __init__(self, path: Path) -> None:
        super().__init__(f"the store at {shown(str(path))} is closed to this account. Nothing was read or changed.")


def find_store(path: Path) -> StoreLayout:
    """Return the store at ``path``. `init` writes the settings last, so they tell.

    Raises StoreNotFoundError, StoreClosedError.
    """
    layout = StoreLayout(path.absolute())
    try:
        is_store = layout.settings.is_file()
    except PermissionError as error:
        raise StoreClosedError(path) from error
    if not is_store:
        raise StoreNotFoundError(path)
    return layout


def store_option(command: Callable[..., R]) -> Callable[..., R]:
    """Add ``--store DIR``; the command gets the store as ``layout``."""
    return _store_option(command, _store, "The store to work on.")


def _store_option(
    command: Callable[..., R], callback: Callable[[click.Context, click.Parameter, Path], StoreLayout], text: str
) -> Callable[..., R]:
    return click.option(
        "--store",
        "layout",
        type=click.Path(path_type=Path, file_okay=False, readable=False),
        envvar=STORE_VARIABLE,
        default=DEFAULT_STORE,
        show_default=f"{STORE_VARIABLE}, else ./{DEFAULT_STORE}",
        metavar="DIR",
        callback=callback,
        help=text,
    )(command)


def copy_option(command: Callable[..., R]) -> Callable[..., R]:
    """As `store_option`, for a command that is content with a copy of nothing but the public log."""
    return _store_option(command, _store_or_copy, "The store, or a copy of it.")


def _store_or_copy(ctx: click.Context, parameter: click.Parameter, path: Path) -> StoreLayout:
    layout = StoreLayout(path.absolute())
    try:
        has_log = (layout.log / "tile").is_dir() or layout.checkpoint.is_file()
    except PermissionError as error:
        raise StoreClosedError(path) from error
    return layout if has_log else _store(ctx, parameter, path)


def _store(ctx: click.Context, _parameter: click.Parameter, path: Path) -> StoreLayout:
    # While a shell completes a command line, nothing is looked up.
    return StoreLayout(path) if ctx.resilient_parsing else find_store(path)


def output_options(name: str, *, stream: bool = True) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add ``--json``, ``--jsonl`` (where ``stream``) and ``--color``; the command gets its ``output``."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(command)
        def with_output(*args: object, mode: str | None, color: str, **kwargs: object) -> R:
            output = Output(command=name, mode=Mode(mode) if mode else Mode.PEOPLE, color=color)
            return command(*args, output=output, **kwargs)

        options: list[Callable[[Callable[..., R]], Callable[..., R]]] = [
            click.option("--json", "mode", flag_value="json", help="One JSON document on stdout."),
            click.option(
                "--color",
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                show_default=True,
                help="Colour; NO_COLOR and FORCE_COLOR count too.",
            ),
        ]
        if stream:
            options.insert(1, click.option("--jsonl", "mode", flag_value="jsonl", help="One JSON object a line."))
        decorated: Callable[..., R] = with_output
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
