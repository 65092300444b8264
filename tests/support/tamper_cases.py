"""What a hostile hand with a root shell may do to a store at rest, one thing at a time (I13).

Each case says what ``strongroom verify`` must answer: the exit code, and the object that must be named. Keys are not
used: whoever has the log key can write another log, and only a checkpoint kept outside tells.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_log import signed_checkpoint
from tampering import (
    CATALOGUE,
    CONTENT,
    LOG,
    Damage,
    Ground,
    Names,
    TamperCase,
    change_database,
    entry_name,
    file_cases,
    flipped,
    name_of,
    one_row,
    rewrite,
)

# Where things are.


def _checkpoint(ground: Ground) -> Path:
    return ground.store / "log" / "checkpoint"


def _partials(ground: Ground, kind: str) -> list[Path]:
    found = sorted((ground.store / "log" / "tile" / kind).rglob("*.p/*"), key=lambda path: int(path.name))
    assert len(found) > 1, "the store has no two partial tiles"
    return found


def _hash_tile(ground: Ground) -> Path:
    return _partials(ground, "0")[-1]


def _bundle(ground: Ground) -> Path:
    return _partials(ground, "entries")[-1]


def _object(ground: Ground, kind: str) -> Path:
    found = sorted(path for path in (ground.store / kind / "sha256").rglob("*") if path.is_file())
    found = [path for path in found if path.stat().st_size]
    assert found, f"the store has nothing in {kind}/"
    return ground.chance.choice(found)


# The published log.


def _flip_text(ground: Ground) -> Names:
    """Another size in the signed text."""
    origin, size, rest = _checkpoint(ground).read_bytes().split(b"\n", 2)
    rewrite(_checkpoint(ground), b"\n".join([origin, b"%d" % (int(size) - 1), rest]))
    return ("checkpoint",)


def _flip_signature(ground: Ground) -> Names:
    note = _checkpoint(ground).read_bytes()
    at = len(note) - 30
    rewrite(_checkpoint(ground), note[:at] + (b"A" if note[at : at + 1] != b"A" else b"B") + note[at + 1 :])
    return ("checkpoint",)


def _sign_with_another_key(ground: Ground) -> Names:
    """The same text under a key that nobody named, with the name of the log's own."""
    # Imported here: only this case needs it.
    text = _checkpoint(ground).read_bytes().rpartition(b"\n\n")[0] + b"\n"
    stranger = Ed25519PrivateKey.from_private_bytes(ground.chance.randbytes(32))
    rewrite(_checkpoint(ground), signed_checkpoint(text, stranger, text.split(b"\n")[0].decode()))
    return ("checkpoint",)


def _split(bundle: bytes) -> list[bytes]:
    entries = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2:end])
        bundle = bundle[end:]
    return entries


def _change_bundle(change: Callable[[list[bytes]], int]) -> Damage:
    """Return a damage that lets ``change`` rearrange the entries of the newest bundle; it returns the first hit."""

    def damage(ground: Ground) -> Names:
        path = _bundle(ground)
        entries = _split(path.read_bytes())
        position = change(entries)
        rewrite(path, b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries))
        return (name_of(ground, path), entry_name(position))

    return damage


def _swap_entries(entries: list[bytes]) -> int:
    entries[1], entries[2] = entries[2], entries[1]
    return 1


def _repeat_entry(entries: list[bytes]) -> int:
    """An entry twice in place of the one behind it: the count stays right."""
    entries[2] = entries[1]
    return 2


def _insert_entry(entries: list[bytes]) -> int:
    entries.insert(2, entries[1])
    return 2


def _drop_entry(entries: list[bytes]) -> int:
    del entries[1]
    return 1


def _extra_in_log(name: str) -> Damage:
    def damage(ground: Ground) -> Names:
        path = ground.store / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        return (path.name,)

    return damage


def _link_in_log(ground: Ground) -> Names:
    """A tile that is a link to its own bytes: right today, and somebody else's tomorrow."""
    path = _hash_tile(ground)
    aside = ground.store.with_name(ground.store.name + "-aside")
    path.rename(aside)
    path.symlink_to(aside)
    return (name_of(ground, path),)


# The databases.


def _entry_sql(statement: str) -> Damage:
    """Return a damage to the row of one entry in the middle of log.db."""

    def damage(ground: Ground) -> Names:
        database = ground.store / "private" / "log.db"
        (count,) = one_row(database, "SELECT count(*) FROM entry")
        assert isinstance(count, int) and count > 3
        seq = count // 2
        change_database(database, statement.replace(":seq", str(seq)))
        return (entry_name(seq), entry_name(seq + 1), "log.db")

    return damage


