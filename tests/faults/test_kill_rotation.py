"""kill -9 at any moment of a change of the log key: it is brought to its end, or it never happened.

`key rotate` kills itself at the n-th passage of a failpoint. Afterwards the next start of the recorder must leave one
open log, every log before it whole, and a store that goes on. The gate tries every so many passages, the long run each.
"""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

import pytest
from checker import Checker
from program import Ended, Site, make_site, run_seeded, strongroom

GATE_STEP = 11
FEWEST_PASSAGES = 60  # what a rotation has at least
POINTS = ("record.commit", "seal.commit", "succession.closed", "succession.built", "succession.moved")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A store with one drop in evidence, kept aside; each test gets it back in its place."""
    site = make_site(tmp_path_factory.mktemp("site"), settle_s=0.02)
    site.drop("card", {"a.mp4": b"a" * 300, "b.mp4": b"b" * 50})
    done = site.watch_once("--no-analysis")
    assert done.code == 0, done.stderr
    shutil.copytree(site.store, site.store.with_name("kept"), symlinks=True)
    return site


@pytest.fixture
def site(template: Site) -> Site:
    put_back(template)
    return template


def put_back(site: Site) -> None:
    shutil.rmtree(site.store)
    shutil.copytree(site.store.with_name("kept"), site.store, symlinks=True)


def kill_at(point: str, passage: int, fired: Path) -> dict[str, str]:
    return {
        "STRONGROOM_FAILPOINTS": f"{point}@{passage}=kill",
        "STRONGROOM_FAILPOINTS_FIRED": os.fspath(fired),
    }


def rotate(site: Site, env: dict[str, str] | None = None) -> Ended:
    return site.run("key", "rotate", "--json", env=env)


def assert_done_or_undone(site: Site) -> int:
    """Assert that the next start leaves a store that is whole and goes on; return how many logs were closed."""
    again = site.watch_once("--no-analysis")
    assert again.code == 0, again.stderr
    assert not (site.store / "private" / "succession").exists()
    checker = Checker(site.store)
    assert checker.check() == []
    assert checker.account_for(site.sources(), nothing_else=True) == []
    verified = site.run("verify", "--json")
    assert verified.code == 0, verified.stdout
    earlier = verified.document["earlier"]
    assert isinstance(earlier, list)
    assert [log["end"] for log in earlier] == ["closed"] * len(earlier)
    assert len(list((site.store / "private" / "keys").iterdir())) == 2
    return len(earlier)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_between_two_steps_is_taken_back_or_completed(site: Site, tmp_path: Path, point: str) -> None:
    fired = tmp_path / "fired"
    killed = rotate(site, kill_at(point, 1, fired))
    assert (killed.code, fired.read_text()) == (-9, f"{point}\n"), "the fault must have fired"
    assert assert_done_or_undone(site) == (0 if point == "record.commit" else 1)


@pytest.mark.parametrize("step", [GATE_STEP, pytest.param(1, marks=pytest.mark.long)])
def test_a_kill_before_any_change_of_the_disk_is_taken_back_or_completed(
    template: Site, tmp_path: Path, step: int
) -> None:
    outcomes = set()
    for passage in count(1, step):
        put_back(template)
        fired = tmp_path / f"fired-{passage}"
        killed = rotate(template, kill_at("any", passage, fired))
        if not fired.exists():
            assert killed.code == 0, "beyond the last passage nothing fires, and nothing may fail"
            break
        assert killed.code == -9
        outcomes.add(assert_done_or_undone(template))
    assert passage > FEWEST_PASSAGES, "the faults must have covered the whole change"
    assert outcomes == {0, 1}, "some kills came before the log was closed, some behind it"


@pytest.mark.parametrize("passage", [1, 4, 8])
def test_a_kill_while_it_is_completed_is_completed_too(site: Site, tmp_path: Path, passage: int) -> None:
    killed = rotate(site, kill_at("succession.closed", 1, tmp_path / "first"))
    assert killed.code == -9
    fired = tmp_path / "second"
    again = site.watch_once("--no-analysis", env=kill_at("rename", passage, fired))
    assert (again.code, fired.read_text()) == (-9, "rename\n"), "the fault must have fired"
    assert assert_done_or_undone(site) == 1


def test_whoever_rotates_again_after_a_kill_brings_the_first_change_to_its_end(site: Site, tmp_path: Path) -> None:
    assert rotate(site, kill_at("succession.built", 1, tmp_path / "fired")).code == -9
    asked = site.run("find")
    assert asked.code == 7, "nobody opens a log that is being replaced"
    assert "watch --once" in asked.stderr
    again = rotate(site)
    assert (again.code, again.document["was_cut_off"]) == (0, True)
    assert assert_done_or_undone(site) == 1


def test_the_campaign_finds_a_seeded_bug(site: Site, tmp_path: Path) -> None:
    """The successor is called whole before it is: killed in the gap, the store must be caught."""
    fired = tmp_path / "fired"
    killed = run_seeded(
        "built-before-built", site, env=kill_at("seeded.gap", 1, fired), command=("key", "rotate", "--json")
    )
    assert (killed.code, fired.read_text()) == (-9, "seeded.gap\n"), "the fault must have fired"
    again = strongroom("watch", "--once", "--no-analysis", "--jsonl", "--store", site.store)
    assert again.code != 0
