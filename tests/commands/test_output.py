"""What commands print, and what never gets out."""

from __future__ import annotations

import io
import json
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import RefusedError
from base.escape import shown
from commands.output import (
    Column,
    Mode,
    Output,
    Style,
    Tone,
    Word,
    asks_for_json,
    choose_style,
    harmless,
    show_error,
)

HOSTILE = "a\x1b[2Jb\u202egpj.exe\u2028c\x07\x9b31m\x7f\n"


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


@pytest.mark.parametrize(
    ("flag", "environment", "is_terminal", "style"),
    [
        ("auto", {}, True, Style(drawn=True, coloured=True)),
        ("auto", {}, False, Style(drawn=False, coloured=False)),
        ("auto", {"NO_COLOR": "1"}, True, Style(drawn=True, coloured=False)),
        ("auto", {"NO_COLOR": ""}, True, Style(drawn=True, coloured=True)),  # set but empty does not count
        ("auto", {"FORCE_COLOR": "1"}, False, Style(drawn=True, coloured=True)),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, Style(drawn=True, coloured=False)),
        ("auto", {"TERM": "dumb"}, True, Style(drawn=True, coloured=False)),
        ("always", {"NO_COLOR": "1"}, False, Style(drawn=True, coloured=True)),  # the flag is the strongest
        ("never", {"FORCE_COLOR": "1"}, True, Style(drawn=True, coloured=False)),
        ("never", {}, False, Style(drawn=False, coloured=False)),
    ],
)
def test_the_flag_outranks_the_environment(
    flag: str, environment: dict[str, str], is_terminal: bool, style: Style
) -> None:
    assert choose_style(flag, environment, is_terminal=is_terminal) == style


@given(st.text())
def test_nothing_harmless_can_move_a_cursor_or_turn_text_round(text: str) -> None:
    assert harmless(text).isprintable()
    assert not any(unicodedata.category(character).startswith("C") for character in harmless(text))


@given(st.text())
def test_text_that_was_escaped_before_is_not_escaped_again(text: str) -> None:
    assert harmless(shown(text)) == shown(text)
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize("color", ["always", "never", "auto"])
def test_a_hostile_name_reaches_no_terminal_raw(terminal: Terminal, color: str) -> None:
    output = Output(command="find", color=color)
    with redirect_stdout(terminal):
        output.table([Column("name"), Column("state")], [[HOSTILE, Word(HOSTILE, Tone.BAD)]])
        output.fields([("name", HOSTILE)])
        output.text("found", HOSTILE)
    printed = terminal.getvalue()
    for raw in ("\x1b[2J", "\u202e", "\u2028", "\x07", "\x9b", "\x7f"):
        assert raw not in printed
    assert "\\u001b[2J" in printed
    assert "\\u202e" in printed


def test_a_hostile_name_reaches_no_file_raw(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(command="find")
    output.table([Column("name")], [[HOSTILE]])
    output.question(HOSTILE)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert all(line.isprintable() for line in text.splitlines())


def test_a_name_that_looks_like_markup_stays_what_it_is(terminal: Terminal) -> None:
    with redirect_stdout(terminal):
        Output(command="find").table([Column("name")], [["[bold]:smile:[/bold] [link=x]"]])
    assert "[bold]:smile:[/bold] [link=x]" in terminal.getvalue()


def test_colour_only_where_it_is_wanted(terminal: Terminal) -> None:
    with redirect_stdout(terminal):
        Output(command="status", color="never").text(Word("HELD", Tone.WAITING))
    assert terminal.getvalue() == "HELD\n"
    with redirect_stdout(terminal):
        Output(command="status", color="always").text(Word("HELD", Tone.WAITING))
    assert "\x1b[" in terminal.getvalue()


def test_a_plain_table_is_aligned_and_says_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    Output(command="find").table([Column("item"), Column("bytes", right=True)], [["a", 1234567], ["bb", None]])
    assert capsys.readouterr().out == "ITEM      BYTES\na     1,234,567\nbb            -\n"


COLUMNS = (
    Column("item", whole=True),
    Column("name"),
    Column("state", whole=True, spare=True),
    Column("bytes", right=True, whole=True, spare=True),
)


@pytest.mark.parametrize(
    ("width", "headings", "left_out"),
    [
        (100, ["item", "name", "state", "bytes"], None),
        (55, ["item", "name", "state"], "bytes"),
        (40, ["item", "name"], "state, bytes"),
    ],
)
def test_a_narrow_terminal_loses_spare_columns_and_is_told_so(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, width: int, headings: list[str], left_out: str | None
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    talk = io.StringIO()
    with redirect_stdout(terminal), redirect_stderr(talk):
        Output(command="find", color="never").table(
            COLUMNS, [["item_7K3M9QZV2D8HN", "a long name that may be broken anywhere", "analysed", 1234567]]
        )
    printed = terminal.getvalue()
    assert printed.splitlines()[0].split() == headings
    assert "item_7K3M9QZV2D8HN" in printed  # an identifier is never broken or cut
    assert max(map(len, printed.splitlines())) <= width
    assert (f"no {left_out}." in talk.getvalue()) if left_out else talk.getvalue() == ""


def test_a_table_without_rows_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Output(command="find").table([Column("item")], [])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("command", "schema"), [("find", "strongroom/find/1"), ("catalog rebuild", "strongroom/catalog-rebuild/1")]
)
def test_json_carries_its_schema(command: str, schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(command=command, mode=Mode.JSON).document({"next": None})
    assert json.loads(capsys.readouterr().out) == {"schema": schema, "next": None}


def test_json_holds_no_control_character_and_still_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    Output(command="find", mode=Mode.JSONL).line({"name": HOSTILE})
    printed = capsys.readouterr().out
    assert printed.removesuffix("\n").isprintable()
    assert printed.isascii()
    assert json.loads(printed)["name"] == HOSTILE


def test_an_encoding_without_the_character_is_no_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    with redirect_stdout(stream):
        Output(command="find").text("Übung")
    stream.flush()
    assert raw.getvalue() == b"\\xdcbung\n"


def test_an_error_in_json_mode_is_a_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(RefusedError("no role", refs=["item_7K3M9QZV2D8HN"]), as_json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "error": {
            "code": "refused",
            "message": "no role",
            "next": RefusedError.next_step,
            "refs": ["item_7K3M9QZV2D8HN"],
        }
    }
    assert printed.err == ""


def test_an_error_for_people_says_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(RefusedError(f"no role for {HOSTILE}"), as_json=False)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[1] == f"Next: {RefusedError.next_step}"
    assert "\x1b" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["find", "--json"], True),
        (["find", "--jsonl", "x"], True),
        (["find", "--nonsense", "--json"], True),
        (["find", "--", "--json"], False),  # a word to look for
        (["find"], False),
    ],
)
def test_whether_a_command_line_asks_for_json(arguments: list[str], answer: bool) -> None:
    assert asks_for_json(arguments) is answer
