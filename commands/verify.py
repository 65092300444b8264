"""`strongroom verify`: everything read again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.errors import Finding, UsageError
from base.escape import shown
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from ledger.kept import KeptNote


@click.command()
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint kept from an earlier visit; repeatable.",
)
@store_option
@output_options("verify", stream=False)
@click.pass_context
def verify(ctx: click.Context, layout: StoreLayout, against: tuple[Path, ...], output: Output) -> None:
    """Read everything again, check it, and list ALL damage found. Changes nothing.

    Checked: every entry, its signature and its place in the chain, the tiles, the root and the checkpoints, every
    opening, every sealed object and every derived one as the disk gives it now, and the catalogue.

    \b
    Exit status:
      0   everything was checked and is good
      2   a FILE is no checkpoint at all
      6   something could not be checked
      20  at least one sealed file differs from its record or is missing
      21  the log is damaged, rolled back or forked: stop, and call the custodian
      22  the catalogue differs from the log: rebuild it

    \b
    Example:
      strongroom verify --against kept-2026-08.checkpoint
    """
    from catalog.verification import verify_store
    from commands.progress import Progress

    kept = [_kept_note(path) for path in against]
    with Progress("verifying") as progress:
        result = verify_store(layout, against=kept, progress=progress)
    if not output.for_people:
        output.document(result.as_json())
        ctx.exit(result.exit_code)
    tone = Tone.GOOD if result.exit_code == 0 else Tone.WAITING if result.exit_code == 6 else Tone.BAD
    output.text(Word(result.headline, tone))
    output.fields(result.summary())
    for finding in result.findings:
        output.text()
        output.text(Word("BAD", Tone.BAD), finding.code, finding.object)
        output.fields(_told(finding))
    for sentence in result.not_checked:
        output.text(Word("NOT CHECKED", Tone.WAITING), sentence)
    ctx.exit(result.exit_code)


def _kept_note(path: Path) -> KeptNote:
    """Return the checkpoint kept in a file. Raises UsageError for any other: it tells nothing of the log."""
    from hashing.note import MAX_NOTE_BYTES, NoteError, parse_note
    from ledger.kept import KeptNote

    try:
        with path.open("rb") as file:
            data = file.read(MAX_NOTE_BYTES + 1)
        parse_note(data)
    except (OSError, NoteError) as error:
        raise UsageError(
            f"{shown(str(path))} is no checkpoint: {error}. Nothing was checked.",
            next_step="Give a file that `strongroom checkpoint show` made, byte for byte.",
        ) from error
    return KeptNote(file=str(path), note=data)


def _told(finding: Finding) -> list[tuple[str, str]]:
    last_good = [] if finding.last_good is None else [("last good", finding.last_good)]
    return [("expected", finding.expected), ("found", finding.found), *last_good, ("it means", finding.meaning)]
