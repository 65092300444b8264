"""`strongroom show`: everything about one item or drop."""

from __future__ import annotations

import click

from catalog.details import DropDetails, EventLine, ItemDetails
from catalog.display import time_text
from commands.options import output_options, store_option
from commands.output import Cell, Column, Output, Tone, Word
from commands.search import activity_word, length_text
from ledger.layout import StoreLayout

_EVENTS = (Column("entry", right=True), Column("recorded", whole=True), Column("event"), Column("by", whole=True))
_PICTURES = (
    Column("picture", right=True),
    Column("at", right=True),
    Column("frame", right=True),
    Column("reason"),
    Column("change", right=True),  # mean luma difference from the intra frame before, 0 to 255
    Column("sha256", whole=True),
)


@click.command()
@click.argument("identifier", metavar="ID")
@store_option
@output_options("show", stream=False)
def show(identifier: str, layout: StoreLayout, output: Output) -> None:
    """Show everything that is known of ID, an item or a drop, and what is not known.

    ID may be cut to its first characters (4 or more after the underscore). Lengths in h:mm:ss, sizes in bytes; device
    times are what the camera said, unchecked. The look is recorded in the log before anything is shown.

    \b
    Exit status:
      0   shown
      3   no such item or drop, or more than one
      4   you are not registered here, or have no role that allows it; recorded
      22  the catalogue is missing or damaged: `strongroom catalog rebuild`

    \b
    Example:
      strongroom show item_7K3M
    """
    output.question(f"everything about {identifier}")
    details = _consult(layout, identifier)
    if not output.for_people:
        output.document(details.as_json())
    elif isinstance(details, ItemDetails):
        _show_item(output, details)
    else:
        _show_drop(output, details)


def _consult(layout: StoreLayout, identifier: str) -> ItemDetails | DropDetails:
    """Look it up, and record that it is looked at: only then may it be shown."""
    from catalog.bring_forward import bring_forward_unless_only
    from catalog.consultation import Consultation
    from catalog.detail_rows import read_details

    with Consultation(layout, "show") as consultation:
        # Searches and refusals have no item and no drop as their subject: nothing of them would be shown.
        bring_forward_unless_only(layout, frozenset({"consulted.search", "access.denied"}))
        details = read_details(layout.catalogue, identifier)
        if isinstance(details, ItemDetails):
            consultation.viewed(items={details.item.item: details.item.sha256})
        else:
            items = {item.item: item.sha256 for item in details.items}
            consultation.viewed(items=items, links={"drop": details.drop})
    return details


def _show_item(output: Output, details: ItemDetails) -> None:
    item, analysis = details.item, details.analysis
    start, end = time_text(item.device_start_us), time_text(item.device_end_us)
    output.fields(
        [
            ("item", Word(item.item, Tone.TITLE)),
            ("name", item.source_name or Word("withheld", Tone.QUIET)),
            ("drop", f"{item.drop} ({item.drop_name})"),
            ("sha256", str(item.sha256)),
            ("bytes", item.size_bytes),
            ("type", item.media_type),
            ("device time, unchecked, UTC", None if start is None else f"{start} to {end}"),
            ("length", length_text(item.duration_us)),
            ("state", item.state),
            ("activity", activity_word(item.activity)),
            ("looked at", _tiers_text(details)),
            ("verified copies", item.copies),
        ]
    )
    if analysis is not None and analysis.gave_result:
        output.fields([(f"frames {name}", count) for name, count in analysis.frames.items()])
    _show_findings(output, details)
    _show_pictures(output, details)
    _show_metadata(output, details)
    _show_events(output, details.events)
    _heading(output, "not known")
    output.fields((what.replace("_", " "), why.replace("-", " ")) for what, why in details.unknown())


def _tiers_text(details: ItemDetails) -> str:
    match details.tiers:
        case ():
            return "nothing was looked at frame by frame"
        case (1,):
            return "tier 1: packets and intra frames; an event between two of them would not show"
        case tiers:
            return f"tiers {', '.join(map(str, tiers))}: every frame"


def _show_findings(output: Output, details: ItemDetails) -> None:
    rows: list[tuple[Cell, ...]] = [
        (Word(span.what or "", Tone.WAITING), _span_text(span.start_us, span.end_us)) for span in details.findings
    ]
    rows += [("activity", _span_text(span.start_us, span.end_us)) for span in details.activity]
    if rows:
        _heading(output, "findings")
        output.table((Column("what"), Column("where", whole=True)), rows)


def _span_text(start_us: int | None, end_us: int | None) -> str:
    if start_us is None:
        return "the whole item"
    return f"{length_text(start_us)} to {length_text(end_us) or 'the end'}"


def _show_pictures(output: Output, details: ItemDetails) -> None:
    if details.keyframes:
        _heading(output, "pictures (see them with `strongroom sheet`)")
        output.table(
            _PICTURES,
            [
                (
                    picture.number,
                    length_text(picture.time_us),
                    picture.frame,
                    picture.reason,
                    picture.luma_difference,
                    str(picture.sha256),
                )
                for picture in details.keyframes
            ],
        )


def _show_metadata(output: Output, details: ItemDetails) -> None:
    _heading(output, "metadata, each value as one program read it")
    output.table(
        (Column("source", whole=True), Column("key"), Column("value")),
        [(one.source, one.key, one.value) for one in details.metadata],
    )
    if not details.metadata:
        output.text("none")
    if details.metadata_withheld:
        output.text(Word(f"{details.metadata_withheld} values are withheld: serials, positions, names, free text."))


def _show_events(output: Output, events: tuple[EventLine, ...]) -> None:
    """Show what happened; looks are counted, the log has each of them."""
    looks = [event for event in events if event.type == "consulted.view"]
    _heading(output, "custody")
    told = [event for event in events if event.type != "consulted.view"]
    if len({event.log for event in told}) > 1:  # positions begin again with each log
        output.table((Column("log", whole=True), *_EVENTS), [(event.log, *_event_row(event)) for event in told])
    else:
        output.table(_EVENTS, [_event_row(event) for event in told])
    output.text(f"Looked at {len(looks)} times before by {len({event.actor for event in looks})} people.")


def _event_row(event: EventLine) -> tuple[Cell, ...]:
    what = event.type if event.known else f"{event.type} (of a newer version)"
    return event.seq, time_text(event.recorded_us), what, event.actor or "the service"


def _show_drop(output: Output, details: DropDetails) -> None:
    output.fields(
        [
            ("drop", Word(details.drop, Tone.TITLE)),
            ("name", details.name or Word("withheld", Tone.QUIET)),
            ("share", details.share or Word("withheld", Tone.QUIET)),
            ("received", time_text(details.received_us)),
            ("settled by", details.settled_by),
            ("completed", time_text(details.completed_us)),
            ("completion", details.completion),
            ("files", details.files),
            ("bytes", details.size_bytes),
            ("not taken", details.refused),
            ("manifest in the drop", details.source_manifest),
        ]
    )
    _heading(output, "items")
    output.table(
        (Column("item", whole=True), Column("name"), Column("bytes", right=True), Column("state"), Column("activity")),
        [
            (item.item, item.source_name, item.size_bytes, item.state, activity_word(item.activity))
            for item in details.items
        ],
    )
    if details.refusals:
        _heading(output, "not taken")
        output.table(
            (Column("name"), Column("kind"), Column("reason")),
            [(refusal.source_name, refusal.kind, refusal.reason) for refusal in details.refusals],
        )
    _show_events(output, details.events)


def _heading(output: Output, text: str) -> None:
    output.text()
    output.text(Word(text, Tone.TITLE))
