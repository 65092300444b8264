"""A witness that answers over HTTP (c2sp.org/tlog-witness), only where it is told to listen, and to one at a time.

    POST /add-checkpoint                       a request; at most `MAX_REQUEST_BYTES`
    GET  /<hex SHA-256(origin)>/checkpoint     the newest checkpoint of a log, cosigned: for those who monitor
It keeps no state of its own: `ledger.witness` decides, and has remembered before the answer leaves.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET, AF_INET6, SHUT_RDWR, socket
from socketserver import TCPServer
from threading import Timer

from base.clock import now
from base.errors import BusyError, EvidenceError, SurroundingsError, UsageError
from hashing.cosignature import MAX_REQUEST_BYTES, Status
from ledger.witness import Witness
from ledger.witness_client import PATH

TIMEOUT_S = 10.0  # without a byte
LONGEST_S = 20.0  # for one connection as a whole: one byte now and then must not keep the witness busy
_MONITORING = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9A-Za-z.-]+):([0-9]{1,5})", re.ASCII)

_logger = logging.getLogger(__name__)


class WitnessServer(HTTPServer):
    """One thread, one request at a time: a witness is asked a few times a day."""

    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # that of HTTPServer asks the name service who we are

    @property
    def url(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        # The default prints a traceback; what a client breaks off is not our fault, and the witness goes on.
        _logger.warning("witness.broken-off", exc_info=True)


def listen(witness: Witness, address: str) -> WitnessServer:
    """Return a server for ``witness`` that listens at ``address``, HOST:PORT. Raises UsageError, SurroundingsError."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2]) > 65_535:
        raise UsageError(f"{address!r} is no address to listen at: HOST:PORT is, such as 127.0.0.1:7380.")
    try:
        return WitnessServer((match[1].strip("[]"), int(match[2])), witness)
    except OSError as error:
        raise SurroundingsError(f"the witness can't listen at {address}: {error.strerror}.") from error


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    timeout = TIMEOUT_S
    server_version, sys_version = "witness", ""

    def setup(self) -> None:
        super().setup()
        self._deadline = Timer(LONGEST_S, self._hang_up)
        self._deadline.daemon = True
        self._deadline.start()

    def finish(self) -> None:
        self._deadline.cancel()
        with suppress(OSError):  # what was still to be written has nobody to read it
            super().finish()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(SHUT_RDWR)

    def do_POST(self) -> None:
        if self.path != PATH:
            self._reply(HTTPStatus.NOT_FOUND, b"no such path\n")
            return
        body = self._body()
        if body is None:
            return
        try:
            answer = self.server.witness.answer(body, moment=now())
        except BusyError:
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, b"busy\n")
        except EvidenceError as error:
            _logger.error("witness.failed reason=%s", error)
            self._reply(HTTPStatus.INTERNAL_SERVER_ERROR, b"this witness can't answer now\n")
        else:
            kind = "text/x.tlog.size" if answer.status is Status.OTHER_SIZE else "text/plain; charset=utf-8"
            self._reply(answer.status, answer.body, kind)

    def do_GET(self) -> None:
        match = _MONITORING.fullmatch(self.path)
        note = None if match is None else self.server.witness.newest(match[1])
        if note is None:
            self._reply(HTTPStatus.NOT_FOUND, b"no such log\n")
        else:
            self._reply(HTTPStatus.OK, note)

    def _body(self) -> bytes | None:
        """Return the body, or None after it was refused: its length is asked for before a byte of it is read."""
        text = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(text):
            self._reply(HTTPStatus.LENGTH_REQUIRED, b"say how long it is\n")
            return None
        if int(text) > MAX_REQUEST_BYTES:
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"too long\n")
            return None
        return self.rfile.read(int(text))

    def _reply(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        _logger.info("witness.request path=%s", self.path if hasattr(self, "path") else "-")
