"""`strongroom key rotate`: the log is closed, and its successor opened with new keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.errors import UsageError
from base.escape import shown
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:  # imported when a command runs, so that --help starts fast
    from catalog.rotation import Rotation
    from ledger.keys.pending import Proposal

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--reason", metavar="TEXT", help="Why; kept with the entry, and not open in it.")
@click.option("--origin", metavar="NAME", help="Name of the new log; default: a random one.")
@click.option(
    "--propose", metavar="FILE", type=_FILE, help="Close nothing yet: write to FILE what root keys must endorse next."
)
@click.option("--event", metavar="EVENT", help="Record what was proposed before under this identifier.")
@click.option(
    "--endorsement",
    "endorsements",
    multiple=True,
    metavar="SIGNED",
    type=_FILE,
    help="A file that `key endorse` wrote; repeatable. With --event.",
)
@store_option
@output_options("key rotate", stream=False)
def rotate(
    reason: str | None,
    origin: str | None,
    propose: Path | None,
    event: str | None,
    endorsements: tuple[Path, ...],
    layout: StoreLayout,
    output: Output,
) -> None:
    """Change the log key: close the log for good, and go on in its successor with a new log key and recorder key.

    The last entry of the log names its successor, and the first entry of the successor names the log. Both stay in the
    store and are verified together; people, items and drops are known as before. Stop the recorder first. Keep both
    checkpoints that are printed, and back up the new keys. If it is cut off, run it again: it goes on where it was.

    Where the log has root keys, their holders endorse twice: with --propose the end of the log, which --event and
    --endorsement record; and then the beginning of the successor, in the FILE of a second --propose. In between the log
    is closed, and nothing can be recorded.

    \b
    Exit status:
      0   the log is closed, and its successor is open and sealed
      2   NAME can't be the name of a log
      3   no such proposed event
      4   you are not a custodian or not the owner of the store, NAME was used before, or endorsements are missing
      7   a recorder runs: stop it first
      21  the log is damaged, or an endorsement does not hold: nothing was closed

    \b
    Example:
      strongroom key rotate --reason "yearly change"
    """
    from catalog.rotation import Rotation, propose_rotation, rotate_endorsed, rotate_log_key
    from ledger.keys.pending import read_envelope

    if (event is None) != (not endorsements) or (event is not None and (reason or origin or propose)):
        raise UsageError("--event and --endorsement go together, and with nothing else.")
    if propose is not None:
        _show_proposal(output, propose_rotation(layout, origin=origin, reason=reason), propose)
    elif event is not None:
        made = rotate_endorsed(layout, event, list(dict.fromkeys(map(read_envelope, endorsements))))
        if isinstance(made, Rotation):
            _show_rotation(output, made)
        else:
            _show_closed(output, made)
    else:
        _show_rotation(output, rotate_log_key(layout, origin=origin, reason=reason))


def _show_proposal(output: Output, proposal: Proposal, target: Path) -> None:
    from catalog.key_changes import write_new
    from ledger.keys.pending import encode_proposal

    write_new(target, encode_proposal(proposal), mode=0o600)
    if not output.for_people:
        output.document({"event": proposal.event.event, "type": proposal.event.type.name, "file": str(target)})
        return
    output.text(Word("WAITS", Tone.WAITING), f"{proposal.event.type.name} ({proposal.event.event}) must be endorsed")
    output.note("Let the holders of root keys endorse it, each on their machine:")
    output.note(f"  strongroom key endorse {shown(target.name)} --key KEY -o SIGNED")
    output.note("Then:", f"strongroom key rotate --event {proposal.event.event} --endorsement SIGNED ...")


def _show_closed(output: Output, opening: Proposal) -> None:
    """Say that the log has ended, and what its successor waits for."""
    if not output.for_people:
        output.document({"event": opening.event.event, "type": opening.event.type.name, "file": None})
        return
    output.text(Word("CLOSED", Tone.WAITING), f"{opening.log} goes on as soon as its first entry is endorsed")
    output.note("Nothing can be recorded until then. Write it out with: strongroom key rotate --propose FILE")


def _show_rotation(output: Output, rotation: Rotation) -> None:
    from hashing.words import spoken_form

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
