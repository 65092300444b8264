"""Private keys kept as PKCS#8 files: in the store, protected by a passphrase or not, or handed in by systemd.

A key is looked for among the credentials that systemd handed to this process (``$CREDENTIALS_DIRECTORY``) and then in
`private/keys/`, under the same file name. The passphrase of a protected key is the credential `passphrase`, or stands
in the file that ``STRONGROOM_PASSPHRASE_FILE`` names: a service has nobody to ask.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from base import fsio
from base.errors import NotFoundError, RefusedError
from base.escape import shown
from hashing import ed25519
from ledger.keys.signer import Signer
from ledger.layout import StoreLayout
from ledger.trust import RECORDER, KeyRegister

LOG_KEY = "log.pem"
RECORDER_KEY = "recorder.pem"
PASSPHRASE_VARIABLE = "STRONGROOM_PASSPHRASE_FILE"
PASSPHRASE_CREDENTIAL = "passphrase"
PIN_VARIABLE = "STRONGROOM_PIN_FILE"
PIN_CREDENTIAL = "pin"
SHORTEST_PASSPHRASE = 12  # characters
_CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
_MAX_KEY_BYTES = 20_000
_MAX_PASSPHRASE_BYTES = 1023  # what OpenSSL takes
_ON_A_TOKEN = b"pkcs11:"  # see `ledger.keys.token`
_PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410: version 0, id-Ed25519, 32 bytes follow
# As `create_key` writes it: 48 bytes of DER are one line without padding.
_OUR_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/]{64})\n-----END PRIVATE KEY-----\n")


class KeyFileError(RefusedError):
    """A key file that may not be used."""


class KeyNotValidError(RefusedError):
    """The key that is here may not sign entries of this log."""

    next_step = (
        "Nothing was recorded. Put the key that is enrolled into private/keys/, or enrol a new one: docs/guide/keys.md."
    )


class FileSigner:
    """An Ed25519 key read from a PKCS#8 PEM file that only its owner can read."""

    algorithm = ed25519.ALGORITHM

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.spki = ed25519.spki(self.public)
        self.keyid = ed25519.keyid(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of ``message``."""
        return self._key.sign(message)

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """Return the private key as a PKCS#8 PEM file, protected by ``passphrase`` where one is given."""
        from cryptography.hazmat.primitives.serialization import (  # see `_any_key`
            BestAvailableEncryption,
            Encoding,
            KeySerializationEncryption,
            NoEncryption,
            PrivateFormat,
        )

        protection: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def recorder_key_name(keyid: str) -> str:
    """Return the file name of a recorder key that was made after the store; the first one is `recorder.pem`."""
    return f"recorder-{keyid[:16]}.pem"


def recorder_signer(layout: StoreLayout, register: KeyRegister) -> Signer:
    """Return the key with which this machine signs entries: of those that are here, the valid one enrolled last.

    Raises: NotFoundError when none is here, KeyNotValidError when the one that is here is not valid any more.
    """
    now = max(register.last_change, 0) + 1
    valid = register.keys_at(now, RECORDER)
    for keyid in sorted(valid, key=lambda keyid: register.keys[keyid].since, reverse=True):
        if _find_key(layout.keys / recorder_key_name(keyid)) is not None:
            return load_key(layout.keys / recorder_key_name(keyid))
    signer = load_key(layout.keys / RECORDER_KEY)
    if signer.keyid not in valid:
        known = register.keys.get(signer.keyid)
        what = "was never enrolled" if known is None else f"was revoked by entry {known.until}"
        raise KeyNotValidError(f"the recorder key {signer.keyid} {what}: it may not sign entries of this log.")
    return signer


def create_key(path: Path, *, passphrase: bytes | None = None) -> FileSigner:
    """Make a new key and keep it under ``path``, durably, readable by its owner only."""
    signer = FileSigner(Ed25519PrivateKey.generate())
    fsio.put_file(path, signer.pem(passphrase), mode=0o600)
    return signer


def create_recorder_key(layout: StoreLayout) -> FileSigner:
    """Make one more recorder key in the store; it is used when it is enrolled, and protected as this process's keys."""
    signer = FileSigner(Ed25519PrivateKey.generate())
    fsio.put_file(layout.keys / recorder_key_name(signer.keyid), signer.pem(configured_passphrase()), mode=0o600)
    return signer


def keep_reference(layout: StoreLayout, uri: bytes, keyid: str) -> None:
    """Keep in the store which key on a token signs entries; it is used when it is enrolled."""
    fsio.put_file(layout.keys / recorder_key_name(keyid), uri, mode=0o600)


def is_protected(path: Path) -> bool:
    """Return whether the key kept under ``path``, or handed in under its name, is protected by a passphrase."""
    return b"ENCRYPTED" in (_find_key(path) or b"")


def load_key(path: Path, *, handed_in: bool = True) -> Signer:
    """Return the key kept under ``path``, or unless told otherwise the one handed in as a credential of that name.

    Where the file names a key on a token, that one. Raises: NotFoundError when it is missing, KeyFileError when others
    can read it, when it is not an Ed25519 key, or when its passphrase is missing or wrong; the errors of
    `ledger.keys.token`.
    """
    data = _find_key(path, handed_in=handed_in)
    if data is None:
        raise NotFoundError(
            f"the key {path.name} is missing: nothing can be recorded. What is sealed stays valid.",
            next_step=f"Restore {path.name} from the backup into private/keys/ (mode 0600): docs/guide/keys.md.",
        )
    if data.startswith(_ON_A_TOKEN):
        return _on_token(data, path.name)
    return FileSigner(_our_key(data) or _any_key(data, path.name))


def _on_token(data: bytes, name: str) -> Signer:
    from ledger.keys.token import TokenSigner, parse_uri  # here: few stores have one

    pin = _credential(PIN_CREDENTIAL) or _secret_named(PIN_VARIABLE)
    if pin is None:
        raise KeyFileError(
            f"{name} is on a token, and no PIN was given.",
            next_step=f"Name a file that holds it in {PIN_VARIABLE}, or hand it in as the systemd credential "
            f"`{PIN_CREDENTIAL}`.",
        )
    signer = TokenSigner(parse_uri(data), _first_line(pin))
    if signer.algorithm != ed25519.ALGORITHM:
        raise KeyFileError(f"{name} is not an Ed25519 key.")
    return signer


def _find_key(path: Path, *, handed_in: bool = True) -> bytes | None:
    """Return the key file, from the credentials or from ``path``; None where there is neither."""
    credential = _credential(path.name) if handed_in else None
    if credential is not None:
        return credential
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        data = fsio.read_file(path, max_bytes=_MAX_KEY_BYTES)
    except FileNotFoundError:
        return None
    if mode & 0o077:
        raise KeyFileError(
            f"the key {path.name} can be read by others (mode {mode:04o}): it may have been copied.",
            next_step=f"Run `chmod 600` on private/keys/{path.name}, and ask who has read it.",
        )
    return data


def _credential(name: str, environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return what systemd handed in under ``name``, or None. Who may read it is systemd's business."""
    folder = environment.get(_CREDENTIALS_VARIABLE)
    if not folder:
        return None
    try:
        return fsio.read_file(Path(folder, name), max_bytes=_MAX_KEY_BYTES)
    except FileNotFoundError:
        return None


def read_passphrase(path: Path) -> bytes:
    """Return a new passphrase from a file: its first line. Raises NotFoundError, KeyFileError for one too short."""
    return checked_passphrase(read_secret(path))


def read_secret(path: Path) -> bytes:
    """Return the first line of a file: the passphrase or PIN of a key that there is. Raises NotFoundError."""
    try:
        return _first_line(fsio.read_file(path, max_bytes=_MAX_KEY_BYTES))
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {shown(str(path))} with a passphrase or PIN.") from error


def _first_line(data: bytes) -> bytes:
    return data.split(b"\n", 1)[0].removesuffix(b"\r")


def _secret_named(variable: str, environment: Mapping[str, str] = os.environ) -> bytes | None:
    path = environment.get(variable)
    return read_secret(Path(path)) if path else None


def checked_passphrase(passphrase: bytes) -> bytes:
    """Return ``passphrase`` unless it is too short to protect anything, or longer than OpenSSL takes."""
    if not SHORTEST_PASSPHRASE <= len(passphrase) <= _MAX_PASSPHRASE_BYTES:
        raise KeyFileError(
            f"a passphrase has {SHORTEST_PASSPHRASE} to {_MAX_PASSPHRASE_BYTES} bytes, this one {len(passphrase)}.",
            next_step="Use six words drawn by dice, or `openssl rand -base64 18`.",
        )
    return passphrase


def configured_passphrase(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the passphrase that was handed to this process as a credential or file, or None."""
    handed = _credential(PASSPHRASE_CREDENTIAL, environment)
    return _secret_named(PASSPHRASE_VARIABLE, environment) if handed is None else _first_line(handed)


def _our_key(data: bytes) -> Ed25519PrivateKey | None:
    """Return the key in ``data`` if it is spelled as `create_key` spells unprotected keys, else None."""
    spelled = _OUR_PEM.fullmatch(data)
    der = base64.b64decode(spelled[1]) if spelled else b""
    if not der.startswith(_PKCS8_PREFIX):
        return None
    return Ed25519PrivateKey.from_private_bytes(der[len(_PKCS8_PREFIX) :])


def _any_key(data: bytes, name: str) -> Ed25519PrivateKey:
    """Return the key in ``data``, however another program spelled it. Raises KeyFileError."""
    # Here, because it brings every other kind of key along: a tenth of the start of a short command.
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    passphrase = configured_passphrase() if b"ENCRYPTED" in data else None
    if b"ENCRYPTED" in data and passphrase is None:
        raise KeyFileError(
            f"{name} is protected by a passphrase, and none was given.",
            next_step=f"Name a file that holds it in {PASSPHRASE_VARIABLE}, or hand it in as the systemd credential "
            f"`{PASSPHRASE_CREDENTIAL}`.",
        )
    try:
        key = load_pem_private_key(data, password=passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        raise KeyFileError(f"{name} is not a PKCS#8 key, or its passphrase is another one.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{name} is not an Ed25519 key.")
    return key
