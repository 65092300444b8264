"""Asking a witness over HTTP. With `ledger.witness_server` the only code of the product that opens a socket."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from base.errors import SurroundingsError, UsageError
from base.escape import shown
from hashing.cosignature import RequestError, Status
from hashing.note import MAX_NOTE_BYTES
from ledger.witness import Answer

TIMEOUT_S = 20.0
PATH = "/add-checkpoint"


class WitnessUnreachableError(SurroundingsError):
    """The witness did not answer."""

    next_step = "Try again later, or use a stick: `checkpoint lodge --request FILE` and `--accept FILE`."


def ask(url: str, body: bytes, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Send ``body`` to the witness at ``url``, a prefix, and return its answer. No redirect is followed.

    Raises: UsageError for a url that is none, WitnessUnreachableError, RequestError for an answer that is none.
    """
    connection, prefix = _connection(url, timeout_s)
    try:
        connection.request("POST", prefix + PATH, body, {"Content-Type": "application/octet-stream"})
        response = connection.getresponse()
        data = response.read(MAX_NOTE_BYTES + 1)
    except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: a host that can't be one
        raise WitnessUnreachableError(f"the witness at {shown(url)} did not answer: {error}.") from error
    finally:
        connection.close()
    if len(data) > MAX_NOTE_BYTES or response.status not in set(Status):
        raise RequestError(f"the witness at {shown(url)} answered {response.status} with {len(data)} bytes")
    return Answer(status=Status(response.status), body=data)


def _connection(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{shown(url)} is not the url of a witness: {error}.") from error
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    is_spelled = url.isascii() and not any(character <= " " for character in url)
    if parts.scheme not in kinds or not host or parts.query or parts.fragment or not is_spelled:
        raise UsageError(f"{shown(url)} is not the url of a witness: http://HOST:PORT/PREFIX is.")
    return kinds[parts.scheme](host, port, timeout=timeout_s), parts.path.rstrip("/")
