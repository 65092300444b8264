"""A log ends and its successor begins: the whole switch, which a crash at any point leaves done or undone.

What comes next is prepared in `private/succession/`: first the new keys and the plan, and then, when the old log has
ended, the successor whole, with its first checkpoint. Only what is ready is moved to its place, and the old log to
`closed/<hex SHA-256(origin)>/`. The commit point is the entry `log.closed`: before it nothing has happened, behind it
`complete` goes on from wherever it was cut off. As long as the folder is there, nobody else opens the log.

The keys of the old log are removed with the switch: what is closed can't be signed again, here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from base import fsio
from base.errors import EvidenceError, LedgerError, RefusedError
from base.failpoints import reach
from hashing.checkpoint import Checkpoint
from hashing.ed25519 import ALGORITHM as ED25519
from hashing.note import vkey
from hashing.public_key import PublicKey
from hashing.strict_json import canonical_document, parse_strict
from ledger import log_db
from ledger.actors import actors_in
from ledger.earlier import EarlierLog, EarlierLogs
from ledger.events.log import Predecessor, log_closed, log_opened
from ledger.founding import check_origin, named
from ledger.keys.file import LOG_KEY, RECORDER_KEY, configured_passphrase, create_key, is_protected, load_key
from ledger.layout import StoreLayout
from ledger.machine import machine_binding
from ledger.record import Recorder
from ledger.seal import seal

CLOSED = "closed"  # the one way to end that the log itself states
_PLAN = "plan.json"
_BUILT = "built"  # the successor is whole: from here on there is only moving
_MOST_PLAN_BYTES = 1 << 16


class EndorsementsNeededError(RefusedError):
    """This log can be closed only with endorsements by its root keys."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided before anything happened."""

    predecessor: str  # origin of the log that ends
    successor: str  # origin of the one that begins
    log_vkey: str  # of the successor
    ended: str  # how the predecessor ended
    actor: str | None  # who decided it, and in which role
    role: str | None


