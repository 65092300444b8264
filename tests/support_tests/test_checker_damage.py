"""Each single damage to the files of a store is found under its right name."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from checker import Checker, codes
from checker_tree import parse_checkpoint
from small_log import (
    ITEM_A,
    LOG_SUBJECT,
    MASTER_A,
    MASTER_B,
    ORIGIN,
    STRANGER,
    SmallStore,
    hex_digest,
    signed_checkpoint,
    small_store,
)

Damage = Callable[[SmallStore], object]


def flip(path: Path, at: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(0o444)


def master_path(store: SmallStore, data: bytes = MASTER_A, folder: str = "vault") -> Path:
    name = hex_digest(data)
    return store.root / folder / "sha256" / name[:2] / name[2:4] / name


def log_file(name: str) -> Callable[[SmallStore], Path]:
    return lambda store: store.root / "log" / name


def sql(database: str, statement: str) -> Damage:
    def damage(store: SmallStore) -> None:
        assert store.sql(database, statement) > 0  # the damage was done

    return damage


def damage_checkpoint_text(store: SmallStore) -> None:
    path = store.root / "log" / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n6\n", b"\n5\n"))


def sign_with_a_stranger(store: SmallStore) -> None:
    path = store.root / "log" / "checkpoint"
    path.write_bytes(signed_checkpoint(parse_checkpoint(path.read_bytes()).text, STRANGER))


def sign_another_root(store: SmallStore) -> None:
    """A fork: the log's own key under a root that the entries do not have."""
    note = signed_checkpoint(f"{ORIGIN}\n6\n{'A' * 43}=\n".encode())
    (store.root / "log" / "checkpoint").write_bytes(note)


def swap_masters(store: SmallStore) -> None:
    first, second = master_path(store), master_path(store, MASTER_B)
    middle = first.with_name("middle")
    first.rename(middle)
    second.rename(first)
    middle.rename(second)


def swap_entries(store: SmallStore) -> None:
    parts = [len(raw).to_bytes(2, "big") + raw for raw in store.raws]
    parts[2], parts[3] = parts[3], parts[2]
    (store.root / "log/tile/entries/000.p/6").write_bytes(b"".join(parts))


def empty_wal_header(store: SmallStore) -> None:
    path = store.root / "private" / "log.db"
    data = bytearray(path.read_bytes())
    data[18:20] = b"\2\2"
    path.write_bytes(data)


def link_in_vault(store: SmallStore) -> None:
    path = master_path(store)
    moved = path.rename(store.root / "elsewhere")
    path.symlink_to(moved)


def truncate(place: Callable[[SmallStore], Path]) -> Damage:
    return lambda store: place(store).write_bytes(place(store).read_bytes()[:-1])


def append(place: Callable[[SmallStore], Path]) -> Damage:
    return lambda store: place(store).write_bytes(place(store).read_bytes() + b"\n")


HASHES, BUNDLE, CHECKPOINT = log_file("tile/0/000.p/6"), log_file("tile/entries/000.p/6"), log_file("checkpoint")


