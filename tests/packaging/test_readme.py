"""The five-minute tour of the README, run as it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
_TESTED_BLOCK = re.compile(r"<!-- tested: tour -->\n```sh\n(.*?)```", re.DOTALL)


def tour_script() -> str:
    blocks = _TESTED_BLOCK.findall((CHECKOUT / "README.md").read_text("utf-8"))
    assert len(blocks) == 7  # a mark that was lost must not make the tour shorter
    return "".join(blocks)


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Run the tour in a directory that holds the sample footage, with the program that runs the tests."""
    place = tmp_path_factory.mktemp("tour")
    shutil.copytree(CHECKOUT / "sample_media" / "drops", place / "sample_media" / "drops")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    return subprocess.run(
        ["/bin/sh", "-eu"],
        input=tour_script(),
        cwd=place,
        env={**inherited, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.needs("openssl")
def test_every_command_of_the_tour_works(tour: subprocess.CompletedProcess[str]) -> None:
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert "Traceback" not in tour.stderr


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    "sentence",
    [
        "12 items sealed, 0 waiting",
        "card-a  2-HELD  DO-NOT-WIPE.html",
        "LOOKED AT",
        "changes seen (tier 1)",
        "pictures in ",
        "master.defined",
        "OK  everything was read again, and is what was recorded",
        "the whole report is in ",
        "entries with their proofs",
        "in words",
        "object-changed",
        "exit status 20",
        "ALL OK",
    ],
)
def test_the_tour_shows_what_the_text_around_it_says(tour: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert sentence in tour.stdout


def test_no_card_of_the_tour_is_reported_safe_to_wipe(tour: subprocess.CompletedProcess[str]) -> None:
    assert "SAFE-TO-WIPE" not in tour.stdout
