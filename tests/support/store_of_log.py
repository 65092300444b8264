"""A real store with a log of a wanted size, and a person of a wanted role, without footage and without a catalogue."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

from hashing.digest import Digest
from ledger.actors import Login, current_login
from ledger.arrivals import Arrival
from ledger.events.actor import actor_registered
from ledger.events.drop import drop_received
from ledger.events.item import SourceStat
from ledger.events.key import key_enrolled
from ledger.founding import found_store
from ledger.identifiers import new_identifier
from ledger.keys.file import create_key, recorder_key_name
from ledger.keys.persons import proven
from ledger.layout import StoreLayout
from ledger.machine import machine_binding
from ledger.record import Recorder
from ledger.seal import seal

ORIGIN = "strongroom/TESTSTORE0000"
SHARE = b"/srv/covert-share"
DROP_NAME = b"card of the van"
ARRIVAL_KEY = bytes(range(32))
STAT = SourceStat(size_bytes=1, mtime_ns=1, ctime_ns=1, inode=1, device=1, mode=0o100644)


def whoever_tests() -> Login:
    """Return the login user whom the product takes us for."""
    return current_login(os.getuid())


def found(root: Path, *, login: Login | None = None) -> StoreLayout:
    """Make a store of two entries. Its first person, with all roles, is ``login``, else whoever runs the test."""
    layout = StoreLayout(root)
    found_store(layout, origin=ORIGIN, settings="", login=login or whoever_tests())
    return layout


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp(prefix="store-of-log-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return found(Path(folder, "store")).root


def copied(root: Path) -> StoreLayout:
    """As `found`, but a copy of one store with the same keys each time: quick, for tests that need many stores."""
    shutil.copytree(_template(), root)
    return at_home(StoreLayout(root))


def at_home(layout: StoreLayout) -> StoreLayout:
    """Let a copied store take its new place for the one where it was founded: no move was recorded."""
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("UPDATE fact SET value = ? WHERE name = 'machine'", (machine_binding(layout.root),))
    return layout


def store_of_size(root: Path, size: int) -> StoreLayout:
    """Make a store whose sealed log has ``size`` entries: 2, or more."""
    layout = found(root)
    if size > 2:
        with Recorder.open(layout) as recorder:
            drop = receive(recorder)
            arrive(recorder, drop, [b"DCIM/%d.mp4" % n for n in range(size - 3)])
            seal(recorder)
    return layout


def store_run_by(root: Path, roles: Sequence[str]) -> StoreLayout:
    """Make a store in which whoever runs the test has these ``roles``, and somebody else founded it."""
    me = whoever_tests()
    layout = found(root, login=Login(uid=me.uid + 1, user="founder"))
    with Recorder.open(layout) as recorder:
        founder = new_identifier("actor")
        recorder.record([actor_registered(new_identifier("actor"), uid=me.uid, user="tester", roles=roles, by=founder)])
        seal(recorder)
    return layout


def receive(recorder: Recorder, *, name: bytes = DROP_NAME, arrival_key: bytes = ARRIVAL_KEY) -> str:
    """Record a drop and return its identifier."""
    drop = new_identifier("drop")
    recorder.record(
        [
            drop_received(
                drop,
                settled_by="quiet",
                share=SHARE,
                name=name,
                depositor_uid=1000,
                depositor_user="tech",
                arrival_key=arrival_key,
            )
        ]
    )
    return drop


def arrive(recorder: Recorder, drop: str, paths: Sequence[bytes], *, content: bytes | None = None) -> list[str]:
    """Record one arrival for each path, whose content is the path itself unless given; return the items."""
    arrivals = [
        Arrival(
            drop=drop,
            path=path,
            sha256=Digest.of(path if content is None else content),
            size_bytes=len(path if content is None else content),
            read_back="page-cache-dropped",
            stat=STAT,
        )
        for path in paths
    ]
    return [recorded.subjects[0] for recorded in recorder.record(arrivals)]


def item_by_a_later_key(root: Path, content: bytes) -> tuple[StoreLayout, str]:
    """Make a store with an item whose entry was signed by a key that a key enrolled that entry 0 does not name."""
    layout = found(root)
    with Recorder.open(layout) as recorder:
        for _ in range(2):
            later = create_key(layout.keys / "fresh.pem")
            (layout.keys / "fresh.pem").rename(layout.keys / recorder_key_name(later.keyid))
            made = proven(later, log=ORIGIN, purpose="recorder")
            recorder.record(
                [key_enrolled(ORIGIN, made, purpose="recorder", holder=None, reason="new", by=None, role=None)]
            )
            recorder.follow_keys()
            recorder.signer = later
        (item,) = arrive(recorder, receive(recorder), [b"fresh.mp4"], content=content)
        seal(recorder)
    return layout, item
