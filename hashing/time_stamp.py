"""Time-stamp tokens (RFC 3161): somebody outside vouches that certain bytes existed at a certain time.

PURE but for `time_stamp_query`, which draws a nonce. The tokens are read and verified by rfc3161-client, which is
installed with the extra ``tsa`` only; without it every function here raises TimeStampsUnavailableError, which is never
good and never bad. The chain of certificates is judged at the time that the token states, so a token outlives them.

KNOWN GAP: revocation is not asked for (nothing here opens a connection), and the ESS certificate ID inside a token is
not compared with the certificate; both need an authority that issued two certificates for one key under one serial
number, or a revoked one. `openssl ts -verify` compares the ESS certificate ID.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from base.errors import IntegrityError, UncheckedError, UsageError
from hashing.digest import Digest

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

MAX_REPLY_BYTES = 100_000  # a reply with a chain of four RSA-4096 certificates has about 10,000
MAX_CERTIFICATES_BYTES = 1_000_000
MAX_CERTIFICATES = 20

_GRANTED = 0
_SHA256 = "2.16.840.1.101.3.4.2.1"
_INTEGER, _SEQUENCE, _CERTIFICATES = 0x02, 0x30, 0xA0
_IMPRINT_HEAD = bytes.fromhex("3031300d060960864801650304020105000420")  # MessageImprint: SHA-256, and 32 bytes follow


class TimeStampError(IntegrityError):
    """Not a time-stamp token for these bytes by this authority."""

    next_step = "Ask the authority again, and keep what it sent: the log and what is sealed are not touched by this."


class NotGrantedError(TimeStampError):
    """The authority answered, and gave no token."""

    exit_code = 5
    code = "waiting"
    next_step = "Nothing was kept. Ask the authority why, or ask another one; the recorder waits for neither."


class AuthorityError(UsageError):
    """The certificates of an authority can't be used."""

    next_step = "Name a PEM file with the root certificate of the authority, as certificate = ... in [[tsa]]."


class TimeStampsUnavailableError(UncheckedError):
    """The library that reads time-stamp tokens is not installed."""

    next_step = "Install it into the environment of strongroom: pip install 'strongroom[tsa]'."

    def __init__(self) -> None:
        super().__init__("time-stamp tokens can't be read here: rfc3161-client is not installed.")


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to believe: the certificates (PEM) that a chain must end in, and the policy asked for, if one is."""

    name: str
    certificates: bytes
    policy: str | None = None  # dotted; None: any policy of the authority


class TimeStamp(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified token says."""

    time: datetime  # UTC, whole seconds
    accuracy_ms: int | None  # either way; None: the authority does not say
    serial: int
    policy: str
    signer: Digest  # SHA-256 of the certificate that signed it


def require_library() -> None:
    """Raise TimeStampsUnavailableError unless tokens can be read here."""
    try:
        import rfc3161_client  # noqa: F401  # looked for, not used
    except ImportError as error:
        raise TimeStampsUnavailableError from error


def time_stamp_query(stamped: bytes) -> bytes:
    """Return a new query (DER) for the SHA-256 of ``stamped``, with a random nonce, that asks for the certificate."""
    require_library()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    return TimestampRequestBuilder().data(stamped).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()


def query_nonce(query: bytes, stamped: bytes) -> int:
    """Return the nonce of a query that `time_stamp_query` made for ``stamped``. Raises TimeStampError for any other."""
    imprint = _IMPRINT_HEAD + sha256(stamped).digest()
    parts = _elements(query, *_inside(query, (_SEQUENCE, 0, len(query))))
    integers = [query[start:end] for tag, start, end in parts if tag == _INTEGER]
    if len(parts) < 3 or len(integers) != 2 or query[parts[1][1] - 2 : parts[1][2]] != imprint:
        raise TimeStampError("a query that was not made here, or not for this checkpoint")
    return int.from_bytes(integers[1], "big")


