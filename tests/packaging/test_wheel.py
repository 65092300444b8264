"""The wheel is what users get: every room and what the rooms need is in it, and nothing else."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from base.version import VERSION
from ingest.installed_files import compare_installed

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("base", "hashing", "vault", "ledger", "media", "catalog", "ingest", "exports", "commands", "verifier",
         "sample_media")  # fmt: skip
METADATA = f"strongroom-{VERSION}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel with the locked build backend."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-P", "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = place.iterdir()
    assert built.name == f"strongroom-{VERSION}-py3-none-any.whl"
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


def files_of(room: str) -> set[str]:
    """Return every file of a room in the checkout, but byte code."""
    found = (path for path in (CHECKOUT / room).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(CHECKOUT).as_posix() for path in found}


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_in_the_wheel_and_no_other(room: str, names: set[str]) -> None:
    expected = files_of(room)
    assert len(expected) > 2
    assert {name for name in names if name.startswith(f"{room}/")} == expected


def test_nothing_lies_beside_the_rooms(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names} == {*ROOMS, "cli.py", METADATA}


@pytest.mark.parametrize(
    "name",
    [
        "exports/contact_sheet.html.jinja",
        "exports/how_to_check.txt",
        "hashing/bip39_english.txt",
        "catalog/migrations/m0001_tables.py",
        "media/child/zygote.py",
        "sample_media/SOURCES.md",
        "verifier/VERIFY.sh",
        "verifier/verify_evidence.py",
    ],
)
def test_what_is_read_at_run_time_is_in_the_wheel(name: str, names: set[str]) -> None:
    assert name in names


def test_the_sample_footage_is_in_the_wheel(names: set[str]) -> None:
    drops = {name.split("/")[2] for name in names if name.startswith("sample_media/drops/")}
    assert drops == {"card-a", "card-b"}


def test_the_console_script_leads_to_the_thin_door(wheel: zipfile.ZipFile) -> None:
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(f"{METADATA}/entry_points.txt").decode())
    assert dict(scripts["console_scripts"]) == {"strongroom": "cli:main"}


def test_licence_and_notice_go_with_it(names: set[str]) -> None:
    assert {f"{METADATA}/licenses/LICENSE", f"{METADATA}/licenses/NOTICE"} <= names


def test_every_library_that_it_asks_for_is_locked(wheel: zipfile.ZipFile) -> None:
    metadata = HeaderParser().parsestr(wheel.read(f"{METADATA}/METADATA").decode())
    lines = metadata.get_all("Requires-Dist", [])
    asked = {name_of(line) for line in lines if "extra ==" not in line}
    locked = {name_of(line) for line in (CHECKOUT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert len(asked) == 13
    assert asked <= locked
    # What only an extra brings is not in the program as it is delivered, and every test of it can run.
    extra = {name_of(line) for line in lines} - asked
    developed = (CHECKOUT / "requirements-dev.lock").read_text()
    assert "segno" in extra
    assert extra.isdisjoint(locked)
    assert all(f"\n{name}==" in developed for name in extra)


def name_of(requirement: str) -> str:
    return requirement.replace("<", "=").replace(">", "=").replace(" ", "=").split("=")[0].lower()


def test_the_wheel_fits_the_list_that_comes_with_it(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """What `strongroom selftest` compares on a machine; and one changed byte is found."""
    wheel.extractall(tmp_path)
    found = compare_installed(tmp_path)
    assert found.is_good
    assert found.matched == len(wheel.namelist()) - 1  # all but the list itself
    (tmp_path / "cli.py").write_bytes((tmp_path / "cli.py").read_bytes() + b"\n")
    assert compare_installed(tmp_path).changed == ("cli.py",)