def _flip_entry_row(ground: Ground) -> Names:
    database = ground.store / "private" / "log.db"
    seq, raw = one_row(database, "SELECT seq, raw FROM entry WHERE seq = 2")
    assert isinstance(seq, int) and isinstance(raw, bytes)
    change_database(database, "UPDATE entry SET raw = ? WHERE seq = 2", flipped(raw, ground.chance))
    return (entry_name(seq), "log.db")


def _repeat_entry_row(ground: Ground) -> Names:
    """An entry once more behind the last one, as if it had just been recorded."""
    database = ground.store / "private" / "log.db"
    (count,) = one_row(database, "SELECT count(*) FROM entry")
    columns = "(SELECT count(*) FROM entry), 'event_x', type, digest, raw"
    change_database(database, f"INSERT INTO entry SELECT {columns} FROM entry WHERE seq = 2")
    return (f"entry {count}",)


def _swap_entry_rows(ground: Ground) -> Names:
    database = ground.store / "private" / "log.db"
    first, second = (one_row(database, f"SELECT type, digest, raw FROM entry WHERE seq = {seq}") for seq in (1, 2))
    for seq, row in ((1, second), (2, first)):
        change_database(database, f"UPDATE entry SET type = ?, digest = ?, raw = ? WHERE seq = {seq}", *row)
    return (entry_name(1), entry_name(2), "log.db")


def _opening_sql(statement: str) -> Damage:
    """Return a damage to the opening of the first source path, which must be named by its entry or commitment."""

    def damage(ground: Ground) -> Names:
        database = ground.store / "private" / "openings.db"
        query = "SELECT seq, lower(hex(commitment)) FROM opening WHERE member = 'source_path' ORDER BY seq"
        seq, commitment = one_row(database, query)
        assert isinstance(seq, int) and isinstance(commitment, str)
        change_database(database, statement + f" WHERE seq = {seq} AND member = 'source_path'")
        return (entry_name(seq), commitment, "openings.db")

    return damage


def _invent_opening(ground: Ground) -> Names:
    database = ground.store / "private" / "openings.db"
    commitment = hashlib.sha256(b"x").digest()
    statement = "INSERT INTO opening (commitment, seq, type, member, class, text) VALUES (?, ?, ?, ?, ?, ?)"
    change_database(database, statement, commitment, 1, "drop.received", "invented", "text", "x")
    return (entry_name(1), commitment.hex(), "openings.db")


def _sql(database: str, statement: str, *names: str) -> Damage:
    def damage(ground: Ground) -> Names:
        change_database(ground.store / database, statement)
        return names

    return damage


def _damage_index(database: str, index: str) -> Damage:
    """Return a damage to the last cell of an index: the rows stay right, and a search through the index misses one."""

    def damage(ground: Ground) -> Names:
        path = ground.store / "private" / database
        (page,) = one_row(path, f"SELECT rootpage FROM sqlite_master WHERE name = '{index}'")
        data = bytearray(path.read_bytes())
        assert isinstance(page, int)
        data[page * int.from_bytes(data[16:18], "big") - 1] ^= 1
        rewrite(path, bytes(data))
        return (database, "entry")

    return damage


# Turning back.


def _turn_back(*parts: str) -> Damage:
    """Return a damage that puts parts of the older copy in the place of the present ones."""

    def damage(ground: Ground) -> Names:
        for part in parts:
            present, past = ground.store / part, ground.older / part
            if past.is_dir():
                shutil.rmtree(present)
                shutil.copytree(past, present, symlinks=True)
            else:
                shutil.copy2(past, present)
                present.with_name(present.name + "-journal").unlink(missing_ok=True)
        return ("checkpoint", "log.db", "openings.db", "entry")

    return damage


# Objects.


def _swap_masters(ground: Ground) -> Names:
    objects = sorted(path for path in (ground.store / "vault").rglob("*") if path.is_file())
    assert len(objects) > 1, "the store has no two masters"
    first, second = ground.chance.sample(objects, 2)
    middle = first.with_name("middle")
    first.rename(middle)
    second.rename(first)
    middle.rename(second)
    return (first.name,)


