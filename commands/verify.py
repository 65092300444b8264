"""`strongroom verify`: everything read again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.errors import Finding, UsageError
from base.escape import shown
from commands.kept_checkpoint import kept_checkpoint
from commands.options import copy_option, output_options
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from catalog.verification_result import Verification
    from hashing.sample import Sample

NEW_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("names", nargs=-1, metavar="[ITEM|DROP]...")
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint kept from an earlier visit, or a receipt with one inside; repeatable.",
)
@click.option("--sample", metavar="P%", help="Read only this part of the objects, chosen by --seed.")
@click.option("--seed", metavar="TEXT", help="What the sample is chosen by; the same seed gives the same sample.")
@click.option("--first-bad", is_flag=True, help="Stop at the first bad record.")
@click.option("--resume", metavar="FILE", type=NEW_FILE, help="Keep in FILE what was read, and go on from there.")
@click.option("--report", metavar="FILE", type=NEW_FILE, help="Write the JSON document into this new file too.")
@copy_option
@output_options("verify", stream=False)
@click.pass_context
def verify(
    ctx: click.Context,
    layout: StoreLayout,
    names: tuple[str, ...],
    against: tuple[Path, ...],
    sample: str | None,
    seed: str | None,
    first_bad: bool,
    resume: Path | None,
    report: Path | None,
    output: Output,
) -> None:
    """Read everything again, check it, and list ALL damage found. Changes nothing.

    Checked: every entry, its signature and its place in the chain, the tiles, the root and the checkpoints, every
    opening, every sealed object and every derived one as the disk gives it now, and the catalogue. With ITEM or DROP
    the whole log, and of the objects only those asked for.

    \b
    Exit status:
      0   everything that was asked for was checked and is good
      2   a FILE is no checkpoint, or exists and must not; a wrong --sample
      3   no such ITEM or DROP
      6   something could not be checked, or only a sample was read
      20  at least one sealed file differs from its record or is missing
      21  the log is damaged, rolled back or forked: stop, and call the custodian
      22  the catalogue differs from the log: rebuild it

    \b
    Example:
      strongroom verify --against kept-2026-08.checkpoint
    """
    from catalog.verification import Asked, verify_store
    from commands.verify_progress import VerifyProgress

    if names and (sample or resume):
        raise UsageError("ITEM or DROP goes with neither --sample nor --resume.", next_step="Leave one of them out.")
    chosen = _sample(sample, seed)
    _refuse_existing(report, layout)
    kept = [kept_checkpoint(path) for path in against]
    asked = Asked(against=kept, scope=names, sample=chosen, first_bad=first_bad, resume=resume)
    with VerifyProgress(resume) as progress:
        result = verify_store(layout, asked, progress=progress)
    document = {"schema": output.schema, **result.as_json()}
    if report is not None:
        _write_report(report, document)
    if output.for_people:
        _tell(output, result)
    else:
        output.document(document)
    ctx.exit(result.exit_code)


def _sample(percent: str | None, seed: str | None) -> Sample | None:
    from hashing.sample import parse_sample

    if (percent is None) != (seed is None):
        raise UsageError("--sample and --seed go together.", next_step="Give both: the seed makes it repeatable.")
    return None if percent is None or seed is None else parse_sample(percent, seed)


def _refuse_existing(report: Path | None, layout: StoreLayout) -> None:
    """Before the long work: a report never replaces another, and never lies in the store that it is about."""
    from catalog.resumption import refuse_inside

    if report is None:
        return
    if report.exists() or report.is_symlink():
        raise UsageError(f"{shown(str(report))} exists already.", next_step="Name a new file.")
    refuse_inside(report, layout)


def _write_report(path: Path, document: dict[str, object]) -> None:
    import json
    import os

    from base import fsio

    with fsio.declared_errors(f"the report {shown(str(path))} can't be written"):
        descriptor = fsio.create(os.fsencode(path))
        try:
            fsio.write_all(descriptor, json.dumps(document, indent=2, ensure_ascii=True).encode() + b"\n")
            fsio.sync(descriptor)
        finally:
            os.close(descriptor)


def _tell(output: Output, result: Verification) -> None:
    tone = Tone.GOOD if result.exit_code == 0 else Tone.WAITING if result.exit_code == 6 else Tone.BAD
    output.text(Word(result.headline, tone))
    output.fields(result.summary())
    for finding in result.findings:
        output.text()
        output.text(Word("BAD", Tone.BAD), finding.code, finding.object)
        output.fields(_told(finding))
    for sentence in result.not_checked:
        output.text(Word("NOT CHECKED", Tone.WAITING), sentence)


def _told(finding: Finding) -> list[tuple[str, str]]:
    last_good = [] if finding.last_good is None else [("last good", finding.last_good)]
    return [("expected", finding.expected), ("found", finding.found), *last_good, ("it means", finding.meaning)]
