"""Time-stamp tokens over checkpoints: asked for, and kept with the exact bytes that were stamped.

Stamped is the note as the log signed and published it, without cosignatures. Beside it, in `private/lodged/<size>/`,
with LOG for the first 16 digits of the SHA-256 of the log's origin and NAME for the authority:

  LOG.stamped    the stamped bytes
  LOG.NAME.tsq   the query: the nonce that the reply must repeat
  LOG.NAME.pem   the certificates that the authority had in strongroom.toml then
  LOG.NAME.tsr   the reply, exactly as it came; written last and once, so where it is the others are its own

A query that went out on a stick waits as `private/lodged/asked/LOG.SIZE.NAME.tsq`.

KNOWN GAP: a query that waits while the log is closed goes away with it, so its reply finds none. The token is good all
the same, for whoever kept the checkpoint; ask again for the successor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from base import fsio
from base.config import AuthoritySetting, Settings
from base.errors import NotFoundError, UsageError
from base.escape import shown
from hashing.checkpoint import Checkpoint, open_checkpoint
from hashing.cosignature import origin_hash
from hashing.time_stamp import (
    MAX_CERTIFICATES_BYTES,
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
from ledger.layout import StoreLayout
from ledger.lodging import keep_note, record_lodging
from ledger.published import log_key, newest_checkpoint
from ledger.record import Recorder
from ledger.seal import seal

ASKED = "asked"
STAMPED, QUERY, CERTIFICATES, REPLY = ".stamped", ".tsq", ".pem", ".tsr"
MAX_QUERY_BYTES = 10_000


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
    folder = layout.lodged / ASKED
    name = f"{_log_digits(query.checkpoint.origin)}.{query.checkpoint.size}.{authority.name}{QUERY}"
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
        fsio.put_file(folder / f"{digits}{STAMPED}", query.stamped, mode=0o444)
        stem = f"{digits}.{authority.name}"
        if not (folder / f"{stem}{REPLY}").exists():  # else the first stays: it is the one that says since when
            fsio.replace_file(folder / f"{stem}{QUERY}", query.data, mode=0o444)
            fsio.replace_file(folder / f"{stem}{CERTIFICATES}", authority.certificates, mode=0o444)
            fsio.replace_file(folder / f"{stem}{REPLY}", reply, mode=0o444)
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
    folder = recorder.layout.lodged / ASKED
    paths = folder.glob(f"{_log_digits(key.name)}.*.{authority.name}{QUERY}") if folder.is_dir() else ()
    sizes = {path: path.name.split(".")[1] for path in paths}
    for path in sorted((path for path in sizes if sizes[path].isdecimal()), key=lambda path: -int(sizes[path])):
        with log_db.declared_errors():
            row = recorder.connection.execute(
                "SELECT note FROM main.checkpoint WHERE size = ?", (int(sizes[path]),)
            ).fetchone()
        if row is not None:
            with fsio.declared_errors(f"reading {path.name}"):
                data = fsio.read_file(path, max_bytes=MAX_QUERY_BYTES)
            yield path, Query(checkpoint=open_checkpoint(row[0], key), stamped=row[0], data=data)


def _log_digits(origin: str) -> str:
    return origin_hash(origin)[:16]
