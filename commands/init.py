"""`strongroom init`: a new store."""

from __future__ import annotations

import os
from pathlib import Path

import click

from base.config import settings_text
from commands.options import DEFAULT_STORE, output_options
from commands.output import Output, Tone, Word


@click.command()
@click.argument("directory", metavar="[DIR]", default=DEFAULT_STORE, type=click.Path(path_type=Path))
@click.option("--origin", metavar="NAME", help="Name of the log; random when left out. It is public for ever.")
@click.option(
    "--share", "shares", multiple=True, metavar="DIR", type=click.Path(), help="A share to watch; repeatable."
)
@click.option(
    "--root-key",
    "root_keys",
    multiple=True,
    metavar="PUB",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Public key (PEM) of somebody who must agree when keys change; repeatable.",
)
@click.option("--root-threshold", type=click.IntRange(min=0), metavar="N", help="How many of them must; default: all.")
@click.option(
    "--passphrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Protect the private keys by the passphrase in the first line of FILE.",
)
@output_options("init", stream=False)
def init(
    directory: Path,
    origin: str | None,
    shares: tuple[str, ...],
    root_keys: tuple[Path, ...],
    root_threshold: int | None,
    passphrase_file: Path | None,
    output: Output,
) -> None:
    """Make a store in DIR (default ./strongroom-store): keys, log, catalogue and settings.

    The login user who runs this becomes the first registered person, with all roles. Root keys can be named only here:
    without them a custodian changes keys alone.

    \b
    Exit status:
      0  the store is made
      2  a name or option can't be used, or a share and the store overlap
      4  DIR is not empty
      8  DIR is on a network or FUSE file system, or can't be written

    \b
    Example:
      strongroom init /srv/strongroom --share /srv/drops
    """
    from catalog.rebuild import rebuild
    from ingest.share_roots import refuse_overlapping
    from ledger.actors import current_login
    from ledger.founding import RootKeys, default_origin, found_store
    from ledger.keys.file import read_passphrase
    from ledger.keys.persons import read_public_key
    from ledger.layout import StoreLayout

    layout = StoreLayout(directory.absolute())
    roots = tuple(os.fsencode(os.path.abspath(share)) for share in shares)
    refuse_overlapping(layout.root, roots)
    founded = found_store(
        layout,
        origin=origin or default_origin(),
        settings=settings_text(shares=roots),
        login=current_login(os.getuid()),
        roots=RootKeys(
            keys=tuple(read_public_key(path) for path in root_keys),
            threshold=len(root_keys) if root_threshold is None else root_threshold,
        ),
        passphrase=None if passphrase_file is None else read_passphrase(passphrase_file),
    )
    rebuild(layout)
    if not output.for_people:
        output.document(
            {
                "store": str(layout.root),
                "origin": founded.origin,
                "log_vkey": founded.log_vkey,
                "recorder_keyid": founded.recorder_keyid,
                "root_threshold": len(root_keys) if root_threshold is None else root_threshold,
                "checkpoint": {"size": founded.checkpoint.size, "root": founded.checkpoint.root.hex},
            }
        )
        return
    output.text(Word("OK", Tone.GOOD), f"a new store is in {layout.root}")
    output.fields(
        [
            ("origin of the log", founded.origin),
            ("log key (public)", founded.log_vkey),
            ("recorder key id", founded.recorder_keyid),
            ("checkpoint", f"size {founded.checkpoint.size}, root {founded.checkpoint.root}"),
        ]
    )
    output.note("Keep the public log key outside this machine: with it anybody can check the log.")
    output.note("Next: strongroom watch --store", str(layout.root))
