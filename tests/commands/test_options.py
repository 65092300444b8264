"""Which store a command works on, and for whom it prints."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from nobody import as_nobody

from cli import strongroom
from commands.options import (
    STORE_VARIABLE,
    StoreClosedError,
    StoreNotFoundError,
    find_store,
    output_options,
    store_option,
)
from commands.output import Mode, Output
from commands.watch import watch
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


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that anybody may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_a_store_that_may_not_be_entered_is_refused_with_the_way_in(reachable: Path) -> None:
    store = make_store(reachable / "store")
    store.chmod(0o000)
    try:
        with as_nobody(), pytest.raises(StoreClosedError, match="closed to this account") as raised:
            find_store(store)
    finally:
        store.chmod(0o700)
    assert raised.value.exit_code == 4
    assert "sudo -u" in raised.value.next_step


def test_a_share_that_may_not_be_read_is_no_wrong_usage(reachable: Path) -> None:
    """It is a share that is unreachable: exit 8, and tried again; see `ingest`."""
    share = reachable / "share"
    share.mkdir(mode=0o000)
    with as_nobody():
        whole = strongroom.make_context("strongroom", [], resilient_parsing=True)
        parsed = watch.make_context("watch", ["--share", str(share)], parent=whole, resilient_parsing=True)
    assert parsed.params["shares"] == (share,)


@pytest.mark.parametrize(
    ("arguments", "mode"), [((), Mode.PEOPLE), (("--json",), Mode.JSON), (("--jsonl",), Mode.JSONL)]
)
def test_for_whom_the_result_is(tmp_path: Path, arguments: tuple[str, ...], mode: Mode) -> None:
    run("--store", str(make_store(tmp_path / "store")), *arguments)
    assert seen["mode"] is mode
    assert seen["color"] == "auto"
