"""Receipts over crashes and refusals: a technician is never without an answer, and none of ours becomes footage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.drops import Drop
from ingest.intake_db import DropRow, IntakeDb
from ingest.receipt_desk import ReceiptDesk
from ingest.share import ShareReader
from ingest.share_facts import Found, ReceiptRefused
from ledger.layout import StoreLayout


class Crash(Exception):
    """Stands for the death of the recorder."""


class Place:
    """A share with one drop, and the desk that writes its receipts."""

    def __init__(self, folder: Path) -> None:
        self.layout = StoreLayout(folder / "store")
        self.share = folder / "share"
        for path in (self.layout.receipts, self.layout.staging, self.share):
            path.mkdir(parents=True)
        IntakeDb.open(self.layout.intake_db).close()
        self.db = IntakeDb.open(self.layout.intake_db)  # not one that was lost: then receipts are known by their bytes
        self.reader = ShareReader(os.fsencode(self.share), self.layout.staging)
        self.drop = Drop(row=DropRow(drop_id="drop_0123456789ABC", root=os.fsencode(self.share), name=b"card"))

    def desk(self) -> ReceiptDesk:
        """Return a desk that knows what a recorder knows when it starts."""
        return ReceiptDesk(os.fsencode(self.share), self.reader, self.db, self.layout)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.share))

    def found(self) -> list[Found]:
        return [entry for entry in self.reader.scan() if isinstance(entry, Found)]


COPYING = ["card  1-COPYING  DO-NOT-WIPE.html", "card  1-COPYING  DO-NOT-WIPE.txt"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.reader.close()
    place.db.close()


@pytest.mark.parametrize("call", ["write_receipt", "name_receipt"])
@pytest.mark.parametrize("done_before", [0, 1], ids=["the first file", "the second file"])
def test_receipts_that_a_crash_left_without_their_names_are_written_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: str, done_before: int
) -> None:
    real, calls = getattr(place.reader, call), []

    def dies(*arguments: object) -> object:
        calls.append(call)
        if len(calls) > done_before:
            raise Crash
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(place.reader, call, dies)
        with pytest.raises(Crash):
            place.desk().tell(place.drop, None)
    assert place.names() != COPYING, "the fault must have fired"
    desk = place.desk()
    desk.tell(place.drop, None)
    assert place.names() == COPYING
    assert all(map(desk.is_ours, place.found()))


def test_a_receipt_that_can_not_be_taken_away_stays_ours(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = place.desk()
    desk.tell(place.drop, None)
    with monkeypatch.context() as patched:
        patched.setattr(place.reader, "remove_receipt", lambda *_: ReceiptRefused(read_only=True, detail="EROFS"))
        place.drop.row = replace(place.drop.row, state="problem")
        desk.tell(place.drop, None, vanished=True)
    assert len(place.names()) == 4, "the fault must have fired"
    assert all(map(place.desk().is_ours, place.found()))
