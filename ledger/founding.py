"""A new store: its directories, its keys, its log with the first entries under a first checkpoint.

A log is created only here, only on request, and only in an empty directory: an empty or missing log never means
"start a new one". The settings file is written last; a directory without it is a store that was never finished.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from base import fsio
from base.errors import RefusedError, SurroundingsError, UsageError
from hashing.base64_text import encode
from hashing.checkpoint import Checkpoint
from hashing.note import vkey
from hashing.public_key import PublicKey
from ledger import log_db
from ledger.actors import Login
from ledger.events.actor import ROLES, actor_registered
from ledger.events.log import NamedKey, log_opened
from ledger.identifiers import new_identifier, random_characters
from ledger.keys.file import LOG_KEY, RECORDER_KEY, FileSigner, create_key
from ledger.layout import StoreLayout
from ledger.machine import machine_binding
from ledger.record import Recorder
from ledger.seal import seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """What `init` tells about a new store."""

    origin: str
    log_vkey: str
    recorder_keyid: str
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKeys:
    """The public keys whose holders must agree when keys change or the log ends, and how many of them must."""

    keys: tuple[PublicKey, ...]
    threshold: int

    def check(self) -> None:
        """Raise UsageError for a rule that could never be met, or that names a key twice."""
        if len({key.keyid for key in self.keys}) != len(self.keys):
            raise UsageError("a root key is named twice.")
        if not 0 <= self.threshold <= len(self.keys) or (self.keys and not self.threshold):
            raise UsageError(
                f"{self.threshold} of {len(self.keys)} root keys can't be the rule.",
                next_step="Name the root keys with --root-key and say with --root-threshold how many must agree.",
            )


def named(key: PublicKey) -> NamedKey:
    """Return a key as the first entry names it."""
    return NamedKey(algorithm=key.algorithm, keyid=key.keyid, spki=encode(key.spki))


def default_origin() -> str:
    """Return a fresh origin. It is random: a host or place name has no business in a public log."""
    return f"strongroom/{random_characters(13)}"


def found_store(
    layout: StoreLayout,
    *,
    origin: str,
    settings: str,
    login: Login,
    roots: RootKeys | None = None,
    passphrase: bytes | None = None,
) -> Founded:
    """Make a store in an empty or missing directory; ``login`` becomes its first registered person, with all roles.

    ``passphrase`` protects the private keys. Raises: RefusedError when the directory is not empty, SurroundingsError on
    a network or FUSE file system, UsageError for an origin or root keys that can't be used.
    """
    check_origin(origin)
    roots = roots or RootKeys(keys=(), threshold=0)
    roots.check()
    with fsio.declared_errors("making the store"):
        _check_place(layout.root)
        return _found_store(layout, origin, settings, login, roots, passphrase)


def _found_store(
    layout: StoreLayout, origin: str, settings: str, login: Login, roots: RootKeys, passphrase: bytes | None
) -> Founded:
    for directory in layout.directories:
        fsio.make_directories(directory)
    log_key = create_key(layout.keys / LOG_KEY, passphrase=passphrase)
    recorder_key = create_key(layout.keys / RECORDER_KEY, passphrase=passphrase)
    connection = log_db.create(layout)
    with log_db.transaction(connection):
        connection.executemany(
            "INSERT INTO main.fact (name, value) VALUES (?, ?)",
            [("origin", origin), ("machine", machine_binding(layout.root))],
        )
    recorder = Recorder(layout, connection, recorder_key, origin)
    recorder.log_signer = log_key
    try:
        checkpoint = _first_entries(recorder, origin, log_key, recorder_key, login, roots)
    finally:
        recorder.close()
    fsio.replace_file(layout.settings, settings.encode("utf-8"), mode=0o600)
    return Founded(
        origin=origin,
        log_vkey=vkey(origin, log_key.public),
        recorder_keyid=recorder_key.keyid,
        checkpoint=checkpoint,
    )


def _first_entries(
    recorder: Recorder, origin: str, log_key: FileSigner, recorder_key: FileSigner, login: Login, roots: RootKeys
) -> Checkpoint:
    key = PublicKey(algorithm=recorder_key.algorithm, spki=recorder_key.spki)
    recorder.record(
        [
            log_opened(
                origin,
                log_vkey=vkey(origin, log_key.public),
                recorder_keys=[named(key)],
                root_keys=[named(root) for root in roots.keys],
                root_threshold=roots.threshold,
            ),
            actor_registered(new_identifier("actor"), uid=login.uid, user=login.user or "", roles=ROLES, by=None),
        ]
    )
    return seal(recorder)


def check_origin(origin: str) -> None:
    """Raise UsageError unless ``origin`` can be the name of a log."""
    allowed = origin.isascii() and origin.isprintable() and not set(origin) & set(' +"\\')
    if not origin or not allowed or len(origin) > 200:
        raise UsageError(
            f"{origin!r} can't be the origin of a log: use letters, digits, dots, dashes and slashes.",
            next_step="Leave --origin out to get a random one.",
        )


def _check_place(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise RefusedError(
            f"{root} is not empty: a store is made only in an empty or new directory.",
            next_step="Name another directory, or empty this one yourself.",
        )
    existing = next(parent for parent in (root, *root.absolute().parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK, effective_ids=True):
        raise SurroundingsError(f"{existing} can't be written by this user.")
    kind = fsio.remote_type(existing)
    if kind is not None:
        raise SurroundingsError(
            f"{root} lies on a {kind} file system: locks and syncs need a local one.",
            next_step="Put the store on a local disk; a share or a replica may be on the network.",
        )