DAMAGE: list[tuple[str, Damage, str, str]] = [
    # The published log.
    ("the checkpoint's text is changed", damage_checkpoint_text, "checkpoint.signature", "log/checkpoint"),
    ("the checkpoint is of a stranger", sign_with_a_stranger, "checkpoint.signature", "log/checkpoint"),
    ("the checkpoint has another root", sign_another_root, "checkpoint.root", "log/checkpoint"),
    ("the checkpoint differs from log.db's", sign_another_root, "checkpoint.differs", "log/checkpoint"),
    ("the checkpoint has gone", lambda s: CHECKPOINT(s).unlink(), "checkpoint.form", "log/checkpoint"),
    ("the checkpoint is cut", truncate(CHECKPOINT), "checkpoint.form", "log/checkpoint"),
    ("the checkpoint goes on", append(CHECKPOINT), "checkpoint.form", "log/checkpoint"),
    ("a hash is changed", lambda s: flip(HASHES(s)), "tile.bytes", "tile/0/000.p/6"),
    ("a hash tile is cut", truncate(HASHES), "tile.bytes", "tile/0/000.p/6"),
    ("a hash tile goes on", append(HASHES), "tile.bytes", "tile/0/000.p/6"),
    ("a hash tile has gone", lambda s: HASHES(s).unlink(), "tile.missing", "tile/0/000.p/6"),
    ("an old partial has gone", lambda s: log_file("tile/0/000.p/2")(s).unlink(), "tile.missing", "tile/0/000.p/2"),
    ("an old bundle is changed", lambda s: flip(log_file("tile/entries/000.p/2")(s), 9), "tile.bytes", "000.p/2"),
    ("an entry in a bundle is changed", lambda s: flip(BUNDLE(s), 40), "logdb.entry", "entry 0"),
    ("a bundle is cut", truncate(BUNDLE), "tile.bytes", "tile/entries/000.p/6"),
    ("a bundle goes on", append(BUNDLE), "tile.bytes", "tile/entries/000.p/6"),
    ("a bundle has gone", lambda s: BUNDLE(s).unlink(), "tile.missing", "tile/entries/000.p/6"),
    ("two entries are swapped", swap_entries, "entry.seq", "entry 2"),
    ("a file too many in log/", lambda s: (s.root / "log/README").write_text("x"), "log.stray", "README"),
    ("a link in log/", lambda s: (s.root / "log/x").symlink_to("checkpoint"), "log.stray", "x"),
    (
        "a tile beyond the entries",
        lambda s: (s.root / "log/tile/0/001").write_bytes(bytes(8192)),
        "tile.beyond",
        "tile/0/001",
    ),
    # log.db.
    ("a row is changed", sql("log.db", "UPDATE entry SET raw = x'00' WHERE seq = 3"), "logdb.entry", "entry 3"),
    ("a digest is changed", sql("log.db", "UPDATE entry SET digest = x'00' WHERE seq = 3"), "logdb.digest", "entry 3"),
    ("a type is changed", sql("log.db", "UPDATE entry SET type = 'x.y' WHERE seq = 3"), "logdb.column", "entry 3"),
    ("an event is changed", sql("log.db", "UPDATE entry SET event = 'e' WHERE seq = 3"), "logdb.column", "entry 3"),
    ("a row has gone", sql("log.db", "DELETE FROM entry WHERE seq = 3"), "logdb.gap", "entry 3"),
    ("the last row has gone", sql("log.db", "DELETE FROM entry WHERE seq = 5"), "logdb.short", "log.db"),
    ("log.db went back", sql("log.db", "DELETE FROM checkpoint WHERE size = 6"), "checkpoint.ahead", "log/checkpoint"),
    (
        "a checkpoint is of another size",
        sql("log.db", "UPDATE checkpoint SET size = 3 WHERE size = 4"),
        "logdb.checkpoint",
        "checkpoint 3",
    ),
    (
        "a checkpoint has another root",
        sql("log.db", "UPDATE checkpoint SET root = x'00' WHERE size = 4"),
        "logdb.checkpoint",
        "checkpoint 4",
    ),
    (
        "a checkpoint stands twice",
        sql("log.db", "INSERT INTO checkpoint SELECT * FROM checkpoint WHERE size = 4"),
        "logdb.checkpoint",
        "checkpoint 4",
    ),
    (
        "a note is no note",
        sql("log.db", "UPDATE checkpoint SET note = x'00' WHERE size = 4"),
        "checkpoint.form",
        "checkpoint 4",
    ),
    ("a value of another type", sql("log.db", "UPDATE entry SET digest = 'x' WHERE seq = 5"), "db.types", "log.db"),
    ("log.db is in WAL mode", empty_wal_header, "db.journal", "log.db"),
    (
        "log.db is no database",
        lambda s: (s.root / "private/log.db").write_bytes(bytes(4096)),
        "db.unreadable",
        "log.db",
    ),
    # Openings.
    ("an opening has gone", sql("openings.db", "DELETE FROM opening WHERE seq = 1 AND member = 'name'"),
     "opening.missing", "entry 1"),
    ("an opening stands twice", sql("openings.db", "INSERT INTO opening SELECT * FROM opening WHERE seq = 1"),
     "opening.twice", "entry 1"),
    ("an opening is changed", sql("openings.db", "UPDATE opening SET text = text || 'A' WHERE seq = 1"),
     "opening.digest", "entry 1"),
    ("an opening without an entry", sql("openings.db", "INSERT INTO opening VALUES (x'00', 9, 'a.b', 'c', 'd', 'e')"),
     "opening.extra", "entry 9"),
    ("an opening is kept elsewhere", sql("openings.db", "UPDATE opening SET member = 'x' WHERE seq = 2"),
     "opening.place", "entry 2"),
    # Objects.
    ("a master is changed", lambda s: flip(master_path(s)), "vault.bytes", hex_digest(MASTER_A)),
    ("a master has gone", lambda s: master_path(s).unlink(), "vault.missing", hex_digest(MASTER_A)),
    ("a master is cut", lambda s: truncate(master_path)(s), "vault.size", hex_digest(MASTER_A)),
    ("two masters are swapped", swap_masters, "vault.bytes", hex_digest(MASTER_B)),
    ("a master may be written", lambda s: master_path(s).chmod(0o644), "vault.mode", hex_digest(MASTER_A)),
    ("a master is a link", link_in_vault, "vault.stray", hex_digest(MASTER_A)),
    ("a file too many in vault/", lambda s: (s.root / "vault/x").write_text("x"), "vault.stray", "x"),
    ("a picture is changed", lambda s: flip(master_path(s, b"a picture", "derived")), "derived.bytes",
     hex_digest(b"a picture")),
    ("a picture has gone", lambda s: master_path(s, b"another", "derived").unlink(), "derived.missing",
     hex_digest(b"another")),
    ("staging is not empty", lambda s: (s.root / "staging/x").write_text("x"), "staging.left", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "code", "thing"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_each_damage_is_found_under_its_name(tmp_path: Path, damage: Damage, code: str, thing: str) -> None:
    store = small_store(tmp_path / "store")
    damage(store)
    problems = Checker(store.root).check()
    assert any(problem.code == code and thing in problem.object for problem in problems), problems


def test_a_published_checkpoint_that_log_db_never_signed_is_found(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    unknown = (store.root / "log" / "checkpoint").read_bytes()
    store.record("selftest.run", LOG_SUBJECT)
    store.seal()
    (store.root / "log" / "checkpoint").write_bytes(unknown)
    assert store.sql("log.db", "DELETE FROM checkpoint WHERE size = 6") == 1
    assert codes(Checker(store.root, idle=False).check()) == {"checkpoint.unknown"}


def test_a_damaged_database_is_found_even_where_it_can_be_read(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    store.sql("openings.db", "CREATE TABLE other (x INTEGER CHECK (x > 0))")
    with closing(sqlite3.connect(store.root / "private" / "openings.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO other VALUES (-1)")
    assert codes(Checker(store.root).check()) == {"db.damaged"}


def test_a_master_that_was_disposed_of_may_be_absent(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    master_path(store).unlink()
    store.record("disposal.completed", {ITEM_A: hex_digest(MASTER_A)}, facts={"method": "unlink"})
    store.seal()
    assert Checker(store.root).check() == []
