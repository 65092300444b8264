"""A change of a setting is an entry: also of one that is named only where it is set, and is not any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_of_log import copied

from base.config import Settings, WitnessSetting
from hashing.strict_json import Json
from ingest.settings_record import record_changed_settings
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


def changes(layout: StoreLayout, settings: Settings) -> dict[str, tuple[Json, Json]]:
    """Let a recorder start with ``settings``, and return what it recorded: before and after, by setting."""
    with Recorder.open(layout) as recorder:
        first = recorder.end()[0]
        record_changed_settings(recorder, settings)
    with LogReader(layout) as log:
        opened = list(log.opened(first, log.recorded()))
    return {str(one.entry.facts["setting"]): (one.values["before"], one.values["after"]) for one in opened}


def test_only_what_changed_is_recorded(layout: StoreLayout) -> None:
    assert set(changes(layout, Settings())) == {"share", "settle_seconds", "batch_ms", "sandbox"}
    assert changes(layout, Settings()) == {}
    assert changes(layout, Settings(settle_seconds=8.5)) == {"settle_seconds": ("5", "8.5")}


def test_a_memory_that_is_taken_away_leaves_a_trace(layout: StoreLayout) -> None:
    changes(layout, Settings())
    witness = WitnessSetting(vkey="w.example+00000000+AAAA")
    outside = Settings(memories=(b"/media/stick",), witnesses=(witness,), witness_quorum="any")
    assert changes(layout, outside) == {
        "memory": (None, ["/media/stick"]),
        "witness": (None, ["w.example+00000000+AAAA"]),
        "witness_quorum": (None, "any"),
    }
    assert changes(layout, outside) == {}
    assert changes(layout, Settings()) == {
        "memory": (["/media/stick"], None),
        "witness": (["w.example+00000000+AAAA"], None),
        "witness_quorum": ("any", None),
    }
    assert changes(layout, Settings()) == {}
