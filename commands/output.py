"""What a command prints: tables, fields, JSON documents and JSON lines, questions and errors.

stdout holds the result, stderr the talk. On a terminal tables are drawn by rich, which is imported only then;
elsewhere they are plain aligned text. Whatever comes in, no control, escape or bidirectional character goes out: text
that was not escaped by `base.escape.shown` before is made harmless here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO

from base.errors import EvidenceError
from base.escape import shown

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1


class Mode(Enum):
    """Who reads the result."""

    PEOPLE = "people"
    JSON = "json"  # one document
    JSONL = "jsonl"  # one object a line


class Tone(Enum):
    """What a word means. The word itself says it; colour only repeats it, where there is colour."""

    PLAIN = ""
    QUIET = "dim"
    GOOD = "green"
    WAITING = "yellow"
    BAD = "bold red"
    TITLE = "bold"


class Word(NamedTuple):
    """A piece of text with its tone: ``Word("HELD", Tone.WAITING)``."""

    text: str
    tone: Tone = Tone.PLAIN


Cell = Word | str | int | None
NOT_KNOWN = "-"
_GAP = 3  # characters between two columns of a drawn table
_READABLE = 16  # characters that a cell has at least before it is broken


class Column(NamedTuple):
    """A column of a table: its heading (of several lines on a terminal), and how it is treated."""

    heading: str
    right: bool = False  # numbers
    whole: bool = False  # identifiers and digests: never broken over lines
    spare: bool = False  # left out, and said to be, where the terminal is too narrow


class Style(NamedTuple):
    """How to draw for people: with rich or as plain text, with colour or without."""

    drawn: bool
    coloured: bool


def choose_style(flag: str, environment: Mapping[str, str], *, is_terminal: bool) -> Style:
    """Return the style for ``--color`` and NO_COLOR, FORCE_COLOR, in this order of strength.

    Source: no-color.org and force-color.org: a variable counts when it is set and not empty.
    """
    if flag != "auto":
        coloured = flag == "always"
    elif environment.get("NO_COLOR"):
        coloured = False
    elif environment.get("FORCE_COLOR"):
        coloured = True
    else:
        coloured = is_terminal and environment.get("TERM") != "dumb"
    return Style(drawn=is_terminal or coloured, coloured=coloured)


def harmless(text: str) -> str:
    """Return ``text`` with every character that could move a cursor or turn text round written as an escape.

    Unlike `base.escape.shown` it leaves backslashes and length alone, so text that was escaped before stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else shown(character) for character in text)


class Output(NamedTuple):
    """Where and how one command prints. ``command`` is its full name: ``find``, ``catalog rebuild``."""

    command: str
    mode: Mode = Mode.PEOPLE
    color: str = "auto"

    @property
    def for_people(self) -> bool:
        return self.mode is Mode.PEOPLE

    @property
    def schema(self) -> str:
        return f"strongroom/{self.command.replace(' ', '-')}/{SCHEMA_VERSION}"

    # ------------------------------------------------------------------------------------------------ for programs

    def document(self, members: Mapping[str, object]) -> None:
        """Print one JSON document that carries its schema."""
        _write(sys.stdout, _json({"schema": self.schema, **members}, indent=2))

    def line(self, members: Mapping[str, object], *, at_once: bool = True) -> None:
        """Print one JSON object on a line of its own; ``at_once``, because whoever reads the stream waits for it."""
        _write(sys.stdout, _json({"schema": self.schema, **members}))
        if at_once:
            sys.stdout.flush()

    def flush(self) -> None:
        """Let out what was printed so far."""
        sys.stdout.flush()

    # -------------------------------------------------------------------------------------------------- for people

    def text(self, *words: Cell) -> None:
        """Print one line of text, words set apart by blanks."""
        self._print(sys.stdout, words)

    def fields(self, fields: Iterable[tuple[str, Cell]]) -> None:
        """Print names and values under each other, the values aligned."""
        pairs = list(fields)
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self._print(sys.stdout, (Word(f"{name:<{width}} ", Tone.QUIET), value))

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table; without rows, its headings are left out too."""
        cells = [[_word(cell) for cell in row] for row in rows]
        if not cells:
            return
        style = self._style(sys.stdout)
        if style.drawn:
            left_out = _draw_table(_console(sys.stdout, style), columns, cells)
            if left_out:
                self.note(Word(f"For want of room: no {', '.join(left_out)}. --json has everything.", Tone.QUIET))
        else:
            _write(sys.stdout, _plain_table(columns, cells))

    # ----------------------------------------------------------------------------------------------------- the talk

    def question(self, text: str) -> None:
        """Say on stderr how the question was understood, before any result."""
        self._print(sys.stderr, (Word(f"Question: {text}", Tone.QUIET),))

    def note(self, *words: Cell) -> None:
        """Say something on stderr that is not part of the result."""
        self._print(sys.stderr, words)

    def _style(self, stream: TextIO) -> Style:
        return choose_style(self.color, os.environ, is_terminal=stream.isatty())

    def _print(self, stream: TextIO, words: Sequence[Cell]) -> None:
        style = self._style(stream)
        shown_words = [_word(word) for word in words]
        if style.coloured and any(word.tone is not Tone.PLAIN for word in shown_words):
            _draw_line(_console(stream, style), shown_words)
        else:
            _write(stream, " ".join(word.text for word in shown_words))


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON, however wrong the rest of it is."""
    before_names = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before_names or "--jsonl" in before_names


