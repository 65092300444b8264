"""The openings: the salts and values behind the commitments, read back and fitted to their entries.

An opening is shown only after its text was hashed and found to be the commitment that stands in the entry, at the
member that it names. What has no opening is *withheld*, and is shown as that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from base.errors import LedgerError
from hashing.base64_text import Base64Error, decode
from hashing.commitment import commitment, parse_opening
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger import log_db
from ledger.entry import Entry

DIGEST_BYTES = 32


class OpeningMismatchError(LedgerError):
    """An opening that does not belong to the commitment it is kept for."""


class OpenedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with the values behind its commitments, as far as their openings are here."""

    entry: Entry
    values: Mapping[str, Json]  # by member; a list for a listed member
    withheld: frozenset[str]  # members of which at least one opening is missing
    before: int = 0  # entries of earlier logs of the store, where those are read as one history

    @property
    def place(self) -> int:
        """The position of the entry in the history of the store."""
        return self.before + self.entry.seq


def open_entry(entry: Entry, texts: Mapping[Digest, str]) -> OpenedEntry:
    """Return ``entry`` with what ``texts`` (by commitment) reveal of it. Raises OpeningMismatchError for a misfit."""
    values: dict[str, Json] = {}
    withheld = set()
    for name, digests in entry.commitments.items():
        listed = isinstance(digests, tuple)
        found = [
            opened_value(entry.event, f"{name}/{n}" if listed else name, digest, texts[digest])
            for n, digest in enumerate(digests if isinstance(digests, tuple) else (digests,))
            if digest in texts
        ]
        if len(found) < (len(digests) if isinstance(digests, tuple) else 1):
            withheld.add(name)
        if listed:
            values[name] = found
        elif found:
            values[name] = found[0]
    return OpenedEntry(entry=entry, values=values, withheld=frozenset(withheld))


def opened_value(event: str, member: str, digest: Digest, text: str) -> Json:
    """Return the value behind one commitment. Raises OpeningMismatchError unless ``text`` is exactly its opening."""
    if commitment(text) != digest:
        raise OpeningMismatchError(f"an opening of {event}/{member} does not fit its commitment {digest}.")
    opening = parse_opening(text)
    if opening.event != event or opening.member != member:
        raise OpeningMismatchError(f"an opening kept for {event}/{member} names another member.")
    return opening.value


def texts_of(connection: sqlite3.Connection, start: int, stop: int) -> dict[int, dict[Digest, str]]:
    """Return the opening texts of the entries from ``start`` up to ``stop``, by position and commitment.

    Raises: OpeningMismatchError for a row that is kept for no commitment at all.
    """
    texts: dict[int, dict[Digest, str]] = {}
    with log_db.declared_errors():
        rows = connection.execute(
            "SELECT seq, commitment, text FROM openings.opening WHERE seq >= ? AND seq < ?", (start, stop)
        ).fetchall()
    for seq, digest, text in rows:
        if len(digest) != DIGEST_BYTES:
            raise OpeningMismatchError(f"an opening of entry {seq} is kept for something that is no commitment.")
        texts.setdefault(seq, {})[Digest(digest)] = text
    return texts


def bytes_of(value: Json) -> bytes:
    """Return the raw bytes that ``{"base64": ...}`` holds in an opening, else raise OpeningMismatchError."""
    if isinstance(value, dict) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return decode(value["base64"])
        except Base64Error as error:
            raise OpeningMismatchError("raw bytes that are not base64") from error
    raise OpeningMismatchError("raw bytes expected")
