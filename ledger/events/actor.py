"""Events of the register of people: who exists, and what each may do."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.events.event import Event, registered
from ledger.events.vocabulary import Committed, EventType, OpeningClass

ROLES = ("technician", "investigator", "auditor", "custodian", "supervisor")

_ROLES = Committed(meaning="roles given", json_type="list of role codes", opening_class=OpeningClass.PERSONAL)

ACTOR_REGISTERED = EventType(
    name="actor.registered",
    meaning="A named individual is known to this store from here on.",
    subjects=("actor",),
    committed={
        "roles": _ROLES,
        "name": Committed(meaning="full name", json_type="string or null", opening_class=OpeningClass.PERSONAL),
        "login": Committed(
            meaning="the login user of this machine that is this person",
            json_type="object {uid: integer, user: string}",
            opening_class=OpeningClass.PERSONAL,
        ),
        "number": Committed(meaning="service number", json_type="string or null", opening_class=OpeningClass.PERSONAL),
        "organisation": Committed(
            meaning="organisation", json_type="string or null", opening_class=OpeningClass.PERSONAL
        ),
    },
    endorsable=True,
)

ROLE_GRANTED = EventType(
    name="role.granted",
    meaning="A registered person may act in these roles too.",
    subjects=("actor",),
    committed={"roles": _ROLES},
    endorsable=True,
)

TYPES = (ACTOR_REGISTERED, ROLE_GRANTED)


def actor_registered(
    actor: str, *, uid: int, user: str, roles: Sequence[str], by: str | None, role: str | None = None
) -> Event:
    """State that the login user ``uid`` is the person ``actor``. ``by`` registered them, acting in ``role``."""
    return Event(
        type=ACTOR_REGISTERED,
        subjects=registered(actor),
        values={"roles": list(roles), "login": {"uid": uid, "user": user}, "actor": by},
        role=role,
    )


def role_granted(actor: str, *, roles: Sequence[str], by: str, role: str) -> Event:
    return Event(type=ROLE_GRANTED, subjects=registered(actor), values={"roles": list(roles), "actor": by}, role=role)