class Succeeded(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished switch tells."""

    predecessor: Checkpoint  # the last one of the log that ended
    successor: Checkpoint  # the first one of the log that goes on
    log_vkey: str
    ended: str


@contextlib.contextmanager
def recorder_rests(layout: StoreLayout) -> Iterator[None]:
    """Hold the place of the recorder for the length of a with block. Raises BusyError while one runs."""
    lock = fsio.Lock(layout.recorder_lock)
    lock.acquire(holder="the rotation of the log key")
    try:
        yield
    finally:
        lock.release()


def succeed(
    layout: StoreLayout,
    *,
    origin: str,
    ended: str = CLOSED,
    cause: str = "key-rotation",
    reason: str | None = None,
    by: str | None,
    role: str | None,
) -> Succeeded:
    """End the open log and go on in a new one called ``origin``, with new keys. The place of the recorder is held.

    With ``ended`` other than `closed` nothing is written in the old log: it was broken off, and every verdict says so.
    Raises EndorsementsNeededError, before anything happens, where root keys must agree; UsageError for an origin that
    can't be used.
    """
    check_origin(origin)
    with fsio.declared_errors("opening a successor"), Recorder.open(layout) as recorder:
        if recorder.register().trust.root_threshold:
            raise EndorsementsNeededError("this log is closed only with endorsements by its root keys.")
        if origin == recorder.origin or layout.closed_log(origin).home.exists():
            raise RefusedError(f"a log of this store is called {origin} already: a successor has a name of its own.")
        seal(recorder)
        plan = _prepare(layout, recorder.origin, origin, ended, by, role)
        if ended == CLOSED:
            closing = log_closed(
                recorder.origin,
                cause=cause,
                successor=origin,
                successor_vkey=plan.log_vkey,
                reason=reason,
                by=by or "",
                role=role or "",
            )
            recorder.record([closing])
        reach("succession.closed")
    done = complete(layout)
    if done is None:
        raise LedgerError("the successor that was just decided is gone: somebody removed it from private/succession/.")
    return done


def complete(layout: StoreLayout) -> Succeeded | None:
    """Bring a switch that was cut off to its end, or take it back where the old log has not ended.

    Returns None where nothing was under way, or nothing had happened. The place of the recorder is held.
    """
    if not layout.succession.exists():
        return None
    with fsio.declared_errors("completing the change of logs"):
        plan = _read_plan(layout)
        if plan is None or not _has_ended(layout, plan):
            _clear(layout)
            return None
        if not (layout.succession / _BUILT).exists():
            _build(layout, plan)
        _switch(layout, plan)
        done = _told(layout, plan)
        _clear(layout)
        return done


def _held(layout: StoreLayout) -> StoreLayout:
    """Return the open log as somebody sees it who may, while a switch is under way."""
    return StoreLayout(layout.root, layout.root)


# ----------------------------------------------------------------------------------------------------- preparing


def _prepare(
    layout: StoreLayout, predecessor: str, successor: str, ended: str, by: str | None, role: str | None
) -> Plan:
    """Make the keys of the successor, and write down what is going to happen. Nothing has happened by then."""
    fresh = StoreLayout(layout.succession)
    fsio.make_directories(fresh.keys)
    passphrase = configured_passphrase() if is_protected(layout.keys / LOG_KEY) else None
    log_key = create_key(fresh.keys / LOG_KEY, passphrase=passphrase)
    create_key(fresh.keys / RECORDER_KEY, passphrase=passphrase)
    plan = Plan(
        predecessor=predecessor,
        successor=successor,
        log_vkey=vkey(successor, log_key.public),
        ended=ended,
        actor=by,
        role=role,
    )
    fsio.put_file(layout.succession / _PLAN, canonical_document(msgspec.to_builtins(plan)))
    return plan


def _read_plan(layout: StoreLayout) -> Plan | None:
    try:
        data = fsio.read_file(layout.succession / _PLAN, max_bytes=_MOST_PLAN_BYTES)
    except FileNotFoundError:
        return None
    try:
        return msgspec.convert(parse_strict(data, max_bytes=_MOST_PLAN_BYTES), Plan)
    except (msgspec.ValidationError, ValueError, EvidenceError) as error:
        raise LedgerError(f"private/succession/{_PLAN} is not what was written there: {error}") from error


def _has_ended(layout: StoreLayout, plan: Plan) -> bool:
    """Return whether the old log has ended: from there on there is only forward."""
    if (layout.succession / _BUILT).exists() or plan.ended != CLOSED:
        return True
    with contextlib.closing(log_db.connect_read_only(_held(layout))) as connection, log_db.declared_errors():
        (kind,) = connection.execute("SELECT type FROM main.entry ORDER BY seq DESC LIMIT 1").fetchone()
    return bool(kind == "log.closed")


# ------------------------------------------------------------------------------------------------------ building


def _build(layout: StoreLayout, plan: Plan) -> None:
    """Seal the old log to its end, and make the successor whole, from its first entry to its first checkpoint."""
    held, fresh = _held(layout), StoreLayout(layout.succession)
    _remove_tree(fresh.log)  # what an earlier try left; its keys are named in the old log, and stay
    for path in sorted(fresh.private.glob("*.db*")):
        fsio.remove(path)
    with Recorder.open(held) as recorder:
        fsio.remove_temporaries(held.log)  # nobody else seals: nobody can open the log now
        seal(recorder)
        roots, threshold = recorder.register().root_keys_at_end(), recorder.register().trust.root_threshold
    old = EarlierLog.open(held)
    earlier = EarlierLogs((old, *EarlierLogs.before(layout, old.first).logs))
    with contextlib.closing(earlier), contextlib.closing(_new_log(layout, fresh, plan)) as recorder:
        recorder.earlier = earlier
        recorder.record(
            [
                log_opened(
                    plan.successor,
                    log_vkey=plan.log_vkey,
                    recorder_keys=[named(PublicKey(algorithm=ED25519, spki=recorder.signer.spki))],
                    root_keys=[named(key) for key in roots.values()],
                    root_threshold=threshold,
                    predecessor=old.as_predecessor(plan.ended),
                    by=plan.actor,
                    role=plan.role,
                )
            ]
        )
        # People come along at once: whatever they do next, the new log knows where they are from.
        recorder.carry(actor.actor for actor in actors_in(recorder.histories()).values())
        seal(recorder)
    with fsio.directory(fresh.private) as descriptor:
        fsio.sync(descriptor)
    reach("succession.built")
    fsio.put_file(layout.succession / _BUILT, b"")


def _new_log(layout: StoreLayout, fresh: StoreLayout, plan: Plan) -> Recorder:
    """Make the empty databases of the successor, bound to the store, and open them with its keys."""
    fsio.make_directories(fresh.log)
    log_key = load_key(fresh.keys / LOG_KEY, handed_in=False)
    if vkey(plan.successor, log_key.public) != plan.log_vkey:
        raise LedgerError("private/succession/ holds another log key than the closed log names.")
    connection = log_db.create(fresh)
    with log_db.transaction(connection):
        connection.executemany(
            "INSERT INTO main.fact (name, value) VALUES (?, ?)",
            [("origin", plan.successor), ("machine", machine_binding(layout.root))],
        )
    recorder = Recorder(fresh, connection, load_key(fresh.keys / RECORDER_KEY, handed_in=False), plan.successor)
    recorder.log_signer = log_key
    return recorder


# ------------------------------------------------------------------------------------------------------- moving


def _switch(layout: StoreLayout, plan: Plan) -> None:
    """Move the old log away and the successor to its place. Each move is made once, however often this runs."""
    closed, fresh = layout.closed_log(plan.predecessor), StoreLayout(layout.succession)
    fsio.make_directories(closed.log_private)
    for old, target in (
        (layout.log, closed.log),
        (layout.log_db, closed.log_db),
        (layout.openings_db, closed.openings_db),
        (layout.lodged, closed.lodged),
        (layout.pending, closed.log_private / layout.pending.name),
    ):
        if not target.exists() and old.exists():
            _settle_journal(old)
            _move(old, target)
    reach("succession.moved")
    fsio.make_directories(layout.lodged)
    for new, target in (
        (fresh.log, layout.log),
        (fresh.log_db, layout.log_db),
        (fresh.openings_db, layout.openings_db),
    ):
        if new.exists():
            _move(new, target)
    for path in sorted(layout.keys.glob("recorder-*.pem")):
        fsio.remove(path)
    for name in (RECORDER_KEY, LOG_KEY):
        if (fresh.keys / name).exists():
            _move(fresh.keys / name, layout.keys / name)


def _settle_journal(database: Path) -> None:
    """Remove the empty journal beside a database that is moved: SQLite finds it by name, also for the next one."""
    journal = database.with_name(f"{database.name}-journal")
    if journal.exists():
        if journal.stat().st_size:
            raise LedgerError(
                f"private/{journal.name} is not empty: the database was cut off in the middle of a write."
            )
        fsio.remove(journal)


def _move(source: Path, target: Path) -> None:
    with fsio.directory(source.parent) as old, fsio.directory(target.parent) as new:
        fsio.rename(source.name, target.name, source_fd=old, target_fd=new)
        fsio.sync(new)
        fsio.sync(old)


def _told(layout: StoreLayout, plan: Plan) -> Succeeded:
    new = EarlierLog.open(_held(layout))
    with contextlib.closing(new.connection):
        stated = Predecessor.of(new.first.facts["predecessor"])
        earlier = EarlierLogs.before(layout, new.first)  # proves that what was moved is what the successor names
        with contextlib.closing(earlier):
            if stated is None or not earlier:
                raise LedgerError(f"{plan.successor} does not go on from {plan.predecessor}, as it should.")
            return Succeeded(
                predecessor=earlier.logs[0].checkpoint,
                successor=new.checkpoint,
                log_vkey=plan.log_vkey,
                ended=stated.ended,
            )


def _clear(layout: StoreLayout) -> None:
    """Remove the folder of the switch. The plan goes first: without it the rest says nothing."""
    with contextlib.suppress(FileNotFoundError), fsio.directory(layout.succession) as descriptor:
        with contextlib.suppress(FileNotFoundError):
            fsio.remove(_PLAN, dir_fd=descriptor)
        fsio.sync(descriptor)
    _remove_tree(layout.succession)
    with fsio.directory(layout.private) as descriptor:
        fsio.sync(descriptor)


def _remove_tree(folder: Path) -> None:
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies inside comes first
        if path.is_dir():
            fsio.remove_directory(path)
        else:
            fsio.remove(path)
    fsio.remove_directory(folder)
