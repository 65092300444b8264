"""What analysis says of one file: the plain values that cross the pipe from the sandboxed worker, and their document.

Every value here is a claim made by software that read a hostile file: types, lengths and ranges are checked when the
parent decodes the reply, the meaning is not. Claims of the file (``declared``, `DeviceTime`, metadata) and what was
counted stand beside each other and are never merged. `Report.document` and `Failure.document` give the plain object
that is stored as canonical JSON: no fractions (decimals are strings), no U+0000, no lone surrogates; the pictures
themselves stay outside and are named by their digest. Nothing here decodes, reads a clock or touches a disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from hashing.digest import Digest

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

SCHEMA = "strongroom/analysis/1"
# Tier 1: all packets are listed, only intra frames are decoded. It must never be read as "nothing happened".
TIER_INTRA_FRAMES: Literal[1] = 1

MAX_METADATA = 4096  # values of one file
MAX_VALUE_CHARACTERS = 4096  # of one metadata value; a longer one is cut by the worker, which says so
MAX_KEYFRAMES = 4096
MAX_FINDINGS = 256
MAX_CUTS = 65_536

Kind: TypeAlias = Literal["video", "still", "audio", "other"]
Reason: TypeAlias = Literal["first", "last", "cut", "activity-peak", "coverage", "thumbnail"]
FindingCode: TypeAlias = Literal["damaged", "limit", "contradiction"]
FailureOutcome: TypeAlias = Literal[
    "crash",
    "time-out",
    "memory",
    "cpu",
    "limit",
    "not-decodable",
    "sandbox-violation",
    "bad-reply",
    "empty",
]

# Ranges are those of SQLite and of canonical JSON, where integers stay below 2^53 in magnitude.
Int53 = Annotated[int, Meta(gt=-(2**53), lt=2**53)]
Count = Annotated[int, Meta(ge=0, lt=2**53)]
Code = Annotated[str, Meta(pattern=r"\A[a-z0-9._-]{1,40}\Z")]
Decimal = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,15}(\.[0-9]{1,9})?\Z")]
TimeBase = Annotated[str, Meta(pattern=r"\A[1-9][0-9]{0,9}/[1-9][0-9]{0,9}\Z")]
MediaType = Annotated[str, Meta(pattern=r"\A[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,90}\Z")]
Moment = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")]
Hex64 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Word = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=MAX_VALUE_CHARACTERS)]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """Return ``text`` with U+0000 and lone surrogates, which neither SQLite nor JSON carry safely, as U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def _refuse_unstorable(*texts: str | None) -> None:
    if any(text is not None and _UNSTORABLE.search(text) for text in texts):
        raise ValueError("text holds U+0000 or a lone surrogate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A library that took part, with the version it gives of itself."""

    name: Word
    version: Word

    def __post_init__(self) -> None:
        _refuse_unstorable(self.name, self.version)

    def document(self) -> Json:
        return {"name": self.name, "version": self.version}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """Which layers held a worker, as that worker found them on itself after it was locked."""

    no_new_privs: bool
    seccomp: bool
    landlock_abi: Annotated[int, Meta(ge=1, le=1000)] | None  # None: this kernel has no landlock
    uid_dropped: bool  # started as root and became uid 65534; false too where there was nothing to drop
    rlimits: bool

    def codes(self) -> list[str]:
        """Return one code for each active layer, in a fixed order."""
        layers = {
            "no-new-privs": self.no_new_privs,
            "seccomp": self.seccomp,
            f"landlock-{self.landlock_abi}": self.landlock_abi is not None,
            "uid-nobody": self.uid_dropped,
            "rlimits": self.rlimits,
        }
        return [code for code, active in layers.items() if active]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadatum:
    """One value as one source gave it. ``sensitive`` is the default for all that is not known to be technical."""

    source: Code  # the library: "mediainfo", "exif", "cv2"
    key: Word
    value: Text
    sensitive: bool

    def __post_init__(self) -> None:
        _refuse_unstorable(self.key, self.value)

    def document(self) -> Json:
        return {"source": self.source, "key": self.key, "value": self.value, "sensitive": self.sensitive}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTime:
    """What the recording itself claims about its time, unchecked; every other candidate stays in the metadata.

    ``zone`` says how the UTC text came about: ``utc`` (the file says UTC), ``offset`` (the file gives an offset) or
    ``unknown`` (local time of an unknown zone, written down *as if* it were UTC: never compare it with a clock).
    """

    start: Moment
    end: Moment | None
    source: Code
    key: Word
    zone: Literal["utc", "offset", "unknown"]

    def __post_init__(self) -> None:
        _refuse_unstorable(self.key)

    def document(self) -> Json:
        return {"start": self.start, "end": self.end, "source": self.source, "key": self.key, "zone": self.zone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Frame counts: what the file claims, and what was found in one forward pass.

    ``counted`` are stored packets of the video track, those an edit list hides included. ``decoded`` are pictures that
    came out; in tier 1 only intra frames are tried, so that ``missed`` = intra frames that gave no picture.
    """

    declared: Count | None
    counted: Count
    key: Count
    decoded: Count
    missed: Count

    def document(self) -> Json:
        return {
            "declared": self.declared,
            "counted": self.counted,
            "key": self.key,
            "decoded": self.decoded,
            "missed": self.missed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTimes:
    """Presentation stamps of a list of packets, summarised so that a stranger can compare the list with his own.

    ``sha256`` is taken over the stamps in ascending order, each in decimal digits and followed by a line feed, counted
    from the stream's start (``pts`` minus the stream's ``start_pts``).
    """

    count: Count
    first_pts: Int53 | None
    last_pts: Int53 | None
    longest_gap_s: Decimal | None
    sha256: Hex64

    def document(self) -> Json:
        return {
            "count": self.count,
            "first_pts": self.first_pts,
            "last_pts": self.last_pts,
            "longest_gap_s": self.longest_gap_s,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """One kept picture: where it stands in the recording, why it was kept, and its bytes."""

    index: Count  # among the kept pictures of this report
    pts: Int53 | None  # counted from the stream's start, in time_base; None for what has no time, as a thumbnail
    time_base: TimeBase | None
    time_s: Decimal | None
    frame: Count | None  # index among the counted frames in order of presentation
    reason: Reason
    width: Annotated[int, Meta(ge=1, le=100_000)]
    height: Annotated[int, Meta(ge=1, le=100_000)]
    rotation: Literal[0, 90, 180, 270]  # clockwise degrees still to be applied for showing
    luma_difference: Decimal | None  # mean absolute luma difference from the intra frame before, 0 to 255
    original: bool  # true: these are the bytes of the recording itself, not a picture made from it
    media_type: Literal["image/jpeg"]
    picture: Annotated[bytes, Meta(min_length=1)]

    @property
    def sha256(self) -> Digest:
        """Return the digest of the picture."""
        return Digest.of(self.picture)

    def document(self) -> Json:
        return {
            "index": self.index,
            "pts": self.pts,
            "time_base": self.time_base,
            "time_s": self.time_s,
            "frame": self.frame,
            "reason": self.reason,
            "width": self.width,
            "height": self.height,
            "rotation": self.rotation,
            "luma_difference": self.luma_difference,
            "original": self.original,
            "media_type": self.media_type,
            "size_bytes": len(self.picture),
            "sha256": str(self.sha256),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFinding:
    """Something that a person should know before trusting the recording or this report of it."""

    code: FindingCode
    start_s: Decimal | None
    end_s: Decimal | None
    detail: Text

    def __post_init__(self) -> None:
        _refuse_unstorable(self.detail)

    def document(self) -> Json:
        return {"code": self.code, "start_s": self.start_s, "end_s": self.end_s, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one analysis found in one file. ``partial`` means that a limit or damage cut it short: see the findings."""

    media_type: MediaType
    kind: Kind
    outcome: Literal["complete", "partial"]
    tiers: tuple[Literal[1, 2], ...]  # which passes this item has had; a still and a mere listing have had none
    container: Code | None
    codec: Word | None
    width: Count | None
    height: Count | None
    rotation: Literal[0, 90, 180, 270] | None
    time_base: TimeBase | None
    start_pts: Int53 | None  # None: not known exactly
    duration_s: Decimal | None  # from the counted frames; the claimed durations are metadata
    frames: Frames | None
    packets: PacketTimes | None
    key_packets: PacketTimes | None
    keyframes: Annotated[tuple[Keyframe, ...], Meta(max_length=MAX_KEYFRAMES)]
    cuts: Annotated[tuple[Decimal, ...], Meta(max_length=MAX_CUTS)]  # seconds at which a new scene stands
    findings: Annotated[tuple[MediaFinding, ...], Meta(max_length=MAX_FINDINGS)]
    metadata: Annotated[tuple[Metadatum, ...], Meta(max_length=MAX_METADATA)]
    device_time: DeviceTime | None
    tools: Annotated[tuple[Tool, ...], Meta(max_length=32)]
    parameters: Annotated[dict[Code, Int53], Meta(max_length=64)]
    limits: Annotated[tuple[Code, ...], Meta(max_length=32)]  # those that were hit
    strength: Annotated[tuple[Code, ...], Meta(max_length=16)]

    def __post_init__(self) -> None:
        _refuse_unstorable(self.codec)

    def document(self) -> dict[str, Json]:
        """Return the plain object that is stored and hashed; same input, version and parameters give the same."""
        return {
            "schema": SCHEMA,
            "media_type": self.media_type,
            "kind": self.kind,
            "outcome": self.outcome,
            "tiers": list(self.tiers),
            "container": self.container,
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
            "rotation": self.rotation,
            "time_base": self.time_base,
            "start_pts": self.start_pts,
            "duration_s": self.duration_s,
            "frames": _optional(self.frames),
            "packets": _optional(self.packets),
            "key_packets": _optional(self.key_packets),
            "keyframes": [keyframe.document() for keyframe in self.keyframes],
            "cuts": list(self.cuts),
            "findings": [finding.document() for finding in self.findings],
            "metadata": [metadatum.document() for metadatum in self.metadata],
            "device_time": _optional(self.device_time),
            "tools": [tool.document() for tool in self.tools],
            "parameters": dict(self.parameters),
            "limits": list(self.limits),
            "strength": list(self.strength),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no report: a recorded finding of the item, never a failure of intake."""

    outcome: FailureOutcome
    limits: Annotated[tuple[Code, ...], Meta(max_length=32)] = ()  # those that were hit
    detail: Text = ""
    media_type: MediaType | None = None
    metadata: Annotated[tuple[Metadatum, ...], Meta(max_length=MAX_METADATA)] = ()
    tools: Annotated[tuple[Tool, ...], Meta(max_length=32)] = ()
    strength: Annotated[tuple[Code, ...], Meta(max_length=16)] = ()

    def __post_init__(self) -> None:
        _refuse_unstorable(self.detail)

    def document(self) -> dict[str, Json]:
        """Return the plain object that is stored and hashed."""
        return {
            "schema": SCHEMA,
            "outcome": self.outcome,
            "limits": list(self.limits),
            "detail": self.detail,
            "media_type": self.media_type,
            "metadata": [metadatum.document() for metadatum in self.metadata],
            "tools": [tool.document() for tool in self.tools],
            "strength": list(self.strength),
        }


def _optional(value: Frames | PacketTimes | DeviceTime | None) -> Json:
    return None if value is None else value.document()
