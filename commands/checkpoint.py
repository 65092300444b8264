"""`strongroom checkpoint`: the signed checkpoint, shown and compared. Lodging and witnesses have files of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.errors import LedgerError
from base.escape import shown
from commands.checkpoint_cosign import cosign
from commands.checkpoint_lodge import lodge
from commands.kept_checkpoint import kept_checkpoint
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from ledger.kept import KeptAnswer, KeptNote


@click.group()
def checkpoint() -> None:
    """The signed checkpoint of the log: what an auditor keeps from one visit to the next."""


checkpoint.add_command(lodge)
checkpoint.add_command(cosign)


@checkpoint.command()
@click.option("--words", is_flag=True, help="Print the seven words of the spoken form instead.")
@store_option
@output_options("checkpoint show", stream=False)
def show(layout: StoreLayout, output: Output, *, words: bool) -> None:
    """Print the newest checkpoint: the signed note itself, byte for byte.

    The seven words are for the telephone or the radio: they find mistakes and old copies, and prove nothing against
    whoever runs the log.

    \b
    Exit status:
      0   the checkpoint was printed
      21  the log has none, or it does not verify

    \b
    Example:
      strongroom checkpoint show > kept-2026-11.checkpoint
    """
    from hashing.words import spoken_form
    from ledger.reader import LogReader

    with LogReader(layout) as log:
        newest = log.newest()
    if not output.for_people:
        output.document(
            {
                "origin": newest.checkpoint.origin,
                "size": newest.checkpoint.size,
                "root": newest.checkpoint.root.hex,
                "note": newest.note.decode("utf-8"),
                "words": list(spoken_form(newest.checkpoint.text())),
            }
        )
        return
    if words:
        output.text(" ".join(spoken_form(newest.checkpoint.text())))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(newest.note)
    sys.stdout.buffer.flush()


@checkpoint.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@store_option
@output_options("checkpoint check", stream=False)
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...], layout: StoreLayout, output: Output) -> None:
    """Hold checkpoints that somebody kept against the log as it is now. Changes nothing, and reads no entry.

    FILE is a checkpoint, or a receipt (NAME.tlog-proof) with one inside; also one of a log that this one continues.
    `verify --against` does the same, and reads everything else too.

    \b
    Answers:
      SAME         it is the newest checkpoint of this log
      CONTINUED    this log goes on from it
      ROLLED BACK  it covers more entries than this log has: the log was put back
      SPLIT VIEW   the same size and another root: two people were shown different logs
      FORK         at its size this log had another root: it was written a second time from there
      OTHER LOG    it is of another log: the store was replaced, or FILE belongs to another store
      NOT SIGNED   it names this log, and the key of this log did not sign it

    \b
    Exit status:
      0   this log continues every FILE
      2   a FILE is no checkpoint at all
      21  it does not: stop, and call the custodian

    \b
    Example:
      strongroom checkpoint check kept-2026-08.checkpoint card-3.tlog-proof
    """
    from ledger.memories import hold_against_all
    from ledger.reader import LogReader

    kept = [kept_checkpoint(path) for path in files]
    with LogReader(layout) as log:
        newest, key = log.sealed(), log.trust.log_key
    answers = hold_against_all(layout, newest, key, kept)
    is_good = all(answer.verdict.is_good for _, answer in answers)
    if output.for_people:
        for note, answer in answers:
            output.text(*_told(note, answer, of_open_log=answer.origin == newest.origin))
        output.fields([("this log", f"{newest.origin}, {newest.size:,} sealed entries, root {newest.root}")])
    else:
        output.document(
            {
                "log": {"origin": newest.origin, "size": newest.size, "root": newest.root.hex},
                "answers": [
                    {
                        "file": note.file,
                        "verdict": str(answer.verdict),
                        "origin": answer.origin,
                        "size": answer.size,
                        "root": None if answer.root is None else answer.root.hex,
                        "found": answer.found,
                    }
                    for note, answer in answers
                ],
            }
        )
    ctx.exit(0 if is_good else LedgerError.exit_code)


_WORDS = {
    "same": ("SAME", "it is the newest checkpoint of this log"),
    "extension": ("CONTINUED", "this log goes on from it"),
    "rolled-back": ("ROLLED BACK", "it covers more entries than this log has: the log was put back"),
    "split-view": ("SPLIT VIEW", "the same size and another root: two people were shown different logs"),
    "fork": ("FORK", "at its size this log had another root: it was written a second time from there"),
    "other-log": ("OTHER LOG", "the store was replaced, or the file belongs to another store"),
    "invalid": ("NOT SIGNED", "it names this log, and the key of this log did not sign it"),
}


def _told(note: KeptNote, answer: KeptAnswer, *, of_open_log: bool) -> tuple[Word | str, ...]:
    word, meaning = _WORDS[answer.verdict]
    if answer.origin is not None and not of_open_log and answer.verdict != "other-log":
        meaning += f" (said of {answer.origin}, which this log continues)"
    size = "" if answer.size is None else f"size {answer.size:,}:"
    tone = Tone.GOOD if answer.verdict.is_good else Tone.BAD
    return (Word(word, tone), shown(note.file), size, meaning)
