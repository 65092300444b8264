"""`strongroom key rotate`: the log is closed, and its successor opened with new keys."""

from __future__ import annotations

import click

from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout


@click.command()
@click.option("--reason", metavar="TEXT", help="Why; kept with the entry, and not open in it.")
@click.option("--origin", metavar="NAME", help="Name of the new log; default: a random one.")
@store_option
@output_options("key rotate", stream=False)
def rotate(reason: str | None, origin: str | None, layout: StoreLayout, output: Output) -> None:
    """Change the log key: close the log for good, and go on in its successor with a new log key and recorder key.

    The last entry of the log names its successor, and the first entry of the successor names the log. Both stay in the
    store and are verified together; people, items and drops are known as before. Stop the recorder first. Keep both
    checkpoints that are printed, and back up the new keys. If it is cut off, run it again: it goes on where it was.

    \b
    Exit status:
      0   the log is closed, and its successor is open and sealed
      2   NAME can't be the name of a log
      4   you are not a custodian or not the owner of the store, NAME was used before, or root keys must agree
      7   a recorder runs: stop it first
      21  the log is damaged: nothing was closed

    \b
    Example:
      strongroom key rotate --reason "yearly change"
    """
    from catalog.rotation import rotate_log_key
    from hashing.words import spoken_form

    rotation = rotate_log_key(layout, origin=origin, reason=reason)
    old, new = rotation.done.predecessor, rotation.done.successor
    old_words, new_words = " ".join(spoken_form(old.text())), " ".join(spoken_form(new.text()))
    if not output.for_people:
        output.document(
            {
                "closed": {"origin": old.origin, "size": old.size, "root": str(old.root), "words": old_words},
                "opened": {"origin": new.origin, "size": new.size, "root": str(new.root), "words": new_words},
                "log_vkey": rotation.done.log_vkey,
                "was_cut_off": rotation.was_cut_off,
            }
        )
        return
    if rotation.was_cut_off:
        output.note("An earlier run was cut off: this one only brought it to its end.")
    output.text(Word("CLOSED", Tone.GOOD), f"{old.origin}, {old.size:,} entries, root {old.root}")
    output.text(Word("OPENED", Tone.GOOD), f"{new.origin}, {new.size:,} entries, root {new.root}")
    output.fields(
        [("log key", rotation.done.log_vkey), ("last words", old_words), ("first words", new_words)],
    )
    output.note("Tell whoever keeps checkpoints both names and both roots, or the words; back up the new keys:")
    output.note("  strongroom key backup -o FILE")
