"""`strongroom watch`: the service."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.config import read_settings
from base.errors import WaitingError, worst_exit_code
from commands.options import output_options, store_option
from commands.output import Mode, Output, Tone, Word
from commands.watch_progress import WatchProgress
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from ingest.pipeline import Summary

_ANY_PATH = click.Path(path_type=Path, readable=False)  # one that can't be read is a share that is unreachable
_TONES = {"held": Tone.GOOD, "safe": Tone.GOOD, "problem": Tone.BAD}


@click.command()
@click.option("--once", is_flag=True, help="Settle and take what is there, analyse it, and exit.")
@click.option("--share", "shares", multiple=True, metavar="DIR", type=_ANY_PATH, help="Watch DIR; repeatable.")
@click.option("--no-analysis", is_flag=True, help="Only seal; `strongroom analyse` or a later run looks at the items.")
@click.option("--accept-move", is_flag=True, help="The store was moved on purpose: record that, and go on.")
@store_option
@output_options("watch")
@click.pass_context
def watch(
    ctx: click.Context,
    layout: StoreLayout,
    shares: tuple[Path, ...],
    output: Output,
    *,
    once: bool,
    accept_move: bool,
    no_analysis: bool,
) -> None:
    """Take footage from the shares into evidence, until told to stop.

    Shares are those of strongroom.toml, or those given with --share in their place. Sources are never changed.

    \b
    Exit status:
      0    stopped as told; nothing waits for a person
      4    the store is open to others, belongs to another account, or was moved
      5    something was refused, is a problem, or did not settle (see `strongroom status`)
      7    another recorder holds this store
      8    a share is unreachable, or the disk of the store refuses
      10   a sync to disk failed: start it again
      21   the log was rolled back or changed: stop, and call the custodian
      22   the catalogue can't follow; what was told is sealed all the same
      143  stopped by SIGTERM (130 by Ctrl-C): what was told is sealed, the rest is taken at the next start

    \b
    Example:
      strongroom watch --once --share /srv/drops
    """
    from ingest.share_roots import refuse_overlapping
    from ingest.watcher import Watcher

    settings = read_settings(layout.settings)
    if shares:
        settings = replace(settings, shares=tuple(os.fsencode(os.path.abspath(share)) for share in shares))
    if not settings.shares:
        raise click.UsageError("no share to watch: name one with --share DIR, or in strongroom.toml.")
    refuse_overlapping(layout.root, settings.shares)
    stopped = _StopRequest()
    with WatchProgress() as progress:

        def tell(line: Mapping[str, object]) -> None:
            progress.clear()
            _tell(output, line)

        watcher = Watcher(
            layout,
            settings,
            tell=tell,
            told=output.flush,
            audience=progress,
            stop=stopped.is_set,
            accept_move=accept_move,
            analyse=not no_analysis,
        )
        with watcher:
            for root in settings.shares:
                output.note("Watching", os.fsdecode(root))
            summary = watcher.run_once() if once else watcher.run()
    _show_summary(output, summary)
    if stopped.signal:
        output.note(
            f"Stopped by {signal.Signals(stopped.signal).name}. What was told is sealed and stays so; the rest is "
            "untouched in the shares. Start again to go on."
        )
    ctx.exit(128 + stopped.signal if stopped.signal else _exit_code(summary))


class _StopRequest:
    """Remembers the first SIGTERM or SIGINT, so that the recorder can end between two steps."""

    def __init__(self) -> None:
        self.signal = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, _frame: object) -> None:
        self.signal = self.signal or number

    def is_set(self) -> bool:
        return self.signal != 0


def _exit_code(summary: Summary) -> int:
    waiting = WaitingError.exit_code if summary.items_waiting or summary.drops_waiting else 0
    return worst_exit_code([waiting, *(failure.exit_code for failure in summary.failures)])


def _tell(output: Output, line: Mapping[str, object]) -> None:
    """Say one thing that happened: as a JSON line, or as a line of text."""
    if output.mode is Mode.JSONL:
        # One of thousands: the end of its batch lets all of them out together.
        output.line(line, at_once=line["event"] != "item.sealed")
        return
    if not output.for_people:
        return
    match line["event"]:
        case "item.sealed":
            output.text(Word("SEALED", Tone.GOOD), f"{line['item']}  {line['size_bytes']:,} bytes  {line['sha256']}")
        case "item.refused":
            output.text(Word("REFUSED", Tone.BAD), f"something in {line['drop']}: {line['reason']}")
        case "item.analysed":
            output.text(
                Word("LOOKED AT", Tone.QUIET), f"{line['item']}: {line['outcome']}, {line['keyframes']} pictures"
            )
        case "drop.state":
            state = str(line["state"])
            counts = f"{line['sealed']} of {line['files']} files sealed, {line['bytes']:,} bytes"
            output.text(
                Word(state.upper(), _TONES.get(state, Tone.WAITING)), f"{line['name']}  ({line['drop']})  {counts}"
            )
        case "store.waiting" | "catalogue.waiting" | "share.waiting":
            output.note(Word("WAITING", Tone.BAD), str(line["reason"]))
            output.note("Next:", str(line["next"]))


def _show_summary(output: Output, summary: Summary) -> None:
    line = summary.line()
    if output.mode is Mode.JSONL:
        output.line(line)
    elif output.mode is Mode.JSON:
        output.document(line)
    else:
        size = "none" if summary.checkpoint is None else f"size {summary.checkpoint.size}"
        output.text(
            f"{summary.drops} drops, {summary.items_sealed} items sealed, {summary.items_waiting} waiting, log {size}"
        )
    for failure in summary.failures:
        output.note(Word("WAITING", Tone.BAD), str(failure))
        output.note("Next:", failure.next_step)
