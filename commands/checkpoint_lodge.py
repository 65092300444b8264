"""`strongroom checkpoint lodge`: give the newest checkpoint to somebody outside; witnesses and time stamps too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base import fsio
from base.config import read_settings
from base.errors import RefusedError, UsageError
from base.escape import shown
from commands.checkpoint_stamp import stamp
from commands.options import output_options, store_option
from commands.output import Output, Tone, Word
from ledger.layout import StoreLayout

if TYPE_CHECKING:
    from hashing.policy import TrustedKey
    from ledger.lodging import Lodged

_FILE = click.Path(path_type=Path, dir_okay=False)
_EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
_FILE_MODE = 0o644  # made to be given away


@click.command()
@click.option("-o", "--output-file", "file", metavar="FILE", type=_FILE, help="Write the checkpoint to FILE.")
@click.option("--html", "page", metavar="FILE", type=_FILE, help="Write a page to print: note, words, how to check.")
@click.option("--qr", "code", metavar="FILE", type=_FILE, help="Write a QR code: FILE.svg or FILE.png (extra: print).")
@click.option("--print", "to_stdout", is_flag=True, help="Print the checkpoint and its seven words.")
@click.option("--request", metavar="FILE", type=_FILE, help="Write a request to a witness, for a stick.")
@click.option("--accept", metavar="FILE", type=_EXISTING, help="Read the answer of a witness from a stick.")
@click.option("--send", is_flag=True, help="Ask the witness over HTTP, at the url in strongroom.toml.")
@click.option("--witness", "name", metavar="NAME", help="Which witness, where several are set.")
@click.option("--old", type=click.IntRange(0), metavar="SIZE", help="What the witness says it cosigned last.")
@click.option(
    "--tsa", metavar="NAME", help="Have the checkpoint time-stamped (RFC 3161) by this authority (extra: tsa)."
)
@click.option("--tsa-query", "query", metavar="FILE", type=_FILE, help="Only write the query to the authority.")
@click.option("--tsa-reply", "reply", metavar="FILE", type=_EXISTING, help="Read the reply of the authority.")
@click.option("--where", metavar="TEXT", help="Who holds it, or where it lies: recorded, not shown to everybody.")
@store_option
@output_options("checkpoint lodge", stream=False)
def lodge(
    file: Path | None,
    page: Path | None,
    code: Path | None,
    request: Path | None,
    accept: Path | None,
    name: str | None,
    old: int | None,
    tsa: str | None,
    query: Path | None,
    reply: Path | None,
    where: str | None,
    layout: StoreLayout,
    output: Output,
    *,
    to_stdout: bool,
    send: bool,
) -> None:
    """Seal the log and give its checkpoint to somebody outside, who then can tell if the log is ever put back.

    A copy goes to a file, a page or the terminal. A witness that is set in strongroom.toml cosigns it: over HTTP, or on
    a stick with --request, `checkpoint cosign` on its machine, and --accept. A time-stamp authority that is set there
    says since when it exists: over HTTP with --tsa, or over files with --tsa-query and --tsa-reply as well. That it was
    lodged is an entry.

    \b
    Exit status:
      0   lodged (or with --request, --tsa-query: that is written, and nothing is lodged yet)
      2   no way, or more than one, is named; the witness is not set; there is no file to accept, or it is no answer
      4   FILE exists, or the witness refused
      5   the witness cosigned another size last: ask again with --old; or the authority gave no time stamp
      6   what reads time stamps is not installed
      8   the disk refuses, or the witness or the authority can't be reached
      20  the time stamp is not one of this checkpoint by this authority: it was not kept
      21  the witness saw another history or more of this log, or its line is false

    \b
    Example:
      strongroom checkpoint lodge -o /media/stick/2026-11.checkpoint --where "auditor, quarterly visit"
    """
    if tsa is None and (query is not None or reply is not None):
        raise UsageError("--tsa-query and --tsa-reply go with --tsa NAME.")
    copies = file is not None or page is not None or code is not None or to_stdout
    if [copies, request is not None, accept is not None, send, tsa is not None].count(True) != 1:
        raise UsageError("name one way: a copy (-o, --html, --qr, --print), --request, --accept, --send or --tsa.")
    if tsa is not None:
        _refuse_existing(query)
        stamp(layout, output, tsa, query=query, reply=reply, where=where)
    elif copies:
        for path in (file, page, code):
            _refuse_existing(path)
        if code is not None and code.suffix not in (".svg", ".png"):
            raise UsageError("a QR code is written to FILE.svg or FILE.png.")
        _give_copies(layout, output, file=file, page=page, code=code, to_stdout=to_stdout, where=where)
    elif request is not None:
        _refuse_existing(request)
        _write_request(layout, output, request, _witness(layout, name), old)
    elif accept is not None:
        _accept(layout, output, accept, where)
    else:
        _send(layout, output, _witness(layout, name), old, where)


def _give_copies(
    layout: StoreLayout,
    output: Output,
    *,
    file: Path | None,
    page: Path | None,
    code: Path | None,
    to_stdout: bool,
    where: str | None,
) -> None:
    """Lodge, and only then write: whoever finds a copy finds the entry that says so too."""
    from hashing.words import spoken_form
    from ledger.lodging import lodge_copy

    if code is not None:
        from exports.checkpoint_page import refuse_without_qr

        refuse_without_qr()
    lodged = lodge_copy(layout, where=where)
    words = spoken_form(lodged.checkpoint.text())
    if file is not None:
        _write(file, lodged.note)
    if code is not None:
        from exports.checkpoint_page import qr_png, qr_svg

        _write(code, qr_png(lodged.note) if code.suffix == ".png" else qr_svg(lodged.note).encode("utf-8"))
    if page is not None:
        from exports.checkpoint_page import checkpoint_page

        _write(page, checkpoint_page(lodged.checkpoint, lodged.note, words).encode("utf-8"))
    if to_stdout and output.for_people:
        sys.stdout.write(f"{lodged.note.decode('utf-8')}\n{' '.join(words)}\n")
        return
    _tell(output, lodged, file=file or page or code, words=words)


def _write_request(layout: StoreLayout, output: Output, path: Path, witness: TrustedKey, old: int | None) -> None:
    from ledger.lodging import request_to

    request = request_to(layout, witness.key, old_size=old)
    _write(path, request.encode())
    if not output.for_people:
        output.document({"file": str(path), "witness": witness.key.name, "old_size": request.old_size})
        return
    output.text(Word("OK", Tone.GOOD), f"the request to {witness.key.name}, from size {request.old_size}, is in {path}")
    output.note(f"On the machine of the witness: strongroom checkpoint cosign --witness DIR --request {path} -o ANSWER")


def _accept(layout: StoreLayout, output: Output, path: Path, where: str | None) -> None:
    from hashing.note import MAX_NOTE_BYTES
    from ledger.lodging import accept
    from ledger.witness import read_answer
    from ledger.witness_settings import witness_keys

    with fsio.declared_errors(f"reading {path.name}"):
        answer = read_answer(fsio.read_file(path, max_bytes=MAX_NOTE_BYTES))
    answer.check()
    keys = [witness.key for witness in witness_keys(read_settings(layout.settings)).values()]
    _tell(output, accept(layout, answer.body, keys, where=where), file=path)


def _send(layout: StoreLayout, output: Output, witness: TrustedKey, old: int | None, where: str | None) -> None:
    from ledger.lodging import accept, request_to
    from ledger.witness_client import ask

    if witness.url is None:
        raise UsageError(f"no url is set for the witness {witness.key.name}; use --request and --accept.")
    request = request_to(layout, witness.key, old_size=old)
    answer = ask(witness.url, request.encode())
    answer.check()
    _tell(output, accept(layout, answer.body, [witness.key], where=where))


def _witness(layout: StoreLayout, name: str | None) -> TrustedKey:
    from ledger.witness_settings import witness_keys

    witnesses = witness_keys(read_settings(layout.settings))
    if name is None and len(witnesses) == 1:
        return next(iter(witnesses.values()))
    if name not in witnesses:
        known = ", ".join(witnesses) or "none"
        raise UsageError(f"name one of the witnesses that are set ({known}) with --witness NAME.")
    return witnesses[name]


def _tell(output: Output, lodged: Lodged, *, file: Path | None = None, words: tuple[str, ...] = ()) -> None:
    if not output.for_people:
        output.document(
            {
                "checkpoint": {"size": lodged.checkpoint.size, "root": lodged.checkpoint.root.hex},
                "seq": lodged.seq,
                "witnesses": list(lodged.witnesses),
                "file": None if file is None else str(file),
                "words": list(words) or None,
            }
        )
        return
    by = f"cosigned by {', '.join(lodged.witnesses)}" if lodged.witnesses else f"in {file}"
    output.text(Word("OK", Tone.GOOD), f"the checkpoint of {lodged.checkpoint.size:,} entries is lodged, {by}")
    output.fields([("root", str(lodged.checkpoint.root)), *([("words", " ".join(words))] if words else [])])
    output.note(f"Entry {lodged.seq} says so.")


def _refuse_existing(path: Path | None) -> None:
    if path is not None and path.exists():
        raise RefusedError(
            f"{shown(str(path))} exists: a kept checkpoint is never written over.", next_step="Name a new file."
        )


def _write(path: Path, data: bytes) -> None:
    with fsio.declared_errors(f"writing {path.name}"):
        fsio.replace_file(path, data, mode=_FILE_MODE)
