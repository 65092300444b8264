"""What scripts read: the JSON of each command on one small store, compared with frozen files, field by field.

What differs from run to run (identifiers, digests, times, sizes of disks, strength of the sandbox) is masked by its
kind, so that a field that changes its kind is noticed too. A member is never taken away or renamed within a version of
a schema: a failing comparison is either a mistake, or a line in the changelog. With STRONGROOM_WRITE_GOLDEN=1 the files
are written anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Site, make_site

CHECKOUT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
CLIP = CHECKOUT / "sample_media" / "drops" / "card-a" / "CLIP0001.MP4"

# In this order: what is longer, or more special, comes first.
_MASKS: tuple[tuple[str, str], ...] = (
    (r"\b(item|drop|actor|dev|op|event)_[0-9A-Za-z]{13,32}", r"<\1>"),
    (r"strongroom/[0-9A-HJKMNP-TV-Z]{13}", "<origin>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
)
# Members whose value is this machine's, or random, whatever it looks like.
_OF_THE_MACHINE = {
    *("free_bytes", "share", "note", "words", "sandbox", "tools", "source_stat", "read_back", "detail"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a store with one clip, taken and looked at."""
    made = make_site(tmp_path_factory.mktemp("golden"))
    shutil.copy(CLIP, made.share / "CLIP0001.MP4")
    ended = made.watch_once()
    assert (ended.code, len(ended.events("item.analysed"))) == (0, 1), ended.stderr
    return made


def masked(value: object, name: str = "") -> object:
    """Return ``value`` with everything that differs from run to run replaced by its kind."""
    if name in _OF_THE_MACHINE and value is not None:
        return f"<{name}>"
    match value:
        case dict():
            return {masked_text(key): masked(inner, key) for key, inner in value.items()}
        case list():
            return [masked(inner, name) for inner in shortened(value)]
        case str():
            return masked_text(value)
        case _:
            return value


def shortened(values: list[object]) -> list[object]:
    """Return two of the technical values, which are many and lie in a random order in the log; else all of a list."""
    named = [(str(value["key"]), value) for value in values if isinstance(value, dict) and "key" in value]
    return [value for _, value in sorted(named, key=lambda pair: pair[0])[:2]] if named else values


def masked_text(text: str) -> str:
    for pattern, kind in _MASKS:
        text = re.sub(pattern, kind, text)
    return text


def item(site: Site) -> str:
    """Return the identifier of the clip, from the log itself: a search would add to it."""
    items = [
        name
        for entry in entries(site)
        if entry["type"] == "master.defined"
        for name in entry["subjects"]  # type: ignore[attr-defined]
    ]
    return str(items[0])


def entries(site: Site) -> list[dict[str, object]]:
    found = site.run("log", "show", "--json").document["entries"]
    assert isinstance(found, list)
    return found


# In this order, because some of them record that somebody looked.
COMMANDS: dict[str, Callable[[Site], tuple[str, ...]]] = {
    "status": lambda _: ("status",),
    "checkpoint-show": lambda _: ("checkpoint", "show"),
    "verify": lambda _: ("verify",),
    "log-show-item": lambda site: ("log", "show", item(site)),
    "find": lambda _: ("find", "CLIP0001", "--limit", "5"),
    "show-item": lambda site: ("show", item(site)),
    "drop-status": lambda _: ("drop", "status"),
    "catalog-check": lambda _: ("catalog", "check"),
    "config-show": lambda _: ("config", "show"),
}


@pytest.fixture(scope="module")
def documents(site: Site) -> dict[str, object]:
    """Return what each command says, all asked in the same order, whichever test is run."""
    return {name: masked(site.run(*arguments(site), "--json").document) for name, arguments in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_as_it_was(documents: dict[str, object], name: str) -> None:
    text = json.dumps(documents[name], indent=1, ensure_ascii=True) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("STRONGROOM_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_golden_file_is_compared() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(COMMANDS)


def test_nothing_of_this_machine_is_in_a_golden_file() -> None:
    for path in GOLDEN.iterdir():
        assert masked_text(path.read_text()) == path.read_text()
        assert "/tmp" not in path.read_text()
