"""The tables read for `show` and the contact sheet: one item or one drop, in one read.

Read with the standard library only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from base.escape import shown
from catalog import database
from catalog.details import (
    Analysis,
    DropDetails,
    EventLine,
    ItemDetails,
    Keyframe,
    Metadatum,
    Refused,
    Span,
)
from catalog.display import cut
from catalog.items import Item, item_by_id, items_of_drop
from catalog.lookup import find_one
from hashing.digest import Digest


def read_details(path: Path, identifier: str) -> ItemDetails | DropDetails:
    """Return everything about the item or drop that ``identifier`` means. Raises NotFoundError, CatalogueError."""
    with closing(database.connect_to_read(path)) as connection, database.declared_errors():
        # One read transaction: all of it speaks of the same state.
        connection.execute("BEGIN")
        found = find_one(connection, identifier)
        if found.kind == "drop":
            return drop_details(connection, found.key)
        return item_details(connection, item_by_id(connection, found.key))


def read_items(path: Path, identifiers: Sequence[str]) -> tuple[list[ItemDetails], list[str]]:
    """Return everything about each item that is meant, those of a drop in its order, and the drops that were named.

    An item that is meant twice is told once. Raises NotFoundError, CatalogueError.
    """
    items: dict[int, Item] = {}
    drops: dict[str, None] = {}
    with closing(database.connect_to_read(path)) as connection, database.declared_errors():
        connection.execute("BEGIN")
        for identifier in identifiers:
            found = find_one(connection, identifier)
            if found.kind == "drop":
                drops[found.name] = None
                items.update((item.item_id, item) for item in items_of_drop(connection, found.key))
            else:
                items[found.key] = item_by_id(connection, found.key)
        return [item_details(connection, item) for item in items.values()], list(drops)


def item_details(connection: sqlite3.Connection, item: Item) -> ItemDetails:
    """Return everything the catalogue knows of ``item``."""
    analysis_id, analysis = _analysis(connection, item)
    metadata, withheld = _metadata(connection, analysis_id)
    return ItemDetails(
        item=item,
        analysis=analysis,
        metadata=metadata,
        metadata_withheld=withheld,
        keyframes=_keyframes(connection, analysis_id),
        activity=_spans(connection, "SELECT start_us, end_us, peak FROM activity", analysis_id),
        findings=_spans(connection, "SELECT start_us, end_us, code FROM finding", analysis_id),
        events=_events(connection, item.item),
    )


def drop_details(connection: sqlite3.Connection, drop_id: int) -> DropDetails:
    """Return everything the catalogue knows of a drop, which must exist."""
    drop, name, name_text, share, share_text, *rest = connection.execute(
        'SELECT "drop", name, name_text, share, share_text, received_us, settled_by, completed_us, completion, '
        'files, size_bytes, refused, source_manifest FROM "drop" WHERE drop_id = ?',
        (drop_id,),
    ).fetchone()
    received_us, settled_by, completed_us, completion, files, size_bytes, refused, source_manifest = rest
    return DropDetails(
        drop=drop,
        name=_unless_withheld(name, name_text),
        share=_unless_withheld(share, share_text),
        received_us=received_us,
        settled_by=settled_by,
        completed_us=completed_us,
        completion=completion,
        files=files,
        size_bytes=size_bytes,
        refused=refused,
        source_manifest=source_manifest,
        items=tuple(items_of_drop(connection, drop_id)),
        refusals=_refusals(connection, drop_id),
        events=_events(connection, drop),
    )


def _unless_withheld(raw: bytes | None, text: str) -> str | None:
    return None if raw is None else cut(text)


def _analysis(connection: sqlite3.Connection, item: Item) -> tuple[int | None, Analysis | None]:
    row = connection.execute(
        "SELECT analysis_id, gave_result, tier, tiers, outcome, limits, result_read, kind, frames_declared, "
        "frames_counted, frames_decoded, frames_missed FROM analysis WHERE item_id = ? "
        "ORDER BY analysis_id IS ? DESC, analysis_id DESC LIMIT 1",
        (item.item_id, item.analysis_id),
    ).fetchone()
    if row is None:
        return None, None
    analysis_id, gave_result, tier, tiers, outcome, limits, result_read, kind, *frames = row
    return analysis_id, Analysis(
        gave_result=bool(gave_result),
        tier=tier,
        tiers=tuple(map(int, tiers.split())),
        outcome=outcome,
        limits=tuple(limits.split()),
        result_read=bool(result_read),
        kind=kind,
        frames=dict(zip(("declared", "counted", "decoded", "missed"), frames, strict=True)),
    )


def _metadata(connection: sqlite3.Connection, analysis_id: int | None) -> tuple[tuple[Metadatum, ...], int]:
    rows = connection.execute(
        "SELECT source, key, value FROM metadata WHERE analysis_id = ? ORDER BY source, key, value, seq, number",
        (analysis_id,),
    ).fetchall()
    told = tuple(
        Metadatum(source=shown(source), key=shown(key), value=shown(value))
        for source, key, value in rows
        if value is not None
    )
    return told, len(rows) - len(told)


def _keyframes(connection: sqlite3.Connection, analysis_id: int | None) -> tuple[Keyframe, ...]:
    rows = connection.execute(
        "SELECT number, time_us, pts, time_base, frame, reason, sha256, width, height, coalesce(rotation, 0), "
        "luma_difference "
        "FROM keyframe WHERE analysis_id = ? ORDER BY number",
        (analysis_id,),
    ).fetchall()
    return tuple(
        Keyframe(
            number=number,
            time_us=time_us,
            pts=pts,
            time_base=time_base,
            frame=frame,
            reason=reason,
            sha256=Digest(sha256),
            width=width,
            height=height,
            rotation=rotation,
            luma_difference=luma_difference,
        )
        for number, time_us, pts, time_base, frame, reason, sha256, width, height, rotation, luma_difference in rows
    )


def _spans(connection: sqlite3.Connection, query: str, analysis_id: int | None) -> tuple[Span, ...]:
    rows: Sequence[tuple[int | None, int | None, str | None]] = connection.execute(
        f"{query} WHERE analysis_id = ? ORDER BY number", (analysis_id,)
    ).fetchall()
    return tuple(Span(start_us=start, end_us=end, what=what) for start, end, what in rows)


def _events(connection: sqlite3.Connection, subject: str) -> tuple[EventLine, ...]:
    rows = connection.execute(
        "SELECT event.seq, type, known, recorded_us, actor, log.first, log.origin FROM subject "
        "CROSS JOIN event_subject ON event_subject.subject_id = subject.subject_id "
        "CROSS JOIN event ON event.seq = event_subject.seq "
        "JOIN log ON log.first = (SELECT max(first) FROM log WHERE first <= event.seq) "
        "WHERE subject.name = ? ORDER BY event.seq",
        (subject,),
    ).fetchall()
    return tuple(
        EventLine(
            log=origin, seq=place - first, type=type_name, known=bool(known), recorded_us=recorded_us, actor=actor
        )
        for place, type_name, known, recorded_us, actor, first, origin in rows
    )


def _refusals(connection: sqlite3.Connection, drop_id: int) -> tuple[Refused, ...]:
    rows = connection.execute(
        "SELECT source_path, source_name, kind, reason FROM refusal WHERE drop_id = ? ORDER BY refusal_id", (drop_id,)
    ).fetchall()
    return tuple(
        Refused(source_name=_unless_withheld(path, name), kind=kind, reason=reason) for path, name, kind, reason in rows
    )
