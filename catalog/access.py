"""May this person do this? Roles and commands, as a table.

PURE. A command is named by its code, as in the events of `ledger.events.access`. A role that allows is named too: it
goes into the log beside what was looked at. Auditors verify everything, but see no pictures, places or names.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import msgspec

from ledger.events.actor import ROLES

NOT_REGISTERED = "not-registered"
ROLE_MISSING = "role-missing"

_LOOKING = ("investigator", "supervisor", "custodian")
_LOG = (*_LOOKING, "auditor")

# command code -> roles that allow it; of several that a person has, the first one here is the one they act in
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "find": _LOOKING,
    "show": _LOOKING,
    "sheet": _LOOKING,
    "log-show": _LOG,
    "log-receipt": _LOG,
    "log-export": _LOG,
    # Whoever has several of these roles reads an audit as auditor: the one that sees least.
    "audit": ("auditor", "supervisor", "custodian"),
    "role-grant": ("custodian",),
    "key-list": _LOG,
    "key-enrol": ("custodian",),
    "key-revoke": ("custodian",),
    "key-backup": ("custodian",),
    "key-withdraw": ("custodian",),
    "key-rotate": ("custodian",),
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: the role in which the person acts, or the rule by which it is refused."""

    role: str | None
    refusal: str | None

    @property
    def allowed(self) -> bool:
        return self.role is not None


def verdict(roles: Set[str] | None, command: str) -> Verdict:
    """Return whether somebody with ``roles`` (None: not registered) may run ``command``; nobody may an unknown one."""
    if roles is None:
        return Verdict(role=None, refusal=NOT_REGISTERED)
    for role in ALLOWED.get(command, ()):
        if role in roles:
            return Verdict(role=role, refusal=None)
    return Verdict(role=None, refusal=ROLE_MISSING)


def roles_named(command: str) -> str:
    """Return the roles that allow ``command``, for a sentence."""
    names = [role for role in ALLOWED.get(command, ()) if role in ROLES]
    return " or ".join(names) or "no role"
