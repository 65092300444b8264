"""`strongroom checkpoint lodge --tsa`: somebody outside says since when a checkpoint exists (RFC 3161).

The authority is asked here and nowhere else, by whoever runs the command: the recorder never waits for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from base import fsio
from base.clock import format_time
from base.config import read_settings
from base.errors import UsageError
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from hashing.time_stamp import Authority
    from ledger.time_stamps import Stamped

_FILE_MODE = 0o644  # made to be given away


def stamp(
    layout: StoreLayout, output: Output, name: str, *, query: Path | None, reply: Path | None, where: str | None
) -> None:
    """Ask the authority ``name`` over HTTP, or write the query to a file, or read the reply from one."""
    from ledger.time_stamps import authority_named

    if query is not None and reply is not None:
        raise UsageError("--tsa-query writes what is asked, --tsa-reply reads the answer to it: name one of them.")
    authority, setting = authority_named(read_settings(layout.settings), name)
    if query is not None:
        _write_query(layout, output, authority, query)
    elif reply is not None:
        _read_reply(layout, output, authority, reply, where)
    elif setting.url is None:
        raise UsageError(f"no url is set for the authority {name}; use --tsa-query and --tsa-reply.")
    else:
        _ask(layout, output, authority, setting.url, where)


def _ask(layout: StoreLayout, output: Output, authority: Authority, url: str, where: str | None) -> None:
    from ledger.time_stamp_client import ask_authority
    from ledger.time_stamps import keep_reply, query_newest

    query = query_newest(layout)
    reply = ask_authority(url, query.data)
    _tell(output, keep_reply(layout, authority, query, reply, where=where))


def _write_query(layout: StoreLayout, output: Output, authority: Authority, path: Path) -> None:
    from ledger.time_stamps import keep_query, query_newest

    query = query_newest(layout)
    keep_query(layout, authority, query)
    with fsio.declared_errors(f"writing {path.name}"):
        fsio.replace_file(path, query.data, mode=_FILE_MODE)
    if not output.for_people:
        output.document({"file": str(path), "tsa": authority.name, "size": query.checkpoint.size})
        return
    output.text(
        Word("OK", Tone.GOOD), f"the query to {authority.name} for {query.checkpoint.size:,} entries is in {path}"
    )
    output.note(f"When its reply is here: strongroom checkpoint lodge --tsa {authority.name} --tsa-reply FILE")


def _read_reply(layout: StoreLayout, output: Output, authority: Authority, path: Path, where: str | None) -> None:
    from hashing.time_stamp import MAX_REPLY_BYTES
    from ledger.time_stamps import keep_answer

    with fsio.declared_errors(f"reading {path.name}"), path.open("rb") as file:
        reply = file.read(MAX_REPLY_BYTES + 1)
    _tell(output, keep_answer(layout, authority, reply, where=where))


def _tell(output: Output, stamped: Stamped) -> None:
    checkpoint, found = stamped.checkpoint, stamped.time_stamp
    if not output.for_people:
        output.document(
            {
                "checkpoint": {"size": checkpoint.size, "root": checkpoint.root.hex},
                "seq": stamped.seq,
                "tsa": stamped.authority,
                "time": format_time(found.time),
                "accuracy_ms": found.accuracy_ms,
                "policy": found.policy,
                "signer": found.signer.hex,
            }
        )
        return
    output.text(
        Word("OK", Tone.GOOD), f"{stamped.authority} time-stamped the checkpoint of {checkpoint.size:,} entries"
    )
    exactly = "how exactly, it does not say" if found.accuracy_ms is None else f"give or take {found.accuracy_ms:,} ms"
    output.fields(
        [
            ("existed at", f"{format_time(found.time)}, {exactly}"),
            ("root", str(checkpoint.root)),
            ("policy", found.policy),
            ("signed by", f"the certificate with the SHA-256 {found.signer}"),
        ]
    )
    output.note(f"Entry {stamped.seq} says so.")
