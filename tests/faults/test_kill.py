"""kill -9 at any moment: a restart completes the work, exactly once per arrival, and what was told stays true.

The recorder, and the process that reads the share, kill themselves at the n-th passage of a failpoint: before each call
that changes the disk, and between the steps of the intake. The gate tries every so many passages, the long run each.
Seeded bugs show that this finds what it is for.
"""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path

import pytest
from checker import Checker
from checker_sources import Acknowledged
from program import Ended, Site, make_site, run_seeded

GATE_STEP = 9
FEWEST_PASSAGES = 150  # what the workload has at least
STEPS = ("intake.copied", "intake.stored", "intake.recorded", "intake.sealed", "record.commit", "seal.commit")


def footage() -> dict[str, bytes]:
    return {"a.mp4": b"a" * 3000, "sub/b.mp4": b"b" * 50, "twin": b"b" * 50, "empty": b""}


def make_loaded_site(folder: Path) -> Site:
    made = make_site(folder, settle_s=0.02)
    made.drop("card", footage())
    made.put("single", b"one file by itself")
    return made


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_loaded_site(tmp_path)


def kill_at(point: str, passage: int, fired: Path) -> dict[str, str]:
    return {
        "STRONGROOM_FAILPOINTS": f"{point}@{passage}=kill",
        "STRONGROOM_FAILPOINTS_FIRED": os.fspath(fired),
    }


def acknowledged(ended: Ended) -> list[Acknowledged]:
    """Return what a run said was sealed, however it ended: a torn last line was not said."""
    lines = [line for line in ended.stdout.split("\n")[:-1] if '"item.sealed"' in line]
    return [Acknowledged(item=told["item"], sha256=told["sha256"], seq=told["seq"]) for told in map(json.loads, lines)]


def assert_nothing_is_lost(site: Site, told: list[Acknowledged]) -> None:
    """Assert that a restart completes everything, once, and that every earlier word is kept."""
    again = site.watch_once()
    assert again.code == 0, again.stderr
    checker = Checker(site.store)
    assert checker.check() == []
    assert checker.acknowledged(told) == []
    assert checker.account_for(site.sources(), nothing_else=True) == []
    receipts = [path.name for path in site.share.iterdir() if "DO-NOT-WIPE" in path.name]
    assert sorted(receipts) == sorted(
        f"{name}  2-HELD  DO-NOT-WIPE.{part}"
        for name in ("card", "single")
        for part in ("html", "txt", "entry.json", "tlog-proof")
    )
    assert not [path for path in site.share.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize("point", STEPS)
def test_a_kill_between_two_steps_loses_nothing(site: Site, tmp_path: Path, point: str) -> None:
    fired = tmp_path / "fired"
    killed = site.watch_once(env=kill_at(point, 1, fired))
    assert (killed.code, fired.read_text()) == (-9, f"{point}\n"), "the fault must have fired"
    assert_nothing_is_lost(site, acknowledged(killed))


@pytest.mark.parametrize("step", [GATE_STEP, pytest.param(1, marks=pytest.mark.long)])
def test_a_kill_before_any_change_of_the_disk_loses_nothing(tmp_path: Path, step: int) -> None:
    for passage in count(1, step):
        folder = tmp_path / str(passage)
        site = make_loaded_site(folder)
        fired = folder / "fired"
        killed = site.watch_once(env=kill_at("any", passage, fired))
        if not fired.exists():
            assert killed.code == 0, "beyond the last passage nothing fires, and nothing may fail"
            break
        assert killed.code in (-9, 0, 8), "the recorder died, or its share reader did and was replaced"
        assert_nothing_is_lost(site, acknowledged(killed))
    assert passage > FEWEST_PASSAGES, "the faults must have covered the whole workload"


@pytest.mark.parametrize("passage", [1, 2])
@pytest.mark.parametrize("point", ["vault.synced", "vault.named", "rename", "fsync", "mkdir"])
def test_a_kill_of_the_process_that_fills_the_vault_loses_nothing(
    site: Site, tmp_path: Path, point: str, passage: int
) -> None:
    """It dies alone, or the recorder with it: the failpoint counts in each process."""
    fired = tmp_path / "fired"
    killed = run_seeded("all-apart", site, env=kill_at(point, passage, fired))
    assert set(fired.read_text().split()) == {point}, "the fault must have fired"
    assert killed.code in (-9, 8)
    assert_nothing_is_lost(site, acknowledged(killed))


@pytest.mark.parametrize("seed", ["told-before-sealed", "logged-before-stored"])
def test_the_campaign_finds_a_seeded_bug(site: Site, tmp_path: Path, seed: str) -> None:
    """Each seed breaks the order of the steps; killed in the gap, the store must be caught lying."""
    point = {"told-before-sealed": "intake.recorded", "logged-before-stored": "seeded.gap"}[seed]
    fired = tmp_path / "fired"
    killed = run_seeded(seed, site, env=kill_at(point, 1, fired))
    assert (killed.code, fired.read_text()) == (-9, f"{point}\n"), "the fault must have fired"
    checker = Checker(site.store)
    problems = [*checker.check(), *checker.acknowledged(acknowledged(killed))]
    assert problems, f"{seed} went unnoticed"
