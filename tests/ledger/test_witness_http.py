"""A witness over HTTP on the loopback address: the table of the protocol, its caps, and those who monitor."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_of_log import copied

from base.errors import SurroundingsError, UsageError
from hashing.cosignature import MAX_REQUEST_BYTES, RequestError, Status, origin_hash
from hashing.note import parse_note
from ledger import witness_server
from ledger.layout import StoreLayout
from ledger.lodging import accept, request_to
from ledger.reader import LogReader
from ledger.time_stamp_client import AuthorityUnreachableError, ask_authority
from ledger.witness import Witness
from ledger.witness_client import WitnessUnreachableError, ask
from ledger.witness_server import WitnessServer, listen


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def server(layout: StoreLayout, tmp_path: Path) -> Iterator[WitnessServer]:
    witness = Witness.create(tmp_path / "witness", "witness.example/http")
    with LogReader(layout) as log:
        witness.trust(str(log.trust.log_key))
    with listen(witness, "127.0.0.1:0") as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def raw(server: WitnessServer, text: bytes) -> bytes:
    """Send bytes as they are, and return all that comes back."""
    with socket.create_connection(server.socket.getsockname()[:2], timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def get(server: WitnessServer, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.socket.getsockname()[1], timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def test_it_cosigns_and_whoever_monitors_sees_it(layout: StoreLayout, server: WitnessServer) -> None:
    witness = server.witness.key.verifier
    answer = ask(server.url, request_to(layout, witness).encode())
    assert answer.status is Status.COSIGNED
    lodged = accept(layout, answer.body, [witness], where=None)
    status, note = get(server, f"/{origin_hash(lodged.checkpoint.origin)}/checkpoint")
    assert (status, note) == (200, lodged.note)
    assert len(parse_note(note).signatures) == 2


def test_another_size_is_answered_with_the_size_and_its_own_type(layout: StoreLayout, server: WitnessServer) -> None:
    body = request_to(layout, server.witness.key.verifier).encode()
    ask(server.url + "/", body)
    connection = http.client.HTTPConnection("127.0.0.1", server.socket.getsockname()[1], timeout=10)
    connection.request("POST", "/add-checkpoint", body)
    response = connection.getresponse()
    told = response.status, response.headers["Content-Type"], response.read()
    connection.close()
    assert told == (409, "text/x.tlog.size", b"2\n")


def test_what_is_no_request_is_400_and_an_unknown_log_404(layout: StoreLayout, server: WitnessServer) -> None:
    assert ask(server.url, b"nonsense").status is Status.OLD_TOO_LARGE
    body = request_to(layout, server.witness.key.verifier).encode()
    with LogReader(layout) as log:
        unknown = body.replace(log.origin.encode(), b"somebody/else")
    assert ask(server.url, unknown).status is Status.UNKNOWN_LOG


@pytest.mark.parametrize(
    "path",
    ["/", "/checkpoint", "/../witness.pem", "/witness.pem", f"/{'0' * 64}/checkpoint", f"/{'0' * 64}/../witness.pem"],
)
def test_nothing_else_is_served(server: WitnessServer, path: str) -> None:
    assert get(server, path)[0] == 404


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 0x9\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_REQUEST_BYTES + 1), b"413"),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"404"),
        (b"PUT /add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"501"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\nold", b"400"),  # broken off
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_breaks_the_rules_is_refused_and_the_witness_goes_on(
    layout: StoreLayout, server: WitnessServer, head: bytes, status: bytes
) -> None:
    assert status in raw(server, head)[:400]
    assert ask(server.url, request_to(layout, server.witness.key.verifier).encode()).status is Status.COSIGNED


def test_an_answer_that_breaks_off_is_survived(layout: StoreLayout, server: WitnessServer) -> None:
    with socket.create_connection(server.socket.getsockname()[:2], timeout=10) as connection:
        connection.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 900\r\n\r\n")
    assert ask(server.url, request_to(layout, server.witness.key.verifier).encode()).status is Status.COSIGNED


def test_whoever_sends_one_byte_now_and_then_is_hung_up_on(
    layout: StoreLayout, server: WitnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "LONGEST_S", 0.5)
    connection = socket.create_connection(server.socket.getsockname()[:2], timeout=10)
    with connection, suppress(ConnectionError):  # that is how it hears of it
        for byte in b"POST /add-checkpoint HTTP/1.1\r\nX: " + b"a" * 1000:
            connection.sendall(bytes([byte]))
            if select.select([connection], [], [], 0.05)[0]:
                break
        else:
            pytest.fail("a minute later it still listened")
    assert ask(server.url, request_to(layout, server.witness.key.verifier).encode()).status is Status.COSIGNED


def test_a_witness_that_is_damaged_says_so_and_signs_nothing(
    layout: StoreLayout, server: WitnessServer, tmp_path: Path
) -> None:
    with LogReader(layout) as log:
        state = tmp_path / "witness" / f"{origin_hash(log.origin)}.checkpoint"
    state.write_bytes(layout.checkpoint.read_bytes())
    with pytest.raises(RequestError, match="answered 500"):
        ask(server.url, request_to(layout, server.witness.key.verifier).encode())


def test_nobody_there_is_the_fault_of_the_surroundings() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(WitnessUnreachableError) as raised:
        ask(f"http://127.0.0.1:{port}", b"x")
    assert raised.value.exit_code == SurroundingsError.exit_code


def test_a_witness_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(WitnessUnreachableError):
        ask(f"http://127.0.0.1:{silent.getsockname()[1]}", b"x", timeout_s=0.2)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x",
        "http://",
        "file:///etc/passwd",
        "http://x:99999",
        "http://x/?q",
        "http://[x",
        "x:1",
        "http://x y/",
    ],
)
def test_what_is_no_url_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError):
        ask(url, b"x")


@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'a' * 70}.example/"])
def test_a_host_that_can_have_no_address_does_not_answer(url: str) -> None:
    with pytest.raises(WitnessUnreachableError):
        ask(url, b"x")
    with pytest.raises(AuthorityUnreachableError):
        ask_authority(url, b"x")


@pytest.mark.parametrize("address", ["", "127.0.0.1", ":80", "127.0.0.1:x", "127.0.0.1:99999", "a b:1"])
def test_what_is_no_address_is_wrong_usage(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError):
        listen(Witness.create(tmp_path / "w", "w.example"), address)


def test_an_address_that_is_taken_is_the_fault_of_the_surroundings(tmp_path: Path) -> None:
    witness = Witness.create(tmp_path / "w", "w.example")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SurroundingsError, match="can't listen"):
        listen(witness, f"127.0.0.1:{taken.getsockname()[1]}")


def test_the_time_in_a_cosignature_is_that_of_the_answer(layout: StoreLayout, server: WitnessServer) -> None:
    before = int(datetime.now(UTC).timestamp())
    body = ask(server.url, request_to(layout, server.witness.key.verifier).encode()).body
    (line,) = parse_note(b"x\n\n" + body).signatures
    assert before <= int.from_bytes(line.signature[:8], "big") <= before + 30
