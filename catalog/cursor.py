"""Where the catalogue stands: how many entries it has, in which log the last of them stands, and which it was.

Entries are counted through all logs of the store, the oldest first.

The last entry's digest ties the next one to it (`prev`), so a catalogue of another log, or of a fork, never goes on.
"""

from __future__ import annotations

import msgspec

from hashing.digest import Digest

SCHEMA_VERSION = 1  # the number of the newest migration, kept as SQLite's user_version
APPLICATION_ID = 0x53524D43  # "SRMC": tells a catalogue from any other SQLite file
BUSY_TIMEOUT_S = 5.0


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """The end of what is projected."""

    origin: str  # of the log in which the last entry stands
    size: int  # entries, of all logs
    last_entry: Digest  # zeroes at size 0
    root: Digest | None  # of the checkpoint that ends here; None between two checkpoints


READ_CURSOR = "SELECT origin, size, last_entry, root FROM cursor"


def cursor_of(row: tuple[str, int, bytes, bytes | None]) -> Cursor:
    """Return the cursor that a row of `READ_CURSOR` states."""
    origin, size, last_entry, root = row
    return Cursor(origin=origin, size=size, last_entry=Digest(last_entry), root=None if root is None else Digest(root))
