"""`strongroom find`: search the catalogue."""

from __future__ import annotations

import click

from catalog.display import time_text
from catalog.items import Item
from catalog.questions import DEFAULT_LIMIT, STATES, Question, question
from catalog.search import Page
from commands.options import output_options, store_option
from commands.output import Column, Output, Tone, Word
from ledger.layout import StoreLayout

_COLUMNS = (
    Column("item", whole=True),
    Column("device time,\nunchecked, UTC", whole=True),
    Column("length", right=True, whole=True),
    Column("name"),
    Column("activity"),
    Column("state", whole=True, spare=True),
    Column("bytes", right=True, whole=True, spare=True),
    Column("type", spare=True),
)
_ACTIVITY = {
    "not-analysed": Word("not analysed", Tone.QUIET),
    "changes-seen-tier-1": Word("changes seen (tier 1)"),
    "activity": Word("activity", Tone.WAITING),
    "no-activity": Word("no activity"),
}


@click.command()
@click.argument("words", metavar="[WORD]...", nargs=-1)
@click.option("--from", "begin", metavar="T", help="Recordings that reach beyond this device time (UTC or offset).")
@click.option("--to", "end", metavar="T", help="Recordings that begin before it; a day counts whole.")
@click.option("--hash", "digest", metavar="HEX", help="SHA-256 of the file, or its first 4 digits or more.")
@click.option("--state", type=click.Choice(STATES), help="How far the items are.")
@click.option("--drop", metavar="D", help="Name of a drop, or the beginning of its identifier.")
@click.option("--limit", metavar="N", type=int, default=DEFAULT_LIMIT, show_default=True, help="Items on a page.")
@click.option("--after", metavar="CURSOR", help="Go on after a page: its `next`.")
@store_option
@output_options("find")
def find(
    words: tuple[str, ...],
    begin: str | None,
    end: str | None,
    digest: str | None,
    state: str | None,
    drop: str | None,
    limit: int,
    after: str | None,
    layout: StoreLayout,
    output: Output,
) -> None:
    """Search the catalogue: items that have all WORDs in their names or metadata, newest first.

    Times are device time: what the camera said, unchecked. A WORD that ends in * matches whatever begins so. The
    search is recorded in the log before its result is shown.

    \b
    Exit status:
      0   done, even when nothing was found
      2   the question can't be understood
      3   no such drop
      4   you are not registered here, or have no role that allows it; recorded
      22  the catalogue is missing or damaged: `strongroom catalog rebuild`

    \b
    Example:
      strongroom find gate IMG_00* --from 2026-11-23T22:00+01:00 --to 2026-11-24
    """
    understood = question(
        words=words, begin=begin, end=end, digest=digest, state=state, drop=drop, limit=limit, after=after
    )
    output.question(understood.in_words())
    page = _consult(layout, understood)
    match output.mode.value:
        case "json":
            items = [item.as_json() for item in page.items]
            output.document({"question": understood.as_json(), "items": items, **_rest(page, understood)})
        case "jsonl":
            for item in page.items:
                output.line(dict(item.as_json()))
            output.line({"event": "summary", "items": len(page.items), **_rest(page, understood)})
        case _:
            _show(output, page)
            if understood.hint is not None:
                output.text(understood.hint)


def _consult(layout: StoreLayout, understood: Question) -> Page:
    """Search, and record that it was done: only then may the page be shown."""
    from catalog.bring_forward import CONSULTATIONS, bring_forward_unless_only
    from catalog.consultation import Consultation
    from catalog.search import search

    with Consultation(layout, "find") as consultation:
        bring_forward_unless_only(layout, CONSULTATIONS)
        page = search(layout.catalogue, understood)
        consultation.searched(terms=understood.as_json(), results=[item.item for item in page.items])
    return page


def _rest(page: Page, understood: Question) -> dict[str, object]:
    return {"next": page.next, "without_device_time": page.without_time, "hint": understood.hint}


def _show(output: Output, page: Page) -> None:
    output.table(_COLUMNS, [_row(item) for item in page.items])
    if not page.items:
        output.text("Nothing found.")
    if page.without_time:
        are = "item fits, but has" if page.without_time == 1 else "items fit, but have"
        output.text(f"{page.without_time:,} more {are} no device time and can't be placed in an interval.")
    if page.next is not None:
        output.text("More: --after", page.next)


def _row(item: Item) -> tuple[Word | str | int | None, ...]:
    start = time_text(item.device_start_us)
    return (
        item.item,
        None if start is None else start.replace("T", " ").rstrip("Z"),
        length_text(item.duration_us),
        item.source_name or Word("withheld", Tone.QUIET),
        activity_word(item.activity),
        item.state,
        item.size_bytes,
        item.media_type,
    )


def activity_word(code: str) -> Word:
    """Return what an activity code says, in words. A code that is not known here is shown as it is."""
    return _ACTIVITY.get(code, Word(code))


def length_text(microseconds: int | None) -> str | None:
    """Return a length as hours, minutes and seconds."""
    if microseconds is None:
        return None
    whole = microseconds // 1_000_000
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
