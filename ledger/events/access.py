"""Events of looking: who asked, who looked, who was refused. Recorded before the first byte is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.event import Event
from ledger.events.log import log_subject
from ledger.events.vocabulary import Category, Committed, EventType, OpeningClass, code, count

_PURPOSE = Committed(meaning="why, in the person's words", json_type="string or null", opening_class=OpeningClass.TEXT)

CONSULTED_SEARCH = EventType(
    name="consulted.search",
    meaning="Somebody searched the catalogue, or had an audit made of the log.",
    subjects=("log",),
    facts={
        "command": code("which command", "find", "audit"),
        "count": count("items shown"),
        "rule": code("role by which it was allowed"),
    },
    committed={
        "terms": Committed(meaning="the question as understood", json_type="object", opening_class=OpeningClass.TEXT),
        "purpose": _PURPOSE,
        "results": Committed(
            meaning="items shown", json_type="list of identifiers", opening_class=OpeningClass.INTERNAL
        ),
    },
    category=Category.CONSULTATION,
)

CONSULTED_VIEW = EventType(
    name="consulted.view",
    meaning="Somebody looked at these items, at a drop, or at the log.",
    subjects=("item", "log"),
    facts={
        "command": code("which command", "show", "sheet", "log-show", "log-receipt", "key-list", "key-backup"),
        "rule": code("role by which it was allowed"),
    },
    committed={"purpose": _PURPOSE},
    category=Category.CONSULTATION,
    splits=True,
)

ACCESS_DENIED = EventType(
    name="access.denied",
    meaning="Somebody asked for something they may not have, and got nothing.",
    subjects=("log",),
    facts={
        "command": code("which command"),
        "rule": code("why it was refused", "not-registered", "role-missing"),
    },
    committed={
        "login": Committed(
            meaning="the login user who asked",
            json_type="object {uid: integer, user: string or null}",
            opening_class=OpeningClass.PERSONAL,
        )
    },
    category=Category.CONSULTATION,
)

TYPES = (CONSULTED_SEARCH, CONSULTED_VIEW, ACCESS_DENIED)


def consulted_search(
    origin: str,
    *,
    actor: str,
    role: str,
    terms: Mapping[str, Json],
    results: Sequence[str],
    purpose: str | None = None,
    command: str = "find",
) -> Event:
    return Event(
        type=CONSULTED_SEARCH,
        subjects=log_subject(origin),
        facts={"command": command, "count": len(results), "rule": role},
        values={"actor": actor, "terms": dict(terms), "results": list(results), "purpose": purpose},
        role=role,
    )


def consulted_view(
    origin: str,
    *,
    command: str,
    actor: str,
    role: str,
    items: Mapping[str, Digest],
    links: Mapping[str, str] | None = None,
    purpose: str | None = None,
) -> Event:
    """State that ``items`` were looked at; without items the subject is the log, and ``links`` say what was seen."""
    return Event(
        type=CONSULTED_VIEW,
        subjects=dict(items) or log_subject(origin),
        facts={"command": command, "rule": role},
        values={"actor": actor, "links": dict(links) if links else None, "purpose": purpose},
        role=role,
    )


def access_denied(origin: str, *, command: str, rule: str, uid: int, user: str | None, actor: str | None) -> Event:
    return Event(
        type=ACCESS_DENIED,
        subjects=log_subject(origin),
        facts={"command": command, "rule": rule},
        values={"login": {"uid": uid, "user": user}, "actor": actor},
    )
