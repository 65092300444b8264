"""Synthetic footage for the demo and the tests: two memory cards as a technician would drop them.

Everything below `DROPS` was drawn and encoded by ``make_samples.py``; no real place, person or serial is in it. What is
true of a file stands in `expected_path` of it, apart from the drops, so that it is never taken in with the footage.
"""

from __future__ import annotations

from pathlib import Path

DROPS = Path(__file__).resolve().parent / "drops"
EXPECTED = DROPS.parent / "expected"


def expected_path(name: str) -> Path:
    """Return where the truth about the sample ``name`` is written; ``name`` is relative to `DROPS`."""
    return EXPECTED / f"{name}.expected.json"
