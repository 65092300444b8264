"""The first step of writing: events become signed entries, durably in the database, in one transaction.

Several processes of one machine may record; the transaction gives them their order. Only after `Recorder.record`
returns may anything be answered, and even then nothing is *sealed*: see `ledger.seal`. Source:
docs/reference/custody-log.md, section 6.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, Self

import msgspec

from base.clock import format_time, now, parse_time, synchronisation
from base.errors import LedgerError, RefusedError
from base.failpoints import reach
from hashing.base64_text import encode
from hashing.digest import ZERO_DIGEST, Digest
from hashing.strict_json import Json
from ledger import log_db
from ledger.arrivals import Arrival, ArrivalIndex, ArrivalRow, Completion, Refusal
from ledger.earlier import EarlierLogs, History
from ledger.entry import BuiltEntry, Chance, Entry, Place, Software, SubjectHead, build_entry, parse_entry
from ledger.events.drop import DROP_RECEIVED
from ledger.events.event import Event, parts_of
from ledger.events.log import LOG_CLOSED, clock_anomaly, software_updated
from ledger.keys.file import recorder_signer
from ledger.keys.recorded import key_entries, recorded_keys
from ledger.keys.signer import Signer
from ledger.layout import StoreLayout
from ledger.openings import bytes_of
from ledger.published import check_published
from ledger.software import this_software
from ledger.trust import ENDORSED_EVENTS, KEY_EVENTS, KeyRegister

Proposal = Event | Arrival | Refusal | Completion


def _shuffle(elements: MutableSequence[Json]) -> None:
    """Put ``elements`` into an order of which every one is as likely: the order of random numbers."""
    elements[:] = sorted(elements, key=lambda _: os.urandom(16))


CHANCE = Chance(salt=lambda: os.urandom(16), shuffle=_shuffle)


class LogClosedError(RefusedError):
    """The log has ended: nothing may follow its last entry."""

    next_step = "Run it again: what is open now is the successor. If it stays so, start `strongroom watch --once`."


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one proposal: its entry, new or found."""

    log: str  # origin of the log that has it: an earlier one, where it was found there
    seq: int
    digest: Digest
    event: str
    subjects: tuple[str, ...]
    fresh: bool  # False: this very arrival or refusal had been recorded before


class _Head(msgspec.Struct, frozen=True):
    """The end of the log inside a transaction."""

    seq: int  # of the last entry; -1 for an empty log
    digest: Digest
    recorded_at: str
    software: Software | None
    is_closed: bool  # the log has ended


