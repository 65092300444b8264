"""Closing a log that has root keys: people endorse its last entry first, and then the first entry of its successor.

Three steps, each with a file that goes out to be endorsed or comes back: `propose_closing` makes the keys of the
successor, in `private/next-log/`, and fixes `log.closed`; `close` records that with its endorsements, and fixes
`log.opened`, which can only be known then; `open_successor` goes on when that is endorsed too. Between the last two the
log has ended and nothing can be recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from msgspec.structs import replace

from base import fsio
from base.clock import now
from base.errors import RefusedError
from hashing.base64_text import encode
from hashing.digest import ZERO_DIGEST
from hashing.strict_json import canonical_document
from ledger.earlier import EarlierLog
from ledger.entry import ENDORSEMENTS, fixed
from ledger.events.log import LOG_CLOSED
from ledger.keys.pending import (
    Proposal,
    encode_proposal,
    endorsed,
    forget,
    keep,
    kept_proposal,
    new_proposal,
    read_proposal,
)
from ledger.layout import StoreLayout
from ledger.record import CHANCE, Recorder
from ledger.succession import (
    CLOSED,
    ENDORSED,
    OPENING,
    EndorsementsNeededError,
    Plan,
    Succeeded,
    clear,
    closing,
    complete,
    held,
    move,
    opening_of,
    prepare,
    read_plan,
    refuse_origin,
    seal_to_its_end,
    write_plan,
)


class NotProposedError(RefusedError):
    """What is to be recorded is not what was proposed here."""

    next_step = "Propose it again: `strongroom key rotate --propose FILE`."


def propose_closing(
    layout: StoreLayout, *, origin: str, reason: str | None, by: str, role: str, cause: str = "key-rotation"
) -> Proposal:
    """Fix how this log will end and how its successor is called, and keep that until it is endorsed.

    What was proposed before is forgotten. Nothing has happened by then.
    """
    with fsio.declared_errors("proposing the end of the log"), Recorder.open(layout) as recorder:
        refuse_origin(layout, recorder.origin, origin)
        _forget_earlier(layout)
        plan = Plan(
            predecessor=recorder.origin,
            successor=origin,
            log_vkey="",
            ended=CLOSED,
            actor=by,
            role=role,
            threshold=recorder.register().trust.root_threshold,
        )
        plan = prepare(layout, layout.next_log, plan)
        proposal = new_proposal(recorder, closing(plan, cause=cause, reason=reason))
        keep(layout, proposal)
        write_plan(layout.next_log, replace(plan, event=proposal.event.event))
    return proposal


def _forget_earlier(layout: StoreLayout) -> None:
    before = read_plan(layout.next_log)
    if before is not None and before.event is not None:
        forget(layout, before.event)
    if layout.next_log.exists():
        clear(layout.next_log)


def close(layout: StoreLayout, event: str, envelopes: Sequence[bytes]) -> Proposal:
    """Record the proposed end of the log with its endorsements, and return the beginning of the successor to endorse.

    The place of the recorder is held. Raises NotFoundError, NotProposedError, UntrustedError: then nothing is closed.
    """
    with fsio.declared_errors("closing the log"), Recorder.open(layout) as recorder:
        proposal, plan = kept_proposal(layout, event), read_plan(layout.next_log)
        if proposal.log != recorder.origin or proposal.event.type is not LOG_CLOSED:
            raise NotProposedError(f"{event} was proposed for another log, or is not the end of one.")
        if plan is None or plan.event != event:
            raise NotProposedError(f"the keys of the successor that {event} names are not here any more.")
        _refuse_fewer(envelopes, plan.threshold)
        statement = endorsed(proposal, envelopes)
        recorder.register().count_endorsements(proposal.matter, statement.facts[ENDORSEMENTS], seq=recorder.end()[0])
        move(layout.next_log, layout.succession)
        recorder.record([statement])
    return opening_to_endorse(layout)


def _refuse_fewer(envelopes: Sequence[bytes], threshold: int) -> None:
    if len(envelopes) < threshold:
        raise EndorsementsNeededError(f"{threshold} root keys must endorse it, and {len(envelopes)} have.")


def opening_to_endorse(layout: StoreLayout) -> Proposal:
    """Return the first entry of the successor as it must be endorsed: fixed once, the same whenever it is asked for.

    Raises NotProposedError unless a log has ended and waits for that.
    """
    path, plan = layout.succession / OPENING, read_plan(layout.succession)
    if plan is None or not plan.threshold:
        raise NotProposedError("no log has ended here whose successor waits for endorsements.")
    if not path.exists():
        with fsio.declared_errors("proposing the successor"):
            seal_to_its_end(layout)
            proposal = Proposal(
                log=plan.successor,
                event=fixed(opening_of(layout, plan), CHANCE),
                seen={"log": ZERO_DIGEST},
                proposed_at=now(),
            )
            fsio.put_file(path, encode_proposal(proposal))
    return read_proposal(path)


def open_successor(layout: StoreLayout, event: str, envelopes: Sequence[bytes]) -> Succeeded | None:
    """Open the successor with the endorsements of its first entry. The place of the recorder is held.

    Raises NotProposedError, UntrustedError: then it still waits.
    """
    proposal = opening_to_endorse(layout)
    if proposal.event.event != event:
        raise NotProposedError(f"{event} is not the beginning of the successor: that is {proposal.event.event}.")
    statement = endorsed(proposal, envelopes)
    _refuse_fewer(envelopes, int(str(proposal.event.facts["root_threshold"])))
    old = EarlierLog.open(held(layout))
    with contextlib.closing(old.connection):
        old.keys.count_endorsements(proposal.matter, statement.facts[ENDORSEMENTS], seq=old.size)
    with fsio.declared_errors("opening a successor"):
        fsio.replace_file(layout.succession / ENDORSED, canonical_document([*map(encode, envelopes)]))
    return complete(layout)
