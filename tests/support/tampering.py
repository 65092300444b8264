"""How a store is damaged for a test: on a fresh copy, one thing at a time, and never without proof that it was done."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

CONTENT, LOG, CATALOGUE = 20, 21, 22


@dataclass(frozen=True, slots=True)
class Ground:
    """A copy of a store that may be damaged, an older copy of the same store, and repeatable chance."""

    store: Path
    older: Path
    chance: Random


Names = tuple[str, ...]  # one of these must stand in a finding
Damage = Callable[[Ground], Names]


@dataclass(frozen=True, slots=True)
class TamperCase:
    """One way to damage a store; ``damage`` does it and returns what must be named, any one of it."""

    name: str
    exit_code: int
    damage: Damage


@dataclass(frozen=True, slots=True)
class Tampered:
    """A damaged copy, and what must be said about it."""

    store: Path
    exit_code: int
    names: Names


def tampered(case: TamperCase, store: Path, older: Path, into: Path, *, seed: int = 0) -> Tampered:
    """Copy ``store`` to ``into`` and do the damage to the copy.

    ``older`` is a copy of the same store with fewer sealed entries. The store must have two masters, something in
    ``derived/`` and a catalogue. A case that changes nothing is an error, not a pass.
    """
    shutil.copytree(store, into, symlinks=True)
    before = _fingerprint(into)
    names = case.damage(Ground(into, older, Random(seed)))
    if _fingerprint(into) == before:
        raise AssertionError(f"{case.name}: nothing was changed")
    return Tampered(into, case.exit_code, names)


def is_named(names: Names, objects: Iterable[str]) -> bool:
    """Return whether one of ``names`` stands in one of ``objects`` as a whole word: entry 1 is not in entry 15."""
    ways = [re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") for name in names]
    return any(way.search(thing) for thing in objects for way in ways)


def _fingerprint(store: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(store).as_posix(): (
            path.lstat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in store.rglob("*")
    }


# How a file is damaged.


def rewrite(path: Path, data: bytes) -> None:
    """Write over a file, whatever its mode, and leave the mode as it was."""
    mode = path.stat().st_mode & 0o7777
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(mode)


def flipped(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


FILE_DAMAGE: dict[str, Callable[[Path, Random], object]] = {
    "has a flipped bit": lambda path, chance: rewrite(path, flipped(path.read_bytes(), chance)),
    "is cut short": lambda path, _: rewrite(path, path.read_bytes()[:-1]),
    "is empty": lambda path, _: rewrite(path, b""),
    "goes on": lambda path, _: rewrite(path, path.read_bytes() + b"\0"),
    "has gone": lambda path, _: path.unlink(),
}


def file_cases(
    what: str, exit_code: int, place: Callable[[Ground], Path], *, also: Names = (), but: Names = ()
) -> Iterator[TamperCase]:
    """Yield each damage to the file at ``place``, which must be named by its file name or path below log/."""
    for how, damage in FILE_DAMAGE.items():
        if how in but:
            continue

        def do(ground: Ground, damage: Callable[[Path, Random], object] = damage) -> Names:
            path = place(ground)
            damage(path, ground.chance)
            return (name_of(ground, path), *also)

        yield TamperCase(f"{what} {how}", exit_code, do)


def name_of(ground: Ground, path: Path) -> str:
    inside = path.relative_to(ground.store).as_posix()
    return inside.removeprefix("log/") if inside.startswith("log/tile/") else path.name


# How a database is changed.


def entry_name(seq: int) -> str:
    """Return how findings call an entry."""
    return f"entry {seq}"


def change_database(database: Path, statement: str, *values: object) -> None:
    """Run one statement without the triggers of the schema, which a hostile hand would not mind."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{trigger}"')
        touched = connection.execute(statement, values).rowcount
        assert touched > 0, f"{statement} touched nothing"


def one_row(database: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None, f"{query} finds nothing"
    return list(row)
