"""Who may import what, read from the source itself: also inside functions, where `lint-imports` is told the same.

A second, independent look at the rules that keep hostile media in the sandbox and one library behind one door.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("base", "hashing", "vault", "ledger", "media", "catalog", "ingest", "exports", "commands", "verifier")
# What each room may import of ours: only what stands to its right.
ARROWS = {
    "base": set(),
    "hashing": {"base"},
    "vault": {"hashing", "base"},
    "ledger": {"hashing", "base"},
    "media": {"hashing", "base"},
    "catalog": {"ledger", "vault", "media", "hashing", "base"},
    "ingest": {"catalog", "ledger", "vault", "media", "hashing", "base"},
    "exports": {"catalog", "ledger", "vault", "media", "hashing", "base"},
    "commands": set(ROOMS) - {"verifier"},
    "verifier": set(),
}
# Library -> where it may be imported: files, or folders that end in a slash.
DOORS = {
    "cv2": ("media/child/",),
    "numpy": ("media/child/",),
    "pymediainfo": ("media/child/",),
    "exifread": ("media/child/",),
    "puremagic": ("media/child/",),
    "pyseccomp": ("media/child/",),
    "sqlite_utils": ("catalog/sqlite.py", "catalog/migrations/"),
    "click": ("commands/", "cli.py"),
    "rich": ("commands/", "cli.py"),
    "jinja2": ("exports/", "ingest/receipts.py"),
    "pkcs11": ("ledger/keys/token.py",),
    "segno": ("exports/checkpoint_page.py",),
    "watchdog": ("ingest/",),
    "cryptography": (
        "hashing/ed25519.py",
        "hashing/ml_dsa.py",
        "hashing/public_key.py",
        "hashing/time_stamp.py",
        "ledger/keys/",
    ),
    "rfc3161_client": ("hashing/time_stamp.py",),
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in [CHECKOUT / "cli.py", *(path for room in ROOMS for path in sorted((CHECKOUT / room).rglob("*.py")))]:
        yield path.relative_to(CHECKOUT).as_posix(), ast.parse(path.read_text("utf-8"), path.name)


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield every module that is imported anywhere in a file, by whatever way a name stands in the source."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, level=0):
                yield str(module)
            case ast.ImportFrom():
                yield "."
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if called(function) in _IMPORTERS:
                yield name
            case _:
                pass


_IMPORTERS = {"import_module", "__import__", "find_spec"}


def called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


IMPORTS = {path: {name.partition(".")[0] or "." for name in imported(tree)} for path, tree in sources()}


def importers_of(library: str) -> set[str]:
    return {path for path, names in IMPORTS.items() if library in names}


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_stays_behind_its_door(library: str) -> None:
    importers = importers_of(library)
    assert importers, f"nobody imports {library}: why is it locked?"
    assert {path for path in importers if not path.startswith(DOORS[library])} == set()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_to_its_right(room: str) -> None:
    of_room = {path: names for path, names in IMPORTS.items() if path.startswith(f"{room}/")}
    assert of_room
    wrong = {path: names & set(ROOMS) - {room} - ARROWS[room] for path, names in of_room.items()}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_only_who_is_asked_to_speaks_over_a_network() -> None:
    speakers = {path for name in ("http", "urllib", "socketserver", "ftplib") for path in importers_of(name)}
    assert {"ledger/witness_client.py", "ledger/witness_server.py"} <= speakers
    assert speakers <= {"ledger/witness_client.py", "ledger/witness_server.py", "ledger/time_stamp_client.py"}


def test_a_time_stamp_authority_is_asked_by_one_command_only() -> None:
    """So one that is slow or gone delays nobody else, least of all the recorder."""
    client = "ledger.time_stamp_client"
    assert {path for path, tree in sources() if client in imported(tree)} == {"commands/checkpoint_stamp.py"}


def test_no_import_is_relative() -> None:
    assert importers_of(".") == set()


def test_no_product_file_imports_tests_or_bench() -> None:
    strangers = {path: names - set(ROOMS) - set(sys.stdlib_module_names) for path, names in IMPORTS.items()}
    allowed = {*DOORS, "msgspec", "sample_media"}
    assert {path: names - allowed for path, names in strangers.items() if names - allowed} == {}


def test_every_way_to_import_is_seen() -> None:
    text = "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import_module('h.i')\n    __import__('j')\n"
    assert list(imported(ast.parse(text))) == ["a.b", "c.d", ".", "h.i", "j"]
