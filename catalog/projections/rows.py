"""Row changes: what a projection asks the catalogue to do, without SQL and without a database.

PURE. A `Change` says how rows of one table are written; a `RowChange` is one such row. Changes of one kind are applied
together, in order, and kinds in the order of `ORDER`: rows before what refers to them, new rows before changes to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from hashing.digest import Digest
from hashing.strict_json import Json

Value: TypeAlias = int | str | bytes | None


class Effect(Enum):
    """What happens to the table."""

    ADD = "add"  # a new row
    KEEP_FIRST = "keep first"  # a new row, unless there is one with its key already
    UPDATE = "update"  # the row whose identifier is the last value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """One way of writing to one table: what the values of a row are, and which of them are identifiers of other rows.

    ``refers`` maps a column to (table, identifier column, key column): the identifier given is replaced by the key.
    """

    table: str
    effect: Effect
    columns: tuple[str, ...]
    refers: Mapping[str, tuple[str, str, str]]
    key: str | None = None  # for UPDATE: the column that holds the identifier


class RowChange(NamedTuple):
    """One row: its values in the order of the columns, followed by the identifier for UPDATE."""

    change: Change
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """What a result object of ``derived/`` held; None when it is missing or damaged."""

    document: Mapping[str, Json] | None


Results: TypeAlias = Mapping[Digest, ResultObject]


def _add(table: str, *columns: str, **refers: tuple[str, str, str]) -> Change:
    return Change(table=table, effect=Effect.ADD, columns=columns, refers=refers)


def _keep_first(table: str, *columns: str, **refers: tuple[str, str, str]) -> Change:
    return Change(table=table, effect=Effect.KEEP_FIRST, columns=columns, refers=refers)


def _update(table: str, key: str, *columns: str) -> Change:
    return Change(table=table, effect=Effect.UPDATE, columns=columns, refers={}, key=key)


_DROP = ("drop", "drop", "drop_id")
_ITEM = ("item", "item", "item_id")
_SUBJECT = ("subject", "name", "subject_id")
_ACTOR = ("actor", "actor", "actor_id")
_OBJECT = ("object", "sha256", "object_id")

SUBJECT = _keep_first("subject", "name")
LOG = _add("log", "first", "origin")
ACTOR = _add("actor", "actor_id", "actor")
ACTOR_ROLE = _keep_first("actor_role", "actor_id", "role", actor_id=_ACTOR)
DROP = _add("drop", "drop_id", "drop", "name", "name_text", "share", "share_text", "received_us", "settled_by")
DROP_COMPLETED = _update(
    "drop", "drop", "completed_us", "completion", "files", "size_bytes", "refused", "source_manifest"
)
EVENT = _add("event", "seq", "type", "known", "recorded_us", "actor", "role", "drop_id", "event", drop_id=_DROP)
EVENT_SUBJECT = _add("event_subject", "subject_id", "seq", subject_id=_SUBJECT)
OBJECT = _keep_first("object", "object_id", "sha256", "size_bytes", "copies")
ITEM = _add(
    "item",
    *("item_id", "item", "object_id", "drop_id", "position", "source_path", "source_name", "duplicate", "supersedes"),
    *("state", "activity"),
    object_id=_OBJECT,
    drop_id=_DROP,
)
REFUSAL = _add("refusal", "refusal_id", "drop_id", "kind", "reason", "source_path", "source_name", drop_id=_DROP)
ANALYSIS = _add(
    "analysis",
    *("analysis_id", "item_id", "gave_result", "tier", "tiers", "outcome", "limits", "result"),
    *("result_read", "kind", "width", "height", "frames_declared", "frames_counted", "frames_decoded", "frames_missed"),
    item_id=_ITEM,
)
# Only where no deeper analysis has spoken: the tier comes before the identifier.
ITEM_ANALYSED = _update(
    "item",
    "item",
    *("activity", "analysis_id", "media_type", "device_start_us", "device_end_us", "device_time_source"),
    *("device_time_zone", "duration_us", "tier"),
)
ITEM_MEDIA_TYPE = _update("item", "item", "media_type")  # only where none is known yet
KEYFRAME = _add(
    "keyframe",
    *("analysis_id", "number", "sha256", "time_us", "pts", "time_base", "frame", "reason", "width", "height"),
    "rotation",
    "luma_difference",
)
ACTIVITY = _add("activity", "analysis_id", "number", "start_us", "end_us", "peak")
FINDING = _add("finding", "analysis_id", "number", "code", "start_us", "end_us")
METADATA = _add("metadata", "analysis_id", "seq", "number", "source", "key", "value", "sensitive")
# The index of words: one row for each item, whose name follows that of its drop.
WORDS = _add("words", "item_id", "drop", "name")
WORDS_DETAILS = _update("words", "item", "starts_anew", "details")

# Applied kind by kind, a batch must leave what its entries would leave one by one: a test compares the two.
ORDER = (
    *(LOG, SUBJECT, ACTOR, ACTOR_ROLE, DROP, DROP_COMPLETED, EVENT, EVENT_SUBJECT, OBJECT, ITEM, WORDS, REFUSAL),
    *(ANALYSIS, ITEM_ANALYSED, ITEM_MEDIA_TYPE, KEYFRAME, ACTIVITY, FINDING, METADATA, WORDS_DETAILS),
)
