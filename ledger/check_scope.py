"""One exhibit or one drop: which entries the log has of it, and whether these are all.

Asked after the whole log was checked: where each chain of a subject ends is known from the bytes of all entries. The
entries of the exhibit are read again and followed from the first to that end; a gap, or an entry of a type that nobody
here knows, and the chain is not called complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from base.errors import EvidenceError, LedgerError, NotFoundError
from hashing.digest import Digest, DigestFormatError
from hashing.tiles import ENTRIES, TILE_WIDTH, TileRef, read_entries
from ledger.check_databases import CheckedDatabase
from ledger.entry import NO_HEAD, Entry, SubjectHead, parse_entry
from ledger.identifiers import kind_of
from ledger.layout import StoreLayout
from ledger.openings import open_entry
from ledger.tile_files import read_tile
from ledger.verdict import LogVerdict

SHORTEST_PREFIX = 4  # characters after the underscore


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of one item or drop, followed from its first entry to the last that the log has."""

    name: str
    drop: str | None
    sha256: Digest
    size_bytes: int | None  # None for a drop
    entries: int
    unknown_types: int
    gap_at: int | None  # the first entry that does not follow the one before; None: all do
    results: tuple[Digest, ...]  # of its analyses, as far as their openings are here

    @property
    def verdict(self) -> str:
        """Return ``complete``, ``gap``, or ``unknown-types`` for a chain of which nobody can say."""
        if self.gap_at is not None or not self.entries:
            return "gap"
        return "unknown-types" if self.unknown_types else "complete"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and every item that belongs to it."""

    asked: tuple[str, ...]  # whole names
    drops: tuple[Exhibit, ...]
    items: tuple[Exhibit, ...]


def resolve(names: Sequence[str], subjects: Mapping[str, object]) -> list[str]:
    """Return the whole names of items and drops for unique prefixes. Raises NotFoundError."""
    return [_resolved(name, subjects) for name in names]


def _resolved(prefix: str, subjects: Mapping[str, object]) -> str:
    if len(prefix.partition("_")[2] if "_" in prefix else prefix) < SHORTEST_PREFIX:
        raise NotFoundError(
            f"{prefix!r} is too short: give at least {SHORTEST_PREFIX} characters after the underscore."
        )
    found = sorted(
        name
        for name in subjects
        if kind_of(name) in ("item", "drop") and (name.startswith(prefix) or name.partition("_")[2].startswith(prefix))
    )
    if len(found) != 1:
        raise NotFoundError(
            f"{'no' if not found else 'more than one'} item or drop of this log begins with {prefix!r}."
        )
    return found[0]


def check_scope(layout: StoreLayout, names: Sequence[str], verdict: LogVerdict) -> Scope:
    """Return the exhibits behind ``names``, each followed through a log that was checked with this ``verdict``.

    Raises NotFoundError for a name that the log does not have, or that is not unique.
    """
    asked = resolve(names, verdict.heads)
    drops = {name for name in asked if kind_of(name) == "drop"}
    with (
        CheckedDatabase(layout.log_db, "main", LogVerdict()) as log,
        CheckedDatabase(layout.openings_db, "openings", LogVerdict()) as openings,
    ):
        entries = _Entries(layout, verdict.size, log)
        # The index is believed where the check of the whole log has just held it against the entries.
        use_index = not verdict.findings and log.connection is not None and openings.connection is not None
        index = _Index(log, openings) if use_index else _NoIndex(entries)
        items = {name for name in asked if kind_of(name) == "item"} | index.items_of(drops)
        found = index.positions({*items, *drops})
        heads = {name: head for name in (*items, *drops) if isinstance(head := verdict.heads[name], SubjectHead)}
        exhibits = {name: _exhibit(name, found[name], heads[name], entries, openings) for name in (*items, *drops)}
    return Scope(
        asked=tuple(asked),
        drops=tuple(exhibits[name] for name in sorted(drops)),
        items=tuple(exhibits[name] for name in sorted(items)),
    )


def check_scope_over(logs: Sequence[tuple[StoreLayout, LogVerdict]], names: Sequence[str]) -> Scope:
    """As `check_scope`, over every log of a store, the oldest first: a history may begin in one and end in another."""
    if len(logs) == 1:
        ((layout, verdict),) = logs
        return check_scope(layout, names, verdict)
    asked = resolve(names, {name: None for _, verdict in logs for name in verdict.heads})
    drops = {name for name in asked if kind_of(name) == "drop"}
    items = {name for name in asked if kind_of(name) == "item"}
    for layout, verdict in logs:  # a drop has items in each log in which it was taken
        here = [name for name in drops if name in verdict.heads]
        items |= {item.name for item in check_scope(layout, here, verdict).items}
    found: dict[str, Exhibit] = {}
    for layout, verdict in logs:
        scope = check_scope(layout, [name for name in (*drops, *items) if name in verdict.heads], verdict)
        for exhibit in (*scope.drops, *scope.items):
            found[exhibit.name] = _joined(found.get(exhibit.name), exhibit)
    return Scope(
        asked=tuple(asked),
        drops=tuple(found[name] for name in sorted(drops)),
        items=tuple(found[name] for name in sorted(items)),
    )


def _joined(before: Exhibit | None, after: Exhibit) -> Exhibit:
    """Return the history of one thing in two logs that follow each other."""
    if before is None:
        return after
    return Exhibit(
        name=after.name,
        drop=before.drop or after.drop,
        sha256=before.sha256,
        size_bytes=before.size_bytes if after.size_bytes is None else after.size_bytes,
        entries=before.entries + after.entries,
        unknown_types=before.unknown_types + after.unknown_types,
        gap_at=after.gap_at if before.gap_at is None else before.gap_at,
        results=(*before.results, *after.results),
    )


def _exhibit(
    name: str, positions: Sequence[int], end: SubjectHead, entries: _Entries, openings: CheckedDatabase
) -> Exhibit:
    head, unknown, gap = NO_HEAD, 0, None
    drop, digest, size = None, None, None
    results: list[Digest] = []
    for seq in positions:
        entry = entries.at(seq)
        if entry is None or entry.subject_prev.get(name) != head:
            gap = seq if gap is None else gap
            if entry is None:
                continue
        head = SubjectHead(count=head.count + 1, entry=entry.digest)
        unknown += not entry.known
        digest = digest or entry.subjects[name]
        if entry.type == "master.defined":
            drop, size = entry.drop, int(str(entry.facts["size_bytes"]))
        results += _results(entry, openings)
    if gap is None and head != end:
        gap = positions[-1] if positions else 0
    return Exhibit(
        name=name,
        drop=drop,
        sha256=digest or end.entry,
        size_bytes=size,
        entries=len(positions),
        unknown_types=unknown,
        gap_at=gap,
        results=tuple(results),
    )


def _results(entry: Entry, openings: CheckedDatabase) -> Iterator[Digest]:
    if entry.type != "analysis.completed":
        return
    rows = openings.rows("SELECT commitment, text FROM opening WHERE seq = ?", entry.seq)
    try:
        values = open_entry(entry, {Digest(commitment): text for commitment, text in rows}).values
        yield Digest.parse(str(values["result"]))
    except (LedgerError, DigestFormatError, KeyError, TypeError):
        return  # damage to it was found with the log


class _Entries:
    """Entries by position: from the public log, and from the database what is not sealed yet."""

    def __init__(self, layout: StoreLayout, size: int, log: CheckedDatabase | None) -> None:
        self._layout = layout
        self._log = log
        self._bundle: tuple[int, Sequence[bytes]] = (-1, ())
        self.size = size

    def at(self, seq: int) -> Entry | None:
        """Return an entry, or None where nobody has it."""
        try:
            return parse_entry(self._raw(seq))
        except (EvidenceError, OSError):
            return None

    def _raw(self, seq: int) -> bytes:
        if seq < self.size:
            first = seq - seq % TILE_WIDTH
            if self._bundle[0] != first:
                ref = TileRef(ENTRIES, first // TILE_WIDTH, min(TILE_WIDTH, self.size - first))
                self._bundle = (first, read_entries(ref, lambda ref: read_tile(self._layout.log, ref)))
            return self._bundle[1][seq - first]
        rows = [] if self._log is None else self._log.rows("SELECT raw FROM entry WHERE seq = ?", seq)
        return bytes(rows[0][0]) if rows else b""

    def all(self) -> Iterator[Entry]:
        """Yield every entry that can be read, in order."""
        recorded = [] if self._log is None else self._log.rows("SELECT coalesce(max(seq) + 1, 0) FROM entry")
        for seq in range(max(self.size, int(recorded[0][0]) if recorded else 0)):
            entry = self.at(seq)
            if entry is not None:
                yield entry


def entry_reader(layout: StoreLayout, size: int) -> Callable[[int], Entry | None]:
    """Return a function that reads a sealed entry of a log of ``size`` again; None where it can't be read."""
    entries = _Entries(layout, size, None)
    return entries.at


