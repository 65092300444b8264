"""What `doctor` says of a store that is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from store_of_log import copied

from ingest.examination import Examined, examine
from ledger.layout import StoreLayout


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


def private_files(layout: StoreLayout) -> Examined:
    (found,) = (result for result in examine(str(layout.root)) if result.what == "private files")
    return found


def test_private_files_that_are_closed_are_well(layout: StoreLayout) -> None:
    assert private_files(layout).verdict == "OK"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda layout: layout.private.chmod(0o750), "private/ is open to others"),
        (lambda layout: (layout.keys / "log.pem").chmod(0o644), "log.pem can be read by others"),
        (lambda layout: (layout.keys / "recorder.pem").chmod(0o640), "recorder.pem can be read by others"),
        (lambda layout: (layout.keys / "recorder.pem").unlink(), "recorder.pem is missing"),
    ],
)
def test_whatever_would_stop_the_recorder_is_found_before_it_does(
    layout: StoreLayout, change: Callable[[StoreLayout], None], said: str
) -> None:
    change(layout)
    found = private_files(layout)
    assert (found.verdict, said in found.found, bool(found.advice)) == ("BAD", True, True)
