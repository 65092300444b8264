"""Keys kept as PKCS#8 files in the store's private directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from base import fsio
from base.errors import NotFoundError, RefusedError
from hashing.digest import Digest

LOG_KEY = "log.pem"
RECORDER_KEY = "recorder.pem"
_MAX_KEY_BYTES = 10_000


class KeyFileError(RefusedError):
    """A key file that may not be used."""


class FileSigner:
    """An Ed25519 key read from a PKCS#8 PEM file that only its owner can read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.keyid = str(Digest.of(self.spki))

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of ``message``."""
        return self._key.sign(message)


def create_key(path: Path) -> FileSigner:
    """Make a new key and keep it under ``path``, durably, readable by its owner only."""
    key = Ed25519PrivateKey.generate()
    fsio.put_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    return FileSigner(key)


def load_key(path: Path) -> FileSigner:
    """Return the key kept under ``path``.

    Raises: NotFoundError when it is missing, KeyFileError when others can read it or it is not an Ed25519 key.
    """
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        data = fsio.read_file(path, max_bytes=_MAX_KEY_BYTES)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"the key {path.name} is missing: nothing can be recorded. What is sealed stays valid.",
            next_step=f"Restore {path.name} from the backup into private/keys/ (mode 0600).",
        ) from error
    if mode & 0o077:
        raise KeyFileError(
            f"the key {path.name} can be read by others (mode {mode:04o}): it may have been copied.",
            next_step=f"Run `chmod 600` on private/keys/{path.name}, and ask who has read it.",
        )
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path.name} is not an unencrypted PKCS#8 key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path.name} is not an Ed25519 key.")
    return FileSigner(key)
