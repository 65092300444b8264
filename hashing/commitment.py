"""Salted commitments: a value that an entry pins down without showing it, and the opening that shows it.

An opening is the unpadded base64url of a JSON array ``[salt, "<event>/<member>", value]``; its commitment is the
SHA-256 of that ASCII text, so that anybody can check one with ``printf %s OPENING | sha256sum``. An opening is stored
as made and never rebuilt. Nothing here draws salts or knows which members an event type has.

Source: custody log, section 4, "Commitments"; the digest construction is that of SD-JWT disclosures (RFC 9901).
"""

from __future__ import annotations

import re

import msgspec

from base.errors import LedgerError
from hashing.base64_text import Base64Error, decode_url, encode_url
from hashing.digest import Digest
from hashing.strict_json import Json, StrictJsonError, canonical_document, parse_document

SALT_BYTES = 16
MAX_OPENING_BYTES = 64 * 1024 * 1024  # a manifest of 100,000 items is about 20 MB

_MEMBER = r"[a-z][a-z0-9_]{0,63}(?:/(?:0|[1-9][0-9]{0,5}))?"
_PLACE = re.compile(rf"event_[0-9a-f]{{32}}/{_MEMBER}", re.ASCII)


class OpeningError(LedgerError):
    """Not an opening, or one that could be read in more than one way."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What an opening says: at this member of this event stood this value."""

    text: str  # as made; the commitment is its SHA-256
    salt: bytes
    event: str
    member: str  # ``name``, or ``name/<n>`` for one element of a committed list
    value: Json

    @property
    def name(self) -> str:
        """The member without the index of an element."""
        return self.member.partition("/")[0]

    @property
    def index(self) -> int | None:
        """The position of an element in its committed list; None where the whole member is opened."""
        index = self.member.partition("/")[2]
        return int(index) if index else None


def make_opening(*, salt: bytes, event: str, member: str, value: Json) -> str:
    """Return the opening of ``value`` at ``member`` (``name``, or ``name/<n>`` for a list element) of ``event``.

    Raises: OpeningError, also for a value that no opening may hold.
    """
    place = f"{event}/{member}"
    if len(salt) != SALT_BYTES:
        raise OpeningError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    if not _PLACE.fullmatch(place):
        raise OpeningError("not the identifier of an event and the name of a member")
    try:
        written = canonical_document(value)
    except StrictJsonError as err:
        raise OpeningError(f"cannot be committed to: {err}") from err
    text = encode_url(b'["%b","%b",%b]' % (encode_url(salt).encode(), place.encode(), written))
    if len(text) > MAX_OPENING_BYTES:
        raise OpeningError(f"an opening of {len(text)} bytes, at most {MAX_OPENING_BYTES} are allowed")
    return text


def commitment(text: str) -> Digest:
    """Return the commitment behind which the opening ``text`` stands."""
    try:
        return Digest.of(text.encode("ascii"))
    except UnicodeEncodeError as err:
        raise OpeningError("an opening is ASCII text") from err


def parse_opening(text: str) -> Opening:
    """Return what the opening ``text`` says. Raises OpeningError for anything a strict reader refuses."""
    if len(text) > MAX_OPENING_BYTES:
        raise OpeningError(f"an opening of {len(text)} bytes, at most {MAX_OPENING_BYTES} are allowed")
    try:
        parsed = parse_document(decode_url(text), max_bytes=MAX_OPENING_BYTES)
    except (Base64Error, StrictJsonError) as err:
        raise OpeningError(f"not an opening: {err}") from err
    match parsed:
        case [str(salt), str(place), value] if _PLACE.fullmatch(place):
            event, _, member = place.partition("/")
            return Opening(text=text, salt=_parse_salt(salt), event=event, member=member, value=value)
        case _:
            raise OpeningError('not an opening: not an array [salt, "<event>/<member>", value]')


def _parse_salt(text: str) -> bytes:
    try:
        salt = decode_url(text)
    except Base64Error as err:
        raise OpeningError(f"the salt of an opening is {err}") from err
    if len(salt) != SALT_BYTES:
        raise OpeningError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return salt
