"""A real disk that is too small, or read-only: said aloud, nothing lost, and it goes on when the cause is gone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checker import Checker
from program import Site, make_site

pytestmark = pytest.mark.needs("root", "mount", "umount")
MEGABYTE = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 90 MB of its own: 64 MiB of it are the reserve of the store."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


@pytest.fixture
def site(disk: Path, tmp_path: Path) -> Site:
    """A store on the small disk, its share on another."""
    made = make_site(disk)
    share = made.share.rename(disk / "unused")
    del share
    settings = made.store / "strongroom.toml"
    (tmp_path / "share").mkdir()
    settings.write_text(settings.read_text().replace(str(made.share), str(tmp_path / "share")))
    return Site(store=made.store, share=tmp_path / "share")


def test_what_does_not_fit_is_refused_and_taken_when_there_is_space(site: Site, disk: Path) -> None:
    site.drop("card", {f"{n:02}": bytes([n]) * MEGABYTE for n in range(40)})
    first = site.watch_once()
    assert first.code == 5
    reasons = {line["reason"] for line in first.events("item.refused")}
    assert reasons == {"too-large"}, "the fault must have fired"
    assert site.receipts("card")[1] == "X-PROBLEM  KEEP-THE-CARD.html"
    receipt = site.run("drop", "receipt", "card").stdout
    assert "41 files, 40,000,000 bytes" in receipt, "what is compared with the card is the card, not what fitted"
    assert site.run("status").code == 5
    assert Checker(site.store).check() == []

    remount(disk, "size=300m")
    second = site.watch_once()
    assert second.code == 0, second.stderr
    assert len(first.events("item.sealed")) + len(second.events("item.sealed")) == 41
    assert site.receipts("card")[1] == "2-HELD  DO-NOT-WIPE.html"
    checker = Checker(site.store)
    assert checker.check() == []
    assert checker.account_for(site.sources(), nothing_else=True) == []


def test_on_a_read_only_disk_nothing_is_recorded_and_nothing_is_shown(site: Site, disk: Path) -> None:
    site.drop("card", {"secret-name": b"content"})
    assert site.watch_once().code == 0
    remount(disk, "ro")
    try:
        watched = site.watch_once()
        found = site.run("find", "--json")
    finally:
        remount(disk, "rw")
    assert (watched.code, '"next": ' in watched.stdout) == (8, True), watched.stdout
    assert found.code == 8, "a look that can't be recorded shows nothing"
    assert "secret-name" not in found.stdout + found.stderr
    assert site.run("verify").code == 0


def test_a_share_that_cannot_be_written_keeps_its_receipts_in_the_store(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.drop("card", {"a": b"a"})
    subprocess.run(["mount", "--bind", site.share, site.share], check=True)
    try:
        remount(site.share, "bind,ro")
        ended = site.watch_once()
        assert ended.code == 0, ended.stderr
        assert site.receipts("card") == []
        assert "DO NOT WIPE THE CARD YET" in site.run("drop", "receipt", "card").stdout
    finally:
        subprocess.run(["umount", site.share], check=True)
    assert Checker(site.store).check() == []