class Recorder:
    """The log, open for recording by this process."""

    def __init__(self, layout: StoreLayout, connection: sqlite3.Connection, signer: Signer, origin: str) -> None:
        self.layout = layout
        self.connection = connection
        self.signer = signer
        self.origin = origin
        self.log_signer: Signer | None = None  # the log key; None: the one that the store keeps
        self.keys: KeyRegister | None = None  # None until the first entry is there
        self.own_digests: dict[int, Digest] = {}  # what this process wrote and has not yet seen sealed
        self.arrival_keys: dict[str, bytes] = {}  # of drops met so far
        self._earlier: EarlierLogs | None = None

    @classmethod
    def open(cls, layout: StoreLayout) -> Self:
        """Open a store's log for recording.

        Raises: NotFoundError for a missing key, KeyNotValidError for one that was revoked or never enrolled,
        LedgerError for a missing log, RolledBackError for one that was put back: whatever were recorded there would
        begin a second history.
        """
        connection = log_db.connect(layout)
        try:
            keys = recorded_keys(connection)
            check_published(layout, connection, keys.trust.log_key)
            recorder = cls(layout, connection, recorder_signer(layout, keys), read_fact(connection, "origin"))
            recorder.keys = keys
            return recorder
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._earlier is not None:
            self._earlier.close()
        self.connection.close()

    @property
    def earlier(self) -> EarlierLogs:
        """The logs of this store before this one. Raises BrokenLinkError when one of them is not as it was left."""
        if self._earlier is None:
            first = self.connection.execute("SELECT raw FROM main.entry WHERE seq = 0").fetchone()
            self._earlier = EarlierLogs() if first is None else EarlierLogs.before(self.layout, parse_entry(first[0]))
        return self._earlier

    @earlier.setter
    def earlier(self, logs: EarlierLogs) -> None:
        """Name the earlier logs before the first entry is there that could."""
        self._earlier = logs

    def knows(self, name: str) -> bool:
        """Return whether this store knows a thing of this name, from this log or an earlier one."""
        return self.last_of(name) != ZERO_DIGEST or self.earlier.knows(name)

    def stated(self, sql: str) -> list[Any]:
        """Return what every log of this store answers, the oldest first; ``?`` in ``sql`` is the end of what counts."""
        with log_db.declared_errors():
            return [row for connection, size in self.histories() for row in connection.execute(sql, (size,))]

    def histories(self) -> list[History]:
        """Return every log of this store as something to query, the oldest first: what was stated last counts."""
        return self.earlier.histories(self.connection)

    def record(self, proposals: Iterable[Proposal]) -> list[Recorded]:
        """Write every proposal as a signed entry, durably, in one transaction; return where each stands.

        An arrival or refusal that is recorded already is found, checked and returned, and not written again. Raises
        BusyError after 30 s of other writers, SyncFailedError or SurroundingsError when the disk refuses.
        """
        with log_db.transaction(self.connection):
            self.follow_keys()
            # The time is taken inside: whoever waited for another writer must not seem to come from before it.
            batch = _Batch(self, format_time(now()))
            proposals = list(proposals)
            batch.arrivals.expect([proposal for proposal in proposals if isinstance(proposal, Arrival)])
            recorded = [batch.add(proposal) for proposal in proposals]
            batch.write()
            reach("record.commit")
        self.own_digests.update((built.seq, built.digest) for built in batch.built)
        self.arrival_keys.update(batch.arrivals.keys)
        return recorded

    def carry(self, names: Iterable[str]) -> None:
        """State of each of these things where its history began, if it did in an earlier log and is not stated yet."""
        with log_db.transaction(self.connection):
            batch = _Batch(self, format_time(now()))
            batch.carry(names)
            batch.write()
        self.own_digests.update((built.seq, built.digest) for built in batch.built)

    def follow_keys(self) -> None:
        """Take note of keys that another process enrolled or revoked, and go on with a key that is valid now.

        Raises: KeyNotValidError when there is none here any more.
        """
        last_change = max(key_entries(self.connection), default=0)
        if self.keys is not None and last_change != self.keys.last_change:
            self.keys = recorded_keys(self.connection)
            self.choose_signer()

    def choose_signer(self) -> None:
        """Go on with the key that is to sign now. Raises: KeyNotValidError when none of those that are here may."""
        self.signer = recorder_signer(self.layout, self.register())

    def register(self) -> KeyRegister:
        """Return the keys of the log, whose first entry must be there."""
        if self.keys is None:
            self.keys = recorded_keys(self.connection)
        return self.keys

    def last_of(self, subject: str) -> Digest:
        """Return the digest of the last recorded entry with this subject; zeroes where there is none."""
        with log_db.declared_errors():
            row = self.connection.execute("SELECT digest FROM main.head WHERE name = ?", (subject,)).fetchone()
        return ZERO_DIGEST if row is None else Digest(row[0])

    def end(self) -> tuple[int, Digest]:
        """Return the number of recorded entries and the digest of the last."""
        head = _read_head(self.connection)
        return head.seq + 1, head.digest


