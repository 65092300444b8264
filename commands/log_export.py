"""`strongroom log export`: a part of the log to give away, with its proofs and its own receipt."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.errors import RefusedError, UsageError
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from exports.log_export import LogExport
    from ledger.events.vocabulary import OpeningClass

CLASSES = ("internal", "sensitive", "personal", "text")  # of openings; a test compares them with the vocabulary
LEAST = frozenset({"internal"})  # what goes out when nothing is said: no names, paths, places or free text
LONGEST_PURPOSE = 1000  # characters


@click.command()
@click.argument("identifiers", metavar="[ID]...", nargs=-1)
@click.option("--purpose", metavar="TEXT", required=True, help="Why, and for whom; it is recorded, and not exported.")
@click.option("--from", "begin", metavar="T", help="Entries recorded at this time or later (UTC or offset).")
@click.option("--to", "end", metavar="T", help="Entries recorded before it; a day counts whole.")
@click.option("--with", "added", multiple=True, type=click.Choice(CLASSES), help="Openings to add; repeatable.")
@click.option(
    "--without", "removed", multiple=True, type=click.Choice(CLASSES), help="Openings to leave out; repeatable."
)
@click.option(
    "-o", "target", metavar="DIR", required=True, type=click.Path(path_type=Path), help="A new or empty directory."
)
@store_option
@output_options("log export", stream=False)
def export(
    identifiers: tuple[str, ...],
    purpose: str,
    begin: str | None,
    end: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    target: Path,
    layout: StoreLayout,
    output: Output,
) -> None:
    """Write the history of each ID, or of the whole log or a period, to DIR: entries, openings, proofs, a page to read.

    Of the hidden values only those of the class `internal` go out (who did it, links between entries), unless --with
    adds more: `sensitive` (places, paths, devices, techniques), `personal`, `text` (free text). What is left out is
    counted, and the entries verify without it. The log gets an entry that names the digest of the export before the
    first byte is written; HOW-TO-CHECK.txt says how a stranger checks all of it.

    \b
    Exit status:
      0   written
      2   too many entries, none at all, or a period or purpose that can't be used
      3   no such item, drop or person
      4   DIR is not empty or in the store; a class that you may not see; or no role that allows it (recorded)
      8   DIR can't be written
      21  the log is damaged: nothing was exported

    \b
    Example:
      strongroom log export item_7K3M --purpose "defence, case 12/26" -o export-for-the-defence
    """
    from exports.log_export_files import positions_text, write_log_export
    from exports.log_receipt import refuse_used
    from ledger.events.vocabulary import OpeningClass

    _refuse_purpose(purpose)
    classes = frozenset(OpeningClass(name) for name in (LEAST | set(added)) - set(removed))
    refuse_used(target, layout)
    made, recorded_at = _record(layout, output, identifiers, (begin, end), classes, purpose)
    size = write_log_export(made, layout, target, recorded_at=recorded_at)
    if not output.for_people:
        output.document(_told(made, recorded_at, target, size))
        return
    output.text(Word("OK", Tone.GOOD), f"{len(made.entries):,} entries with their proofs, of a log of {size:,}")
    output.fields(
        [
            ("openings", f"{made.openings:,}, of the classes {', '.join(made.classes) or 'none'}"),
            ("left out", f"{made.withheld:,} values" + _classes_left_out(classes)),
            ("recorded", f"as entry {positions_text(recorded_at)}"),
        ]
    )
    output.note("Next: whoever gets it needs the public log key by another way; see HOW-TO-CHECK.txt.")


def _record(
    layout: StoreLayout,
    output: Output,
    identifiers: tuple[str, ...],
    interval: tuple[str | None, str | None],
    classes: Set[OpeningClass],
    purpose: str,
) -> tuple[LogExport, tuple[int, ...]]:
    """Make the export ready and record it: only then may it be written. Return it with the positions of its entries."""
    from catalog.consultation import Consultation
    from commands.log_show import in_words, read_period
    from exports.log_export import log_export
    from ledger.history import classes_for, history_of, thing_named
    from ledger.store_reader import StoreReader

    period = read_period(*interval)
    with Consultation(layout, "log-export") as consultation:
        _refuse_classes(classes, classes_for(consultation.role), consultation.role)
        with StoreReader(layout) as log:
            names = list(dict.fromkeys(thing_named(log, text) for text in identifiers))
            wanted: list[str | None] = [*names] or [None]
            histories = [history_of(log, name, period=period) for name in wanted]
            output.question(f"export of {', '.join(names) or 'the whole log'}{in_words(period)}")
            made = log_export(
                layout,
                log,
                names=names,
                places=sorted({seq for history in histories for seq in history.seqs}),
                period=period,
                classes=classes,
                made_by=consultation.actor.actor,
            )
        recorded_at = consultation.exported(
            items=made.items,
            names=made.names,
            entries=len(made.entries),
            openings=made.openings,
            withheld=made.withheld,
            classes=made.classes,
            sha256=made.digest,
            purpose=purpose,
        )
    return made, recorded_at


def _refuse_purpose(purpose: str) -> None:
    if not purpose.strip() or len(purpose) > LONGEST_PURPOSE:
        raise UsageError(
            f"--purpose is a text of 1 to {LONGEST_PURPOSE:,} characters.",
            next_step="Say why and for whom: it stands in the log.",
        )


def _refuse_classes(wanted: Set[OpeningClass], may_see: Set[OpeningClass], role: str) -> None:
    """Raise RefusedError for a class that the person may not see: what may not be seen can't be given away."""
    beyond = sorted(str(each) for each in wanted - may_see)
    if beyond:
        raise RefusedError(
            f"as {role} you may not see openings of the class {', '.join(beyond)}, and so not export them. "
            "Nothing was exported.",
            next_step="Leave them out, or ask a custodian.",
        )


def _classes_left_out(classes: Set[OpeningClass]) -> str:
    out = [name for name in CLASSES if name not in map(str, classes)]
    return f"; nothing of the classes {', '.join(out)}" if out else ""


def _told(made: LogExport, recorded_at: tuple[int, ...], target: Path, size: int) -> dict[str, object]:
    return {
        "names": list(made.names),
        "entries": len(made.entries),
        "openings": made.openings,
        "withheld": made.withheld,
        "classes": list(made.classes),
        "sha256": str(made.digest),
        "recorded_as": list(recorded_at),
        "checkpoint_size": size,
        "directory": str(target),
    }
