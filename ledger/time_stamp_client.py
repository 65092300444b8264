"""Asking a time-stamp authority over HTTP (RFC 3161, section 3.4): one request, one reply, nothing kept here.

Only `checkpoint lodge --tsa` comes here, so an authority that is slow or gone delays nobody but the person who asked.
The token is believed for its signature, never for the connection it came over.
"""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

from base.errors import SurroundingsError, UsageError
from base.escape import shown
from hashing.time_stamp import MAX_REPLY_BYTES

TIMEOUT_S = 30.0  # for the whole exchange
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_CHUNK_BYTES = 65_536


class AuthorityUnreachableError(SurroundingsError):
    """The authority did not answer with a reply; nothing was kept."""

    next_step = (
        "Nothing was kept and nothing waits for it. Try again later, or go over files: `checkpoint lodge --tsa NAME "
        "--tsa-query FILE`, and `--tsa-reply FILE`."
    )


def ask_authority(url: str, query: bytes, *, timeout_s: float = TIMEOUT_S) -> bytes:
    """Send ``query`` to the authority at ``url`` and return its reply, unread. No redirect is followed.

    Raises: UsageError for a url that is none, AuthorityUnreachableError.
    """
    connection, path = _connection(url, timeout_s)
    try:
        connection.request("POST", path, query, _HEADERS)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise AuthorityUnreachableError(f"the authority at {shown(url)} answered with HTTP {response.status}.")
        return _read(response, url, deadline=time.monotonic() + timeout_s)
    except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: a host that can't be one
        raise AuthorityUnreachableError(f"the authority at {shown(url)} did not answer: {error}.") from error
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, url: str, *, deadline: float) -> bytes:
    """Return the whole body; a sender that trickles, or does not end, is left."""
    parts, size = [], 0
    while data := response.read1(_CHUNK_BYTES):
        parts.append(data)
        size += len(data)
        if size > MAX_REPLY_BYTES:
            raise AuthorityUnreachableError(f"the authority at {shown(url)} sent more than {MAX_REPLY_BYTES} bytes.")
        if time.monotonic() > deadline:
            raise AuthorityUnreachableError(f"the authority at {shown(url)} did not finish its reply in time.")
    return b"".join(parts)


def _connection(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{shown(url)} is not the url of an authority: {error}.") from error
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or not host or parts.fragment or not url.isascii() or any(c <= " " for c in url):
        raise UsageError(f"{shown(url)} is not the url of an authority: https://HOST/PATH is.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return kinds[parts.scheme](host, port, timeout=timeout_s), path
