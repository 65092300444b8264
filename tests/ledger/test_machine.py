"""A store is written to by the account that it belongs to, and by no other: root's files would be closed to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_of_log import copied, receive

from base.errors import RefusedError
from catalog.rebuild import rebuild
from ledger.layout import StoreLayout
from ledger.machine import OtherOwnerError, is_owner, refuse_other_owner
from ledger.record import Recorder
from ledger.recovery import start
from ledger.seal import try_seal


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def as_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as an account that owns nothing here. The number is one that no machine knows by name."""
    monkeypatch.setattr("ledger.machine.os.geteuid", lambda: 4_000_000)


def files_of(layout: StoreLayout) -> set[Path]:
    return {path for path in layout.root.rglob("*") if not path.name.endswith("-journal")}


def test_the_owner_may_write(layout: StoreLayout) -> None:
    assert is_owner(layout.root)
    refuse_other_owner(layout.root)


@pytest.mark.usefixtures("as_somebody_else")
def test_the_refusal_names_both_accounts_and_how_to_go_on(layout: StoreLayout) -> None:
    with pytest.raises(OtherOwnerError, match="#4000000") as raised:
        refuse_other_owner(layout.root)
    assert raised.value.exit_code == RefusedError.exit_code
    assert "sudo -u" in raised.value.next_step
    assert os.stat(layout.root).st_uid != 4_000_000


@pytest.mark.usefixtures("as_somebody_else")
@pytest.mark.parametrize("write", [start, rebuild])
def test_nobody_else_records_or_rebuilds(layout: StoreLayout, write: object) -> None:
    before = files_of(layout)
    with pytest.raises(OtherOwnerError):
        start(layout) if write is start else rebuild(layout)
    assert files_of(layout) == before


def test_what_somebody_else_recorded_is_sealed_by_the_owner(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder.open(layout) as recorder:
        receive(recorder)
        with monkeypatch.context() as other:
            other.setattr("ledger.machine.os.geteuid", lambda: 4_000_000)
            before = files_of(layout)
            assert try_seal(recorder) is None
            assert files_of(layout) == before
        checkpoint = try_seal(recorder)
        assert checkpoint is not None
        assert checkpoint.size == 3
