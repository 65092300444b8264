"""The time-stamp tokens in `private/lodged/`, checked again: against what is set now, and against the log.

A token is *bad* when it does not fit its bytes, or its bytes are no checkpoint that this log continues. It is
*unchecked* when nobody here can say: the library is not installed, or the certificates under which it was accepted are
not set any more. Nothing is believed for lying beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from base import fsio
from base.config import read_settings
from base.errors import EvidenceError, UncheckedError, UsageError
from hashing.digest import Digest
from hashing.note import MAX_NOTE_BYTES, Verifier
from hashing.time_stamp import (
    MAX_CERTIFICATES_BYTES,
    MAX_REPLY_BYTES,
    Authority,
    AuthorityError,
    TimeStamp,
    TimeStampError,
    verify_time_stamp,
)
from ledger.kept import KeptVerdict, compare_kept
from ledger.layout import StoreLayout
from ledger.time_stamps import CERTIFICATES, MAX_QUERY_BYTES, QUERY, REPLY, STAMPED, read_authority


class AuthorityChangedError(UncheckedError):
    """The certificates under which a token was accepted are not set any more."""

    next_step = "Put the earlier root certificates into the same PEM file, if they are still to be believed."

    def __init__(self, name: str) -> None:
        super().__init__(f"the certificates that are set for {name} are not those under which it was accepted.")


class TokenVerdict(StrEnum):
    """What a kept token is worth."""

    OK = "ok"
    BAD = "bad"
    UNCHECKED = "unchecked"


class KeptToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it lies in the store; nothing of it is verified, and what can't be read is empty."""

    file: str  # inside private/lodged/
    size: int
    authority: str
    stamped: bytes
    query: bytes
    certificates: bytes
    reply: bytes


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a kept token says, checked again."""

    token: KeptToken
    verdict: TokenVerdict
    time_stamp: TimeStamp | None
    found: str  # why it is not good, in words; empty where it is

    @property
    def time(self) -> datetime | None:
        return None if self.time_stamp is None else self.time_stamp.time


def kept_tokens(layout: StoreLayout) -> list[KeptToken]:
    """Return the tokens in `private/lodged/`, by size and authority."""
    if not layout.lodged.is_dir():
        return []
    folders = [path for path in layout.lodged.iterdir() if path.name.isdecimal() and path.is_dir()]
    folders.sort(key=lambda path: int(path.name))
    replies = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix == REPLY]
    return [_kept(path) for path in replies if path.name.count(".") == 2]


def authorities_set(layout: StoreLayout) -> dict[str, Authority]:
    """Return the authorities that are set and whose certificates can be read, by name."""
    found = {}
    with suppress(UsageError, OSError):
        for setting in read_settings(layout.settings).authorities:
            with suppress(AuthorityError):
                found[setting.name] = read_authority(setting)
    return found


def check_tokens(
    layout: StoreLayout,
    authorities: Mapping[str, Authority],
    key: Verifier,
    *,
    size: int,
    root_at: Callable[[int], Digest],
) -> list[TokenAnswer]:
    """Return what each kept token is worth for the log of ``key``, which has ``size`` entries and these roots."""
    return [
        _check(token, authorities.get(token.authority), lambda note: _contradiction(note, key, size, root_at))
        for token in kept_tokens(layout)
    ]


def _check(token: KeptToken, authority: Authority | None, contradiction: Callable[[KeptToken], str]) -> TokenAnswer:
    found: TimeStamp | None = None
    verdict, why = TokenVerdict.OK, ""
    try:
        if authority is None:
            raise AuthorityError(f"no certificate of {token.authority} is set, or it can't be read")
        found = _verify(token, authority)
        why = contradiction(token)
        verdict = TokenVerdict.BAD if why else TokenVerdict.OK
    except TimeStampError as error:
        verdict, why = TokenVerdict.BAD, str(error)
    except (AuthorityError, UncheckedError) as error:
        verdict, why = TokenVerdict.UNCHECKED, f"{error} {error.next_step}"
    return TokenAnswer(token=token, verdict=verdict, time_stamp=found, found=why)


def _verify(token: KeptToken, authority: Authority) -> TimeStamp:
    try:
        return verify_time_stamp(token.reply, stamped=token.stamped, authority=authority, query=token.query or None)
    except TimeStampError:
        # Other certificates are set than those under which it was accepted: that says nothing about the token.
        if token.certificates and token.certificates != authority.certificates:
            before = msgspec.structs.replace(authority, certificates=token.certificates, policy=None)
            with suppress(TimeStampError, AuthorityError):
                verify_time_stamp(token.reply, stamped=token.stamped, authority=before, query=token.query or None)
                raise AuthorityChangedError(token.authority) from None
        raise


def _contradiction(token: KeptToken, key: Verifier, size: int, root_at: Callable[[int], Digest]) -> str:
    """Return in words why what was stamped is no checkpoint that this log continues; empty where it is one."""
    answer = compare_kept(token.stamped, key, size=size, root_at=root_at)
    if answer.verdict is KeptVerdict.OTHER_LOG:
        return "what was stamped is a checkpoint of another log"
    if not answer.verdict.is_good:
        return f"what was stamped is no checkpoint that this log continues ({answer.verdict}): {answer.found}"
    if answer.size != token.size:
        return f"what was stamped has {answer.size} entries, not {token.size}"
    return ""


def _kept(path: Path) -> KeptToken:
    digits, authority, _ = path.name.split(".")
    return KeptToken(
        file=f"{path.parent.name}/{path.name}",
        size=int(path.parent.name),
        authority=authority,
        stamped=_content(path.with_name(digits + STAMPED), MAX_NOTE_BYTES),
        query=_content(path.with_suffix(QUERY), MAX_QUERY_BYTES),
        certificates=_content(path.with_suffix(CERTIFICATES), MAX_CERTIFICATES_BYTES),
        reply=_content(path, MAX_REPLY_BYTES),
    )


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        return fsio.read_file(path, max_bytes=max_bytes)
    except (OSError, EvidenceError):
        return b""
