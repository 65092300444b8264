"""Who is asking, and who is registered: the login user of this machine, and the register of people in the log.

The login user is ``/proc/self/loginuid``, which sudo cannot change. Where it is unset, it is ``SUDO_UID`` if the real
user is the store's owner, else the real user. Source: docs/design/architecture.md, "Access".
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from hashing.commitment import parse_opening
from hashing.strict_json import Json
from ledger import log_db
from ledger.earlier import EarlierLogs, History, first_entry
from ledger.entry import parse_entry
from ledger.layout import StoreLayout

_LOGIN_UID = Path("/proc/self/loginuid")
_UNSET = 4294967295


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A login user of this machine."""

    uid: int
    user: str | None


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """A registered person, with the roles granted so far."""

    actor: str
    uid: int
    user: str
    roles: frozenset[str]


def current_login(owner_uid: int) -> Login:
    """Return the login user on whose behalf this process runs. ``owner_uid`` is the owner of the store."""
    uid = os.getuid()
    audited = _audited_uid()
    if audited is not None:
        uid = audited
    elif uid == owner_uid and (said := os.environ.get("SUDO_UID", "")).isdecimal():
        known = _uid(said)
        uid = _UNSET if known is None else known  # nobody: refused, and the refusal can be recorded
    return login_of(uid)


def _uid(digits: str) -> int | None:
    """Return the number of a login user; None for one that no machine can have."""
    uid = int(digits) if len(digits) <= len(str(_UNSET)) else _UNSET
    return uid if uid < _UNSET else None


def _audited_uid() -> int | None:
    try:
        uid = int(_LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else uid


def login_of(uid: int) -> Login:
    """Return the login user with this number; the name is None where the machine does not know it."""
    try:
        return Login(uid=uid, user=pwd.getpwuid(uid).pw_name)
    except (KeyError, OverflowError):  # a number that no machine has
        return Login(uid=uid, user=None)


def login_named(user: str) -> Login | None:
    """Return the login user of this name or number, or None."""
    if user.isdecimal():
        uid = _uid(user)
        return None if uid is None else login_of(uid)
    try:
        return Login(uid=pwd.getpwnam(user).pw_uid, user=user)
    except KeyError:
        return None


def actors(layout: StoreLayout) -> Mapping[int, Actor]:
    """Return everybody registered, by login user. A person whose openings were erased is not among them."""
    with contextlib.closing(log_db.connect_read_only(layout)) as connection:
        earlier = EarlierLogs.before(layout, first_entry(connection))
        with contextlib.closing(earlier):
            return actors_in(earlier.histories(connection))


def actors_in(histories: Iterable[History]) -> Mapping[int, Actor]:
    """As `actors`, for whoever has the logs of the store open already; they come oldest first."""
    rows: list[tuple[str, str, str, Json]] = []
    for connection, size in histories:
        with log_db.declared_errors():
            found = connection.execute(
                "SELECT e.raw, o.type, o.member, o.text FROM openings.opening o "
                "CROSS JOIN main.entry e ON e.seq = o.seq "
                "WHERE o.type IN ('actor.registered', 'role.granted') AND o.member IN ('login', 'roles') "
                f"AND {log_db.LISTED_BY_TYPE} AND o.seq < ? ORDER BY o.seq",
                (size,),
            ).fetchall()
        rows += [(_subject(raw), kind, member, parse_opening(text).value) for raw, kind, member, text in found]
    return _register(rows)


def _subject(raw: bytes) -> str:
    (name,) = parse_entry(raw).subjects
    return name


def _register(rows: list[tuple[str, str, str, Json]]) -> dict[int, Actor]:
    logins: dict[str, tuple[int, str]] = {}
    roles: dict[str, set[str]] = {}
    for name, _, member, value in rows:
        if member == "login" and isinstance(value, dict) and isinstance(value.get("uid"), int):
            logins[name] = (int(str(value["uid"])), str(value.get("user")))
        elif member == "roles" and isinstance(value, list):
            roles.setdefault(name, set()).update(map(str, value))
    return {
        uid: Actor(actor=name, uid=uid, user=user, roles=frozenset(roles.get(name, ())))
        for name, (uid, user) in logins.items()
    }
