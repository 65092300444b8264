"""A store in which everything happened, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_of_footage import FootageStore, fill, footage_store
from store_of_log import at_home

from ledger.layout import StoreLayout
from ledger.record import Recorder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "store"
    with footage_store(root) as made:
        fill(made)
    return root


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[FootageStore]:
    """A store of its own for each test, filled and sealed; its catalogue stands at the beginning."""
    layout = at_home(StoreLayout(Path(shutil.copytree(template, tmp_path / "store"))))
    with Recorder.open(layout) as recorder:
        yield FootageStore(layout=layout, recorder=recorder, made=1000)


@pytest.fixture
def filled(store: FootageStore) -> FootageStore:
    """The same, with its catalogue brought forward."""
    store.settle()
    return store
