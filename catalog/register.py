"""The register of people, changed by a custodian."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.consultation import Consultation
from ledger.actors import Actor, Login, actors
from ledger.events.actor import actor_registered, role_granted
from ledger.identifiers import new_identifier
from ledger.keys.pending import endorsed_by
from ledger.keys.signer import AnySigner
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import try_seal

_SEAL_WAIT_S = 30.0


def grant_role(layout: StoreLayout, login: Login, role: str, *, endorsers: Sequence[AnySigner] = ()) -> Actor:
    """Give ``login`` a role, registering the person first where needed; record, seal, and return what holds now.

    ``endorsers`` are enrolled personal keys of people who vouch for it. Raises RefusedError (on record) unless the one
    who asks is a custodian.
    """
    with Consultation(layout, "role-grant") as asking:
        by, acting = asking.actor.actor, asking.role
    known = actors(layout).get(login.uid)
    with Recorder.open(layout) as recorder:
        if known is None:
            actor = new_identifier("actor")
            user = login.user or str(login.uid)
            event = actor_registered(actor, uid=login.uid, user=user, roles=[role], by=by, role=acting)
            recorder.record([endorsed_by(recorder, event, endorsers)])
        elif role not in known.roles:
            event = role_granted(known.actor, roles=[role], by=by, role=acting)
            recorder.record([endorsed_by(recorder, event, endorsers)])
        try_seal(recorder, wait_s=_SEAL_WAIT_S)
    return actors(layout)[login.uid]
