"""ML-DSA-44 private keys of witnesses: PKCS#8 files in the seed form of RFC 9881, readable by their owner only."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from base import fsio
from base.errors import NotFoundError, UncheckedError
from ledger.keys.file import KeyFileError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

_MAX_KEY_BYTES = 20_000


class NoMlDsaError(UncheckedError):
    """The library that is installed cannot do ML-DSA-44."""

    next_step = "Install a newer `cryptography` with OpenSSL 3.5 or later, or make a witness with an Ed25519 key."


class MlDsaSigner:
    """A key that signs with ML-DSA-44. Signing is randomised: no two signatures are alike."""

    def __init__(self, key: MLDSA44PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``, 2,420 bytes, with the empty context."""
        return self._key.sign(message)


def create_ml_dsa_key(path: Path) -> MlDsaSigner:
    """Make a new key and keep it under ``path``, durably. Raises NoMlDsaError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        key = MLDSA44PrivateKey.generate()
    except (ImportError, UnsupportedAlgorithm) as error:
        raise NoMlDsaError("an ML-DSA-44 key can't be made here.") from error
    fsio.put_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    return MlDsaSigner(key)


def load_ml_dsa_key(path: Path) -> MlDsaSigner:
    """Return the key kept under ``path``. Raises NotFoundError, KeyFileError, NoMlDsaError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = fsio.read_file(path, max_bytes=_MAX_KEY_BYTES)
    except FileNotFoundError as error:
        raise NotFoundError(f"the key {path.name} is missing.", next_step="Restore it from its backup.") from error
    if mode & 0o077:
        raise KeyFileError(f"the key {path.name} can be read by others (mode {mode:04o}): it may have been copied.")
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        key = load_pem_private_key(data, password=None)
    except (ImportError, UnsupportedAlgorithm) as error:
        raise NoMlDsaError(f"{path.name} can't be used here.") from error
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path.name} is not a PKCS#8 key without a passphrase.") from error
    if not isinstance(key, MLDSA44PrivateKey):
        raise KeyFileError(f"{path.name} is not an ML-DSA-44 key.")
    return MlDsaSigner(key)
