"""`strongroom selftest`: known answers, the sandbox, and the program's own files."""

from __future__ import annotations

import click

from base.escape import shown
from commands.options import output_options
from commands.output import Column, Output, Tone, Word

_TONES = {"OK": Tone.GOOD, "BAD": Tone.BAD, "NOT CHECKED": Tone.WAITING}
_LONGEST = 60  # characters of an answer in the table


@click.command()
@output_options("selftest", stream=False)
@click.pass_context
def selftest(ctx: click.Context, output: Output) -> None:
    """Test the program on this machine: digests, signatures, proofs, commitments, the sandbox, its own files.

    Every answer is compared with what the standards publish. The result digest and its seven words are the same
    wherever the same version gives the same answers: read them out over the telephone. No store is needed or touched.

    \b
    Exit status:
      0   everything is right
      6   right, but the installed files were not compared: it runs from a checkout
      8   the sandbox can't be had, or does not hold
      21  a known answer is wrong, or installed files were changed: believe nothing that this program says

    \b
    Example:
      strongroom selftest
    """
    from ingest.selftest import selftest as test_all

    result = test_all()
    if not output.for_people:
        output.document(
            {
                "verdict": "ok" if result.exit_code == 0 else "unchecked" if result.exit_code == 6 else "bad",
                "checks": [check.as_json() for check in result.checks],
                "versions": dict(result.versions),
                "digest": str(result.digest),
                "words": list(result.words),
            }
        )
        ctx.exit(result.exit_code)
    output.table(
        [Column("verdict", whole=True), Column("what"), Column("found")],
        [(Word(check.verdict, _TONES[check.verdict]), check.what, _short(check.found)) for check in result.checks],
    )
    for check in result.checks:
        if check.verdict == "BAD":
            output.text()
            output.text(Word("BAD", Tone.BAD), check.what)
            output.fields([("expected", check.expected), ("found", shown(check.found))])
    output.text()
    output.fields([*result.versions.items()])
    output.text()
    output.fields([("result", str(result.digest)), ("in words", " ".join(result.words) or "no words: see above")])
    ctx.exit(result.exit_code)


def _short(text: str) -> str:
    escaped = shown(text)
    return escaped if len(escaped) <= _LONGEST else f"{escaped[:_LONGEST]}…"
