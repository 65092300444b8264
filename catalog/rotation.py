"""The log key changed: by a custodian, on record, by closing the log and opening its successor."""

from __future__ import annotations

import msgspec

from catalog.bring_forward import bring_forward
from catalog.consultation import Consultation
from ledger.founding import default_origin
from ledger.layout import StoreLayout
from ledger.machine import refuse_other_owner
from ledger.succession import Succeeded, complete, recorder_rests, succeed


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
