"""Who is asking, and who is registered."""

from __future__ import annotations

import os
import pwd
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_of_log import copied

from ledger import actors as asking
from ledger.actors import Login, actors, current_login, login_named, login_of
from ledger.events.actor import ROLES, actor_registered, role_granted
from ledger.identifiers import new_identifier
from ledger.layout import StoreLayout
from ledger.record import Recorder

ME = os.getuid()
UNSET = "4294967295"


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.mark.parametrize(
    ("loginuid", "sudo_uid", "owner", "expected"),
    [
        ("1234", None, ME, 1234),
        ("1234", "99", ME, 1234),  # sudo cannot change the login user, so nobody can name another one
        ("0", "99", ME, 0),
        (UNSET, "99", ME, 99),
        (UNSET, "99", ME + 1, ME),  # SUDO_UID is believed only of the store's owner: anybody can set it
        (UNSET, None, ME, ME),
        (UNSET, "", ME, ME),
        (UNSET, "-1", ME, ME),
        (UNSET, "root", ME, ME),
        (UNSET, UNSET, ME, int(UNSET)),
        (UNSET, "9" * 20, ME, int(UNSET)),  # no number of a user: it is nobody, and not the owner
        (UNSET, "9" * 5000, ME, int(UNSET)),
        ("not a number", "99", ME, 99),
        (None, "99", ME, 99),  # a kernel without audit
        (None, None, ME, ME),
    ],
)
def test_the_login_user(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loginuid: str | None,
    sudo_uid: str | None,
    owner: int,
    expected: int,
) -> None:
    file = tmp_path / "loginuid"
    if loginuid is not None:
        file.write_text(loginuid)
    monkeypatch.setattr(asking, "_LOGIN_UID", file)
    monkeypatch.delenv("SUDO_UID", raising=False)
    if sudo_uid is not None:
        monkeypatch.setenv("SUDO_UID", sudo_uid)
    assert current_login(owner).uid == expected


def test_a_login_user_has_the_name_that_the_machine_knows() -> None:
    assert login_of(0) == Login(uid=0, user="root")
    assert login_named("root") == Login(uid=0, user="root")
    assert login_named("0") == Login(uid=0, user="root")


@pytest.mark.parametrize("uid", [2**31 - 7, 2**32 - 2])
def test_a_number_that_the_machine_does_not_know_has_no_name(uid: int) -> None:
    assert login_of(uid) == Login(uid=uid, user=None)
    assert login_named(str(uid)) == Login(uid=uid, user=None)


@pytest.mark.parametrize("digits", [str(2**32 - 1), str(2**70), "9" * 5000])
def test_a_number_that_no_machine_can_have_is_nobody(digits: str) -> None:
    assert login_named(digits) is None


def test_a_name_that_the_machine_does_not_know_is_nobody() -> None:
    name = "no-such-user"
    with pytest.raises(KeyError):
        pwd.getpwnam(name)
    assert login_named(name) is None


def test_the_founder_is_registered_with_all_roles(layout: StoreLayout) -> None:
    (founder,) = actors(layout).values()
    assert founder.uid == asking.current_login(ME).uid
    assert founder.roles == frozenset(ROLES)


def test_roles_add_up_and_belong_to_one_person(layout: StoreLayout) -> None:
    (founder,) = actors(layout).values()
    other = new_identifier("actor")
    with Recorder.open(layout) as recorder:
        recorder.record(
            [
                actor_registered(other, uid=4711, user="jdoe", roles=["technician"], by=founder.actor),
                role_granted(other, roles=["auditor"], by=founder.actor, role="custodian"),
                role_granted(other, roles=["auditor"], by=founder.actor, role="custodian"),
            ]
        )
    registered = actors(layout)
    assert set(registered) == {founder.uid, 4711}
    assert registered[4711].actor == other
    assert registered[4711].user == "jdoe"
    assert registered[4711].roles == {"technician", "auditor"}
    assert registered[founder.uid].roles == frozenset(ROLES)


def test_a_person_whose_openings_were_erased_is_nobody_any_more(layout: StoreLayout) -> None:
    with closing(sqlite3.connect(layout.openings_db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM opening WHERE type = 'actor.registered' AND member = 'login'")
    assert actors(layout) == {}
