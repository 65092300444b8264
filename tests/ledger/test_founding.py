"""A new store, and the places where none is made."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_oracles import problems_of
from nobody import as_nobody

from base import fsio
from base.errors import RefusedError, SurroundingsError, UsageError
from ledger.actors import Login
from ledger.check import check_log
from ledger.founding import default_origin, found_store
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.recovery import start

ORIGIN = "strongroom/TESTSTORE0000"
LOGIN = Login(uid=4711, user="jdoe")


def found(root: Path, origin: str = ORIGIN) -> StoreLayout:
    layout = StoreLayout(root)
    found_store(layout, origin=origin, settings="batch_ms = 250\n", login=LOGIN)
    return layout


def test_a_new_store_has_a_sealed_log_that_programs_of_others_accept(tmp_path: Path) -> None:
    layout = StoreLayout(tmp_path / "new" / "store")
    founded = found_store(layout, origin=ORIGIN, settings="", login=LOGIN)
    assert (founded.origin, founded.checkpoint.size, founded.checkpoint.origin) == (ORIGIN, 2, ORIGIN)
    assert problems_of(layout.root, vkey=founded.log_vkey) == []
    assert check_log(layout).findings == []
    with LogReader(layout) as log:
        assert [entry.entry.type for entry in log.opened(0, 2)] == ["log.opened", "actor.registered"]
        assert set(log.trust.recorder_keys) == {founded.recorder_keyid}
        assert str(log.trust.log_key) == founded.log_vkey
    start(layout).close()


def test_an_empty_directory_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert found(tmp_path / "store").settings.read_text() == "batch_ms = 250\n"


def test_nobody_else_may_enter_a_new_store(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        layout = found(tmp_path / "store")
    finally:
        os.umask(old)
    for path in (layout.root, *layout.directories):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in layout.private.rglob("*.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_stores_share_nothing(tmp_path: Path) -> None:
    one, other = (found(tmp_path / name, default_origin()) for name in ("one", "other"))
    assert (one.keys / "log.pem").read_bytes() != (other.keys / "log.pem").read_bytes()
    with LogReader(one) as first, LogReader(other) as second:
        assert first.origin != second.origin
        assert first.trust.recorder_keys.keys().isdisjoint(second.trust.recorder_keys)


@pytest.mark.parametrize("name", ["strongroom.toml", ".hidden", "private"])
def test_a_directory_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    root = tmp_path / "store"
    root.mkdir()
    (root / name).write_text("mine")
    with pytest.raises(RefusedError, match="not empty") as raised:
        found(root)
    assert raised.value.exit_code == 4
    assert [path.name for path in root.iterdir()] == [name]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("mine")
    with pytest.raises(RefusedError):
        found(tmp_path / "store")


@pytest.mark.parametrize(
    ("type_number", "name"), [(0x6969, "nfs"), (0xFF534D42, "cifs"), (0x65735546, "fuse"), (0x01021997, "9p")]
)
def test_a_network_or_fuse_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_number: int, name: str
) -> None:
    monkeypatch.setattr(fsio, "_statfs_type", lambda path: type_number)
    with pytest.raises(SurroundingsError, match=f"on a {name} file system") as raised:
        found(tmp_path / "store")
    assert raised.value.exit_code == 8
    assert not (tmp_path / "store").exists()


def test_a_place_where_we_may_not_write_is_refused(reachable: Path) -> None:
    reachable.chmod(0o555)
    with as_nobody(), pytest.raises(SurroundingsError, match="can't be written") as raised:
        found(reachable / "store")
    assert raised.value.exit_code == 8
    assert list(reachable.iterdir()) == []


def test_a_place_that_we_may_not_even_look_at_is_refused(reachable: Path) -> None:
    (reachable / "closed").mkdir(mode=0o700)
    with as_nobody(), pytest.raises(SurroundingsError) as raised:
        found(reachable / "closed" / "store")
    assert raised.value.exit_code == 8
    assert list((reachable / "closed").iterdir()) == []


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that anybody may enter, with its parents; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    "origin", ["", "with space", "with+plus", 'with"quote', "with\\back", "\u00e9", "a\n", "x" * 201]
)
def test_an_origin_that_no_note_can_carry_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(UsageError) as raised:
        found(tmp_path / "store", origin)
    assert raised.value.exit_code == 2
    assert not (tmp_path / "store").exists()


def test_the_default_origin_tells_nothing() -> None:
    first, second = default_origin(), default_origin()
    assert first != second
    assert os.uname().nodename not in first
    assert first.startswith("strongroom/")
