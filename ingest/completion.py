"""A drop is complete: everything of it that can be taken is sealed, and that is stated in the log, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hashing.checkpoint import Checkpoint
from ingest.drops import Drop
from ingest.source_manifest import source_manifest_verdict
from ledger.arrivals import Completion
from ledger.events.drop import ManifestLine
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from vault.local import LocalStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a drop ended, the entry that says so, and the checkpoint that covers it."""

    completion: str
    source_manifest: str
    log: StoreLayout  # the log that says so: an earlier one, when just this was stated there
    seq: int
    checkpoint: Checkpoint


def complete_drop(
    drop: Drop,
    *,
    recorder: Recorder,
    vault: LocalStore,
    vanished: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Completed:
    """Record and seal `drop.completed` for what was dealt with of ``drop``. Raises StopRequestedError before that."""
    lines = tuple(
        ManifestLine(item=row.item, sha256=row.sha256, size_bytes=row.stat.size_bytes)
        for _, row in sorted(drop.dealt.items())
        if row.item is not None and row.sha256 is not None and row.stat is not None
    )
    refused = sum(row.outcome == "refused" for row in drop.dealt.values())
    manifest = source_manifest_verdict(drop.dealt, vault, stop=stop)
    completion = _completion(sealed=len(lines), refused=refused, manifest=manifest, vanished=vanished)
    (recorded,) = recorder.record(
        [
            Completion(
                drop=drop.row.drop_id,
                completion=completion,
                refused=refused,
                source_manifest=manifest,
                manifest=lines,
            )
        ]
    )
    log, checkpoint = recorder.layout, seal(recorder)
    for earlier in recorder.earlier.logs:
        if earlier.origin == recorded.log:
            log, checkpoint = earlier.layout, earlier.checkpoint
    return Completed(completion=completion, source_manifest=manifest, log=log, seq=recorded.seq, checkpoint=checkpoint)


def _completion(*, sealed: int, refused: int, manifest: str, vanished: bool) -> str:
    """Return the code of how a drop ended; the most serious one where several hold."""
    if vanished:
        return "vanished"
    if refused:
        return "refusals"
    if not sealed:
        return "empty"
    return "manifest-mismatch" if manifest == "mismatch" else "complete"
