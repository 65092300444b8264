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
from msgspec.structs import replace

from base import fsio
from base.errors import EvidenceError, LedgerError, RefusedError
from base.failpoints import reach
from hashing.base64_text import decode
from hashing.checkpoint import Checkpoint
from hashing.ed25519 import ALGORITHM as ED25519
from hashing.note import vkey
from hashing.public_key import PublicKey
from hashing.strict_json import canonical_document, parse_strict
from ledger import log_db
from ledger.actors import actors_in
from ledger.earlier import EarlierLog, EarlierLogs
from ledger.events.event import Event
from ledger.events.log import Predecessor, log_closed, log_opened
from ledger.founding import check_origin, named
from ledger.keys.file import LOG_KEY, RECORDER_KEY, configured_passphrase, create_key, is_protected, load_key
from ledger.keys.pending import endorsed, read_proposal
from ledger.layout import StoreLayout
from ledger.machine import machine_binding
from ledger.record import Recorder
from ledger.seal import seal

CLOSED = "closed"  # the one way to end that the log itself states
_PLAN = "plan.json"
OPENING = "opening.json"  # `log.opened` as it was proposed, where root keys must endorse it
ENDORSED = "endorsements.json"  # and their endorsements
_BUILT = "built"  # the successor is whole: from here on there is only moving
_MOST_PLAN_BYTES = 1 << 16
_MOST_ENDORSED_BYTES = 1 << 22


