"""Fuzzes one parser with atheris, which looks at the branches that were taken: ``atheris_target.py NAME FOLDER ARGS``.

The samples of the table of parsers are written into FOLDER as the first inputs; what atheris finds interesting is added
there. ARGS are those of libFuzzer: ``-max_total_time=600``, or the file of a crash to run it again. Needs what is in
requirements-fuzz.lock.
"""

from __future__ import annotations

import sys
from functools import partial
from hashlib import sha256
from pathlib import Path

import atheris

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests" / "support")]

with atheris.instrument_imports(
    include=["base", "hashing", "ledger", "ingest", "media", "json", "tomllib"], enable_loader_override=False
):
    from parser_table import PARSERS
    from parsers import Parser, judged


def judged_quietly(parser: Parser, data: bytes) -> None:
    """Let any error but the declared ones out: atheris stops at it, and keeps the input."""
    judged(parser, data)


def main() -> None:
    """Fuzz the parser whose name is the first argument, until libFuzzer ends the process."""
    name, folder, *arguments = sys.argv[1:]
    (parser,) = (each for each in PARSERS if each.name == name)
    for sample in parser.samples:
        (Path(folder) / sha256(sample).hexdigest()[:16]).write_bytes(sample)
    atheris.Setup([sys.argv[0], *arguments, "-max_len=20000", folder], partial(judged_quietly, parser))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