def certificates_of(authority: Authority) -> list[Certificate]:
    """Return the certificates that a chain may end in. Raises AuthorityError."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificates = load_pem_x509_certificates(authority.certificates)
    except ValueError as error:
        raise AuthorityError(f"the certificates of {authority.name!r} can't be read: {error}.") from error
    if len(certificates) > MAX_CERTIFICATES:
        raise AuthorityError(f"{len(certificates)} certificates of {authority.name!r}; {MAX_CERTIFICATES} are allowed.")
    return certificates


def verify_time_stamp(reply: bytes, *, stamped: bytes, authority: Authority, query: bytes | None = None) -> TimeStamp:
    """Return what the ``reply`` of an authority says about ``stamped``, if it is granted, whole and signed by it.

    ``query`` is what was asked: the nonce must be the same. Raises: TimeStampError, NotGrantedError, AuthorityError,
    TimeStampsUnavailableError.
    """
    require_library()
    roots = certificates_of(authority)
    response = _parsed(reply)
    with _declared_errors():
        from rfc3161_client import VerifierBuilder

        # All of them at once: the builder's own methods refuse a file that names one certificate twice.
        verifier = VerifierBuilder(nonce=None if query is None else query_nonce(query, stamped), roots=roots).build()
        imprint = response.tst_info.message_imprint
        if imprint.hash_algorithm.dotted_string != _SHA256:
            raise TimeStampError(f"a token over another digest than SHA-256: {imprint.hash_algorithm.dotted_string}")
        verifier.verify(response, sha256(stamped).digest())
        found = _said(response)
    if authority.policy is not None and found.policy != authority.policy:
        raise TimeStampError(f"a token under the policy {found.policy}, not {authority.policy}")
    return found


def _parsed(reply: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    if len(reply) > MAX_REPLY_BYTES:
        raise TimeStampError(f"a reply of {len(reply)} bytes, at most {MAX_REPLY_BYTES} are allowed")
    with _declared_errors():
        response = decode_timestamp_response(with_sorted_certificates(reply))
        if response.status != _GRANTED:
            said = "; ".join(response.status_string)[:200] or "no reason given"
            raise NotGrantedError(f"the authority granted no token: status {response.status}, {said!r}")
    return response


def _said(response: TimeStampResponse) -> TimeStamp:
    info = response.tst_info
    (signer,) = response.signed_data.signer_infos
    accuracy = info.accuracy
    return TimeStamp(
        time=info.gen_time.astimezone(UTC),
        accuracy_ms=None if accuracy is None else (accuracy.seconds or 0) * 1000 + (accuracy.millis or 0),
        serial=info.serial_number,
        policy=info.policy.dotted_string,
        signer=_signer_digest(response.signed_data.certificates, signer.issuer, signer.serial_number),
    )


def _signer_digest(certificates: set[bytes], issuer: object, serial: int) -> Digest:
    from cryptography.x509 import load_der_x509_certificate

    for der in sorted(certificates):
        certificate = load_der_x509_certificate(der)
        if certificate.issuer == issuer and certificate.serial_number == serial:
            return Digest.of(der)
    raise TimeStampError("a token without the certificate of its signer")


@contextmanager
def _declared_errors() -> Iterator[None]:
    """Turn what the library says about a reply into a TimeStampError."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from rfc3161_client import VerificationError

    try:
        yield
    except (
        VerificationError,
        ValueError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise TimeStampError(f"not a valid time-stamp token: {error}") from error
    except BaseException as error:
        # A panic in the Rust of the library, as over a name that is not UTF-8: no Exception, and no public name.
        if type(error).__name__ != "PanicException":
            raise
        raise TimeStampError("not a valid time-stamp token: the library could not read it") from error


# ------------------------------------------------------------------------------------------------- a little DER


def with_sorted_certificates(reply: bytes) -> bytes:
    """Return ``reply`` with the certificates of its token in the order of DER, everything else as it is.

    The set is signed by nobody. OpenSSL, and with it many authorities, writes the signer first; the library reads
    nothing but DER. Where ``reply`` has no such set, or is no DER, it is returned as it is: the library then says why.
    """
    try:
        start, end = _certificate_set(reply)
        parts = [reply[first:last] for first, last in _extents(reply, start, end)]
    except TimeStampError:
        return reply
    return reply[:start] + b"".join(sorted(parts)) + reply[end:]


def _certificate_set(reply: bytes) -> tuple[int, int]:
    token = _elements(reply, *_inside(reply, (_SEQUENCE, 0, len(reply))))
    if len(token) < 2:
        raise TimeStampError("a reply without a token")
    content = _elements(reply, *token[1][1:])
    if len(content) < 2:
        raise TimeStampError("a token without content")
    signed = _elements(reply, *_inside(reply, content[1]))
    for tag, start, end in signed:
        if tag == _CERTIFICATES:
            return start, end
    raise TimeStampError("a token without certificates")


def _inside(data: bytes, outer: tuple[int, int, int]) -> tuple[int, int]:
    """Return where the content of the one element inside ``outer`` begins and ends."""
    elements = _elements(data, *outer[1:])
    if len(elements) != 1 or elements[0][0] != _SEQUENCE:
        raise TimeStampError("not the DER of a time-stamp message")
    return elements[0][1:]


def _elements(data: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Return the tag, and the begin and end of the content, of each element between ``start`` and ``end``."""
    found = []
    while start < end:
        content, last = _content(data, start, end)
        found.append((data[start], content, last))
        start = last
    return found


def _extents(data: bytes, start: int, end: int) -> Sequence[tuple[int, int]]:
    """Return where each element between ``start`` and ``end`` begins and ends, its head included."""
    ends = [last for _, _, last in _elements(data, start, end)]
    return list(zip([start, *ends], ends, strict=False))


def _content(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return where the content of the element at ``start`` begins and ends. No tag here has more than one byte."""
    if end - start < 2:
        raise TimeStampError("DER that is cut off")
    first, content = data[start + 1], start + 2
    length = first
    if first >= 0x80:
        content += first & 0x7F
        length = int.from_bytes(data[start + 2 : content], "big")
    # 0x80 is the indefinite length of BER; three bytes of length are more than any reply may have.
    if first == 0x80 or first > 0x83 or content + length > end:
        raise TimeStampError("no DER, or DER that is cut off")
    return content, content + length
