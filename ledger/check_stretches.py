"""The sealed entries of a long log, checked side by side in several processes, and joined in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from base.workers import Workers, cores, serve
from hashing.tiles import ENTRIES, TILE_WIDTH, TileRef
from ledger.chain import ChainCheck
from ledger.check_databases import CheckedDatabase
from ledger.check_pages import PageCheck, Stretch
from ledger.layout import StoreLayout
from ledger.verdict import LogVerdict

LONG = 20_000  # entries; below it, starting processes takes longer than they save
STRETCH = 8 * TILE_WIDTH  # entries that are handed over at once


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch to check, and the key entries before it, as far as they were known when this was asked."""

    root: str
    log_home: str | None  # of a closed log
    origin: str
    first: int
    end: int
    newest_kept: int
    key_entries: list[bytes]


def check_sealed(
    pages: PageCheck, layout: StoreLayout, origin: str, size: int, newest_kept: int, *, processes: int | None
) -> Iterator[int]:
    """Check all sealed entries of a log of ``size``, and yield after each part of it how far the check is."""
    if processes is None:
        processes = cores() if size >= LONG else 1
    if processes == 1:
        yield from _in_this_process(pages, 0, size)
        return
    # The first stretch names the keys that the others are checked with.
    yield from _in_this_process(pages, 0, min(STRETCH, size))
    asked = (
        msgspec.msgpack.encode(
            Asked(
                root=str(layout.root),
                log_home=None if layout.log_home is None else str(layout.log_home),
                origin=origin,
                first=first,
                end=min(first + STRETCH, size),
                newest_kept=newest_kept,
                key_entries=pages.chain.key_entries,
            )
        )
        for first in range(STRETCH, size, STRETCH)
    )
    with Workers("ledger.check_stretches", processes) as workers:
        for answer in workers.answers(asked):
            stretch = msgspec.msgpack.decode(answer, type=Stretch)
            if not pages.join(stretch):
                # The keys changed after it was asked for: rare, and then checked here.
                yield from _in_this_process(pages, stretch.first, stretch.end)
            yield stretch.end


def _in_this_process(pages: PageCheck, first: int, end: int) -> Iterator[int]:
    for ref in _bundles(first, end):
        pages.check_sealed(ref)
        yield ref.index * TILE_WIDTH + ref.width


def _bundles(first: int, end: int) -> Iterable[TileRef]:
    for start in range(first, end, TILE_WIDTH):
        yield TileRef(ENTRIES, start // TILE_WIDTH, min(TILE_WIDTH, end - start))


def _answer(request: bytes) -> bytes:
    asked = msgspec.msgpack.decode(request, type=Asked)
    layout = StoreLayout(Path(asked.root), None if asked.log_home is None else Path(asked.log_home))
    verdict = LogVerdict()
    chain = ChainCheck(asked.origin, first=asked.first, key_entries=asked.key_entries)
    with (
        CheckedDatabase(layout.log_db, "main", verdict) as log,
        CheckedDatabase(layout.openings_db, "openings", verdict) as openings,
    ):
        pages = PageCheck(layout, log, openings, verdict, chain, newest_kept=asked.newest_kept)
        for ref in _bundles(asked.first, asked.end):
            pages.check_sealed(ref)
    stretch = pages.stretch(asked.first, asked.end, keys_before=len(asked.key_entries))
    return msgspec.msgpack.encode(stretch)


if __name__ == "__main__":
    serve(_answer)
