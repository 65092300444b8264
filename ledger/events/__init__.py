"""The vocabulary of the custody log: every event type that this version writes, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.events import access, actor, analysis, drop, item, key, log
from ledger.events.vocabulary import EventType

EVENT_TYPES: Mapping[str, EventType] = {
    kind.name: kind for family in (log, key, actor, drop, item, analysis, access) for kind in family.TYPES
}