class EndorsementsNeededError(RefusedError):
    """This log goes on only with endorsements by its root keys."""

    next_step = (
        "`strongroom key rotate --propose FILE` writes what must be endorsed; `strongroom key endorse` does it; "
        "`strongroom key rotate --event EVENT --endorsement SIGNED` records it."
    )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided before anything happened."""

    predecessor: str  # origin of the log that ends
    successor: str  # origin of the one that begins
    log_vkey: str  # of the successor
    ended: str  # how the predecessor ended
    actor: str | None  # who decided it, and in which role
    role: str | None
    threshold: int = 0  # root keys that must endorse the end, and the beginning
    event: str | None = None  # of the proposed `log.closed`, where they must


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
    with fsio.declared_errors("opening a successor"), Recorder.open(layout) as recorder:
        refuse_origin(layout, recorder.origin, origin)
        threshold = recorder.register().trust.root_threshold
        if threshold:
            raise EndorsementsNeededError(f"this log is closed only with endorsements by {threshold} root keys.")
        seal(recorder)
        plan = Plan(predecessor=recorder.origin, successor=origin, log_vkey="", ended=ended, actor=by, role=role)
        plan = prepare(layout, layout.succession, plan)
        if ended == CLOSED:
            recorder.record([closing(plan, cause=cause, reason=reason)])
        reach("succession.closed")
    done = complete(layout)
    if done is None:
        raise LedgerError("the successor that was just decided is gone: somebody removed it from private/succession/.")
    return done


def refuse_origin(layout: StoreLayout, open_origin: str, origin: str) -> None:
    """Raise UsageError or RefusedError unless a successor of this store can be called ``origin``."""
    check_origin(origin)
    if origin == open_origin or layout.closed_log(origin).home.exists():
        raise RefusedError(f"a log of this store is called {origin} already: a successor has a name of its own.")


def closing(plan: Plan, *, cause: str, reason: str | None) -> Event:
    """Return the last entry of the log that ends by ``plan``."""
    return log_closed(
        plan.predecessor,
        cause=cause,
        successor=plan.successor,
        successor_vkey=plan.log_vkey,
        reason=reason,
        by=plan.actor or "",
        role=plan.role or "",
    )


def complete(layout: StoreLayout) -> Succeeded | None:
    """Bring a switch that was cut off to its end, or take it back where the old log has not ended.

    Returns None where nothing was under way, or nothing had happened. The place of the recorder is held. Raises
    EndorsementsNeededError where the log has ended, and its root keys have not endorsed the successor yet.
    """
    if not layout.succession.exists():
        return None
    with fsio.declared_errors("completing the change of logs"):
        plan = read_plan(layout.succession)
        if plan is None or not _has_ended(layout, plan):
            clear(layout.succession)
            return None
        if plan.threshold and not (layout.succession / ENDORSED).exists():
            raise EndorsementsNeededError(
                f"the log {plan.predecessor} is closed, and its successor waits for {plan.threshold} root keys."
            )
        if not (layout.succession / _BUILT).exists():
            _build(layout, plan)
        _switch(layout, plan)
        done = _told(layout, plan)
        clear(layout.succession)
        return done


def held(layout: StoreLayout) -> StoreLayout:
    """Return the open log as somebody sees it who may, while a switch is under way."""
    return StoreLayout(layout.root, layout.root)


# ----------------------------------------------------------------------------------------------------- preparing


def prepare(layout: StoreLayout, folder: Path, plan: Plan) -> Plan:
    """Make the keys of the successor in ``folder``, write down what will happen, and return the plan with its key.

    Nothing has happened by then.
    """
    fresh = StoreLayout(folder)
    fsio.make_directories(fresh.keys)
    passphrase = configured_passphrase() if is_protected(layout.keys / LOG_KEY) else None
    log_key = create_key(fresh.keys / LOG_KEY, passphrase=passphrase)
    create_key(fresh.keys / RECORDER_KEY, passphrase=passphrase)
    plan = replace(plan, log_vkey=vkey(plan.successor, log_key.public))
    write_plan(folder, plan)
    return plan


def write_plan(folder: Path, plan: Plan) -> None:
    fsio.replace_file(folder / _PLAN, canonical_document(msgspec.to_builtins(plan)))


def read_plan(folder: Path) -> Plan | None:
    """Return what was decided in ``folder``; None where nothing was."""
    try:
        data = fsio.read_file(folder / _PLAN, max_bytes=_MOST_PLAN_BYTES)
    except FileNotFoundError:
        return None
    try:
        return msgspec.convert(parse_strict(data, max_bytes=_MOST_PLAN_BYTES), Plan)
    except (msgspec.ValidationError, ValueError, EvidenceError) as error:
        raise LedgerError(f"private/{folder.name}/{_PLAN} is not what was written there: {error}") from error


def _has_ended(layout: StoreLayout, plan: Plan) -> bool:
    """Return whether the old log has ended: from there on there is only forward."""
    if (layout.succession / _BUILT).exists() or plan.ended != CLOSED:
        return True
    with contextlib.closing(log_db.connect_read_only(held(layout))) as connection, log_db.declared_errors():
        (kind,) = connection.execute("SELECT type FROM main.entry ORDER BY seq DESC LIMIT 1").fetchone()
    return bool(kind == "log.closed")


# ------------------------------------------------------------------------------------------------------ building


def _build(layout: StoreLayout, plan: Plan) -> None:
    """Seal the old log to its end, and make the successor whole, from its first entry to its first checkpoint."""
    fresh = StoreLayout(layout.succession)
    _remove_tree(fresh.log)  # what an earlier try left; its keys are named in the old log, and stay
    for path in sorted(fresh.private.glob("*.db*")):
        fsio.remove(path)
    seal_to_its_end(layout)
    opening = endorsed_opening(layout) if plan.threshold else opening_of(layout, plan)
    old = EarlierLog.open(held(layout))
    earlier = EarlierLogs((old, *EarlierLogs.before(layout, old.first).logs))
    with contextlib.closing(earlier), contextlib.closing(_new_log(layout, fresh, plan)) as recorder:
        recorder.earlier = earlier
        recorder.record([opening])
        # People come along at once: whatever they do next, the new log knows where they are from.
        recorder.carry(actor.actor for actor in actors_in(recorder.histories()).values())
        seal(recorder)
    with fsio.directory(fresh.private) as descriptor:
        fsio.sync(descriptor)
    reach("succession.built")
    fsio.put_file(layout.succession / _BUILT, b"")


def seal_to_its_end(layout: StoreLayout) -> None:
    """Cover the last entry of the log that has ended by its last checkpoint."""
    with Recorder.open(held(layout)) as recorder:
        fsio.remove_temporaries(layout.log)  # nobody else seals: nobody can open the log now
        seal(recorder)


def opening_of(layout: StoreLayout, plan: Plan) -> Event:
    """Return the first entry of the successor; the log before is sealed to its end. Root keys go on as they are."""
    recorder_key = load_key(StoreLayout(layout.succession).keys / RECORDER_KEY, handed_in=False)
    old = EarlierLog.open(held(layout))
    with contextlib.closing(old.connection):
        return log_opened(
            plan.successor,
            log_vkey=plan.log_vkey,
            recorder_keys=[named(PublicKey(algorithm=ED25519, spki=recorder_key.spki))],
            root_keys=[named(key) for key in old.keys.root_keys_at_end().values()],
            root_threshold=old.keys.trust.root_threshold,
            predecessor=old.as_predecessor(plan.ended),
            by=plan.actor,
            role=plan.role,
        )


def endorsed_opening(layout: StoreLayout) -> Event:
    """Return the first entry of the successor as people have endorsed it."""
    proposal = read_proposal(layout.succession / OPENING)
    listed = parse_strict(
        fsio.read_file(layout.succession / ENDORSED, max_bytes=_MOST_ENDORSED_BYTES), max_bytes=_MOST_ENDORSED_BYTES
    )
    return endorsed(proposal, [decode(str(text)) for text in listed] if isinstance(listed, list) else [])


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
            move(old, target)
    reach("succession.moved")
    fsio.make_directories(layout.lodged)
    for new, target in (
        (fresh.log, layout.log),
        (fresh.log_db, layout.log_db),
        (fresh.openings_db, layout.openings_db),
    ):
        if new.exists():
            move(new, target)
    for path in sorted(layout.keys.glob("recorder-*.pem")):
        fsio.remove(path)
    for name in (RECORDER_KEY, LOG_KEY):
        if (fresh.keys / name).exists():
            move(fresh.keys / name, layout.keys / name)


def _settle_journal(database: Path) -> None:
    """Remove the empty journal beside a database that is moved: SQLite finds it by name, also for the next one."""
    journal = database.with_name(f"{database.name}-journal")
    if journal.exists():
        if journal.stat().st_size:
            raise LedgerError(
                f"private/{journal.name} is not empty: the database was cut off in the middle of a write."
            )
        fsio.remove(journal)


def move(source: Path, target: Path) -> None:
    with fsio.directory(source.parent) as old, fsio.directory(target.parent) as new:
        fsio.rename(source.name, target.name, source_fd=old, target_fd=new)
        fsio.sync(new)
        fsio.sync(old)


def _told(layout: StoreLayout, plan: Plan) -> Succeeded:
    new = EarlierLog.open(held(layout))
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


def clear(folder: Path) -> None:
    """Remove the folder of a switch. The plan goes first: without it the rest says nothing."""
    with contextlib.suppress(FileNotFoundError), fsio.directory(folder) as descriptor:
        with contextlib.suppress(FileNotFoundError):
            fsio.remove(_PLAN, dir_fd=descriptor)
        fsio.sync(descriptor)
    _remove_tree(folder)
    with fsio.directory(folder.parent) as descriptor:
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
