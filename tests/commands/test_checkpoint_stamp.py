"""`strongroom checkpoint lodge --tsa`, as a user runs it: over HTTP on the loopback, and over files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Ended, strongroom
from store_of_log import copied
from time_stamper import POLICY, TimeStamper, openssl_accepts

from ledger.layout import StoreLayout

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture(scope="module")
def stamper(tmp_path_factory: pytest.TempPathFactory) -> TimeStamper:
    return TimeStamper(tmp_path_factory.mktemp("authority") / "one")


def put_settings(layout: StoreLayout, stamper: TimeStamper, *, url: str | None = None) -> None:
    text = f'[[tsa]]\nname = "one"\ncertificate = "{stamper.ca}"\n'
    layout.settings.write_text(text + (f'url = "{url}"\n' if url else ""))


def lodge(layout: StoreLayout, *arguments: str | Path) -> Ended:
    return strongroom("checkpoint", "lodge", "--store", layout.root, *arguments)


def kept(layout: StoreLayout) -> list[Path]:
    return sorted(path for path in layout.lodged.rglob("*") if path.is_file())


def test_an_authority_is_asked_over_http(layout: StoreLayout, stamper: TimeStamper, tmp_path: Path) -> None:
    with stamper.listening() as url:
        put_settings(layout, stamper, url=url)
        done = lodge(layout, "--tsa", "one", "--json")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["tsa"] == "one"
    assert told["policy"] == POLICY
    assert told["accuracy_ms"] == 1500
    folder = layout.lodged / str(told["checkpoint"]["size"])
    assert {path.suffix for path in folder.iterdir()} == {".checkpoint", ".stamped", ".tsq", ".pem", ".tsr"}
    (reply,), (stamped,) = folder.glob("*.tsr"), folder.glob("*.stamped")
    assert openssl_accepts(tmp_path, reply.read_bytes(), stamped=stamped.read_bytes(), ca=stamper.ca)


def test_an_authority_is_asked_over_files(layout: StoreLayout, stamper: TimeStamper, tmp_path: Path) -> None:
    put_settings(layout, stamper)
    query, reply = tmp_path / "out.tsq", tmp_path / "back.tsr"
    assert lodge(layout, "--tsa", "one", "--tsa-query", query).code == 0
    assert lodge(layout, "--tsa", "one", "--tsa-query", query).code == 4  # never written over
    reply.write_bytes(stamper.reply(query.read_bytes()))
    done = lodge(layout, "--tsa", "one", "--tsa-reply", reply, "--where", "by courier")
    assert done.code == 0, done.stderr
    assert "time-stamped the checkpoint" in done.stdout
    again = lodge(layout, "--tsa", "one", "--tsa-reply", reply)
    assert again.code == 3
    assert "no query to one waits" in again.stderr


Answer = Callable[[TimeStamper, bytes], tuple[int, bytes]]


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (lambda stamper, query: (503, b"busy"), 8, "HTTP 503"),
        (lambda stamper, query: (302, b""), 8, "HTTP 302"),
        (lambda stamper, query: (200, bytes(10_000_000)), 8, "more than"),
        (lambda stamper, query: (200, stamper.reply(query, digests="sha512")), 5, "granted no token"),
        (lambda stamper, query: (200, b"<html>welcome</html>"), 20, "not a valid time-stamp token"),
        (lambda stamper, query: (200, stamper.reply(query)[:-9]), 20, "not a valid time-stamp token"),
    ],
    ids=["busy", "elsewhere", "without end", "refused", "a page", "cut off"],
)
def test_an_authority_that_fails_leaves_nothing_behind(
    layout: StoreLayout, stamper: TimeStamper, answer: Answer, code: int, says: str
) -> None:
    with stamper.listening(lambda query: answer(stamper, query)) as url:
        put_settings(layout, stamper, url=url)
        done = lodge(layout, "--tsa", "one")
    assert done.code == code, done.stderr
    assert says in done.stderr
    assert "othing was kept" in done.stderr or code == 20
    assert kept(layout) == []


def test_an_authority_that_is_not_there_is_said(layout: StoreLayout, stamper: TimeStamper) -> None:
    with stamper.listening() as url:
        pass
    put_settings(layout, stamper, url=url)
    done = lodge(layout, "--tsa", "one")
    assert done.code == 8
    assert "--tsa-query" in done.stderr  # the other way
    assert kept(layout) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tsa", "two"], "known are: one"),
        (["--tsa", "one"], "no url is set"),
        (["--tsa", "one", "--print"], "name one way"),
        (["--tsa-query", "f"], "go with --tsa"),
        (["--tsa", "one", "--tsa-query", "f", "--tsa-reply", "/dev/null"], "name one of them"),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    layout: StoreLayout, stamper: TimeStamper, arguments: list[str], says: str
) -> None:
    put_settings(layout, stamper)
    done = lodge(layout, *arguments)
    assert done.code == 2, done.stderr
    assert says in done.stderr


@pytest.mark.parametrize("url", ["ftp://one/", "http://", "https://one/#here", "http://one/a b", "http://[::1", "one"])
def test_a_url_that_is_none_is_refused(layout: StoreLayout, stamper: TimeStamper, url: str) -> None:
    put_settings(layout, stamper, url=url)
    done = lodge(layout, "--tsa", "one")
    assert done.code == 2, done.stderr
    assert "is not the url of an authority" in done.stderr
