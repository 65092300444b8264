"""A store that was put back meets the receipts that it gave out: it records nothing more."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from checker import Checker
from program import Site, make_site

from ingest.share_facts import Found, Kind
from ingest.share_memory import MOST_RECEIPTS, newest_receipts
from ledger.events.item import SourceStat


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def take(site: Site, name: str) -> int:
    site.drop(name, {"a.mp4": name.encode() * 100})
    return site.watch_once("--no-analysis").code


def keep(site: Site, tmp_path: Path) -> Path:
    return Path(shutil.copytree(site.store, tmp_path / "kept-store"))


def put_back(site: Site, kept: Path) -> None:
    """Put the whole store back where it was."""
    shutil.rmtree(site.store)
    shutil.copytree(kept, site.store)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_that_was_put_back_is_stopped_by_its_own_receipt(site: Site, tmp_path: Path) -> None:
    assert take(site, "monday") == 0
    kept = keep(site, tmp_path)
    assert take(site, "tuesday") == 0
    put_back(site, kept)
    log, share = files(site.store / "log"), files(site.share)
    ended = site.watch_once("--no-analysis")
    assert (ended.code, "ROLLED BACK" in ended.stderr + ended.stdout) == (21, True), ended.stderr
    assert files(site.store / "log") == log
    assert files(site.share) == share
    assert site.watch_once("--no-analysis").code == 21  # and again


def test_a_fork_is_named_when_the_store_was_put_back_and_written_on(site: Site, tmp_path: Path) -> None:
    """Somebody let it record away from the share, and then lets it see the share again."""
    assert take(site, "monday") == 0
    kept = keep(site, tmp_path)
    assert take(site, "tuesday") == 0
    put_back(site, kept)
    other = Site(store=site.store, share=tmp_path / "elsewhere")
    other.share.mkdir()
    for name in ("x", "y", "z"):
        other.drop(name, {"a.mp4": name.encode(), "b.mp4": name.encode() * 2})
    assert other.watch_once("--no-analysis", "--share", str(other.share)).code == 0
    ended = site.watch_once("--no-analysis")
    assert (ended.code, "FORK" in ended.stderr + ended.stdout) == (21, True), ended.stderr


def test_receipts_of_others_and_forged_ones_stop_nobody(site: Site, tmp_path: Path) -> None:
    assert take(site, "monday") == 0
    (proof,) = site.share.glob("*.tlog-proof")
    other = make_site(tmp_path / "other")
    assert take(other, "theirs") == 0
    (theirs,) = other.share.glob("*.tlog-proof")
    shutil.copy(theirs, site.share / "theirs.tlog-proof")
    (site.share / "nonsense.tlog-proof").write_bytes(os.urandom(1000))
    head, _, note = proof.read_bytes().partition(b"\n\n")
    origin, _, rest = note.split(b"\n", 2)
    (site.share / "forged.tlog-proof").write_bytes(head + b"\n\n" + origin + b"\n999999\n" + rest)
    ended = site.watch_once("--no-analysis")
    assert ended.code == 0, ended.stderr
    assert Checker(site.store).check() == []


def test_a_log_that_only_grew_is_not_stopped(site: Site) -> None:
    for name in ("monday", "tuesday", "wednesday"):
        assert take(site, name) == 0


def stat(mtime_ns: int) -> SourceStat:
    return SourceStat(size_bytes=1, mtime_ns=mtime_ns, ctime_ns=1, inode=1, device=1, mode=0o100644)


def test_of_many_receipts_the_newest_are_read_and_nothing_inside_a_drop() -> None:
    found = [Found(path=b"%d.tlog-proof" % n, kind=Kind.FILE, stat=stat(n)) for n in range(100)]
    found.append(Found(path=b"drop/x.tlog-proof", kind=Kind.FILE, stat=stat(1000)))
    found.append(Found(path=b"gone.tlog-proof", kind=Kind.FILE, stat=None))
    found.append(Found(path=b"a.mp4", kind=Kind.FILE, stat=stat(1001)))
    assert newest_receipts(found) == [b"%d.tlog-proof" % n for n in range(99, 99 - MOST_RECEIPTS, -1)]
