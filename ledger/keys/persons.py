"""Keys of people: root keys and personal keys, which sign endorsements and proofs of possession, never entries.

They are used for one command and forgotten. A key may be Ed25519, ECDSA P-256 or RSA, because cards and offline tools
offer those, and its file may be protected by a passphrase.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from base import fsio
from base.errors import NotFoundError
from base.escape import shown
from hashing.public_key import PublicKey, PublicKeyError, public_key_of
from ledger.events.key import ProvenKey
from ledger.keys.file import FileSigner, KeyFileError, create_key
from ledger.keys.signer import AnySigner
from ledger.keys.token import TokenSigner, is_uri, parse_uri
from ledger.trust import proof_message

_MAX_KEY_BYTES = 20_000
_MAX_SIGNATURE_BYTES = 2_100


class PersonSigner:
    """A private key of a person, of any algorithm that a log knows."""

    def __init__(self, data: bytes, *, passphrase: bytes | None, name: str) -> None:
        """Read the PEM file ``data``. Raises KeyFileError."""
        from cryptography.exceptions import InternalError, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        try:
            key = load_pem_private_key(data, password=passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
            raise KeyFileError(f"{name} is not a private key in PEM, or its passphrase is missing or wrong.") from error
        if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise KeyFileError(f"{name} is of a kind that this program does not know.")
        try:
            self._public = public_key_of(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        except PublicKeyError as error:
            raise KeyFileError(f"{name}: {error}") from error
        self._key = key

    @property
    def algorithm(self) -> str:
        return self._public.algorithm

    @property
    def spki(self) -> bytes:
        return self._public.spki

    @property
    def keyid(self) -> str:
        return self._public.keyid

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message`` in the form that its algorithm has in a log."""
        from cryptography.hazmat.primitives.asymmetric import ec, padding
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(SHA256()))
        return self._key.sign(message, padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32), SHA256())


def secret_of(path: Path) -> str | None:
    """Return what the private key in ``path`` asks for: a passphrase, a PIN, or None. Raises NotFoundError."""
    data = _read(path)
    return "PIN" if is_uri(data) else "passphrase" if b"ENCRYPTED" in data else None


def person_signer(path: Path, secret: bytes | None) -> AnySigner:
    """Return the private key in the PEM file ``path``, or on the token that it names; ``secret`` as `secret_of` says.

    Raises: NotFoundError, KeyFileError, the errors of `ledger.keys.token`.
    """
    data = _read(path)
    if is_uri(data):
        return TokenSigner(parse_uri(data), secret or b"")
    return PersonSigner(data, passphrase=secret, name=shown(str(path)))


def token_reference(path: Path) -> bytes | None:
    """Return the content of a file that names a key on a token, None for any other file."""
    data = _read(path)
    return data if is_uri(data) else None


def read_public_key(path: Path) -> PublicKey:
    """Return the public key in the PEM file ``path``, as ``openssl pkey -pubout`` writes it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
        return public_key_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, UnsupportedAlgorithm, PublicKeyError) as error:
        raise KeyFileError(
            f"{shown(str(path))} is not a public key that can be used: {error}",
            next_step="Give an Ed25519, ECDSA P-256 or RSA public key in PEM, as `openssl pkey -pubout` writes it.",
        ) from error


def read_proof(path: Path) -> bytes:
    """Return the signature in the file ``path``: raw bytes, as ``openssl pkeyutl -sign`` writes them."""
    return _read(path, max_bytes=_MAX_SIGNATURE_BYTES)


def proven(signer: AnySigner, *, log: str, purpose: str) -> ProvenKey:
    """Return the key of ``signer`` with its proof of possession for one log and purpose."""
    return ProvenKey(
        public=PublicKey(algorithm=signer.algorithm, spki=signer.spki),
        proof=signer.sign(proof_message(log, signer.keyid, purpose)),
    )


def create_person_key(path: Path, passphrase: bytes | None) -> FileSigner:
    """Make a new Ed25519 key for a person in the new file ``path``. Raises KeyFileError where a file is."""
    with fsio.declared_errors(f"writing {shown(str(path))}"):
        if path.exists() or path.is_symlink():
            raise KeyFileError(f"{shown(str(path))} exists: a key is never written over a file.")
        return create_key(path, passphrase=passphrase)


def _read(path: Path, *, max_bytes: int = _MAX_KEY_BYTES) -> bytes:
    try:
        return fsio.read_file(path, max_bytes=max_bytes)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {shown(str(path))}.") from error
