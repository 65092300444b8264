"""The catalogue behind the recorder: it may lag, be broken or be replaced, and evidence is sealed all the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from program import Site, make_site

from ingest.catalogue_follower import RETRY_S, CatalogueFollower
from ingest.intake_db import CATALOGUE, Condition, IntakeDb
from ledger.layout import StoreLayout


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def spoilt(site: Site) -> None:
    (site.store / "catalogue.db").write_bytes(b"not a database" * 100)


@pytest.mark.parametrize(
    "damage", [spoilt, lambda site: (site.store / "catalogue.db").unlink()], ids=["spoilt", "missing"]
)
def test_without_a_catalogue_everything_is_sealed_and_the_technician_is_told(
    site: Site, damage: Callable[[Site], None]
) -> None:
    damage(site)
    site.drop("card", {"a": b"a"})
    ended = site.watch_once()
    assert ended.code == 22
    assert len(ended.events("catalogue.waiting")) == 1
    assert "catalog rebuild" in ended.stderr
    assert len(ended.events("item.sealed")) == 2
    assert site.receipts("card")[1] == "2-HELD  DO-NOT-WIPE.html"
    status = site.run("status", "--json")
    assert status.code == 8
    assert "catalogue" in str(status.document["store"])
    assert [share["state"] for share in status.document["shares"]] == ["watched"]  # type: ignore[attr-defined]

    assert site.run("catalog", "rebuild").code == 0
    again = site.watch_once()
    assert (again.code, again.events("item.sealed"), again.events("catalogue.waiting")) == (0, [], [])
    assert site.run("status", "--json").document["store"] is None
    assert site.run("verify").code == 0


def test_a_catalogue_that_is_made_again_meanwhile_is_followed_and_stays_whole(site: Site) -> None:
    site.drop("card", {"a": b"a"})
    site.watch_once()
    layout = StoreLayout(site.store)
    told: list[Mapping[str, object]] = []
    db = IntakeDb.open(layout.intake_db)
    follower = CatalogueFollower(layout, db, tell=told.append)
    follower.bring_forward()
    assert site.run("catalog", "rebuild").code == 0
    site.drop("second", {"b": b"b"})
    site.watch_once()  # seals what the follower does not know; then the catalogue is made again once more
    assert site.run("catalog", "rebuild").code == 0
    assert site.run("find", "b").code == 0  # one more entry
    follower.bring_forward()
    assert (follower.trouble, told) == (None, [])
    follower.close()
    db.close()
    assert site.run("catalog", "check").code == 0


def test_a_catalogue_that_somebody_keeps_locked_is_tried_again_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.database.BUSY_TIMEOUT_S", 0.01)
    site.drop("card", {"a": b"a"})
    spoilt(site)
    site.watch_once()
    assert site.run("catalog", "rebuild").code == 0
    assert site.run("find", "nothing").code == 0
    layout, now_s = StoreLayout(site.store), [0.0]
    told: list[Mapping[str, object]] = []
    db = IntakeDb.open(layout.intake_db)
    follower = CatalogueFollower(layout, db, tell=told.append, clock=lambda: now_s[0])
    holder = sqlite3.connect(layout.catalogue, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    follower.bring_forward()
    assert follower.trouble is not None and follower.trouble.exit_code == 7
    holder.execute("ROLLBACK")
    holder.close()
    follower.bring_forward()
    assert follower.trouble is not None, "it is not its time yet"
    now_s[0] = RETRY_S
    follower.bring_forward()
    assert follower.trouble is None
    assert [line["event"] for line in told] == ["catalogue.waiting"]
    assert Condition(subject=CATALOGUE, code="ready", detail="") in db.conditions()
    follower.close()
    db.close()
