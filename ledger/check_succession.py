"""Every log of a store that ended before the open one: checked whole like it, and the links from one to the next.

A link holds when the first entry of a log names the log before it just as that ended: origin, size, root and the note
of its last checkpoint; when that log's own last entry, `log.closed`, names the successor and its key; and when whatever
was carried over was carried from where it stood. A log without such a last entry is *broken off*, and is called so.
What is wrong is added to the verdict on the open log; the findings name the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from base import fsio
from base.errors import EvidenceError, LedgerError, UncheckedError
from hashing.checkpoint import parse_checkpoint
from hashing.digest import Digest
from hashing.note import MAX_NOTE_BYTES, parse_note
from ledger.check import check_log
from ledger.check_databases import CheckedDatabase
from ledger.check_scope import entry_reader
from ledger.check_tiles import first_entry
from ledger.earlier import LOST, EarlierLog
from ledger.entry import Entry, SubjectHead, parse_entry
from ledger.events.custody import CUSTODY_CARRIED
from ledger.events.log import LOG_CLOSED, Predecessor
from ledger.kept import KeptNote
from ledger.layout import StoreLayout
from ledger.trust import require_endorsements
from ledger.verdict import LogVerdict

CLOSED = "closed"
_MEANS = "What was recorded before the change of logs can't be shown to be what is recorded here."


@dataclass(slots=True, kw_only=True)
class EarlierVerdict:
    """One log that ended, and what the check of it found."""

    layout: StoreLayout
    stated: Predecessor
    log: LogVerdict
    is_closed: bool = False  # it says itself that it ended; else it was broken off

    @property
    def end(self) -> str:
        return CLOSED if self.is_closed else "broken-off"


def earlier_origins(layout: StoreLayout) -> list[str]:
    """Return the logs before the open one, as the first entries name them; nothing is checked."""
    origins: list[str] = []
    place = layout
    while (stated := _stated(_first(place))) is not None and stated.origin not in origins:
        origins.append(stated.origin)
        place = layout.closed_log(stated.origin)
    return origins


def origin_of(kept: KeptNote) -> str | None:
    """Return of which log a kept checkpoint says it is."""
    with contextlib.suppress(LedgerError):
        return parse_checkpoint(parse_note(kept.note).text).origin
    return None


def check_earlier(
    layout: StoreLayout,
    verdict: LogVerdict,
    *,
    against: Sequence[KeptNote] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    first_bad: bool = False,
) -> list[EarlierVerdict]:
    """Check each log before the open one, which was found to be as ``verdict`` says; the newest comes first.

    ``against`` are kept checkpoints of these logs.
    """
    found: list[EarlierVerdict] = []
    place, successor = layout, verdict
    while (stated := _stated(first := _first(place))) is not None and first is not None:
        closed = layout.closed_log(stated.origin)
        if not closed.log.exists() or stated.origin in {one.stated.origin for one in found} | {verdict.origin}:
            _missing(closed, stated, verdict)
            break
        notes = [kept for kept in against if origin_of(kept) == stated.origin]
        log = check_log(closed, against=notes, progress=progress, first_bad=first_bad)
        _adopt(log, stated.origin, verdict)
        one = EarlierVerdict(layout=closed, stated=stated, log=log)
        _Link(place, first, successor, one, verdict).check()
        found.append(one)
        place, successor = closed, log
        if first_bad and verdict.findings:
            return found
    _check_arrivals([layout, *(one.layout for one in found)], verdict)
    _check_nothing_else(layout, {one.layout.home.name for one in found}, verdict)
    return found


def _first(layout: StoreLayout) -> Entry | None:
    with CheckedDatabase(layout.log_db, "main", LogVerdict()) as log:
        rows = log.rows("SELECT raw FROM entry WHERE seq = 0")
    for raw in (first_entry(layout.log), *(row[0] for row in rows)):
        with contextlib.suppress(LedgerError, TypeError):
            return parse_entry(bytes(raw))
    return None


def _stated(first: Entry | None) -> Predecessor | None:
    if first is None or not first.known:
        return None
    with contextlib.suppress(LedgerError):
        return Predecessor.of(first.facts.get("predecessor"))
    return None


def _missing(closed: StoreLayout, stated: Predecessor, verdict: LogVerdict) -> None:
    where = f"closed/{closed.home.name}"
    if stated.ended == LOST or (verdict.is_copy and not closed.log.exists()):
        why = "it was lost" if stated.ended == LOST else "it is not in this copy"
        verdict.miss(f"The log {stated.origin}, from which this store goes on, in {where}: {why}.")
        return
    verdict.add(
        "log-missing",
        f"log {stated.origin}",
        expected=f"the closed log in {where}",
        found="no such log" if not closed.log.exists() else "a log that is said to come before itself",
        meaning=_MEANS,
    )


def _adopt(log: LogVerdict, origin: str, verdict: LogVerdict) -> None:
    """Add what was found in an earlier log, by its name, and what must therefore be in the vault."""
    name = f"log {origin}: "
    verdict.findings += [finding._replace(object=name + finding.object) for finding in log.findings]
    verdict.not_checked += [name + sentence for sentence in log.not_checked]
    verdict.is_unread |= log.is_unread
    verdict.against += log.against
    verdict.unknown_types += log.unknown_types
    verdict.results |= log.results
    for digest, size in log.masters.items():
        if digest not in verdict.masters:
            verdict.masters.put(digest, size or 0, log.masters.seq_of(digest))


class _Link:
    """From the first entry of a log to the log before it."""

    def __init__(
        self, place: StoreLayout, first: Entry, successor: LogVerdict, one: EarlierVerdict, verdict: LogVerdict
    ) -> None:
        self._place, self._first, self._successor = place, first, successor
        self._one, self._verdict = one, verdict

    def check(self) -> None:
        stated, log = self._one.stated, self._one.log
        self._expect("origin", stated.origin, log.origin)
        self._expect("size", stated.size, log.size)
        self._expect("root", stated.root, log.root)
        self._expect("note of the last checkpoint", stated.note, self._note())
        self._check_end()
        self._check_endorsements()
        self._check_carried()

    def _note(self) -> Digest | str:
        try:
            return Digest.of(fsio.read_file(self._one.layout.checkpoint, max_bytes=MAX_NOTE_BYTES))
        except (OSError, EvidenceError) as error:
            return f"none that can be read: {error}"

    def _check_end(self) -> None:
        stated, log = self._one.stated, self._one.log
        last = entry_reader(self._one.layout, log.size)(log.size - 1) if log.size else None
        if last is None or last.type != LOG_CLOSED.name:
            if stated.ended == CLOSED:
                self._bad(
                    "end", f"log.closed as the last entry of {stated.origin}", "another entry, or none: broken off"
                )
            return
        expected = {"origin": self._first.log, "log_vkey": self._first.facts.get("log_vkey")}
        self._one.is_closed = last.facts.get("successor") == expected
        if not self._one.is_closed:
            self._bad("end", f"log.closed that names {self._first.log} and its key", f"{last.facts.get('successor')}")

    def _check_endorsements(self) -> None:
        threshold = self._one.log.root_threshold
        if not threshold:
            return
        try:
            before = EarlierLog.open(self._one.layout)
            with contextlib.closing(before.connection):
                require_endorsements(self._first, root_keys=before.keys.root_keys_at_end(), threshold=threshold)
        except UncheckedError as error:
            self._verdict.not_checked.append(str(error))
        except LedgerError as error:
            self._bad("endorsements", f"{threshold} endorsements by root keys of {self._one.stated.origin}", str(error))

    def _check_carried(self) -> None:
        """Hold each thing that was carried over against the end of its chain in the log before."""
        with CheckedDatabase(self._place.log_db, "main", LogVerdict()) as log:
            if log.connection is None:
                self._verdict.miss(f"What {self._first.log} took over: its database is not here.")
                return
            for (raw,) in log.rows("SELECT raw FROM entry WHERE type = ?", CUSTODY_CARRIED.name):
                with contextlib.suppress(LedgerError):  # found with the log
                    self._check_one(parse_entry(bytes(raw)))

    def _check_one(self, entry: Entry) -> None:
        stated, reference = self._one.stated, entry.facts.get("reference")
        if not isinstance(reference, Mapping) or reference.get("log") != stated.origin:
            return  # from a log before that one: its own link is looked at there
        for name in entry.subjects:
            head = self._one.log.heads.get(name)
            found = (head.count, str(head.entry)) if isinstance(head, SubjectHead) else (0, None)
            if (entry.facts.get("count"), reference.get("entry")) != found and self._one.is_closed:
                self._bad(f"entry {entry.seq}", f"{name} as {stated.origin} left it: {found}", f"{entry.facts}")
        claimed = {"size": stated.size, "root": str(stated.root), "note": str(stated.note)}
        if any(entry.facts.get(member) != value for member, value in claimed.items()):
            self._bad(f"entry {entry.seq}", "the last checkpoint of the log before", "another one")

    def _expect(self, what: str, expected: object, found: object) -> None:
        if expected != found:
            self._bad(what, f"{what} {expected}", f"{found}")

    def _bad(self, what: str, expected: str, found: str) -> None:
        self._verdict.add(
            "log-link-broken",
            f"log {self._first.log}: link to {self._one.stated.origin}, {what}",
            expected=expected,
            found=found,
            meaning=_MEANS,
        )


# A file that came again: its generation before is in this log, or else in one before it.
_CONTINUED = """
SELECT drop_id, path, generation, seq FROM arrival AS a WHERE generation > 0 AND NOT EXISTS (
    SELECT 1 FROM arrival AS b WHERE b.drop_id = a.drop_id AND b.path = a.path AND b.generation = a.generation - 1
)
"""


def _check_arrivals(logs: Sequence[StoreLayout], verdict: LogVerdict) -> None:
    """Demand that the arrivals of one path count on from one log to the next. ``logs`` are given newest first."""
    with contextlib.ExitStack() as stack:
        databases = [stack.enter_context(CheckedDatabase(log.openings_db, "openings", LogVerdict())) for log in logs]
        for number, database in enumerate(databases):
            for drop, path, generation, seq in database.rows(_CONTINUED):
                if not _has(databases[number + 1 :], drop, path, generation - 1):
                    verdict.add(
                        "index-differs",
                        f"private/openings.db arrival of entry {seq}",
                        expected="the arrival of this path before it, in this log or one before",
                        found="none",
                        meaning="An arrival is missing, or this row was changed; the recorder looks into this table.",
                    )


def _has(databases: Sequence[CheckedDatabase], drop: object, path: object, generation: int) -> bool:
    query = "SELECT 1 FROM arrival WHERE drop_id = ? AND path = ? AND generation = ?"
    return any(database.rows(query, drop, path, generation) for database in databases)


def _check_nothing_else(layout: StoreLayout, known: set[str], verdict: LogVerdict) -> None:
    for name in _folders(layout):
        if name not in known:
            verdict.add(
                "stray-log",
                f"closed/{name}",
                expected="only logs from which this store goes on",
                found="something that no log of this store names",
                meaning="It was put there by somebody, or the log that names it was taken away.",
            )


def _folders(layout: StoreLayout) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from sorted(path.name for path in layout.closed.iterdir())
