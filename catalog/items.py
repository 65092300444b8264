"""One item as `find` and `show` tell it: the members that scripts rely on, and nothing that is withheld.

Read with the standard library only. The members are those of docs/reference/json-fields.md; what is not known is null.
"""

from __future__ import annotations

import sqlite3
from typing import Self

import msgspec

from base.errors import CatalogueError
from catalog.display import Printed, cut, seconds, time_text
from catalog.questions import Position
from hashing.digest import Digest

COLUMNS = """
    item.item_id, item.item, "drop"."drop", object.sha256, object.size_bytes, item.media_type, item.source_name,
    item.source_path IS NULL, coalesce("drop".name_text, ''), item.device_start_us, item.device_end_us,
    item.device_time_zone, item.duration_us, item.state, item.activity, object.copies, item.analysis_id
"""
JOIN_DROP = 'LEFT JOIN "drop" ON "drop".drop_id = item.drop_id'


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the catalogue about one master."""

    item_id: int
    item: str
    drop: str | None
    sha256: Digest
    size_bytes: int
    media_type: str | None
    source_name: str | None  # escaped; the name of the drop for a drop of one file; None when withheld
    drop_name: str  # escaped
    device_start_us: int | None
    device_end_us: int | None
    device_time_zone: str | None
    duration_us: int | None
    state: str
    activity: str
    copies: int
    analysis_id: int | None

    @classmethod
    def of_row(cls, row: tuple[object, ...]) -> Self:
        """Return the item of a row of `COLUMNS`."""
        (item_id, item, drop, sha256, size_bytes, media_type, source_name, is_withheld, drop_name, *rest) = row
        start_us, end_us, zone, duration_us, state, activity, copies, analysis_id = rest
        return cls(
            item_id=_integer(item_id),
            item=str(item),
            drop=None if drop is None else str(drop),
            sha256=Digest(_blob(sha256)),
            size_bytes=_integer(size_bytes),
            media_type=None if media_type is None else str(media_type),
            source_name=None if is_withheld else cut(str(source_name) or str(drop_name)),
            drop_name=cut(str(drop_name)),
            device_start_us=_optional_integer(start_us),
            device_end_us=_optional_integer(end_us),
            device_time_zone=None if zone is None else str(zone),
            duration_us=_optional_integer(duration_us),
            state=str(state),
            activity=str(activity),
            copies=_integer(copies),
            analysis_id=_optional_integer(analysis_id),
        )

    @property
    def position(self) -> Position:
        return Position(self.device_start_us, self.item)

    def as_json(self) -> dict[str, Printed]:
        """Return the members of cli.md. A corrected time needs a checked clock: not before one is recorded."""
        device_time: Printed = None
        if self.device_start_us is not None:
            device_time = {"start": time_text(self.device_start_us), "end": time_text(self.device_end_us)}
        return {
            "item": self.item,
            "drop": self.drop,
            "exhibit_ref": None,
            "sha256": str(self.sha256),
            "size_bytes": self.size_bytes,
            "media_type": self.media_type,
            "source_name": self.source_name,
            "operation": None,
            "device": None,
            "device_time": device_time,
            "corrected_time": None,
            "duration_s": seconds(self.duration_us),
            "state": self.state,
            "activity": self.activity,
            "copies": self.copies,
        }


def item_by_id(connection: sqlite3.Connection, item_id: int) -> Item:
    """Return the item with this key, which must exist."""
    row = connection.execute(
        f"SELECT {COLUMNS} FROM item JOIN object ON object.object_id = item.object_id {JOIN_DROP} WHERE item_id = ?",
        (item_id,),
    ).fetchone()
    return Item.of_row(row)


def items_of_drop(connection: sqlite3.Connection, drop_id: int) -> list[Item]:
    """Return the items of a drop in the order in which they were taken."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM item JOIN object ON object.object_id = item.object_id {JOIN_DROP} "
        "WHERE item.drop_id = ? ORDER BY item.position, item.item_id",
        (drop_id,),
    ).fetchall()
    return [Item.of_row(row) for row in rows]


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise CatalogueError("the catalogue holds something else where a number belongs.")
    return value


def _optional_integer(value: object) -> int | None:
    return None if value is None else _integer(value)


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise CatalogueError("the catalogue holds something else where bytes belong.")
    return value
