"""The installed files against the list that came with them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from base.version import VERSION
from ingest.installed_files import compare_installed, installation

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = {
    "cli.py": b"print()\n",
    "base/errors.py": b"ONE = 1\n",
    "exports/page, with a comma.txt": b"text",
    "../../bin/strongroom": b"#!/usr/bin/python\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation as pip makes it: files, byte code, and RECORD."""
    site = tmp_path / "lib" / "site-packages"
    rows = []
    for name, content in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f'"{name}",sha256={digest},{len(content)}')
    information = site / f"strongroom-{VERSION}.dist-info"
    information.mkdir()
    rows += [f"strongroom-{VERSION}.dist-info/RECORD,,", "base/__pycache__/errors.cpython-311.pyc,,"]
    (information / "RECORD").write_text("\n".join(rows) + "\n")
    (site / "base" / "__pycache__").mkdir()
    (site / "base" / "__pycache__" / "errors.cpython-311.pyc").write_bytes(b"byte code")
    (site / "somebody_else").mkdir()
    (site / "somebody_else" / "else.py").touch()
    return site


def test_an_installation_as_it_came_is_good(folder: Path) -> None:
    found = compare_installed(folder)
    assert found.is_good
    assert found.matched == len(FILES)


def overwrite(folder: Path) -> None:
    (folder / "cli.py").write_bytes(b"print(1)\n")


def remove(folder: Path) -> None:
    (folder / "base" / "errors.py").unlink()


def add(folder: Path) -> None:
    (folder / "base" / "sitecustomize.py").touch()


def change_the_script(folder: Path) -> None:
    (folder / "../../bin/strongroom").write_bytes(b"#!/bin/sh\n")


@pytest.mark.parametrize(
    ("act", "changed", "missing", "added"),
    [
        (overwrite, ("cli.py",), (), ()),
        (change_the_script, ("../../bin/strongroom",), (), ()),
        (remove, (), ("base/errors.py",), ()),
        (add, (), (), ("base/sitecustomize.py",)),
    ],
)
def test_what_is_different_is_named(
    folder: Path,
    act: Callable[[Path], None],
    changed: tuple[str, ...],
    missing: tuple[str, ...],
    added: tuple[str, ...],
) -> None:
    act(folder)
    found = compare_installed(folder)
    assert not found.is_good
    assert (found.changed, found.missing, found.added) == (changed, missing, added)


def test_a_checkout_has_no_list(tmp_path: Path) -> None:
    found = compare_installed(tmp_path)
    assert found.record is None
    assert not found.is_good


def test_the_installation_is_where_the_program_runs_from() -> None:
    assert (installation() / "cli.py").is_file()
    assert (installation() / "ingest" / "installed_files.py").is_file()
