"""Keys on a card or token, reached over PKCS#11 (extra `pkcs11`): the private part never leaves it.

Wherever a private key file is asked for, its content may be one line, a PKCS#11 URI (RFC 7512), in place of a key:
``pkcs11:token=strongroom;object=recorder?module-path=/usr/lib/softhsm/libsofthsm2.so``. The PIN is the systemd
credential `pin`, or the first line of the file that ``STRONGROOM_PIN_FILE`` names; a person is asked for it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from base.errors import NotFoundError, RefusedError, SurroundingsError
from base.escape import shown
from hashing import ed25519
from hashing.digest import Digest
from hashing.public_key import ECDSA_P256, ED25519, RSA_PSS, PublicKeyError, public_key_of

if TYPE_CHECKING:
    import pkcs11

SCHEME = b"pkcs11:"
MAX_URI_BYTES = 2_000
_PATH, _QUERY = {"token", "object"}, {"module-path"}
_PSS_SALT_BYTES = 32
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


class TokenKeyError(RefusedError):
    """A reference to a key on a token that can't be used."""

    next_step = "See docs/guide/keys.md, `Keys on a card or token`."


class TokenError(SurroundingsError):
    """The token or its driver refused."""

    next_step = "See whether the token is plugged in and its PIN is not locked, then run it again."


class _SigningKey(Protocol):
    """A private key as python-pkcs11 gives it; its own types don't say that it signs."""

    def sign(self, data: bytes, *, mechanism: object, mechanism_param: object = None) -> bytes: ...


class TokenUri(msgspec.Struct, frozen=True, kw_only=True):
    """Which key on which token, by its label, and through which driver."""

    token: str
    object: str
    module: str


def is_uri(data: bytes) -> bool:
    """Return whether a key file names a key on a token."""
    return data.startswith(SCHEME)


def parse_uri(data: bytes) -> TokenUri:
    """Return what the one line ``data`` names. Raises TokenKeyError for anything but these three attributes, once."""
    line = data.removesuffix(b"\n")
    if len(line) > MAX_URI_BYTES or not line.isascii() or not line.startswith(SCHEME) or b"\n" in line:
        raise TokenKeyError("a file that names a key on a token is one line that begins with `pkcs11:`.")
    path, _, query = line[len(SCHEME) :].decode("ascii").partition("?")
    found = {**_attributes(path, ";", _PATH), **_attributes(query, "&", _QUERY)}
    if set(found) != _PATH | _QUERY:
        raise TokenKeyError("a key on a token is named by `token`, `object` and `module-path`, each once.")
    if not found["module-path"].startswith("/"):
        raise TokenKeyError("`module-path` is the whole path of the driver: it is loaded into this program.")
    return TokenUri(token=found["token"], object=found["object"], module=found["module-path"])


def _attributes(text: str, separator: str, allowed: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(separator):
        name, equals, value = part.partition("=")
        if name not in allowed or not equals or not value or name in found:
            raise TokenKeyError(f"a key on a token is not named by {shown(part)!r}.")
        try:
            found[name] = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), value.encode()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise TokenKeyError(f"{name} is not text.") from error
    return found


