"""Which store a command works on, and for whom it prints."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from commands.options import STORE_VARIABLE, StoreNotFoundError, output_options, store_option
from commands.output import Mode, Output
from ledger.layout import StoreLayout

seen: dict[str, object] = {}


@click.command()
@store_option
@output_options("probe")
def probe(layout: StoreLayout, output: Output) -> None:
    seen.update(root=layout.root, mode=output.mode, color=output.color)


def make_store(root: Path) -> Path:
    root.mkdir()
    (root / "strongroom.toml").touch()
    return root


def run(*arguments: str, **environment: str) -> None:
    seen.clear()
    result = CliRunner().invoke(probe, arguments, env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_the_flag_outranks_the_environment_which_outranks_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    default, named, flagged = (make_store(tmp_path / name) for name in ("strongroom-store", "named", "flagged"))
    run()
    assert seen["root"] == default
    run(**{STORE_VARIABLE: str(named)})
    assert seen["root"] == named
    run("--store", str(flagged), **{STORE_VARIABLE: str(named)})
    assert seen["root"] == flagged


def test_a_folder_without_settings_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match="no store at"):
        run("--store", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "mode"), [((), Mode.PEOPLE), (("--json",), Mode.JSON), (("--jsonl",), Mode.JSONL)]
)
def test_for_whom_the_result_is(tmp_path: Path, arguments: tuple[str, ...], mode: Mode) -> None:
    run("--store", str(make_store(tmp_path / "store")), *arguments)
    assert seen["mode"] is mode
    assert seen["color"] == "auto"
