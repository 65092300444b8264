"""What was lodged, checked: the notes in `private/lodged/` held against the log, and which witnesses cosigned what.

A log that was put back together with its checkpoint is in order inside; a lodged note that stayed shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from base.config import read_settings
from base.errors import LedgerError, UsageError
from hashing.checkpoint import CheckpointError, Cosignature, open_cosigned
from hashing.digest import Digest
from hashing.note import Verifier
from hashing.policy import Policy
from ledger.kept import KeptAnswer, KeptNote, KeptVerdict, compare_kept
from ledger.layout import StoreLayout
from ledger.memories import lodged_notes
from ledger.verdict import Cosigned, WitnessStanding
from ledger.witness_settings import policy_of


def check_lodged(
    layout: StoreLayout,
    key: Verifier,
    *,
    size: int,
    root_at: Callable[[int], Digest],
    contradicted: Callable[[KeptAnswer], None],
) -> WitnessStanding | None:
    """Tell ``contradicted`` of each lodged note that the log is no continuation of; return what the witnesses said.

    None where no witness is set, or where the settings are not here or can't be read.
    """
    good = []
    for kept in lodged_notes(layout):
        answer = compare_kept(kept.note, key, size=size, root_at=root_at)
        if answer.verdict.is_good:
            good.append(kept)
        elif answer.verdict is not KeptVerdict.OTHER_LOG:  # of a log that this one continues
            contradicted(answer)
    with suppress(UsageError, OSError):
        settings = read_settings(layout.settings)
        if settings.witnesses:
            return _standing(policy_of(key, settings), settings.witness_quorum, key, good, contradicted)
    return None


def _standing(
    policy: Policy, quorum: str, key: Verifier, notes: list[KeptNote], contradicted: Callable[[KeptAnswer], None]
) -> WitnessStanding:
    newest: dict[str, tuple[int, Cosignature]] = {}
    quorum_size = None
    for kept in notes:  # by size, ascending
        witnesses = {trusted.key: name for name, trusted in policy.witnesses.items()}
        try:
            checkpoint, _ = open_cosigned(kept.note, key, tuple(witnesses))
        except CheckpointError as error:
            contradicted(_invalid(kept, error))
            continue
        cosignatures = policy.read(kept.note).cosignatures
        newest.update((name, (checkpoint.size, one)) for name, one in cosignatures.items())
        if quorum != "none" and policy.is_met_by(cosignatures):
            quorum_size = checkpoint.size
    return WitnessStanding(
        quorum=quorum,
        quorum_size=quorum_size,
        cosigned=tuple(_cosigned(name, newest.get(name)) for name in policy.witnesses),
    )


def _cosigned(name: str, found: tuple[int, Cosignature] | None) -> Cosigned:
    if found is None:
        return Cosigned(witness=name, size=None, timestamp=None)
    return Cosigned(witness=name, size=found[0], timestamp=found[1].timestamp)


def _invalid(kept: KeptNote, error: LedgerError) -> KeptAnswer:
    return KeptAnswer(verdict=KeptVerdict.INVALID, origin=None, size=None, root=None, found=f"{kept.file}: {error}")
