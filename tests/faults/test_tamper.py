"""Every damage to a store at rest is found, named, and answered with the right exit code (I13, I14)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from checker import Checker
from store_of_footage import footage_store
from tamper_cases import tamper_cases
from tampering import CATALOGUE, TamperCase, is_named, tampered

import cli


@pytest.fixture(scope="session")
def grown_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a store at rest with masters, results and pictures, and a copy of it from before the last of them."""
    folder = tmp_path_factory.mktemp("tamper")
    store, older = folder / "store", folder / "older"
    with footage_store(store) as footage:
        drop = footage.drop(b"card a")
        first = footage.item(drop, b"first.mp4")
        footage.settle()
        footage.item(drop, b"second.mp4")
        footage.settle()
        shutil.copytree(store, older, symlinks=True)
        third = footage.item(drop, b"third.mp4")
        footage.analyse(first, drop, metadata=[{"source": "mediainfo", "key": "k", "value": "v"}])
        footage.complete(drop, [first, third])
        footage.settle()
    return store, older


def name(case: TamperCase) -> str:
    return re.sub(r"\W+", "-", case.name)


def verify(store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Return the exit code of `strongroom verify`, and the objects of its findings."""
    monkeypatch.setattr("sys.argv", ["strongroom", "verify", "--store", str(store), "--json"])
    code = cli.main()
    document = json.loads(capsys.readouterr().out)
    if "error" in document:  # where the log cannot be opened at all, the one error is all that can be said
        return code, [document["error"]["message"]]
    return code, [finding["object"] for finding in document["findings"]]


def test_the_store_is_good_before_it_is_damaged(
    grown_store: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for store in grown_store:
        assert verify(store, capsys, monkeypatch) == (0, [])
        assert Checker(store).check() == []


@pytest.mark.parametrize("case", tamper_cases(), ids=name)
def test_verify_finds_and_names_each_damage(
    case: TamperCase,
    grown_store: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damaged = tampered(case, *grown_store, tmp_path / "store")
    code, objects = verify(damaged.store, capsys, monkeypatch)
    assert code == damaged.exit_code, objects
    assert is_named(damaged.names, objects), f"none of {damaged.names} in {objects}"


@pytest.mark.parametrize("case", [case for case in tamper_cases() if case.exit_code != CATALOGUE], ids=name)
def test_the_checker_finds_each_damage_too(case: TamperCase, grown_store: tuple[Path, Path], tmp_path: Path) -> None:
    assert Checker(tampered(case, *grown_store, tmp_path / "store").store).check() != []
