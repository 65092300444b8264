"""Time-stamp tokens over checkpoints: asked for, kept with the exact bytes that were stamped, and checked again.

Stamped is the note as the log signed and published it, without cosignatures. Beside it, in `private/lodged/<size>/`,
with LOG for the first 16 digits of the SHA-256 of the log's origin and NAME for the authority:

  LOG.stamped    the stamped bytes
  LOG.NAME.tsq   the query: the nonce that the reply must repeat
  LOG.NAME.pem   the certificates that the authority had in strongroom.toml then
  LOG.NAME.tsr   the reply, exactly as it came; written last, so where it is the others are

A query that went out on a stick waits as `private/lodged/asked/LOG.SIZE.NAME.tsq`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from base import fsio
from base.config import AuthoritySetting, Settings
from base.errors import EvidenceError, LedgerError, NotFoundError, UncheckedError, UsageError
from base.escape import shown
from hashing.checkpoint import Checkpoint, open_checkpoint
from hashing.cosignature import origin_hash
from hashing.note import MAX_NOTE_BYTES, Verifier
from hashing.time_stamp import (
    MAX_CERTIFICATES_BYTES,
    MAX_REPLY_BYTES,
    Authority,
    AuthorityError,
    NotGrantedError,
    TimeStamp,
    TimeStampError,
    certificates_of,
    require_library,
    time_stamp_query,
    verify_time_stamp,
)
from ledger import log_db
from ledger.events.anchor import TIME_STAMP
from ledger.kept import compare_kept
from ledger.layout import StoreLayout
from ledger.lodging import keep_note, record_lodging
from ledger.memories import LogRoots
from ledger.published import log_key, newest_checkpoint
from ledger.record import Recorder
from ledger.seal import seal

_ASKED = "asked"
_STAMPED, _QUERY, _CERTIFICATES, _REPLY = ".stamped", ".tsq", ".pem", ".tsr"
_MAX_QUERY_BYTES = 10_000


class TokenVerdict(StrEnum):
    """What a kept token is worth."""

    OK = "ok"
    BAD = "bad"
    UNCHECKED = "unchecked"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an authority, and about which checkpoint."""

    checkpoint: Checkpoint
    stamped: bytes
    data: bytes


class Stamped(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint of which an authority says since when it exists."""

    checkpoint: Checkpoint
    authority: str
    time_stamp: TimeStamp
    seq: int  # of the entry that says so


class KeptToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it lies in the store; nothing of it is verified, and what can't be read is empty."""

    name: str  # inside private/lodged/
    log: str  # the first digits of the digest of the origin
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


# ------------------------------------------------------------------------------------------------ asking and keeping


def authority_named(settings: Settings, name: str) -> tuple[Authority, AuthoritySetting]:
    """Return the authority that is set as ``name``, its certificates read. Raises UsageError, AuthorityError."""
    for setting in settings.authorities:
        if setting.name == name:
            authority = read_authority(setting)
            certificates_of(authority)
            return authority, setting
    known = ", ".join(setting.name for setting in settings.authorities) or "none"
    raise UsageError(
        f"no authority {shown(name)} is set; known are: {known}.",
        next_step="Add [[tsa]] with name and certificate to strongroom.toml.",
    )


def read_authority(setting: AuthoritySetting) -> Authority:
    """Return the authority with its certificates from the disk. Raises AuthorityError where they can't be read."""
    where = os.fsdecode(setting.certificate)
    try:
        with open(where, "rb") as file:  # not through fsio: /etc/ssl/certs is full of symbolic links
            certificates = file.read(MAX_CERTIFICATES_BYTES + 1)
    except OSError as error:
        raise AuthorityError(f"the certificates of {setting.name}, {shown(where)}: {error.strerror}.") from error
    if len(certificates) > MAX_CERTIFICATES_BYTES:
        raise AuthorityError(f"{shown(where)} has more than {MAX_CERTIFICATES_BYTES} bytes.")
    return Authority(name=setting.name, certificates=certificates, policy=setting.policy)


def query_newest(layout: StoreLayout) -> Query:
    """Seal the log, and return a query for its newest checkpoint. Nothing is kept."""
    require_library()
    with Recorder.open(layout) as recorder:
        seal(recorder)
        newest = newest_checkpoint(recorder.connection, log_key(recorder.connection))
    return Query(checkpoint=newest.checkpoint, stamped=newest.note, data=time_stamp_query(newest.note))


def keep_query(layout: StoreLayout, authority: Authority, query: Query) -> None:
    """Keep a query that goes out on a stick, until its reply comes back."""
    folder = layout.lodged / _ASKED
    name = f"{_log_digits(query.checkpoint.origin)}.{query.checkpoint.size}.{authority.name}{_QUERY}"
    with fsio.declared_errors("keeping the query to an authority"):
        fsio.make_directories(folder)
        fsio.replace_file(folder / name, query.data, mode=0o600)


def keep_answer(layout: StoreLayout, authority: Authority, reply: bytes, *, where: str | None) -> Stamped:
    """Keep the ``reply`` to one of the queries that went out to ``authority`` on a stick, and record it.

    Raises: NotFoundError when none waits, TimeStampError when the reply fits none of them; nothing is kept then.
    """
    failure: TimeStampError | None = None
    with Recorder.open(layout) as recorder:
        for path, query in _asked(recorder, authority):
            try:
                stamped = _keep(recorder, authority, query, reply, where=where)
            except NotGrantedError:
                raise
            except TimeStampError as error:
                failure = failure or error
                continue
            with fsio.declared_errors("removing the query that was answered"):
                fsio.remove(path)
            return stamped
    raise failure or NotFoundError(
        f"no query to {authority.name} waits for a reply here.",
        next_step="Write one: `checkpoint lodge --tsa NAME --tsa-query FILE`.",
    )


def keep_reply(layout: StoreLayout, authority: Authority, query: Query, reply: bytes, *, where: str | None) -> Stamped:
    """Verify the ``reply`` to ``query``, keep it with the stamped bytes, and record that the checkpoint is stamped.

    Raises TimeStampError, and keeps nothing, unless everything about it is right.
    """
    with Recorder.open(layout) as recorder:
        return _keep(recorder, authority, query, reply, where=where)


def _keep(recorder: Recorder, authority: Authority, query: Query, reply: bytes, *, where: str | None) -> Stamped:
    found = verify_time_stamp(reply, stamped=query.stamped, authority=authority, query=query.data)
    digits, checkpoint = _log_digits(query.checkpoint.origin), query.checkpoint
    folder = recorder.layout.lodged / str(checkpoint.size)
    note = keep_note(recorder, checkpoint, query.stamped)
    with fsio.declared_errors("keeping a time-stamp token"):
        fsio.put_file(folder / f"{digits}{_STAMPED}", query.stamped, mode=0o444)
        fsio.replace_file(folder / f"{digits}.{authority.name}{_QUERY}", query.data, mode=0o444)
        fsio.replace_file(folder / f"{digits}.{authority.name}{_CERTIFICATES}", authority.certificates, mode=0o444)
        fsio.replace_file(folder / f"{digits}.{authority.name}{_REPLY}", reply, mode=0o444)
    lodged = record_lodging(
        recorder,
        checkpoint,
        note,
        kind=TIME_STAMP,
        where=where,
        key=found.signer.hex,
        witness=authority.name,
    )
    return Stamped(checkpoint=checkpoint, authority=authority.name, time_stamp=found, seq=lodged.seq)


def _asked(recorder: Recorder, authority: Authority) -> Iterator[tuple[Path, Query]]:
    """Yield the queries to ``authority`` that wait for a reply, the newest first."""
    key = log_key(recorder.connection)
    folder = recorder.layout.lodged / _ASKED
    paths = folder.glob(f"{_log_digits(key.name)}.*.{authority.name}{_QUERY}") if folder.is_dir() else ()
    sizes = {path: path.name.split(".")[1] for path in paths}
    for path in sorted((path for path in sizes if sizes[path].isdecimal()), key=lambda path: -int(sizes[path])):
        with log_db.declared_errors():
            row = recorder.connection.execute(
                "SELECT note FROM main.checkpoint WHERE size = ?", (int(sizes[path]),)
            ).fetchone()
        if row is not None:
            with fsio.declared_errors(f"reading {path.name}"):
                data = fsio.read_file(path, max_bytes=_MAX_QUERY_BYTES)
            yield path, Query(checkpoint=open_checkpoint(row[0], key), stamped=row[0], data=data)


def _log_digits(origin: str) -> str:
    return origin_hash(origin)[:16]


# -------------------------------------------------------------------------------------------------- checking again


def kept_tokens(layout: StoreLayout) -> list[KeptToken]:
    """Return the tokens in `private/lodged/`, by size and authority."""
    if not layout.lodged.is_dir():
        return []
    folders = sorted(
        (path for path in layout.lodged.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name)
    )
    replies = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix == _REPLY]
    return [_kept(path) for path in replies if path.name.count(".") == 2]


