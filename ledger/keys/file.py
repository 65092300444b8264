"""Keys kept as PKCS#8 files in the store's private directory."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from base import fsio
from base.errors import NotFoundError, RefusedError
from hashing import ed25519

LOG_KEY = "log.pem"
RECORDER_KEY = "recorder.pem"
_MAX_KEY_BYTES = 10_000
_PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410: version 0, id-Ed25519, 32 bytes follow
# As `create_key` writes it: 48 bytes of DER are one line without padding.
_OUR_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/]{64})\n-----END PRIVATE KEY-----\n")


class KeyFileError(RefusedError):
    """A key file that may not be used."""


class FileSigner:
    """An Ed25519 key read from a PKCS#8 PEM file that only its owner can read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.spki = ed25519.spki(self.public)
        self.keyid = ed25519.keyid(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of ``message``."""
        return self._key.sign(message)


def create_key(path: Path) -> FileSigner:
    """Make a new key and keep it under ``path``, durably, readable by its owner only."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # see `_any_key`

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
    return FileSigner(_our_key(data) or _any_key(data, path.name))


def _our_key(data: bytes) -> Ed25519PrivateKey | None:
    """Return the key in ``data`` if it is spelled as `create_key` spells keys, else None."""
    spelled = _OUR_PEM.fullmatch(data)
    der = base64.b64decode(spelled[1]) if spelled else b""
    if not der.startswith(_PKCS8_PREFIX):
        return None
    return Ed25519PrivateKey.from_private_bytes(der[len(_PKCS8_PREFIX) :])


def _any_key(data: bytes, name: str) -> Ed25519PrivateKey:
    """Return the key in ``data``, however another program spelled it. Raises KeyFileError."""
    # Here, because it brings every other kind of key along: a tenth of the start of a short command.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{name} is not an unencrypted PKCS#8 key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{name} is not an Ed25519 key.")
    return key
