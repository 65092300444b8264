"""The tiles of a log as files below `log/`: read, written once, and partials removed when a full tile replaced them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from base import fsio
from base.errors import LedgerError
from hashing.tiles import ENTRIES, MAX_BUNDLE_BYTES, TileMissingError, TileRef

_MODE = 0o444


def read_tile(log: Path, ref: TileRef) -> bytes:
    """Return the content of one tile or bundle. Raises TileMissingError when there is no such file."""
    try:
        return fsio.read_file(log / ref.path, max_bytes=MAX_BUNDLE_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TileMissingError(f"log/{ref.path} is missing") from error


def put_files(log: Path, files: Mapping[TileRef, bytes]) -> None:
    """Write files of the log durably, each directory synced once.

    Raises LedgerError for a file that is there with other bytes: a name alone proves nothing.
    """
    by_directory: dict[Path, list[TileRef]] = {}
    for ref in files:
        by_directory.setdefault((log / ref.path).parent, []).append(ref)
    for parent, refs in by_directory.items():
        fsio.make_directories(parent)
        with fsio.directory(parent) as descriptor:
            for ref in refs:
                _put_file(ref, files[ref], descriptor)
            fsio.sync(descriptor)


def _put_file(ref: TileRef, data: bytes, descriptor: int) -> None:
    try:
        fsio.put_file_unsynced(Path(ref.path).name, data, dir_fd=descriptor, mode=_MODE)
    except FileExistsError as error:
        raise LedgerError(f"log/{ref.path} is there with other bytes: the log was changed, or forked.") from error


def remove_replaced_partials(log: Path, refs: Iterable[TileRef]) -> None:
    """Remove the partial files of each hash tile that is full now: the head of the full one serves instead."""
    for ref in refs:
        if ref.is_full:
            _remove_partials(log / f"{ref.path}.p")
            if ref.level == 0:
                _remove_partials(log / f"{replace(ref, level=ENTRIES).path}.p")


def _remove_partials(directory: Path) -> None:
    if not directory.is_dir():
        return
    for name in sorted(path.name for path in directory.iterdir()):
        fsio.remove(directory / name)
    fsio.remove_directory(directory)
