"""Analysis: what the sandboxed child found in a master, or why it found nothing.

PURE. The pictures, findings and counts come from the result object that the entry names; metadata and device time
from the openings. Sensitive metadata (serials, positions, names, free text) leave only the fact that they exist: their
values are neither kept nor indexed here, so that they can be erased in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from catalog.projections.rows import (
    ACTIVITY,
    ANALYSIS,
    FINDING,
    ITEM_ANALYSED,
    ITEM_MEDIA_TYPE,
    KEYFRAME,
    METADATA,
    WORDS_DETAILS,
    Results,
    RowChange,
    Value,
)
from catalog.projections.values import (
    code,
    integer,
    listed,
    mapping,
    optional_digest,
    optional_integer,
    optional_text,
    optional_time_us,
    seconds_us,
)
from hashing.strict_json import Json
from ledger.openings import OpenedEntry

# Only a look at every frame may be read as "nothing happened"; tier 1 can say no more than that it saw changes.
FULL_TIER = 2
_CHANGE_REASONS = frozenset({"cut", "activity-peak"})
_NO_DOCUMENT: Mapping[str, Json] = {}


def completed(opened: OpenedEntry, results: Results) -> Iterator[RowChange]:
    """The parts of a split entry all name the same result: the first one projects it, each adds its metadata."""
    digest = optional_digest(opened.values.get("result"))
    found = results.get(digest) if digest else None
    document = found.document if found else None
    first_part = _first_part(opened)
    if first_part == opened.place:
        result = digest.raw if digest else None
        yield _analysis(opened, document, gave_result=True, result=result)
        yield from _pictures(first_part, document or _NO_DOCUMENT)
        yield from _spans(first_part, document or _NO_DOCUMENT)
        for item in opened.entry.subjects:
            yield _item_analysed(opened, item, document or _NO_DOCUMENT)
    yield from _metadata(opened, first_part)


def failed(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    first_part = _first_part(opened)
    if first_part == opened.place:
        yield _analysis(opened, None, gave_result=False, result=None)
        media_type = optional_text(opened.values.get("media_type"))
        for item in opened.entry.subjects:
            yield RowChange(ITEM_MEDIA_TYPE, (media_type, item))
    yield from _metadata(opened, first_part)


def _first_part(opened: OpenedEntry) -> int:
    """Return the position of the first entry of a split event; its parts stand one after the other."""
    return opened.place - (integer(opened.entry.facts.get("part")) or 1) + 1


def _analysis(
    opened: OpenedEntry, document: Mapping[str, Json] | None, *, gave_result: bool, result: bytes | None
) -> RowChange:
    facts, told = opened.entry.facts, document or _NO_DOCUMENT
    frames = mapping(told.get("frames"))
    return RowChange(
        ANALYSIS,
        (
            opened.place,
            next(iter(opened.entry.subjects)),
            int(gave_result),
            integer(facts.get("tier")),
            " ".join(map(str, _tiers(opened, document))) if gave_result else "",
            code(facts.get("outcome")),
            " ".join(code(limit) for limit in listed(facts.get("limits"))),
            result,
            int(document is not None),
            optional_text(told.get("kind")),
            optional_integer(told.get("width")),
            optional_integer(told.get("height")),
            *(optional_integer(frames.get(name)) for name in ("declared", "counted", "decoded", "missed")),
        ),
    )


def _tiers(opened: OpenedEntry, document: Mapping[str, Json] | None) -> list[int]:
    """Return the tiers that really looked: what the result says, else what the entry says."""
    if document is None or not isinstance(document.get("tiers"), list):
        return [integer(opened.entry.facts.get("tier"))]
    return sorted({integer(tier) for tier in listed(document.get("tiers"))})


def _item_analysed(opened: OpenedEntry, item: str, document: Mapping[str, Json]) -> RowChange:
    tier = integer(opened.entry.facts.get("tier"))
    duration_us = seconds_us(document.get("duration_s"))
    duration_us = None if duration_us is None or duration_us < 0 else duration_us
    device_time = _device_time(mapping(opened.values.get("device_time")), duration_us)
    media_type = optional_text(opened.values.get("media_type"))
    activity = activity_code(document, tier=max(_tiers(opened, document), default=0))
    return RowChange(ITEM_ANALYSED, (activity, opened.place, media_type, *device_time, duration_us, tier, item))


def activity_code(document: Mapping[str, Json], *, tier: int) -> str:
    """Return what may be said of activity: see docs/reference/json-fields.md."""
    if tier >= FULL_TIER:
        return "activity" if listed(document.get("activity")) else "no-activity"
    reasons = {optional_text(mapping(picture).get("reason")) for picture in listed(document.get("keyframes"))}
    changed = bool(reasons & _CHANGE_REASONS) or bool(listed(document.get("cuts")))
    return "changes-seen-tier-1" if changed else "not-analysed"


def _device_time(stated: Mapping[str, Json], duration_us: int | None) -> tuple[Value, Value, Value, Value]:
    """Return start, end, source and zone. Without a stated end, the recording lasts as long as it plays."""
    start_us = optional_time_us(stated.get("start"))
    if start_us is None:
        return None, None, None, None
    end_us = optional_time_us(stated.get("end"))
    if end_us is None or end_us < start_us:
        end_us = start_us + (duration_us or 0)
    source = " ".join(filter(None, (optional_text(stated.get("source")), optional_text(stated.get("key")))))
    return start_us, end_us, source or None, code(stated.get("zone"))


def _pictures(analysis_id: int, document: Mapping[str, Json]) -> Iterator[RowChange]:
    for number, picture in enumerate(map(mapping, listed(document.get("keyframes")))):
        digest = optional_digest(picture.get("sha256"))
        if digest is None:
            continue
        values: tuple[Value, ...] = (
            analysis_id,
            number,
            digest.raw,
            seconds_us(picture.get("time_s")),
            optional_integer(picture.get("pts")),
            optional_text(picture.get("time_base")),
            optional_integer(picture.get("frame")),
            code(picture.get("reason")),
            optional_integer(picture.get("width")),
            optional_integer(picture.get("height")),
            optional_integer(picture.get("rotation")),
            optional_text(picture.get("luma_difference")),
        )
        yield RowChange(KEYFRAME, values)


def _spans(analysis_id: int, document: Mapping[str, Json]) -> Iterator[RowChange]:
    for number, span in enumerate(map(mapping, listed(document.get("activity")))):
        start_us, end_us = seconds_us(span.get("start_s")), seconds_us(span.get("end_s"))
        if start_us is not None and end_us is not None:
            peak = optional_text(span.get("peak"))
            yield RowChange(ACTIVITY, (analysis_id, number, start_us, end_us, peak))
    for number, finding in enumerate(map(mapping, listed(document.get("findings")))):
        times = seconds_us(finding.get("start_s")), seconds_us(finding.get("end_s"))
        yield RowChange(FINDING, (analysis_id, number, code(finding.get("code")), *times))


def _metadata(opened: OpenedEntry, first_part: int) -> Iterator[RowChange]:
    details = []
    for number, stated in enumerate(map(mapping, listed(opened.values.get("metadata")))):
        value = optional_text(stated.get("value"))
        # What does not say that it is harmless is not.
        sensitive = stated.get("sensitive") is not False or value is None
        if not sensitive and value is not None:
            details.append(value)
        source, key = (optional_text(stated.get(name)) or "" for name in ("source", "key"))
        yield RowChange(
            METADATA,
            (first_part, opened.place, number, source, key, None if sensitive else value, int(sensitive)),
        )
    starts_anew = int(first_part == opened.place)
    for item in opened.entry.subjects:
        yield RowChange(WORDS_DETAILS, (starts_anew, "\n".join(details), item))


PROJECTIONS = {"analysis.completed": completed, "analysis.failed": failed}
