"""The side files that a recorder leaves beside its recordings: an index, a player's settings, a text. All invented.

Evidence systems meet such sets with every vendor; they are kept and listed as they are, and never run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from sample_media.recipes import MAKE, MODEL, SERIAL, Clip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RECORD = struct.Struct("<16sIHHI")


def index_dat(clips: Sequence[Clip]) -> bytes:
    """Return the index: a header, then a record a clip: name, start in seconds since 1970, size of picture, frames."""
    header = b"EXIDX\0\x01\0" + SERIAL.encode().ljust(16, b"\0") + struct.pack("<I", len(clips))
    return header + b"".join(_record(clip) for clip in clips)


def player_cfg() -> bytes:
    """Return the settings of a player that does not exist."""
    lines = ("[player]", "vendor=" + MAKE, "model=" + MODEL, "index=INDEX.DAT", "autorun=no", "osd=clock", "")
    return "\r\n".join(lines).encode()


def read_me_txt() -> bytes:
    """Return what the vendor tells the buyer."""
    lines = (
        f"{MAKE} {MODEL}",
        "",
        "Recordings are listed in INDEX.DAT. Keep all files of this card together.",
        "The clock of the recorder is set by hand: compare it before you rely on it.",
        "",
        "This text, like the whole card, was made up as a sample.",
        "",
    )
    return "\r\n".join(lines).encode()


def _record(clip: Clip) -> bytes:
    name = clip.name.rpartition("/")[2].encode()
    started = int((clip.device_time - _EPOCH).total_seconds())
    return _RECORD.pack(name, started, clip.width, clip.height, len(clip.stamps_90k))
