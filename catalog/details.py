"""Everything the catalogue knows of one item or one drop, as `show` and the contact sheet tell it.

PURE. Withheld values are not here: the catalogue never had them; how many there are is
said. What is not known is listed with its reason, so that silence is never mistaken for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.display import Printed, seconds, time_text
from catalog.items import Item
from hashing.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """One kept picture; its bytes are in ``derived/`` under its digest."""

    number: int
    time_us: int | None
    pts: int | None
    time_base: str | None
    frame: int | None
    reason: str
    sha256: Digest
    width: int | None
    height: int | None
    rotation: int  # clockwise degrees still to be applied for showing
    luma_difference: str | None = None  # mean change from the intra frame before, 0 to 255, a decimal number

    def as_json(self) -> dict[str, Printed]:
        return {
            "index": self.number,
            "time_s": seconds(self.time_us),
            "pts": self.pts,
            "time_base": self.time_base,
            "frame": self.frame,
            "reason": self.reason,
            "sha256": str(self.sha256),
            "width": self.width,
            "height": self.height,
            "luma_difference": self.luma_difference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadatum:
    """One value that a program read out of the file; never merged with what another one read."""

    source: str
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a recording, in microseconds from its start: activity with its peak, or a finding with its code."""

    start_us: int | None
    end_us: int | None
    what: str | None

    def as_json(self, name: str) -> dict[str, Printed]:
        return {"start_s": seconds(self.start_us), "end_s": seconds(self.end_us), name: self.what}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One entry of a log of the store that has this item or drop as a subject."""

    log: str  # origin
    seq: int
    type: str
    known: bool
    recorded_us: int
    actor: str | None

    def as_json(self) -> dict[str, Printed]:
        return {
            "log": self.log,
            "seq": self.seq,
            "type": self.type,
            "recorded_at": time_text(self.recorded_us),
            "actor": self.actor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The analysis that an item goes by: the deepest that gave a result, else the newest that failed."""

    gave_result: bool
    tier: int
    tiers: tuple[int, ...]  # that really looked
    outcome: str
    limits: tuple[str, ...]
    result_read: bool
    kind: str | None
    frames: Mapping[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDetails:
    """All about one item."""

    item: Item
    analysis: Analysis | None
    metadata: tuple[Metadatum, ...]
    metadata_withheld: int
    keyframes: tuple[Keyframe, ...]
    activity: tuple[Span, ...]
    findings: tuple[Span, ...]
    events: tuple[EventLine, ...]

    @property
    def tiers(self) -> tuple[int, ...]:
        return self.analysis.tiers if self.analysis else ()

    def as_json(self) -> dict[str, Printed]:
        """Return the members of cli.md. ``activity`` of the list is here ``activity_state``: here it is the spans."""
        return {
            **self.item.as_json(),
            "activity_state": self.item.activity,
            "metadata": {
                "values": [{"source": one.source, "key": one.key, "value": one.value} for one in self.metadata],
                "withheld": self.metadata_withheld,
            },
            "keyframes": [picture.as_json() for picture in self.keyframes],
            "activity": [span.as_json("peak") for span in self.activity],
            "findings": [span.as_json("code") for span in self.findings],
            "frames": dict(self.analysis.frames) if self.analysis and self.analysis.gave_result else None,
            "tiers": list(self.tiers),
            "events": [event.as_json() for event in self.events],
            "unknown": [{"what": what, "why": why} for what, why in self.unknown()],
        }

    def unknown(self) -> list[tuple[str, str]]:
        """Return what is not known of this item, each with the code of the reason."""
        never = [(what, "not-recorded") for what in ("exhibit_ref", "operation", "device", "corrected_time")]
        return [*never, *self._unknown_of_analysis(), *self._unknown_of_events()]

    def _unknown_of_analysis(self) -> list[tuple[str, str]]:
        if self.analysis is None:
            return [("analysis", "not-analysed"), ("device_time", "not-analysed"), ("activity", "not-analysed")]
        if not self.analysis.gave_result:
            return [("analysis", f"failed-{self.analysis.outcome}"), ("activity", "not-analysed")]
        unknown = []
        if not self.analysis.result_read:
            unknown.append(("keyframes", "result-missing-or-damaged"))
        if self.item.device_start_us is None:
            unknown.append(("device_time", "not-stated"))
        elif self.item.device_time_zone != "offset":
            unknown.append(("device_time zone", f"stated-as-{self.item.device_time_zone or 'unknown'}"))
        if self.item.activity in ("not-analysed", "changes-seen-tier-1"):
            unknown.append(("activity", "not-every-frame-was-looked-at"))
        if self.metadata_withheld:
            unknown.append(("metadata", "partly-withheld"))
        return unknown

    def _unknown_of_events(self) -> list[tuple[str, str]]:
        unknown = []
        if self.item.source_name is None:
            unknown.append(("source_name", "withheld"))
        if any(not event.known for event in self.events):
            unknown.append(("events", "type-of-a-newer-version"))
        return unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something in a drop that was not taken."""

    source_name: str | None
    kind: str
    reason: str

    def as_json(self) -> dict[str, Printed]:
        return {"source_name": self.source_name, "kind": self.kind, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDetails:
    """All about one drop."""

    drop: str
    name: str | None
    share: str | None
    received_us: int
    settled_by: str
    completed_us: int | None
    completion: str | None
    files: int | None
    size_bytes: int | None
    refused: int | None
    source_manifest: str | None
    items: tuple[Item, ...]
    refusals: tuple[Refused, ...]
    events: tuple[EventLine, ...]

    def as_json(self) -> dict[str, Printed]:
        return {
            "drop": self.drop,
            "name": self.name,
            "share": self.share,
            "received_at": time_text(self.received_us),
            "settled_by": self.settled_by,
            "completed_at": time_text(self.completed_us),
            "completion": self.completion,
            "files": self.files,
            "bytes": self.size_bytes,
            "refused": self.refused,
            "source_manifest": self.source_manifest,
            "items": [item.as_json() for item in self.items],
            "refusals": [refusal.as_json() for refusal in self.refusals],
            "events": [event.as_json() for event in self.events],
        }
