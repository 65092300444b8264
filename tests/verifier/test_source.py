"""What the standalone verifier is by its source: one file, old Python, standard library, nothing of the product."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from standalone import FOLDER, SHELL, SOURCE

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = SOURCE.read_text("utf-8")
TREE = ast.parse(TEXT, feature_version=(3, 8))
TOO_NEW = {"removeprefix", "removesuffix", "file_digest", "bit_count", "zip_longest", "pairwise", "is_relative_to"}
ROOMS = ("base", "hashing", "vault", "ledger", "media", "catalog", "ingest", "exports", "commands")


def test_it_is_short_enough_to_be_read_in_one_sitting() -> None:
    """At most 600 lines as `wc -l` counts them, with the blank ones, comments and docstrings."""
    assert TEXT.endswith("\n")
    assert TEXT.count("\n") <= 600
    assert max(map(len, TEXT.splitlines())) <= 120


def test_it_imports_the_standard_library_and_nothing_else() -> None:
    modules = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(TREE)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {module.split(".")[0] for module in modules} <= set(sys.stdlib_module_names)
    assert not modules & {"socket", "urllib", "http", "subprocess", "ctypes", "pickle", "importlib"}


def test_it_uses_no_name_that_python_3_8_has_not() -> None:
    names = {node.attr for node in ast.walk(TREE) if isinstance(node, ast.Attribute)}
    assert not names & TOO_NEW
    assert not [node for node in ast.walk(TREE) if isinstance(node, ast.NamedExpr)]


def test_annotations_of_newer_python_are_never_evaluated() -> None:
    assert any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in TREE.body)


def test_it_opens_files_for_reading_only() -> None:
    opened = [node for node in ast.walk(TREE) if isinstance(node, ast.Call) and ast.unparse(node.func) == "open"]
    assert [ast.unparse(node) for node in opened] == ["open(path, 'rb')"]
    changing = {
        "write_bytes",
        "write_text",
        "unlink",
        "remove",
        "rename",
        "mkdir",
        "makedirs",
        "system",
        "replace_file",
    }
    assert not {node.attr for node in ast.walk(TREE) if isinstance(node, ast.Attribute)} & changing


def test_it_shares_no_line_of_thought_with_the_product() -> None:
    """Lines that say something: long ones, in code. What both quote from a format (URIs, constants) is left out."""
    ours = {
        line.strip()
        for room in ROOMS
        for path in (CHECKOUT / room).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
    }
    shared = {line.strip() for line in TEXT.splitlines() if len(line.strip()) > 60} & ours
    assert {line for line in shared if "https://" not in line} == set()


@pytest.mark.parametrize("name", ["README.md", "VERIFY.sh", "verify_evidence.py"])
def test_what_a_stranger_needs_lies_in_one_folder(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8")


def test_the_shell_script_is_plain_ascii_without_tabs() -> None:
    assert SHELL.read_bytes().isascii()
    assert b"\t" not in SHELL.read_bytes()
