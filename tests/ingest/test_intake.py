"""One batch is copied while the one before is sealed, and nothing of that is told, lost or left behind too early."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from store_of_footage import FootageStore, footage_store

from base.fsio import DiskError
from ingest.intake import Sealed, take_batches
from ingest.porter import Porter
from ingest.share import ShareReader
from ingest.share_facts import Copied, Found, NotCopied
from ingest.share_process import ShareUnreachableError
from vault.local import LocalStore
from vault.store import ReadBackMismatchError, Staged, Stored


class NotedReader(ShareReader):
    """A reader that notes when a batch begins and ends."""

    steps: list[str]

    def begin_copy(self, found: Sequence[Found]) -> None:
        self.steps.append(f"begin {len(found)}")
        super().begin_copy(found)

    def end_copy(self) -> list[Copied | NotCopied]:
        copied = super().end_copy()
        self.steps.append(f"end {len(copied)}")
        return copied


class NotedStore(LocalStore):
    """A vault that notes when it takes a batch, and refuses one of a given size."""

    steps: list[str]
    refused_count = 0

    def put_batch(self, staged: Sequence[Staged]) -> list[Stored | ReadBackMismatchError]:
        self.steps.append(f"store {len(staged)}")
        if len(staged) == self.refused_count:
            raise DiskError.from_os(OSError(28, "No space left on device"), "taking files into the vault")
        return super().put_batch(staged)


@dataclass
class Intake:
    """A store, a share with six files in batches of 1, 2 and 3, and what takes them."""

    footage: FootageStore
    share: Path
    reader: NotedReader
    vault: NotedStore
    porter: Porter
    batches: list[list[Found]]
    drop: str

    def take(self) -> Iterator[int]:
        """Take everything, and yield how many files of each batch were sealed."""
        taking = take_batches(
            self.drop, self.batches, reader=self.reader, porter=self.porter, recorder=self.footage.recorder
        )
        for taken in taking:
            self.reader.steps.append(f"sealed {len(taken.files)}")
            yield sum(isinstance(outcome, Sealed) for outcome in taken.files)

    def staged(self) -> list[str]:
        return os.listdir(self.footage.layout.staging)


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    share = tmp_path / "share"
    (share / "card").mkdir(parents=True)
    for number in range(6):
        (share / "card" / f"{number}.mp4").write_bytes(os.urandom(20_000))
    with footage_store(tmp_path / "store") as footage:
        reader = NotedReader(os.fsencode(share), footage.layout.staging)
        vault = NotedStore(footage.layout.vault, footage.layout.staging)
        reader.steps = vault.steps = []
        found = sorted((entry for entry in reader.scan() if isinstance(entry, Found)), key=lambda entry: entry.path)
        files = [entry for entry in found if entry.path.endswith(b".mp4")]
        batches = [files[:1], files[1:3], files[3:]]
        yield Intake(
            footage, share, reader, vault, Porter(vault), batches, footage.drop(b"card", share=os.fsencode(share))
        )
        reader.close()


def test_a_batch_is_copied_while_the_one_before_is_stored_and_sealed(intake: Intake) -> None:
    assert list(intake.take()) == [1, 2, 3]
    assert intake.reader.steps == [
        *("begin 1", "end 1"),
        *("begin 2", "store 1", "sealed 1", "end 2"),
        *("begin 3", "store 2", "sealed 2", "end 3"),
        *("store 3", "sealed 3"),
    ]
    assert intake.staged() == []


def test_of_a_disk_that_refuses_nothing_is_left_of_the_batch_that_was_copied_ahead(intake: Intake) -> None:
    intake.vault.refused_count = 2
    sealed: list[int] = []
    with pytest.raises(DiskError):
        sealed.extend(intake.take())
    assert sealed == [1]
    assert intake.reader.steps[-2:] == ["begin 3", "store 2"]
    # What the vault was given is the vault's to remove; of the third batch nothing may stay.
    staged_by_vault = 2
    assert len(intake.staged()) == staged_by_vault
    intake.vault.refused_count = 0
    assert list(intake.take()) == [1, 2, 3]  # the reader serves again; the first file is found, not sealed twice


def test_what_was_copied_before_the_share_went_is_sealed(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(found: Sequence[Found]) -> None:
        if len(found) == 3:
            raise ShareUnreachableError("the share has gone.", cause="root")
        NotedReader.begin_copy(intake.reader, found)

    monkeypatch.setattr(intake.reader, "begin_copy", unreachable)
    sealed: list[int] = []
    with pytest.raises(ShareUnreachableError):
        sealed.extend(intake.take())
    assert sealed == [1, 2]
    assert intake.staged() == []


def test_who_leaves_early_leaves_nothing_in_staging(intake: Intake) -> None:
    taking = take_batches(
        intake.drop, intake.batches, reader=intake.reader, porter=intake.porter, recorder=intake.footage.recorder
    )
    next(taking)
    taking.close()
    assert intake.staged() == []
    assert intake.reader.describe_root() is not None  # and the reader serves again
