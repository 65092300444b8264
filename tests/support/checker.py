"""The independent oracle: reads a store from the disk and says which of the promises I1-I14 it breaks.

Written from the design pages alone (the custody log, the format sheet, architecture section 6); it imports nothing of
the product, so where the two agree, they do not agree by sharing a mistake. It changes nothing in the store.

    problems = Checker(store).check()      # an empty list: all holds, as far as can be seen from outside

It does not verify time stamps or witnesses, and it does not read ``catalogue.db``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from checker_chain import Chain, erased_commitments
from checker_databases import CheckpointRow, EntryRow, read_log_db, read_openings_db
from checker_entry import Entry
from checker_findings import Findings, Problem, entry_name
from checker_indexes import check_indexes
from checker_json import Json, MalformedError
from checker_keys import check_people
from checker_log import LogFiles, check_roots, check_signature, check_tiles, read_log
from checker_objects import check_masters, check_results, check_staging, check_store
from checker_openings import Opened, check_openings
from checker_sources import (
    Acknowledged,
    Arrival,
    account_for,
    arrivals,
    check_acknowledged,
    check_canaries,
    check_repeats,
    generations_of,
    public_places,
)
from checker_succession import End, check_carried, check_link, closed_folder, joined, predecessor_of
from checker_tree import Checkpoint, VerifierKey, parse_checkpoint, sha256

__all__ = ["Acknowledged", "Checker", "Problem", "check_log", "codes"]


def check_log(folder: Path, vkey: str) -> list[Problem]:
    """Check a bare tlog-tiles directory, whatever its entries are: checkpoint, signature, tiles, root."""
    findings = Findings()
    log = read_log(folder, findings)
    if log.checkpoint is not None:
        check_signature("log/checkpoint", log.checkpoint, VerifierKey.parse(vkey), findings)
        leaves = check_roots([("log/checkpoint", log.checkpoint)], log.entries, findings)
        check_tiles(log, {log.checkpoint.size}, log.entries, leaves, findings)
    return findings.problems


def codes(problems: Iterable[Problem]) -> set[str]:
    """Return which rules are broken."""
    return {problem.code for problem in problems}


class Checker:
    """One look at one store. All reading of log and databases is done when it is made."""

    def __init__(self, store: Path, *, vkey: str | None = None, idle: bool = True, home: Path | None = None) -> None:
        """``vkey`` is the pinned verifier key (else entry 0 names it); ``idle`` demands what holds only at rest.

        ``home`` is where the log lies, if it is not the open one; logs before it are looked at with it.
        """
        self.store = store
        self.home = home or store
        self.notes: list[Problem] = []  # what check() saw that is no problem
        self._idle = idle
        self._reading = Findings()
        self._log: LogFiles = read_log(self.home / "log", self._reading)
        self._rows, self._signed = read_log_db(self.home / "private" / "log.db", self._reading)
        self._entries_known = self._log.entries + [row.raw for row in self._rows if row.seq >= len(self._log.entries)]
        self._chain = Chain(self._reading)
        self._chain.extend(self._entries_known)
        self._vkey = vkey or self._chain.log_vkey
        self.vkey_from = "given" if vkey else "entry 0"
        rows = read_openings_db(self.home / "private" / "openings.db", self._reading)
        erased = erased_commitments(self.entries)
        self._opened: dict[int, Opened] = check_openings(self.entries, rows, erased, self._reading)
        check_people(self.entries, {seq: one.values for seq, one in self._opened.items()}, self._reading)
        stated = predecessor_of(self.entries)
        origin = None if stated is None else str(stated.get("origin"))
        self.before: Checker | None = None if origin is None else Checker(store, home=closed_folder(store, origin))
        self._drops: dict[str, Mapping[str, Json]] = {} if self.before is None else dict(self.before._drops)
        earlier = [] if self.before is None else self.before._arrivals
        own = arrivals(self.entries, self._opened, self._reading, before=earlier, drops=self._drops)
        self._generations = generations_of(earlier)
        self._arrivals: list[Arrival] = [*earlier, *own]

    @property
    def entries(self) -> Mapping[int, Entry]:
        """All well-formed entries by position, sealed or only recorded."""
        return self._chain.entries

    @property
    def sealed_size(self) -> int:
        """The size of the published checkpoint; 0 where it cannot be read."""
        return self._log.checkpoint.size if self._log.checkpoint else 0

    def check(self) -> list[Problem]:
        """Return all problems of the store by itself: log, openings, vault, results, staging."""
        findings = Findings()
        logs = self.logs()
        for log in logs:
            log._check_by_itself(findings)
        vault = check_store(self.store / "vault", "vault", findings)
        derived = check_store(self.store / "derived", "derived", findings)
        entries = joined(log.entries for log in reversed(logs))
        opened = dict(enumerate(one for log in reversed(logs) for one in log._opened.values()))
        check_masters(entries, vault, findings)
        check_results(entries, opened, self.store / "derived", derived, findings)
        check_repeats(self._arrivals, findings)
        if self._idle:
            check_staging(self.store / "staging", findings)
        self.notes = findings.notes
        return findings.problems

    def logs(self) -> list[Checker]:
        """Return the look at this log, and at each before it, the newest first."""
        return [self, *([] if self.before is None else self.before.logs())]

    def _check_by_itself(self, findings: Findings) -> None:
        own = Findings(list(self._reading.problems), list(self._reading.notes))
        self._check_log(own)
        self._check_log_db(own)
        check_indexes(self.home, self._chain.heads, self.entries, self._opened, own, generations=self._generations)
        if self.before is not None:
            check_link(self.before._end(), self.entries, own)
            check_carried([log._end() for log in self.before.logs()], self.entries, own)
        findings.problems += own.problems
        findings.notes += own.notes

    def _end(self) -> End:
        return End(self._chain.origin, self._log.checkpoint, self._log.note, self.entries, self._chain.heads)

    def account_for(self, sources: Mapping[bytes, str], *, nothing_else: bool = False) -> list[Problem]:
        """Return which sources (full path on the share -> hex SHA-256) are in no arrival (I1, I9, I10)."""
        findings = Findings()
        account_for(sources, self._arrivals, findings, nothing_else=nothing_else)
        return findings.problems

    def acknowledged(self, told: Iterable[Acknowledged]) -> list[Problem]:
        """Return which ``item.sealed`` lines do not hold (I6)."""
        found: list[Problem] = []
        for line in told:
            problems = []
            for log in self.logs():
                findings = Findings()
                check_acknowledged([line], log.entries, log.sealed_size, findings)
                problems.append(findings.problems)
            if all(problems):
                found += problems[0]
        return found

    def canaries(self, names: Iterable[bytes]) -> list[Problem]:
        """Return where one of ``names`` stands in log/, log.db, its journals or a payload, in any spelling."""
        findings = Findings()
        wanted = list(names)
        for log in self.logs():
            check_canaries(wanted, public_places(log.home, log._log.tiles, log._log.note, log.entries), findings)
        return findings.problems

    def extends(self, note: bytes) -> list[Problem]:
        """Return whether the log is no continuation of an earlier checkpoint that somebody kept (I2)."""
        findings = Findings()
        kept = parse_checkpoint(note)
        log = next((log for log in self.logs() if log._chain.origin == kept.origin), self)
        check_roots([("kept checkpoint", kept)], log._log.entries, findings)
        return findings.problems

    def _key(self, findings: Findings) -> VerifierKey | None:
        try:
            return VerifierKey.parse(self._vkey or "")
        except MalformedError as err:
            findings.bad("checkpoint.key", "log_vkey", str(err))
            return None

    def _check_log(self, findings: Findings) -> None:
        """Every signed checkpoint, published or only in log.db, and every tile (sections 3 and 6)."""
        checkpoints = [(f"checkpoint {row.size}", parsed) for row in self._signed if (parsed := _parsed(row, findings))]
        if self._log.checkpoint is not None:
            checkpoints.append(("log/checkpoint", self._log.checkpoint))
        key = self._key(findings)
        for name, checkpoint in checkpoints:
            if key is not None:
                check_signature(name, checkpoint, key, findings)
            if checkpoint.origin != self._chain.origin:
                findings.bad("checkpoint.origin", name, f"{checkpoint.origin!r}, entry 0 says {self._chain.origin!r}")
        leaves = check_roots(checkpoints, self._entries_known, findings)
        sizes = {checkpoint.size for _, checkpoint in checkpoints}
        check_tiles(self._log, sizes, self._entries_known, leaves, findings)

    def _check_log_db(self, findings: Findings) -> None:
        """log.db holds the entries of the tiles, and the published checkpoint is the largest of its own (section 6)."""
        for expected, row in enumerate(self._rows):
            if row.seq != expected:
                findings.bad("logdb.gap", entry_name(expected), f"the next row is entry {row.seq}")
                break
        if len(self._rows) < len(self._log.entries):
            findings.bad("logdb.short", "log.db", f"{len(self._rows)} entries, the tiles have {len(self._log.entries)}")
        for row in self._rows:
            _check_row(row, self._log.entries, self.entries.get(row.seq), findings)
        self._check_published(findings)

    def _check_published(self, findings: Findings) -> None:
        sizes = [row.size for row in self._signed]
        for size in sorted({size for size in sizes if sizes.count(size) > 1}):
            findings.bad("logdb.checkpoint", f"checkpoint {size}", "stands there twice")
        committed = max(sizes, default=0)
        published = self.sealed_size
        if published > committed:
            findings.bad("checkpoint.ahead", "log/checkpoint", f"size {published}, log.db has signed only {committed}")
        elif published < committed:
            say = findings.bad if self._idle else findings.note
            say("checkpoint.behind", "log/checkpoint", f"size {published}, log.db has signed {committed}")
        notes = {row.size: row.note for row in self._signed}
        if published in notes and notes[published] != self._log.note:
            findings.bad("checkpoint.differs", "log/checkpoint", f"log.db has another note of size {published}")
        elif self._log.checkpoint is not None and published not in notes and published <= committed:
            findings.bad("checkpoint.unknown", "log/checkpoint", f"log.db never signed size {published}")
        if self._idle and len(self._rows) > committed:
            findings.note("log.unsealed", "log.db", f"{len(self._rows) - committed} entries recorded, not sealed")


def _parsed(row: CheckpointRow, findings: Findings) -> Checkpoint | None:
    """Return the checkpoint in a row, whose size and root must be those of its note."""
    name = f"checkpoint {row.size}"
    try:
        checkpoint = parse_checkpoint(row.note)
    except MalformedError as err:
        findings.bad("checkpoint.form", name, str(err))
        return None
    if (checkpoint.size, checkpoint.root) != (row.size, row.root):
        findings.bad("logdb.checkpoint", name, f"its note says size {checkpoint.size}, root {checkpoint.root.hex()}")
    return checkpoint


def _check_row(row: EntryRow, sealed: Sequence[bytes], entry: Entry | None, findings: Findings) -> None:
    name = entry_name(row.seq)
    if row.seq < len(sealed) and row.raw != sealed[row.seq]:
        findings.bad("logdb.entry", name, "log.db and the tiles hold different bytes")
    if row.digest != sha256(row.raw):
        findings.bad("logdb.digest", name, "the digest beside the entry is not that of its bytes")
    if entry is not None and (row.event, row.type) != (entry.event, entry.type):
        findings.bad("logdb.column", name, f"columns {row.event}, {row.type}; the entry {entry.event}, {entry.type}")
