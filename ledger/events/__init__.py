"""The vocabulary of the custody log: every event type that this version writes, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.events import access, actor, analysis, anchor, custody, drop, export, item, key, log
from ledger.events.vocabulary import EventType

EVENT_TYPES: Mapping[str, EventType] = {
    kind.name: kind
    for family in (log, anchor, key, actor, custody, drop, item, analysis, access, export)
    for kind in family.TYPES
}
