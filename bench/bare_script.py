"""The peer of `find` in bench/start_up.py: the least that a small recorded query can be written in.

One click command that reads a table, signs what was asked with Ed25519, and commits the signed line to one database and
its opening to a second, each durably. Called with the folder to work in; the first call makes the databases.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("word")
def search(folder: Path, word: str) -> None:
    """Look for WORD, and record that."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with opened(folder / "catalogue.db") as catalogue:
        found = catalogue.execute(
            "SELECT line FROM kept WHERE line LIKE ? LIMIT 50", (f"%{word}%".encode(),)
        ).fetchall()
    signature = key.sign(word.encode())
    for name, line in (("log.db", signature), ("openings.db", word.encode())):
        with opened(folder / name) as database:
            database.execute("INSERT INTO kept (line) VALUES (?)", (line,))
    click.echo(f"{len(found)} found")


def opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS kept (line BLOB)")
    return connection


if __name__ == "__main__":
    search()