class _Batch:
    """The entries of one record transaction, built in memory and written together at its end."""

    def __init__(self, recorder: Recorder, moment: str) -> None:
        self._recorder = recorder
        self._connection = recorder.connection
        self._moment = parse_time(moment)
        self._clock = synchronisation()
        self._software = this_software()
        self._heads: dict[str, SubjectHead] = {}
        self._first: set[str] = set()  # of these, those that nobody had before: a row that is there is an error
        self._rows: list[tuple[int, ArrivalRow]] = []
        self._earlier = recorder.earlier
        # A copy: a key whose drop.received is rolled back must not stay known.
        self.arrivals = ArrivalIndex(
            keys=dict(recorder.arrival_keys),
            histories=recorder.histories(),
        )
        self.built: list[BuiltEntry] = []
        self._by_event: dict[str, BuiltEntry] = {}
        head = _read_head(self._connection)
        self._seq, self._prev = head.seq, head.digest
        self._is_closed = head.is_closed
        for event in self._preface(head, moment):
            self._build(event)

    def _preface(self, head: _Head, moment: str) -> Iterable[Event]:
        """Yield what must be said before anything else: another program writes, or the clock went backwards."""
        if head.is_closed:
            return  # whatever comes is refused
        origin, after = self._recorder.origin, self._software
        if head.software is not None and head.software != after:
            yield software_updated(
                origin,
                version_before=head.software.version,
                version_after=after.version,
                build_before=head.software.build,
                build_after=after.build,
            )
        if moment < head.recorded_at:  # both have six digits and end in Z, so text order is time order
            yield clock_anomaly(origin, before=head.recorded_at, after=moment)

    def add(self, proposal: Proposal) -> Recorded:
        match proposal:
            case Arrival():
                event, row = self.arrivals.resolve(proposal)
                # Not asked of an arrival that the table does not have: two indexes would say it, and one is enough.
                # If the table were wrong, the unique index on `event` would refuse the whole transaction.
                found = self._find(event) if self.arrivals.is_recorded(proposal) else None
                if found is None:
                    self.arrivals.added(row)
                    self.carry([proposal.drop])
                    self._rows.append((self._seq + 1, row))
                return found or self._build(event, is_fresh=True)
            case Refusal():
                return self._once(self.arrivals.refusal(proposal))
            case Completion():
                return self._once(self.arrivals.completion(proposal))
            case Event():
                if proposal.type is DROP_RECEIVED:
                    # Arrivals of the same transaction need the key before its opening is in the database.
                    (drop,) = proposal.subjects
                    self.arrivals.keys[drop] = bytes_of(proposal.values["arrival_key"])
                events = list(parts_of(proposal))
                self._carry(*events)  # before the first part: parts follow each other
                parts = [self._build(part) for part in events]
                return parts[0]

    def _once(self, event: Event) -> Recorded:
        found = self._find(event)
        if found is None:
            self._carry(event)
        return found or self._build(event)

    def _carry(self, *events: Event) -> None:
        self.carry(name for event in events for name in (*event.subjects, *filter(None, [event.drop])))

    def carry(self, names: Iterable[str]) -> None:
        """State of each thing that an earlier log knows, and this one does not yet, where its history began."""
        for name in names if self._earlier else ():
            carried = self._earlier.carried(name) if self._head_of(name) is None else None
            if carried is not None:
                self._build(carried)

    def _find(self, event: Event) -> Recorded | None:
        """Return the entry that states ``event`` already, checked; raise LedgerError for a misfit."""
        if event.event in self._by_event:
            return self._recorded(self._by_event[event.event], fresh=False)
        row = self._connection.execute("SELECT seq, raw FROM main.entry WHERE event = ?", (event.event,)).fetchone()
        if row is None:
            earlier = self._earlier.find(event.event)
            return None if earlier is None else _found(event, earlier[1], earlier[1].seq, earlier[0].keys)
        return _found(event, parse_entry(row[1]), row[0], self._recorder.register())

    def _build(self, event: Event, *, is_fresh: bool = False) -> Recorded:
        """Build the next entry. ``is_fresh``: its subjects were drawn for it just now, so they have no chain yet."""
        if self._is_closed:
            raise LogClosedError(f"the log {self._recorder.origin} is closed: nothing more is recorded in it.")
        self._is_closed = event.type is LOG_CLOSED
        place = Place(
            log=self._recorder.origin,
            seq=self._seq + 1,
            prev=self._prev,
            recorded_at=self._moment,
            clock=self._clock,
            software=self._software,
        )
        names = () if is_fresh else event.subjects
        heads = {name: head for name in names if (head := self._head_of(name)) is not None}
        built = build_entry(event, place=place, heads=heads, signer=self._recorder.signer, chance=CHANCE)
        for name in event.subjects:
            count = heads[name].count if name in heads else 0
            self._heads[name] = SubjectHead(count=count + 1, entry=built.digest)
            if is_fresh:
                self._first.add(name)
        self._seq, self._prev = built.seq, built.digest
        self.built.append(built)
        self._by_event[event.event] = built
        if event.type.name in ENDORSED_EVENTS:
            # Refused here, before it is written. If the transaction fails later, `follow_keys` forgets it again.
            self._recorder.register().apply(parse_entry(built.raw), event.values)
            if event.type.name in KEY_EVENTS:
                self._recorder.choose_signer()  # refuses to revoke the last key that this machine could record with
        if event.endorsements:
            stated: Json = [encode(envelope) for envelope in event.endorsements]
            self._recorder.register().check_people(parse_entry(built.raw), stated)
        return self._recorded(built, fresh=True)

    def _recorded(self, built: BuiltEntry, *, fresh: bool) -> Recorded:
        return Recorded(
            log=self._recorder.origin,
            seq=built.seq,
            digest=built.digest,
            event=built.event.event,
            subjects=tuple(built.event.subjects),
            fresh=fresh,
        )

    def _head_of(self, name: str) -> SubjectHead | None:
        if name not in self._heads:
            row = self._connection.execute("SELECT count, digest FROM main.head WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            self._heads[name] = SubjectHead(count=row[0], entry=Digest(row[1]))
        return self._heads[name]

    def write(self) -> None:
        """Insert everything that was built. The transaction around it makes it durable, or none of it."""
        write_entries(self._connection, self.built)
        heads = [(name, head.count, head.entry.raw) for name, head in self._heads.items()]
        insert = "INSERT INTO main.head (name, count, digest) VALUES (?, ?, ?)"
        self._connection.executemany(insert, [row for row in heads if row[0] in self._first])
        self._connection.executemany(
            f"{insert} ON CONFLICT (name) DO UPDATE SET count = excluded.count, digest = excluded.digest",
            [row for row in heads if row[0] not in self._first],
        )
        self._connection.executemany(
            "INSERT INTO openings.arrival (drop_id, path, generation, seq, item, sha256) VALUES (?, ?, ?, ?, ?, ?)",
            [(row.drop, row.path, row.generation, seq, row.item, row.sha256) for seq, row in self._rows],
        )


def write_entries(connection: sqlite3.Connection, built: Sequence[BuiltEntry]) -> None:
    """Insert entries, their subjects and their openings, inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO main.entry (seq, event, type, digest, raw) VALUES (?, ?, ?, ?, ?)",
        [(entry.seq, entry.event.event, entry.event.type.name, entry.digest.raw, entry.raw) for entry in built],
    )
    connection.executemany(
        "INSERT INTO main.subject (name, seq) VALUES (?, ?)",
        [(name, entry.seq) for entry in built for name in entry.event.subjects],
    )
    connection.executemany(
        "INSERT INTO openings.opening (commitment, seq, type, member, class, text) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                opening.commitment.raw,
                entry.seq,
                entry.event.type.name,
                opening.member,
                opening.opening_class,
                opening.text,
            )
            for entry in built
            for opening in entry.openings
        ],
    )


def read_fact(connection: sqlite3.Connection, name: str) -> str:
    """Return a fact that `init` wrote into the log database. Raises LedgerError when it is missing."""
    with log_db.declared_errors():
        row = connection.execute("SELECT value FROM main.fact WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise LedgerError(f"the log database does not say its {name}: it was never finished, or is damaged.")
    return str(row[0])


_EMPTY_LOG = _Head(seq=-1, digest=ZERO_DIGEST, recorded_at="", software=None, is_closed=False)


def _read_head(connection: sqlite3.Connection) -> _Head:
    with log_db.declared_errors():
        row = connection.execute("SELECT raw FROM main.entry ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None:
        return _EMPTY_LOG
    last = parse_entry(row[0])
    return _Head(
        seq=last.seq,
        digest=last.digest,
        recorded_at=format_time(last.recorded_at),
        software=_software(last),
        is_closed=last.type == LOG_CLOSED.name,
    )


def _software(entry: Entry) -> Software:
    name, version, build = (entry.software.get(member) for member in ("name", "version", "build"))
    return Software(name=str(name), version=str(version), build=None if build is None else str(build))


def _found(event: Event, entry: Entry, seq: int, keys: KeyRegister) -> Recorded:
    """Return the entry at ``seq`` as what became of ``event``. Raises LedgerError unless it states just that."""
    keys.verify_signature(entry)
    same = (entry.seq, entry.event, entry.drop) == (seq, event.event, event.drop)
    same = same and entry.type == event.type.name
    if not same or set(entry.subjects.values()) != set(event.subjects.values()):
        raise LedgerError(f"entry {seq} has the event of another arrival: {event.event}.")
    return Recorded(
        log=entry.log,
        seq=seq,
        digest=entry.digest,
        event=entry.event,
        subjects=tuple(entry.subjects),
        fresh=False,
    )
