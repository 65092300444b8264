"""The two databases as a check reads them: each by itself, as long as it answers, and never believed.

A database that is missing, empty or damaged is one finding that names its file; after it the database is asked nothing
more, and the check goes on with what is left. Nothing is changed or repaired.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, TypeAlias

from base.errors import LedgerError
from ledger import log_db
from ledger.verdict import LogVerdict

Row: TypeAlias = tuple[Any, ...]  # what a hostile file holds: it is compared, not used
_MOST_REPORTED = 20  # lines of SQLite's own check of one database
_FETCHED = 4096  # rows at a time


class CheckedDatabase:
    """One of the two databases, open for a check. What it does not hold or can't give is an empty answer."""

    def __init__(self, path: Path, database: str, verdict: LogVerdict) -> None:
        self.object = f"private/{path.name}"
        self.is_missing = not path.exists()
        self._verdict = verdict
        self._connection: sqlite3.Connection | None = None
        if not self.is_missing:
            self._open(path, database)

    def _open(self, path: Path, database: str) -> None:
        try:
            self._connection = log_db.connect_alone(path)
            with log_db.declared_errors(self.object):
                is_ours = log_db.has_our_schema(self._connection, database)
        except LedgerError as error:
            self._damaged(str(error))
            return
        if not is_ours:
            self._damaged("other tables, indexes or triggers than init makes")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> sqlite3.Connection | None:
        """The connection for reading; None once the database could not be read."""
        return self._connection

    def check_integrity(self) -> None:
        """List what SQLite itself finds wrong with the file: its pages, and each index against its table."""
        # KNOWN GAP: a recorder beside us can't commit for as long as this reads: about 10 s for the entries and 25 s
        # for the openings of a million entries. It waits 30 s, then says that the log is busy (7); nothing is lost by
        # that. A larger log is better verified as a copy, or while the recorder rests.
        for (line,) in self.rows(f"PRAGMA integrity_check({_MOST_REPORTED})"):
            if line != "ok":
                self._add(str(line))

    def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Return the rows of a query; none when the database can't be read."""
        return list(self.stream(sql, *parameters))

    def stream(self, sql: str, *parameters: object) -> Iterator[Row]:
        """Yield the rows of a query, a few thousand in memory at a time; they end where the database can't be read."""
        cursor = None
        while self._connection is not None:
            try:
                with log_db.declared_errors(self.object):
                    cursor = cursor or self._connection.execute(sql, parameters)
                    rows = cursor.fetchmany(_FETCHED)
            except LedgerError as error:
                self._damaged(str(error))
                return
            if not rows:
                return
            yield from rows

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read inside a with block as at one moment. Writers wait for its end."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def _damaged(self, found: str) -> None:
        self._add(found)
        self.close()

    def _add(self, found: str) -> None:
        self._verdict.add(
            "database-damaged",
            self.object,
            expected="a sound database",
            found=found,
            meaning="The file was damaged, or changed by something else than this program.",
        )

    def add_missing(self) -> None:
        """List it that there is no such file."""
        self._verdict.add(
            "database-missing",
            self.object,
            expected="the database that init made",
            found="no file",
            meaning="It was removed, or the copy is not whole. What only it knows could not be checked.",
        )
