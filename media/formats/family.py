"""What a recogniser says: which family of formats the first bytes of a file show. PURE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from media.report import Kind

# Enough for every recogniser here: a transport stream needs a few packets, a JPEG may carry a long EXIF block first.
HEAD_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of formats, and who decodes it.

    ``kind`` is what the first bytes promise; a container without a video track turns out to be ``audio`` later.
    """

    name: str  # a code: stands in reports as ``container``
    kind: Kind
    media_type: str
    demuxer: str | None = None  # FFmpeg's name, the only one that may open the file; None: FFmpeg is not asked
    still: bool = False  # one picture, decoded as a whole
    size: tuple[int, int] | None = None  # width, height of a still as its header states it, before anything is decoded


Recogniser: TypeAlias = Callable[[bytes], Family | None]
