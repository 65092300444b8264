"""`strongroom checkpoint cosign`: be a witness for somebody's log. Needs no store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from base import fsio
from base.errors import RefusedError, UsageError
from base.escape import shown
from commands.options import output_options
from commands.output import Output, Tone, Word

if TYPE_CHECKING:
    from ledger.witness import Witness

_FILE = click.Path(path_type=Path, dir_okay=False)
_EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
_FILE_MODE = 0o644


@click.command()
@click.option(
    "--witness",
    "folder",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the witness: its key, the logs that it knows, and what it cosigned last.",
)
@click.option("--init", "name", metavar="NAME", help="Make the witness NAME in DIR, and print its vkey.")
@click.option("--ml-dsa-44", "post_quantum", is_flag=True, help="With --init: an ML-DSA-44 key, not an Ed25519 one.")
@click.option("--trust", "vkey", metavar="VKEY", help="Know the log with this vkey from now on.")
@click.option("--request", metavar="FILE", type=_EXISTING, help="Answer the request in FILE.")
@click.option("-o", "--output-file", "answer", metavar="FILE", type=_FILE, help="Where the answer goes.")
@click.option("--serve", metavar="HOST:PORT", help="Answer over HTTP until told to stop; HOST is mostly 127.0.0.1.")
@output_options("checkpoint cosign", stream=False)
def cosign(
    folder: Path,
    name: str | None,
    vkey: str | None,
    request: Path | None,
    answer: Path | None,
    serve: str | None,
    output: Output,
    *,
    post_quantum: bool,
) -> None:
    """Be a witness: cosign a checkpoint if the log has only grown since the last one. Works without a store.

    A witness (c2sp.org/tlog-witness) remembers one checkpoint of each log that it knows, on the disk before it answers.
    Run it on a machine that those who run the log cannot change. It sees no entry of the log.

    \b
    Exit status:
      0   cosigned (200), or the witness is made, or the log is known
      2   no way, or more than one, is named; there is no file FILE
      3   there is no witness in DIR
      4   refused: the request can't be read or goes back (400), another key signed (403), an unknown log (404)
      5   another size was cosigned last (409): the answer says which
      21  the log did not only grow (422): call its custodian

    \b
    Example:
      strongroom checkpoint cosign --witness ~/witness --init witness.example/desk-4
      strongroom checkpoint cosign --witness ~/witness --trust strongroom/4XH7K3M9QZV2D+12ab34cd+AbCd...
      strongroom checkpoint cosign --witness ~/witness --request /media/stick/request -o /media/stick/answer
    """
    from hashing.note import Algorithm
    from ledger.witness import Witness

    if [name, vkey, request, serve].count(None) != 3:
        raise UsageError("name one of --init, --trust, --request and --serve.")
    if name is not None:
        algorithm = Algorithm.ML_DSA_44 if post_quantum else Algorithm.COSIGNATURE_V1
        _tell(output, "made", Witness.create(folder, name, algorithm))
        return
    witness = Witness.open(folder)
    if vkey is not None:
        log = witness.trust(vkey)
        _tell(output, f"knows {log.name} now", witness)
    elif request is not None:
        if answer is None:
            raise UsageError("name the file for the answer with -o FILE.")
        _answer(output, witness, request, answer)
    elif serve is not None:
        from ledger.witness_server import listen

        with listen(witness, serve) as server:
            output.note(f"witness {witness.key.name} listens at {server.url}; Ctrl-C ends it")
            server.serve_forever()


def _answer(output: Output, witness: Witness, request: Path, path: Path) -> None:
    from base.clock import now
    from hashing.cosignature import MAX_REQUEST_BYTES

    if path.exists():
        raise RefusedError(f"{shown(str(path))} exists.", next_step="Name a new file with -o.")
    with fsio.declared_errors(f"reading {request.name}"):
        body = fsio.read_file(request, max_bytes=MAX_REQUEST_BYTES)
    answer = witness.answer(body, moment=now())
    with fsio.declared_errors(f"writing {path.name}"):
        fsio.replace_file(path, answer.as_file(), mode=_FILE_MODE)
    answer.check()
    if output.for_people:
        output.text(Word("OK", Tone.GOOD), f"cosigned; the answer is in {path}")
    else:
        output.document({"status": int(answer.status), "witness": witness.key.name, "file": str(path)})


def _tell(output: Output, what: str, witness: Witness) -> None:
    if output.for_people:
        output.text(Word("OK", Tone.GOOD), f"the witness {witness.key.name} {what if what != 'made' else 'is made'}")
        output.fields([("vkey", str(witness.key.verifier))])
    else:
        output.document({"witness": witness.key.name, "vkey": str(witness.key.verifier)})
