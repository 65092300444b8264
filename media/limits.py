"""How much one file may cost. Each limit has a code, which a report or failure names when the limit was hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

_GIB = 2**30
_MIB = 2**20

Positive = Annotated[int, Meta(ge=1, lt=2**53)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may use before it is stopped, and how much of a file it looks at."""

    wall_s: Annotated[float, Meta(gt=0, le=86_400)] = 600  # code time-out
    cpu_s: Positive = 600  # code cpu; the kernel counts whole seconds
    memory_bytes: Positive = 2 * _GIB  # code memory: address space beyond what the libraries take before the fork
    pixels: Positive = 64 * _MIB  # width x height of one picture (8192 x 8192), known before the first is decoded
    frames: Positive = 10_000_000  # packets of the video track: 46 hours at 60 a second
    keyframes: Annotated[int, Meta(ge=2, le=1000)] = 120  # kept pictures of one file
    metadata: Annotated[int, Meta(ge=1, le=4096)] = 2048  # metadata values of one file
    reply_bytes: Positive = 64 * _MIB  # the whole reply, pictures included

    def parameters(self) -> dict[str, int]:
        """Return the limits as the whole numbers that a report carries."""
        return {
            "limit-wall-ms": round(self.wall_s * 1000),
            "limit-cpu-s": self.cpu_s,
            "limit-memory-bytes": self.memory_bytes,
            "limit-pixels": self.pixels,
            "limit-frames": self.frames,
            "limit-keyframes": self.keyframes,
            "limit-metadata": self.metadata,
            "limit-reply-bytes": self.reply_bytes,
        }
