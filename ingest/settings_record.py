"""A change of a setting is an event: what the recorder starts with is compared with what it last recorded."""

from __future__ import annotations

from base.config import OUTSIDE_SETTINGS, Settings
from hashing.commitment import parse_opening
from hashing.strict_json import Json
from ledger import log_db
from ledger.entry import parse_entry
from ledger.events.log import config_changed
from ledger.record import Recorder


def record_changed_settings(recorder: Recorder, settings: Settings) -> None:
    """Record `config.changed` for each setting whose value is another than the log last said."""
    recorded = _recorded_settings(recorder)
    now: dict[str, Json] = {name: _storable(value) for name, value in settings.as_dict().items()}
    now = {**dict.fromkeys(OUTSIDE_SETTINGS), **now}  # one that is not set any more is a change too
    events = [
        config_changed(recorder.origin, setting=name, before=recorded.get(name), after=value)
        for name, value in now.items()
        if recorded.get(name) != value
    ]
    if events:
        recorder.record(events)


def _recorded_settings(recorder: Recorder) -> dict[str, Json]:
    rows = recorder.stated(
        "SELECT e.raw, o.text FROM openings.opening o CROSS JOIN main.entry e ON e.seq = o.seq "
        f"WHERE o.type = 'config.changed' AND o.member = 'after' AND {log_db.LISTED_BY_TYPE} AND o.seq < ? "
        "ORDER BY o.seq"
    )
    return {_setting(raw): parse_opening(text).value for raw, text in rows}


def _setting(raw: bytes) -> str:
    return str(parse_entry(raw).facts["setting"])


def _storable(value: object) -> Json:
    """Return a setting as an opening can hold it: no fractions, and no bytes of a path that are not text."""
    if isinstance(value, list):
        return [_storable(element) for element in value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return int(str(value))
