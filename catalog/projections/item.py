"""Items: a file became a master, or was refused.

PURE. The index of words takes the names of the drop and of the file in their escaped form, as they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog.projections.rows import ITEM, OBJECT, REFUSAL, WORDS, Results, RowChange
from catalog.projections.values import code, integer, raw_name
from ledger.openings import OpenedEntry

VAULT_COPY = 1  # a master was read back from the disk before its entry was written


def defined(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    entry, facts = opened.entry, opened.entry.facts
    path, name = raw_name(opened.values.get("source_path"))
    for item, digest in entry.subjects.items():
        yield RowChange(OBJECT, (opened.place, digest.raw, integer(facts.get("size_bytes")), VAULT_COPY))
        yield RowChange(
            ITEM,
            (
                opened.place,
                item,
                digest.raw,
                entry.drop,
                integer(facts.get("position")),
                path,
                name,
                code(facts.get("duplicate")),
                code(facts.get("supersedes")),
                "sealed",
                "not-analysed",
            ),
        )
        yield RowChange(WORDS, (opened.place, entry.drop, _searchable(path, name)))


def _searchable(path: bytes | None, name: str) -> str:
    """Return the escaped name, and where escapes glue words together the same name with blanks in their place."""
    text = (path or b"").decode("utf-8", "surrogateescape")
    if text.isprintable():
        return name
    pieces = "".join(character if character.isprintable() else " " for character in text)
    return f"{name} {pieces}"


def refused(opened: OpenedEntry, _results: Results) -> Iterator[RowChange]:
    entry, facts = opened.entry, opened.entry.facts
    path, name = raw_name(opened.values.get("source_path"))
    kind, reason = code(facts.get("kind")), code(facts.get("reason"))
    yield RowChange(REFUSAL, (opened.place, entry.drop, kind, reason, path, name))


PROJECTIONS = {"master.defined": defined, "item.refused": refused}
