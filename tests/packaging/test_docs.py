"""What the pages say of the program is what the program says, and every link in them leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = CHECKOUT / "docs" / "reference"
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "sample_media" / "SOURCES.md"])

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def load_quoter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quote_help", REFERENCE / "quote_help.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


quoter = load_quoter()
COMMANDS: dict[str, click.Command] = dict(quoter.command_paths())
LEAVES = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}
CLI_PAGE = (REFERENCE / "cli.md").read_text("utf-8")


# ---------------------------------------------------------------------------------------------------- the commands


def test_the_page_quotes_every_command_once_in_the_order_of_the_tree() -> None:
    assert sorted(quoter.quoted_paths(CLI_PAGE)) == sorted(COMMANDS)


def test_every_quotation_is_what_the_program_says_now() -> None:
    assert quoter.quoted(CLI_PAGE) == CLI_PAGE, "run `make reference`"


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_every_option_stands_in_the_quotation(path: str) -> None:
    quotation = CLI_PAGE.split(f"<!-- help: {path} -->\n```text\n")[1].split("```")[0]
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            assert all(option in quotation for option in parameter.opts), f"{parameter.opts} is hidden"


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_every_help_text_lists_exit_statuses_and_gives_an_example(path: str) -> None:
    text = quoter.help_text(path)
    assert re.search(r"\n  Exit status:\n    0 ", text)
    assert re.search(rf"\n  Example:\n    strongroom {path}\b", text)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_no_help_text_holds_a_control_character(path: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in quoter.help_text(path))


def test_a_changed_help_text_is_noticed() -> None:
    changed = CLI_PAGE.replace("Search the catalogue: items that have all WORDs", "Search for something")
    assert changed != CLI_PAGE
    assert quoter.quoted(changed) == CLI_PAGE


# ------------------------------------------------------------------------------------------------------- the links


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as the usual hosting platforms make them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        assert file.exists(), f"{target} leads nowhere"
        assert file.is_relative_to(CHECKOUT)
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


def test_links_and_anchors_are_found_at_all() -> None:
    assert "docs/guide/technician.md" in _LINK.findall((CHECKOUT / "README.md").read_text("utf-8"))
    assert "what-it-promises-and-what-it-does-not" in anchors(CHECKOUT / "README.md")
