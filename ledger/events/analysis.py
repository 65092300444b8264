"""Events of analysis: what the sandboxed child found in a master, or why it found nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.event import Event
from ledger.events.vocabulary import (
    Category,
    Committed,
    EventType,
    OpeningClass,
    code,
    codes,
    count,
    optional_coded_records,
)

_TOOLS = optional_coded_records("programs and libraries that worked on it", "name", "version")
_LIMITS = codes("limits that were hit")
_SANDBOX = codes("layers of the sandbox that were active")
_COMMITTED = {
    "media_type": Committed(
        meaning="media type by content", json_type="string or null", opening_class=OpeningClass.SENSITIVE
    ),
    "parameters": Committed(meaning="parameters of the run", json_type="object", opening_class=OpeningClass.INTERNAL),
    "metadata": Committed(
        meaning="every value found, each with its source; contradictions stand side by side",
        json_type="object {source, key, value, sensitive: boolean}",
        opening_class=OpeningClass.SENSITIVE,
        listed=True,
    ),
}

ANALYSIS_COMPLETED = EventType(
    name="analysis.completed",
    meaning="The child looked at the master and gave a result.",
    subjects=("item",),
    facts={
        "tier": count("0: not a moving picture; 1: packets and intra frames; 2: every frame"),
        "outcome": code("whether all of it could be looked at", "complete", "partial"),
        "keyframes": count("pictures kept"),
        "tools": _TOOLS,
        "limits": _LIMITS,
        "sandbox": _SANDBOX,
    },
    committed={
        **_COMMITTED,
        "result": Committed(
            meaning="digest of the result object in derived/, which lists the pictures by digest",
            json_type="64 lower-case hex digits",
            opening_class=OpeningClass.INTERNAL,
        ),
        "device_time": Committed(
            meaning="when the recording says it was made; unchecked",
            json_type="object {start, end, source, key}, or null",
            opening_class=OpeningClass.SENSITIVE,
        ),
    },
    category=Category.ALTERATION,
    splits=True,
)

ANALYSIS_FAILED = EventType(
    name="analysis.failed",
    meaning="The child could not give a result: a finding about the item, never a failure of intake.",
    subjects=("item",),
    facts={
        "tier": count("0: not a moving picture; 1: packets and intra frames; 2: every frame"),
        "outcome": code("what ended it"),
        "tools": _TOOLS,
        "limits": _LIMITS,
        "sandbox": _SANDBOX,
    },
    committed=_COMMITTED,
    category=Category.ALTERATION,
    splits=True,
)

TYPES = (ANALYSIS_COMPLETED, ANALYSIS_FAILED)


def _codes(values: Sequence[str]) -> Json:
    return [*sorted(set(values))] or None


def analysis_completed(
    item: str,
    *,
    sha256: Digest,
    drop: str,
    tier: int,
    outcome: str,
    keyframes: int,
    tools: Sequence[Mapping[str, str]],
    limits: Sequence[str],
    sandbox: Sequence[str],
    media_type: str | None,
    parameters: Mapping[str, Json],
    result: Digest,
    device_time: Json,
    metadata: Sequence[Json],
) -> Event:
    return Event(
        type=ANALYSIS_COMPLETED,
        subjects={item: sha256},
        facts={
            "tier": tier,
            "outcome": outcome,
            "keyframes": keyframes,
            "tools": [dict(tool) for tool in tools] or None,
            "limits": _codes(limits),
            "sandbox": _codes(sandbox),
        },
        values={
            "media_type": media_type,
            "parameters": dict(parameters),
            "result": str(result),
            "device_time": device_time,
            "metadata": list(metadata) or None,
        },
        drop=drop,
    )


def analysis_failed(
    item: str,
    *,
    sha256: Digest,
    drop: str,
    tier: int,
    outcome: str,
    tools: Sequence[Mapping[str, str]],
    limits: Sequence[str],
    sandbox: Sequence[str],
    media_type: str | None,
    parameters: Mapping[str, Json],
    metadata: Sequence[Json],
) -> Event:
    return Event(
        type=ANALYSIS_FAILED,
        subjects={item: sha256},
        facts={
            "tier": tier,
            "outcome": outcome,
            "tools": [dict(tool) for tool in tools] or None,
            "limits": _codes(limits),
            "sandbox": _codes(sandbox),
        },
        values={"media_type": media_type, "parameters": dict(parameters), "metadata": list(metadata) or None},
        drop=drop,
    )