def show_error(error: EvidenceError, *, as_json: bool) -> None:
    """Print an error: for people on stderr with its next step, in JSON mode as a document on stdout."""
    if as_json:
        told = {"code": error.code, "message": str(error), "next": error.next_step, "refs": list(error.refs)}
        _write(sys.stdout, _json({"error": told}))
        return
    talk = Output(command="error")
    talk.note(Word("Error:", Tone.BAD), str(error))
    talk.note(Word("Next:", Tone.TITLE), error.next_step)


def _json(document: Mapping[str, object], *, indent: int | None = None) -> str:
    import json  # not for `--help`, nor for people

    text = json.dumps(document, ensure_ascii=True, allow_nan=False, indent=indent)
    # The one control character that JSON leaves as it is. It can stand in strings only.
    return text.replace("\x7f", "\\u007f")


def _word(cell: Cell) -> Word:
    match cell:
        case None:
            return Word(NOT_KNOWN, Tone.QUIET)
        case Word():
            return Word(harmless(cell.text), cell.tone)
        case int():
            return Word(f"{cell:,}")
        case _:
            return Word(harmless(cell))


def _write(stream: TextIO, text: str) -> None:
    """Write one line; a character that the terminal's encoding lacks shows as an escape, and is no error."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _plain_table(columns: Sequence[Column], rows: Sequence[Sequence[Word]]) -> str:
    texts = [
        [column.heading.replace("\n", " ").upper() for column in columns],
        *([word.text for word in row] for row in rows),
    ]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    lines = []
    for row in texts:
        aligned = (
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        )
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------- rich, on a terminal only


def _console(stream: TextIO, style: Style) -> Console:
    from rich.console import Console

    # No markup, no emoji, no highlighting: a file name such as "[red]:smile:" stays what it is.
    return Console(
        file=stream,
        force_terminal=style.coloured or None,
        color_system="auto" if style.coloured else None,  # None: no bold either
        markup=False,
        emoji=False,
        highlight=False,
    )


def _draw_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Word]]) -> list[str]:
    """Draw a table, and return the headings of the columns that had no room."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    kept = _columns_with_room(console.width, columns, rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in (columns[index] for index in kept):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(Text(column.heading), justify=justify, no_wrap=column.whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[index].text, style=row[index].tone.value) for index in kept))
    console.print(table)
    return [column.heading for index, column in enumerate(columns) if index not in kept]


def _columns_with_room(width: int, columns: Sequence[Column], rows: Sequence[Sequence[Word]]) -> list[int]:
    """Return the columns to draw: spare ones go, from the last, until the rest fits."""
    kept = list(range(len(columns)))
    needed = [_least_width(column, [row[index].text for row in rows]) for index, column in enumerate(columns)]
    for index in reversed(range(len(columns))):
        if sum(needed[other] + _GAP for other in kept) > width and columns[index].spare:
            kept.remove(index)
    return kept


def _least_width(column: Column, texts: Sequence[str]) -> int:
    """Return how narrow a column may be: its longest cell where that is whole, else a readable part of it."""
    longest = max(map(len, texts))
    heading = max(map(len, column.heading.split("\n")))
    return max(longest if column.whole else min(longest, _READABLE), heading)


def _draw_line(console: Console, words: Sequence[Word]) -> None:
    from rich.text import Text

    line = Text(" ").join(Text(word.text, style=word.tone.value) for word in words)
    console.print(line, soft_wrap=True)