def _replace_by_link(ground: Ground) -> Names:
    """A link to the very bytes: whoever owns their place can change them after the check."""
    path = _object(ground, "vault")
    aside = ground.store.with_name(ground.store.name + "-aside")
    path.rename(aside)
    path.symlink_to(aside)
    return (path.name,)


def _replace_by_folder(ground: Ground) -> Names:
    path = _object(ground, "vault")
    path.unlink()
    path.mkdir()
    return (path.name,)


def _extra_object(kind: str, name: str) -> Damage:
    def damage(ground: Ground) -> Names:
        path = ground.store / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an object that is not what it is called")
        path.chmod(0o444)
        return (path.name,)

    return damage


_FALSE_NAME = "ab" * 32


def _log_cases() -> Iterator[TamperCase]:
    yield TamperCase("the checkpoint has another size", LOG, _flip_text)
    yield TamperCase("the checkpoint has another signature", LOG, _flip_signature)
    yield TamperCase("the checkpoint is signed with another key", LOG, _sign_with_another_key)
    yield from file_cases("the checkpoint", LOG, _checkpoint)
    yield from file_cases("a hash tile", LOG, _hash_tile)
    yield from file_cases("an older hash tile", LOG, lambda ground: _partials(ground, "0")[0])
    yield from file_cases("a bundle", LOG, _bundle, also=("entry",))
    yield from file_cases("an older bundle", LOG, lambda ground: _partials(ground, "entries")[0], also=("entry",))
    yield TamperCase("two entries of a bundle are swapped", LOG, _change_bundle(_swap_entries))
    yield TamperCase("an entry of a bundle is there twice, another is not", LOG, _change_bundle(_repeat_entry))
    yield TamperCase("an entry of a bundle is there twice", LOG, _change_bundle(_insert_entry))
    yield TamperCase("an entry of a bundle has gone", LOG, _change_bundle(_drop_entry))
    yield TamperCase("a file too many in log/", LOG, _extra_in_log("notes.txt"))
    yield TamperCase("a tile that no size has", LOG, _extra_in_log("tile/3/000.p/1"))
    yield TamperCase("a temporary file among the tiles", LOG, _extra_in_log("tile/0/000.tmp"))
    yield TamperCase("a hash tile is a link", LOG, _link_in_log)


def _database_cases() -> Iterator[TamperCase]:
    yield TamperCase("a row of log.db has a flipped bit", LOG, _flip_entry_row)
    yield TamperCase("a row of log.db has gone", LOG, _entry_sql("DELETE FROM entry WHERE seq = :seq"))
    cut = "UPDATE entry SET raw = substr(raw, 1, length(raw) - 1) WHERE seq = :seq"
    yield TamperCase("a row of log.db is cut short", LOG, _entry_sql(cut))
    longer = "UPDATE entry SET raw = CAST(raw || x'20' AS BLOB) WHERE seq = :seq"
    yield TamperCase("a row of log.db goes on", LOG, _entry_sql(longer))
    yield TamperCase("an entry stands twice in log.db", LOG, _repeat_entry_row)
    yield TamperCase("a type in log.db is another", LOG, _entry_sql("UPDATE entry SET type = 'x.y' WHERE seq = :seq"))
    yield TamperCase(
        "a digest in log.db is another", LOG, _entry_sql("UPDATE entry SET digest = zeroblob(32) WHERE seq = :seq")
    )
    yield TamperCase("two rows of log.db are swapped", LOG, _swap_entry_rows)
    head = "UPDATE head SET count = count + 1 WHERE name = 'log'"
    yield TamperCase("a head of log.db is another", LOG, _sql("private/log.db", head, "head", "log"))
    lost = "DELETE FROM subject WHERE name = 'log' AND seq = 0"
    yield TamperCase("an index row of log.db has gone", LOG, _sql("private/log.db", lost, "subject", "log"))
    arrival = "UPDATE arrival SET generation = generation + 1 WHERE seq = (SELECT max(seq) FROM arrival)"
    yield TamperCase("an arrival is another", LOG, _sql("private/openings.db", arrival, "arrival"))
    newest = "size = (SELECT max(size) FROM checkpoint)"
    gone = f"DELETE FROM checkpoint WHERE {newest}"
    yield TamperCase(
        "the newest checkpoint of log.db has gone", LOG, _sql("private/log.db", gone, "checkpoint", "log.db")
    )
    root = "UPDATE checkpoint SET root = zeroblob(32) WHERE size = (SELECT min(size) FROM checkpoint)"
    yield TamperCase(
        "an old checkpoint of log.db is another", LOG, _sql("private/log.db", root, "checkpoint", "log.db")
    )
    yield from file_cases("log.db", LOG, lambda ground: ground.store / "private" / "log.db", but=(*_UNSURE, "goes on"))
    yield TamperCase(
        "an opening has another text", LOG, _opening_sql("UPDATE opening SET text = 'X' || substr(text, 2)")
    )
    yield TamperCase("an opening is cut short", LOG, _opening_sql("UPDATE opening SET text = substr(text, 2)"))
    yield TamperCase("an opening goes on", LOG, _opening_sql("UPDATE opening SET text = text || 'A'"))
    yield TamperCase("an opening has gone", LOG, _opening_sql("DELETE FROM opening"))
    yield TamperCase("an opening without an entry", LOG, _invent_opening)
    place = "UPDATE opening SET member = 'source_stat2'"
    yield TamperCase("an opening is kept under another member", LOG, _opening_sql(place))
    openings = file_cases("openings.db", LOG, lambda ground: ground.store / "private" / "openings.db",
                           but=(*_UNSURE, "goes on"))  # fmt: skip
    yield from openings
    index = _damage_index("log.db", "sqlite_autoindex_entry_1")
    yield TamperCase("an index inside log.db is damaged", LOG, index)
    index = _damage_index("openings.db", "opening_by_commitment")
    yield TamperCase("an index inside openings.db is damaged", LOG, index)
    yield TamperCase("log/ is turned back", LOG, _turn_back("log"))
    yield TamperCase("log.db is turned back", LOG, _turn_back("private/log.db"))
    yield TamperCase("log/ and log.db are turned back", LOG, _turn_back("log", "private/log.db"))
    yield TamperCase("openings.db is turned back", LOG, _turn_back("private/openings.db"))


