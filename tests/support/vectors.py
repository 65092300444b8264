"""Reading the frozen files below tests/vectors/. A file that is missing fails the test that wants it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def vector_bytes(name: str) -> bytes:
    """Return the content of the vector file ``name``."""
    path = VECTORS / name
    if not path.is_file():
        raise AssertionError(f"the vector file {name} is missing: a check that cannot be made is a failed one")
    return path.read_bytes()


def vector_json(name: str) -> Any:
    """Return the parsed vector file ``name``."""
    return json.loads(vector_bytes(name))


def vector_files(folder: str, *, count: int) -> list[str]:
    """Return the names of all JSON files below ``folder``, of which there must be ``count``."""
    names = sorted(str(path.relative_to(VECTORS)) for path in (VECTORS / folder).rglob("*.json"))
    if len(names) != count:
        raise AssertionError(f"{len(names)} vector files below {folder}, not {count}")
    return names
