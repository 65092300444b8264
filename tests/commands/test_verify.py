"""`strongroom verify --against`: what a kept checkpoint may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from store_of_log import copied

from base.errors import UsageError
from catalog.rebuild import rebuild
from cli import strongroom
from ledger.layout import StoreLayout


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    layout = copied(tmp_path / "store")
    rebuild(layout)
    return layout


def verify(layout: StoreLayout, kept: Path) -> Result:
    return CliRunner().invoke(strongroom, ["verify", "--store", str(layout.root), "--against", str(kept)])


def test_the_checkpoint_that_was_kept_is_one_to_compare_with(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(layout.checkpoint.read_bytes())
    assert verify(layout, kept).exit_code == 0


@pytest.mark.parametrize("content", [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"\xff" * 2_000_000])
def test_a_file_that_is_no_checkpoint_says_nothing_about_the_log(
    layout: StoreLayout, tmp_path: Path, content: bytes
) -> None:
    kept = tmp_path / "shopping list"
    kept.write_bytes(content)
    error = verify(layout, kept).exception
    assert isinstance(error, UsageError)
    assert "shopping list is no checkpoint" in str(error)


def test_a_checkpoint_that_somebody_changed_is_a_finding(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    origin, size, rest = layout.checkpoint.read_bytes().split(b"\n", 2)
    kept.write_bytes(b"\n".join([origin, str(int(size) + 1).encode(), rest]))
    assert verify(layout, kept).exit_code == 21