class _Index:
    """Where things are, by the tables of the databases."""

    def __init__(self, log: CheckedDatabase, openings: CheckedDatabase) -> None:
        self._log, self._openings = log, openings

    def items_of(self, drops: Iterable[str]) -> set[str]:
        rows = [self._openings.rows("SELECT item FROM arrival WHERE drop_id = ?", drop) for drop in drops]
        return {str(item) for found in rows for (item,) in found}

    def positions(self, names: Iterable[str]) -> dict[str, list[int]]:
        query = "SELECT seq FROM subject WHERE name = ? ORDER BY seq"
        return {name: [int(seq) for (seq,) in self._log.rows(query, name)] for name in names}


class _NoIndex:
    """Where things are, by reading every entry: what is left without the databases."""

    def __init__(self, entries: _Entries) -> None:
        self._entries = entries

    def items_of(self, drops: Iterable[str]) -> set[str]:
        wanted = set(drops)
        return {
            name
            for entry in (self._entries.all() if wanted else ())
            if entry.drop in wanted and entry.type == "master.defined"
            for name in entry.subjects
        }

    def positions(self, names: Iterable[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {name: [] for name in names}
        for entry in self._entries.all():
            for name in entry.subjects:
                if name in found:
                    found[name].append(entry.seq)
        return found
