"""Receipts over crashes and refusals: a technician is never without an answer, and none of ours becomes footage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hashing.digest import Digest
from ingest.drops import Drop
from ingest.intake_db import DropRow, IntakeDb, ReceiptRow
from ingest.receipt_desk import ReceiptDesk
from ingest.share import ShareReader
from ingest.share_facts import Found, ReceiptFile, ReceiptRefused
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


NOTHING = Digest.of(b"")
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


@pytest.mark.parametrize("note", range(1, 7))
def test_a_crash_before_any_note_leaves_nothing_that_is_taken_for_footage(
    place: Place, monkeypatch: pytest.MonkeyPatch, note: int
) -> None:
    real, calls = place.db.put_receipt, []

    def dies(row: ReceiptRow) -> None:
        calls.append(row)
        if len(calls) == note:
            raise Crash
        real(row)

    with monkeypatch.context() as patched:
        patched.setattr(place.db, "put_receipt", dies)
        with pytest.raises(Crash):
            place.desk().tell(place.drop, None)
    desk = place.desk()
    assert all(map(desk.is_ours, place.found()))
    desk.tell(place.drop, None)
    assert all(map(desk.is_ours, place.found()))
    assert [name for name in place.names() if not name.startswith(".")] == COPYING


def test_a_crash_while_a_receipt_is_taken_away_leaves_nothing_that_is_taken_for_footage(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.desk().tell(place.drop, None)

    def dies(file: ReceiptFile, aside: bytes) -> None:
        (place.share / os.fsdecode(file.name)).rename(place.share / os.fsdecode(aside))
        raise Crash

    place.drop.row = replace(place.drop.row, state="problem")
    with monkeypatch.context() as patched:
        patched.setattr(place.reader, "remove_receipt", dies)
        with pytest.raises(Crash):
            place.desk().tell(place.drop, None, vanished=True)
    assert any(name.startswith(".") for name in place.names()), "the fault must have fired"
    desk = place.desk()
    assert all(map(desk.is_ours, place.found()))
    desk.tell(place.drop, None, vanished=True)
    assert place.names() == ["card  X-PROBLEM  KEEP-THE-CARD.html", "card  X-PROBLEM  KEEP-THE-CARD.txt"]


@pytest.mark.parametrize("length", [0, 5, None], ids=["empty", "begun", "whole"])
def test_what_is_half_written_when_its_writer_dies_goes_with_the_next_receipt(
    place: Place, monkeypatch: pytest.MonkeyPatch, length: int | None
) -> None:
    def dies(temporary: bytes, content: bytes) -> None:
        (place.share / os.fsdecode(temporary)).write_bytes(content[:length])
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(place.reader, "write_receipt", dies)
        with pytest.raises(Crash):
            place.desk().tell(place.drop, None)
    assert len(place.names()) == 1, "the fault must have fired"
    desk = place.desk()
    assert all(map(desk.is_ours, place.found()))
    desk.tell(place.drop, None)
    assert place.names() == COPYING


def test_what_somebody_put_in_the_place_of_a_half_written_one_is_not_removed(place: Place) -> None:
    temporary = place.reader.new_temporary_name()
    row = ReceiptRow(
        root=os.fsencode(place.share), temporary=temporary, drop_id=place.drop.row.drop_id, sha256=NOTHING, file=None
    )
    place.db.put_receipt(row)
    (place.share / os.fsdecode(temporary)).write_bytes(b"somebody's")
    place.desk().tell(place.drop, None)
    assert place.names() == [os.fsdecode(temporary), *COPYING]
    assert all(map(place.desk().is_ours, place.found()))


def test_what_somebody_puts_under_a_name_that_a_receipt_once_had_is_footage(place: Place) -> None:
    desk = place.desk()
    desk.tell(place.drop, None)
    name = os.fsdecode(place.db.receipts()[0].temporary)
    (place.share / name).write_bytes(b"somebody's")
    assert [entry.path for entry in place.found() if not desk.is_ours(entry)] == [os.fsencode(name)]


def test_a_receipt_that_can_not_be_taken_away_stays_ours(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = place.desk()
    desk.tell(place.drop, None)
    with monkeypatch.context() as patched:
        patched.setattr(place.reader, "remove_receipt", lambda *_: ReceiptRefused(read_only=True, detail="EROFS"))
        place.drop.row = replace(place.drop.row, state="problem")
        desk.tell(place.drop, None, vanished=True)
    assert len(place.names()) == 4, "the fault must have fired"
    assert all(map(place.desk().is_ours, place.found()))