# A bit flipped anywhere in a database may fall into a page that holds nothing, and one byte less into the last of them.
_UNSURE = ("has a flipped bit", "is cut short")


def _object_cases() -> Iterator[TamperCase]:
    yield from file_cases("a master", CONTENT, lambda ground: _object(ground, "vault"))
    yield from file_cases("a derived object", CONTENT, lambda ground: _object(ground, "derived"))
    yield TamperCase("two masters are swapped", CONTENT, _swap_masters)
    yield TamperCase("a master is a link", CONTENT, _replace_by_link)
    yield TamperCase("a master is a folder", CONTENT, _replace_by_folder)
    yield TamperCase("a file too many in vault/", CONTENT, _extra_object("vault", "notes.txt"))
    false = f"sha256/{_FALSE_NAME[:2]}/{_FALSE_NAME[2:4]}/{_FALSE_NAME}"
    yield TamperCase("an object under a false name in vault/", CONTENT, _extra_object("vault", false))
    yield TamperCase("an object under a false name in derived/", CONTENT, _extra_object("derived", false))
    yield TamperCase(
        "an object at a wrong place in vault/", CONTENT, _extra_object("vault", f"sha256/00/00/{_FALSE_NAME}")
    )


def _catalogue_cases() -> Iterator[TamperCase]:
    for name, statement in (
        ("a row of the catalogue is changed", "UPDATE item SET source_name = 'another.mp4' WHERE position = 0"),
        ("a time of the catalogue is changed", "UPDATE event SET recorded_us = recorded_us + 1 WHERE seq = 1"),
        ("a row of the catalogue has gone", "DELETE FROM item WHERE position = 0"),
        ("an event of the catalogue has gone", "DELETE FROM event WHERE seq = 1"),
        ("the catalogue leads the log", "UPDATE cursor SET size = size + 1"),
        ("the words of the catalogue have gone", "DELETE FROM words WHERE rowid = (SELECT min(rowid) FROM words)"),
    ):
        yield TamperCase(name, CATALOGUE, _sql("catalogue.db", statement, "catalogue"))
    where = file_cases("the catalogue", CATALOGUE, lambda ground: ground.store / "catalogue.db", also=("catalogue",),
                        but=("has a flipped bit", "goes on"))  # fmt: skip
    yield from where


def tamper_cases() -> list[TamperCase]:
    """Return every case; their names are unique and fit for test identifiers."""
    cases = [*_log_cases(), *_database_cases(), *_object_cases(), *_catalogue_cases()]
    names = [re.sub(r"\W+", "-", case.name) for case in cases]
    assert len(set(names)) == len(names)
    return cases
