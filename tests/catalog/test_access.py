"""Who may do what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.access import ALLOWED, NOT_REGISTERED, ROLE_MISSING, roles_named, verdict
from ledger.events.access import ACCESS_DENIED
from ledger.events.actor import ROLES

LOOKS = ("find", "show", "sheet")


@pytest.mark.parametrize(
    ("roles", "command", "role"),
    [
        ({"investigator"}, "find", "investigator"),
        ({"supervisor"}, "show", "supervisor"),
        ({"custodian"}, "sheet", "custodian"),
        ({"custodian", "investigator"}, "find", "investigator"),  # the first of the table, always the same
        ({"auditor"}, "log-show", "auditor"),
        ({"auditor"}, "log-receipt", "auditor"),
        ({"auditor"}, "find", None),  # auditors verify without pictures, places or names
        ({"auditor"}, "show", None),
        ({"auditor"}, "sheet", None),
        ({"technician"}, "find", None),
        ({"technician"}, "log-show", None),
        ({"investigator"}, "role-grant", None),
        ({"custodian"}, "role-grant", "custodian"),
        (set(), "find", None),
        (set(ROLES), "anything-else", None),  # what is not in the table, nobody may
    ],
)
def test_who_may_do_what(roles: set[str], command: str, role: str | None) -> None:
    answer = verdict(roles, command)
    assert (answer.role, answer.refusal) == (role, None if role else ROLE_MISSING)
    assert answer.allowed is (role is not None)


@pytest.mark.parametrize("command", [*ALLOWED, "anything-else"])
def test_nobody_unknown_may_do_anything(command: str) -> None:
    assert verdict(None, command).refusal == NOT_REGISTERED


def test_the_table_and_the_log_use_the_same_words() -> None:
    assert {role for roles in ALLOWED.values() for role in roles} <= set(ROLES)
    assert ACCESS_DENIED.all_facts["rule"].accepts(NOT_REGISTERED)
    assert ACCESS_DENIED.all_facts["rule"].accepts(ROLE_MISSING)
    assert all(ACCESS_DENIED.all_facts["command"].accepts(command) for command in ALLOWED)


@given(st.sets(st.sampled_from(ROLES)), st.sampled_from(ROLES), st.sampled_from(list(ALLOWED)))
def test_one_more_role_never_takes_a_right_away(roles: set[str], more: str, command: str) -> None:
    if verdict(roles, command).allowed:
        assert verdict({*roles, more}, command).allowed


def test_the_roles_that_would_do_are_named() -> None:
    assert roles_named("find") == "investigator or supervisor or custodian"
    assert roles_named("anything-else") == "no role"