class TokenSigner:
    """A private key on a token, used through one session that stays open as long as the process."""

    def __init__(self, uri: TokenUri, pin: bytes) -> None:
        """Open a session and find the key. Raises NotFoundError, TokenKeyError, TokenError."""
        try:
            text = pin.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TokenKeyError("the PIN is not text.") from error
        self._key, self.spki = _found(uri, text)
        try:
            self.algorithm = public_key_of(self.spki).algorithm
        except PublicKeyError as error:
            raise TokenKeyError(f"the key {shown(uri.object)} on the token can't be used: {error}") from error
        self.keyid = Digest.of(self.spki).hex

    @property
    def public(self) -> bytes:
        """The raw public key of an Ed25519 key. Raises TokenKeyError for any other."""
        if self.algorithm != ED25519:
            raise TokenKeyError(f"entries and checkpoints are signed with Ed25519; this key is of {self.algorithm}.")
        return ed25519.public_from_spki(self.spki)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``, made by the token. Raises TokenError."""
        import pkcs11

        try:
            return _SIGN[self.algorithm](self._key, message)
        except pkcs11.exceptions.PKCS11Error as error:
            raise TokenError(f"the token did not sign: {type(error).__name__}.") from error


def _sign_ed25519(key: _SigningKey, message: bytes) -> bytes:
    import pkcs11

    return bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))


def _sign_p256(key: _SigningKey, message: bytes) -> bytes:
    import pkcs11
    from pkcs11.util.ec import encode_ecdsa_signature

    # Over the digest: few tokens offer to make it themselves.
    return bytes(encode_ecdsa_signature(key.sign(Digest.of(message).raw, mechanism=pkcs11.Mechanism.ECDSA)))


def _sign_rsa(key: _SigningKey, message: bytes) -> bytes:
    import pkcs11

    parameters = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, _PSS_SALT_BYTES)
    mechanism = pkcs11.Mechanism.SHA256_RSA_PKCS_PSS
    return bytes(key.sign(message, mechanism=mechanism, mechanism_param=parameters))


_SIGN = {ED25519: _sign_ed25519, ECDSA_P256: _sign_p256, RSA_PSS: _sign_rsa}


def _found(uri: TokenUri, pin: str) -> tuple[_SigningKey, bytes]:
    """Return the private key and the DER SubjectPublicKeyInfo of its public part, which must lie beside it."""
    _require_library()
    import pkcs11

    try:
        session = _session(uri.module, uri.token, pin)
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=uri.object)
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=uri.object)
        return cast(_SigningKey, private), _spki(cast(pkcs11.PublicKey, public))
    except (pkcs11.exceptions.NoSuchToken, pkcs11.exceptions.NoSuchKey) as error:
        raise NotFoundError(
            f"there is no key {shown(uri.object)} on a token {shown(uri.token)}: nothing was signed.",
            next_step="See whether the token is plugged in, and whether private and public key have this label.",
        ) from error
    except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLenRange) as error:
        raise TokenKeyError("the PIN of the token is wrong: after some wrong ones a token locks itself.") from error
    except pkcs11.exceptions.PKCS11Error as error:
        raise TokenError(f"the token can't be used: {type(error).__name__}.") from error


@lru_cache(maxsize=8)
def _session(module: str, token: str, pin: str) -> pkcs11.Session:
    """Return the one session with a token: each login costs, and a second one in a process is an error."""
    import pkcs11

    try:
        driver = pkcs11.lib(module)
    except (RuntimeError, OSError) as error:  # PKCS11Error is a RuntimeError
        raise TokenError(f"the driver {shown(module)} can't be loaded.") from error
    return driver.get_token(token_label=token).open(user_pin=pin)


def _require_library() -> None:
    """Raise TokenKeyError where the extra is not installed."""
    try:
        import pkcs11.exceptions  # noqa: F401  # looked for, not used
    except ImportError as error:
        raise TokenKeyError(
            "a key on a token needs the library python-pkcs11, which is not installed.",
            next_step="Install the extra: `pip install strongroom[pkcs11]`.",
        ) from error


def _spki(public: pkcs11.PublicKey) -> bytes:
    import pkcs11
    from pkcs11.util.ec import encode_ec_public_key

    match public.key_type:
        case pkcs11.KeyType.EC_EDWARDS:
            return ed25519.spki(bytes(public[pkcs11.Attribute.EC_POINT])[-ed25519.PUBLIC_BYTES :])
        case pkcs11.KeyType.EC:
            return bytes(encode_ec_public_key(public))
        case pkcs11.KeyType.RSA:
            return _rsa_spki(public)
        case other:
            raise TokenKeyError(f"a key of the kind {other} can't speak in a log.")


def _rsa_spki(public: pkcs11.PublicKey) -> bytes:
    import pkcs11
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    e, n = (
        int.from_bytes(public[name], "big") for name in (pkcs11.Attribute.PUBLIC_EXPONENT, pkcs11.Attribute.MODULUS)
    )
    return RSAPublicNumbers(e, n).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