def check_tokens(
    layout: StoreLayout, authorities: Mapping[str, Authority], newest: Checkpoint, key: Verifier
) -> list[TokenAnswer]:
    """Return what each kept token is worth, held against the log of ``key`` and the authorities that are set now."""
    roots = LogRoots(layout.log, newest)
    return [_check(token, authorities.get(token.authority), newest, key, roots) for token in kept_tokens(layout)]


def _check(
    token: KeptToken, authority: Authority | None, newest: Checkpoint, key: Verifier, roots: LogRoots
) -> TokenAnswer:
    found: TimeStamp | None = None

    def answer(verdict: TokenVerdict, why: str) -> TokenAnswer:
        return TokenAnswer(token=token, verdict=verdict, time_stamp=found, found=why)

    if authority is None:
        return answer(TokenVerdict.UNCHECKED, f"no usable certificate of {token.authority} is set")
    try:
        found = verify_time_stamp(token.reply, stamped=token.stamped, authority=authority, query=token.query or None)
        kept = compare_kept(token.stamped, key, size=newest.size, root_at=roots.at)
    except TimeStampError as error:
        return answer(TokenVerdict.BAD, str(error))
    except (UncheckedError, AuthorityError, LedgerError) as error:
        return answer(TokenVerdict.UNCHECKED, str(error))
    if not kept.verdict.is_good or kept.size != token.size:
        return answer(TokenVerdict.BAD, f"stamped is a checkpoint that this log does not continue: {kept.verdict}")
    return answer(TokenVerdict.OK, "")


def _kept(path: Path) -> KeptToken:
    digits, authority, _ = path.name.split(".")
    return KeptToken(
        name=f"{path.parent.name}/{path.name}",
        log=digits,
        size=int(path.parent.name),
        authority=authority,
        stamped=_content(path.with_name(digits + _STAMPED), MAX_NOTE_BYTES),
        query=_content(path.with_suffix(_QUERY), _MAX_QUERY_BYTES),
        certificates=_content(path.with_suffix(_CERTIFICATES), MAX_CERTIFICATES_BYTES),
        reply=_content(path, MAX_REPLY_BYTES),
    )


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        return fsio.read_file(path, max_bytes=max_bytes)
    except (OSError, EvidenceError):
        return b""
