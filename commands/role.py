"""`strongroom role`: who may do what."""

from __future__ import annotations

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
@store_option
@output_options("role grant", stream=False)
def grant(user: str, name: str, layout: StoreLayout, output: Output) -> None:
    """Give the login user USER (name or number) a ROLE; registers USER where that has not been done.

    Only a custodian may. What was granted stands in the log; only who holds the openings can read it.

    \b
    Exit status:
      0  granted, and sealed in the log
      3  this machine has no such user
      4  you are not registered, or not a custodian

    \b
    Example:
      strongroom role grant jdoe investigator
    """
    from catalog.register import grant_role
    from ledger.actors import login_named

    login = login_named(user)
    if login is None:
        raise NotFoundError(f"this machine has no login user {user!r}.", next_step="Give the login name or its number.")
    granted = grant_role(layout, login, name)
    if not output.for_people:
        output.document({"actor": granted.actor, "uid": login.uid, "roles": sorted(granted.roles)})
        return
    output.text(Word("OK", Tone.GOOD), f"{user} is {granted.actor} and may act as {', '.join(sorted(granted.roles))}")
