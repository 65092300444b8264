"""The time stamps that go along with a receipt: of each authority the earliest one that covers the entry.

A token says something about its own checkpoint, which is mostly not the one that the receipt ends in. So each goes with
a proof of its own, from the entry to what was stamped. Only tokens that verify here and now go out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hashing.note import Verifier
from ledger.check_time_stamps import TokenVerdict, authorities_set, check_tokens
from ledger.layout import StoreLayout
from ledger.memories import LogRoots
from ledger.proofs import prove_all
from ledger.reader import LogReader

_EXPLANATION = Path(__file__).with_name("how_to_check_time_stamps.txt")
_BEFORE = "Step 5: "


def time_stamp_files(layout: StoreLayout, key: Verifier, seq: int) -> Mapping[str, Mapping[str, bytes]]:
    """Return the files about each authority that stamped a checkpoint over the entry at ``seq``, by its name."""
    authorities = authorities_set(layout)
    if not authorities:
        return {}
    with LogReader(layout) as log:
        newest = log.sealed()
    found: dict[str, Mapping[str, bytes]] = {}
    for answer in check_tokens(layout, authorities, key, size=newest.size, root_at=LogRoots(layout.log, newest).at):
        token = answer.token  # by size, ascending
        if answer.verdict is not TokenVerdict.OK or token.size <= seq or token.authority in found:
            continue
        (proof,) = prove_all(layout, [seq], under=token.stamped)
        found[token.authority] = {
            f"time-stamp-{token.authority}.tsr": token.reply,
            f"time-stamp-{token.authority}.pem": authorities[token.authority].certificates,
            f"time-stamp-{token.authority}.tlog-proof": proof.encode(),
        }
    return found


def with_time_stamps(explanation: str) -> str:
    """Return the page for a stranger with the step about time stamps in its place."""
    before, step, after = explanation.partition(_BEFORE)
    return before + _EXPLANATION.read_text("ascii") + step + after
