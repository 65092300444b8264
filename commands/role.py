"""`strongroom role`: who may do what."""

from __future__ import annotations

from pathlib import Path

import click

from base.errors import NotFoundError
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.events.actor import ROLES
from ledger.layout import StoreLayout


@click.group()
def role() -> None:
    """The register of people and their roles."""


@role.command()
@click.argument("user", metavar="USER")
@click.argument("name", metavar="ROLE", type=click.Choice(ROLES))
@click.option(
    "--endorse-with",
    "key_files",
    multiple=True,
    metavar="KEY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key (PEM) of somebody who vouches for it, enrolled as a personal key; repeatable.",
)
@click.option(
    "--passphrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line is the passphrase of KEY; without it you are asked.",
)
@store_option
@output_options("role grant", stream=False)
def grant(
    user: str,
    name: str,
    key_files: tuple[Path, ...],
    passphrase_file: Path | None,
    layout: StoreLayout,
    output: Output,
) -> None:
    """Give the login user USER (name or number) a ROLE; registers USER where that has not been done.

    Only a custodian may. What was granted stands in the log; only who holds the openings can read it.

    \b
    Exit status:
      0  granted, and sealed in the log
      3  this machine has no such user, or there is no file KEY
      4  you are not registered, or not a custodian, or KEY is no personal key of this log

    \b
    Example:
      strongroom role grant jdoe investigator
    """
    from catalog.register import grant_role
    from commands.key_files import person_key
    from ledger.actors import login_named

    login = login_named(user)
    if login is None:
        raise NotFoundError(f"this machine has no login user {user!r}.", next_step="Give the login name or its number.")
    endorsers = [person_key(path, passphrase_file) for path in key_files] if key_files else []
    granted = grant_role(layout, login, name, endorsers=endorsers)
    if not output.for_people:
        output.document({"actor": granted.actor, "uid": login.uid, "roles": sorted(granted.roles)})
        return
    output.text(Word("OK", Tone.GOOD), f"{user} is {granted.actor} and may act as {', '.join(sorted(granted.roles))}")
