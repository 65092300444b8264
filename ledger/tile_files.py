"""The tiles of a log as files below `log/`: reading one."""

from __future__ import annotations

from pathlib import Path

from base import fsio
from hashing.tiles import MAX_BUNDLE_BYTES, TileMissingError, TileRef


def read_tile(log: Path, ref: TileRef) -> bytes:
    """Return the content of one tile or bundle. Raises TileMissingError when there is no such file."""
    try:
        return fsio.read_file(log / ref.path, max_bytes=MAX_BUNDLE_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TileMissingError(f"log/{ref.path} is missing") from error
