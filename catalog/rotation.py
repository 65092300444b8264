"""The log key changed: by a custodian, on record, by closing the log and opening its successor."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from catalog.bring_forward import bring_forward
from catalog.consultation import Consultation
from ledger.founding import default_origin
from ledger.keys.pending import Proposal
from ledger.layout import StoreLayout
from ledger.machine import refuse_other_owner
from ledger.succession import Succeeded, complete, recorder_rests, succeed
from ledger.succession_endorsed import NotProposedError, close, open_successor, opening_to_endorse, propose_closing


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A finished change of logs."""

    done: Succeeded
    was_cut_off: bool  # it had been begun before, and was only brought to its end


def rotate_log_key(layout: StoreLayout, *, origin: str | None, reason: str | None) -> Rotation:
    """Close the open log and go on in its successor, with new keys; or finish that where it was cut off.

    Raises BusyError while a recorder runs, RefusedError (on record) unless the one who asks is a custodian, and for
    whoever is not the owner of the store.
    """
    refuse_other_owner(layout.root)
    with recorder_rests(layout):
        done = complete(layout)
        was_cut_off = done is not None
        if done is None:
            with Consultation(layout, "key-rotate") as asking:
                by, role = asking.actor.actor, asking.role
            done = succeed(layout, origin=origin or default_origin(), reason=reason, by=by, role=role)
    bring_forward(layout)
    return Rotation(done=done, was_cut_off=was_cut_off)


def propose_rotation(layout: StoreLayout, *, origin: str | None, reason: str | None) -> Proposal:
    """Return what must be endorsed next: the end of the log, or where it has ended its successor's beginning.

    Raises as `rotate_log_key` does.
    """
    refuse_other_owner(layout.root)
    with recorder_rests(layout):
        if layout.succession.exists():
            return opening_to_endorse(layout)
        with Consultation(layout, "key-rotate") as asking:
            by, role = asking.actor.actor, asking.role
        return propose_closing(layout, origin=origin or default_origin(), reason=reason, by=by, role=role)


def rotate_endorsed(layout: StoreLayout, event: str, envelopes: Sequence[bytes]) -> Proposal | Rotation:
    """Record what was endorsed. After the end of the log, its successor's beginning is returned, to be endorsed too."""
    refuse_other_owner(layout.root)
    with recorder_rests(layout):
        if not layout.succession.exists():
            with Consultation(layout, "key-rotate"):
                return close(layout, event, envelopes)
        done = open_successor(layout, event, envelopes)
    if done is None:
        raise NotProposedError("the end of the log was not recorded: nothing was under way.")
    bring_forward(layout)
    return Rotation(done=done, was_cut_off=False)
