"""The tables beside the truth in ``log.db`` and ``openings.db``: heads, subjects, arrivals, each rebuilt and compared.

The recorder reads them to write the next entry (custody-log section 6), so a changed one damages the log's future.
They are checked where the store has them; their columns are taken from the schema in the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

from checker_databases import copy_of
from checker_entry import Entry
from checker_findings import Findings
from checker_openings import Opened, raw_bytes


def check_indexes(
    home: Path,
    heads: Mapping[str, tuple[int, str]],
    entries: Mapping[int, Entry],
    opened: Mapping[int, Opened],
    findings: Findings,
    *,
    generations: Mapping[tuple[str, bytes], int],
) -> None:
    """Every row of ``head``, ``subject`` and ``arrival`` follows from the entries and openings, and none is missing."""
    subjects = {(name, seq) for seq, entry in entries.items() for name in entry.subjects}
    counted = {(name, count, bytes.fromhex(digest)) for name, (count, digest) in heads.items()}
    log, openings = home / "private" / "log.db", home / "private" / "openings.db"
    _compare(log, "head", "name, count, digest", counted, findings)
    _compare(log, "subject", "name, seq", subjects, findings)
    columns = "drop_id, path, generation, seq, item, sha256"
    _compare(openings, "arrival", columns, _arrivals(entries, opened, generations), findings)


def _arrivals(
    entries: Mapping[int, Entry], opened: Mapping[int, Opened], before: Mapping[tuple[str, bytes], int]
) -> set[tuple[object, ...]]:
    """Return the rows that the opened source paths make; an erased path must leave no row.

    ``before`` says how often each path arrived in earlier logs.
    """
    rows: set[tuple[object, ...]] = set()
    generations: dict[tuple[str | None, bytes], int] = dict(before.items())
    for seq, entry in entries.items():
        path = raw_bytes(opened[seq].values.get("source_path")) if entry.type == "master.defined" else None
        if path is None:
            continue
        generation = generations.get((entry.drop, path), 0)
        generations[entry.drop, path] = generation + 1
        for item, digest in entry.subjects.items():
            rows.add((entry.drop, path, generation, seq, item, bytes.fromhex(digest)))
    return rows


def _compare(
    database: Path, table: str, columns: str, expected: Collection[tuple[object, ...]], findings: Findings
) -> None:
    try:
        with copy_of(database) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                return
            found = set(connection.execute(f"SELECT {columns} FROM {table}").fetchall())
    except (OSError, sqlite3.DatabaseError) as err:
        findings.bad("db.unreadable", database.name, f"{table}: {err}")
        return
    for row in sorted(found.symmetric_difference(expected), key=repr):
        known = "stands there and does not follow from the entries" if row in found else "is missing or another"
        findings.bad("db.index", f"{database.name} {table}", f"{row!r} {known}")
