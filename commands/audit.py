"""`strongroom audit`: the questions of an inspector, answered in one report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import output_options, store_option
from commands.output import Column, Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from catalog.audit.report import AuditReport
    from catalog.audit.section import Section

MOST_SHOWN = 20  # rows of a section on the terminal
_TONES = {"ok": Tone.GOOD, "note": Tone.PLAIN, "waits": Tone.WAITING}
_COUNTS = frozenset(
    (
        "entry",
        "items",
        "bytes",
        "looks",
        "searches",
        "views",
        "entries",
        "openings",
        "subjects",
        "size",
        "refused",
        "files",
    )
)
_WHOLE = frozenset(("entry", "recorded_at", "drop", "item", "thing", "reason", "outcome", "ended"))
_SPARE = frozenset(("source_manifest", "first", "limits"))
_QUESTION_MEMBERS = ("from", "to")


@click.command()
@click.option("--from", "begin", metavar="T", help="What was recorded at this time or later (UTC or offset).")
@click.option("--to", "end", metavar="T", help="What was recorded before it; a day counts whole.")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE.html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as a new HTML file, to print; the summary alone is shown.",
)
@store_option
@output_options("audit", stream=False)
@click.pass_context
def audit(
    ctx: click.Context, begin: str | None, end: str | None, path: Path | None, layout: StoreLayout, output: Output
) -> None:
    """Answer what an inspector asks, from the log: refused, missing, changed, denied, looked at, given away, lodged.

    Times are the recorder's clock. Each section says what it covers and what it cannot know. It is what the log says of
    itself; `strongroom verify` shows that the log is whole. That you asked is recorded before anything is shown.
    Auditors see no names, paths or places: they show as withheld.

    \b
    Exit status:
      0   answered; nothing waits for a person
      2   the period can't be understood
      4   you are not registered here, or have no role that allows it (recorded); or FILE exists or is in the store
      5   answered; something waits for a person: refused items, or drops with something missing
      21  the log is damaged

    \b
    Example:
      strongroom audit --from 2026-08-01 -o audit-2026-11.html
    """
    from exports.contact_sheet import refuse_existing

    if path is not None:
        refuse_existing(path, layout)
    report, page = _consult(layout, output, begin, end, as_page=path is not None)
    if path is not None:
        from exports.audit_report import write_audit

        write_audit(page, path)
    if output.for_people:
        _show(output, report, path)
    else:
        output.document({**report.as_json(), "file": None if path is None else str(path)})
    ctx.exit(5 if report.waits else 0)


def _consult(
    layout: StoreLayout, output: Output, begin: str | None, end: str | None, *, as_page: bool
) -> tuple[AuditReport, bytes]:
    """Read the log, and record that it was read: only then may the report be shown."""
    from base.clock import now
    from catalog.audit.report import audit as audit_of
    from catalog.consultation import Consultation
    from commands.log_show import in_words, read_period
    from commands.progress import Progress
    from exports.audit_report import render_audit
    from ledger.actors import actors
    from ledger.events.vocabulary import OpeningClass
    from ledger.history import classes_for
    from ledger.store_reader import StoreReader

    period = read_period(begin, end)
    with Consultation(layout, "audit") as consultation, StoreReader(layout) as log:
        output.question(f"audit of what was recorded{in_words(period) or ' so far'}, as {consultation.role}")
        classes = classes_for(consultation.role)
        users = {one.actor: one.user for one in actors(layout).values()} if OpeningClass.PERSONAL in classes else {}
        with Progress("reading the log", unit="entries") as progress:
            report = audit_of(layout, log, period=period, classes=classes, users=users, now=now(), progress=progress)
        told = report.as_json()
        terms = {name: _as_text(told[name]) for name in _QUESTION_MEMBERS}
        consultation.searched(terms=terms, results=report.items_shown())
        made_by = consultation.actor.actor
        page = render_audit(report, made_by=made_by, role=consultation.role) if as_page else b""
    return report, page


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


def _show(output: Output, report: AuditReport, path: Path | None) -> None:
    from exports.audit_report import WORDS
    from exports.page import period_text

    output.text(Word(f"Audit of {report.origin}", Tone.TITLE))
    output.fields(
        [
            ("period", period_text(report.period)),
            ("entries read", report.size),
            ("checkpoint", f"{report.sealed_size:,} entries, root {report.root}"),
        ]
    )
    for section in report.sections:
        if path is None:
            output.text()
        output.text(Word(WORDS[section.standing], _TONES[section.standing]), Word(section.title, Tone.TITLE))
        for sentence in section.says:
            output.text(" ", sentence)
        if path is None:
            _show_rows(output, section)
    if path is not None:
        output.text(Word("OK", Tone.GOOD), f"the whole report is in {path}")


def _column(name: str) -> Column:
    return Column(name.replace("_", " "), right=name in _COUNTS, whole=name in _WHOLE, spare=name in _SPARE)


def _show_rows(output: Output, section: Section) -> None:
    columns = [_column(name) for name in section.columns]
    output.table(columns, [list(row) for row in section.rows[:MOST_SHOWN]])
    hidden = len(section.rows) + section.left_out - MOST_SHOWN
    if hidden > 0:
        output.text(Word(f"  and {hidden:,} more: see --json or -o", Tone.QUIET))
    output.text(Word(f"  Covers {section.covers}. It cannot know: {section.cannot_know}", Tone.QUIET))
