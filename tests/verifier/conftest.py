"""A real log with a receipt and the exhibit, and the same log when it has grown by thousands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from receipt_damage import Given
from store_of_log import arrive, found, receive

from exports.log_receipt import log_receipt, write_log_receipt
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal

CONTENT = b"the very bytes of one recording"


def _given(root: Path, *, before: int) -> Given:
    layout = found(root / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        arrive(recorder, drop, [b"before/%d" % n for n in range(before)])
        (item,) = arrive(recorder, drop, [b"secret place/clip.mp4"], content=CONTENT)
        seal(recorder)
    write_log_receipt(log_receipt(layout, item), root / "receipt")
    (root / "exhibit.mp4").write_bytes(CONTENT)
    return Given(layout, root / "receipt", root / "exhibit.mp4", item)


@pytest.fixture(scope="session")
def given_log(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return _given(tmp_path_factory.mktemp("given"), before=260)


@pytest.fixture(scope="session")
def grown_log(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A receipt that was given out early, and the log as it stands 2,500 entries later."""
    given = _given(tmp_path_factory.mktemp("grown"), before=3)
    with Recorder.open(given.layout) as recorder:
        drop = receive(recorder)
        for start in range(0, 2500, 500):
            arrive(recorder, drop, [b"later/%d" % n for n in range(start, start + 500)])
            seal(recorder)
    return given


@pytest.fixture
def copy(given_log: Given, tmp_path: Path) -> Given:
    """A copy that may be damaged."""
    shutil.copytree(given_log.receipt, tmp_path / "receipt")
    shutil.copytree(given_log.log, tmp_path / "store" / "log")
    shutil.copy(given_log.exhibit, tmp_path / "exhibit.mp4")
    return Given(StoreLayout(tmp_path / "store"), tmp_path / "receipt", tmp_path / "exhibit.mp4", given_log.item)
