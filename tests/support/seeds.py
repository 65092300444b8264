"""Bugs, planted on purpose into a running recorder: a campaign that does not find them proves nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence

from base.failpoints import reach
from hashing.checkpoint import Checkpoint
from ingest import intake, pipeline, porter
from ledger import recovery, succession
from ledger.arrivals import Arrival
from ledger.layout import StoreLayout
from ledger.record import Proposal, Recorded, Recorder
from ledger.seal import seal
from vault.local import LocalStore
from vault.store import ReadBackMismatchError, Staged, Stored


def plant(name: str) -> None:
    """Put the bug ``name`` into this process."""
    SEEDS[name]()


def told_before_sealed() -> None:
    """The technician's line goes out as soon as the entry is recorded, before any checkpoint covers it."""

    class Hasty(Recorder):
        def record(self, proposals: Iterable[Proposal]) -> list[Recorded]:
            given = list(proposals)
            recorded = super().record(given)
            for proposal, entry in zip(given, recorded, strict=True):
                if isinstance(proposal, Arrival):
                    told = {"item": entry.subjects[0], "sha256": proposal.sha256.hex, "seq": entry.seq}
                    line = {"event": "item.sealed", **told}
                    sys.stdout.write(json.dumps(line) + "\n")
                    sys.stdout.flush()
            return recorded

    setattr(recovery, "Recorder", Hasty)  # noqa: B010 - a name that the module only imports


def logged_before_stored() -> None:
    """The entry is written and sealed while the bytes are still in staging, not yet synced and not yet named."""
    original = LocalStore.put_batch

    def put_batch(self: LocalStore, staged: Sequence[Staged]) -> list[Stored | ReadBackMismatchError]:
        answers: list[Stored | ReadBackMismatchError] = [
            Stored(sha256=file.sha256, size_bytes=file.size_bytes, read_back="page-cache-dropped") for file in staged
        ]
        _later.append(lambda: original(self, staged))
        return answers

    def sealed(recorder: Recorder) -> Checkpoint:
        checkpoint = seal(recorder)
        reach("seeded.gap")
        while _later:
            _later.pop()()
        return checkpoint

    setattr(LocalStore, "put_batch", put_batch)  # noqa: B010
    setattr(intake, "seal", sealed)  # noqa: B010


def built_before_built() -> None:
    """The successor of a log is called whole before it was made."""
    original = succession._build

    def build(layout: StoreLayout, plan: succession.Plan) -> None:
        (layout.succession / "built").touch()
        reach("seeded.gap")
        original(layout, plan)

    setattr(succession, "_build", build)  # noqa: B010


def short_turns() -> None:
    """No bug: batches of three files and turns of an instant, so that a small drop takes many of both."""
    pipeline.FIRST_FILES, pipeline.MOST_FILES, pipeline.TURN_S, pipeline.ALONE_S = 2, 3, 0.02, 0.02


def all_apart() -> None:
    """No bug: every batch, however small, is brought into the vault by the other process."""
    porter.APART_FILES = 1


_later: list[Callable[[], object]] = []
SEEDS: dict[str, Callable[[], None]] = {
    "told-before-sealed": told_before_sealed,
    "logged-before-stored": logged_before_stored,
    "built-before-built": built_before_built,
    "short-turns": short_turns,
    "all-apart": all_apart,
}
