"""Which roots may be watched together: none may lie in another, and none may hold the store or lie in it.

PURE of the share: paths are compared as they are written, because asking a dead mount for its real path would hang the
recorder. KNOWN GAP: two names of one place (a bind mount, a link) are not seen here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from base.errors import UsageError
from base.escape import shown


def refuse_overlapping(store: Path, shares: Sequence[bytes]) -> None:
    """Raise UsageError unless every share lies apart from the store and from every other share.

    A share that holds the store would take its keys and its names for footage.
    """
    roots = [os.path.abspath(share) for share in shares]
    for place in {os.fsencode(os.path.abspath(store)), os.fsencode(os.path.realpath(store))}:
        for root in roots:
            if _overlap(root, place):
                raise UsageError(
                    f"the share {shown(root)} and the store {shown(place)} overlap: keys would be taken for footage.",
                    next_step="Keep the store outside of every share, and every share outside of the store.",
                )
    for number, root in enumerate(roots):
        for other in roots[:number]:
            if _overlap(root, other):
                raise UsageError(
                    f"the shares {shown(other)} and {shown(root)} overlap: everything would be taken twice.",
                    next_step="Name each share once, and none that lies in another.",
                )


def _overlap(one: bytes, other: bytes) -> bool:
    return os.path.commonpath((one, other)) in (one, other)
