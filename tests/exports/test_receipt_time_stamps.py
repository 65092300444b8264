"""Time stamps in a receipt: the earliest of each authority, checked by hand with OpenSSL as its own page says."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_of_log import arrive, copied, receive
from time_stamper import TimeStamper, openssl_accepts

from exports.log_receipt import HOW_TO_CHECK, log_receipt, write_log_receipt
from hashing.receipt import parse_receipt
from hashing.time_stamp import Authority
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from ledger.time_stamps import keep_reply, query_newest

pytestmark = pytest.mark.needs("openssl", "sha256sum", "base64")

CONTENT = b"the very bytes of one recording"
LONG_AGO = datetime(2021, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def stampers(tmp_path_factory: pytest.TempPathFactory) -> list[TimeStamper]:
    folder = tmp_path_factory.mktemp("authorities")
    expired = TimeStamper(folder / "expired", not_after=datetime(2022, 1, 1, tzinfo=UTC))
    return [TimeStamper(folder / "one"), TimeStamper(folder / "two"), expired]


@pytest.fixture
def layout(tmp_path: Path, stampers: list[TimeStamper]) -> StoreLayout:
    layout = copied(tmp_path / "store")
    settings = [f'[[tsa]]\nname = "{each.folder.name}"\ncertificate = "{each.ca}"\n' for each in stampers]
    layout.settings.write_text("".join(settings))
    return layout


def stamped_by(layout: StoreLayout, stamper: TimeStamper, *, at: datetime | None = None) -> int:
    query = query_newest(layout)
    reply = stamper.reply(query.data) if at is None else stamper.reply_at(query.data, at)
    authority = Authority(name=stamper.folder.name, certificates=stamper.ca.read_bytes())
    return keep_reply(layout, authority, query, reply, where=None).checkpoint.size


def item_of(layout: StoreLayout) -> str:
    with Recorder.open(layout) as recorder:
        (item,) = arrive(recorder, receive(recorder, arrival_key=os.urandom(32)), [b"clip.mp4"], content=CONTENT)
        seal(recorder)
    return item


def by_hand(folder: Path, file: Path) -> tuple[int, str]:
    lines = (folder / HOW_TO_CHECK).read_text("ascii").splitlines()
    done = subprocess.run(
        ["sh"],
        input="".join(f"{line[4:]}\n" for line in lines if line.startswith("    ")),
        cwd=folder,
        env={**os.environ, "file": str(file)},
        text=True,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_earliest_stamp_of_each_authority_after_the_entry_goes_along(
    layout: StoreLayout, stampers: list[TimeStamper]
) -> None:
    one, two, _ = stampers
    stamped_by(layout, one)  # before the entry: says nothing about it
    item = item_of(layout)
    first = stamped_by(layout, one)
    stamped_by(layout, one)
    second = stamped_by(layout, two)
    made = log_receipt(layout, item)
    assert made.stamped_by == ("one", "two")
    for name, size in (("one", first), ("two", second)):
        stamped = parse_receipt(made.files[f"time-stamp-{name}.tlog-proof"]).checkpoint
        assert stamped.splitlines()[1] == b"%d" % size


def test_a_stranger_checks_the_stamps_by_hand(layout: StoreLayout, stampers: list[TimeStamper], tmp_path: Path) -> None:
    """One of them by an authority whose certificate has expired."""
    item = item_of(layout)
    stamped_by(layout, stampers[0])
    stamped_by(layout, stampers[2], at=LONG_AGO)
    write_log_receipt(log_receipt(layout, item), tmp_path / "out")
    (tmp_path / "file").write_bytes(CONTENT)
    status, told = by_hand(tmp_path / "out", tmp_path / "file")
    assert status == 0, told
    assert "OK      4  one vouches that this tree existed at: " in told
    assert "OK      4  expired vouches that this tree existed at: Jun  1 00:00:00 2021 GMT" in told
    stamped = parse_receipt((tmp_path / "out" / "time-stamp-one.tlog-proof").read_bytes()).checkpoint
    reply = (tmp_path / "out" / "time-stamp-one.tsr").read_bytes()
    assert openssl_accepts(tmp_path, reply, stamped=stamped, ca=tmp_path / "out" / "time-stamp-one.pem")


@pytest.mark.parametrize(
    ("name", "swap"),
    [
        ("time-stamp-one.tsr", "time-stamp-two.tsr"),
        ("time-stamp-one.pem", "time-stamp-two.pem"),
        ("time-stamp-one.tlog-proof", "receipt.tlog-proof"),
        ("time-stamp-one.tlog-proof", "entry-0.tlog-proof"),
    ],
)
def test_a_stranger_sees_that_a_stamp_is_another(
    layout: StoreLayout, stampers: list[TimeStamper], tmp_path: Path, name: str, swap: str
) -> None:
    item = item_of(layout)
    stamped_by(layout, stampers[0])
    stamped_by(layout, stampers[1])
    out = tmp_path / "out"
    write_log_receipt(log_receipt(layout, item), out)
    (out / name).write_bytes((out / swap).read_bytes())
    (tmp_path / "file").write_bytes(CONTENT)
    status, told = by_hand(out, tmp_path / "file")
    assert status != 0
    assert [line for line in told.splitlines() if line.startswith("FAILED  4")], told


def test_a_token_that_does_not_verify_stays_at_home(layout: StoreLayout, stampers: list[TimeStamper]) -> None:
    item = item_of(layout)
    stamped_by(layout, stampers[0])
    (token,) = layout.lodged.rglob("*.tsr")
    token.unlink()
    token.write_bytes(b"garbage")
    made = log_receipt(layout, item)
    assert made.stamped_by == ()
    assert not any(name.startswith("time-stamp") for name in made.files)
    assert b"time-stamp" not in made.files[HOW_TO_CHECK]
