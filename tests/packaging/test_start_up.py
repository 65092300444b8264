"""`--help` and small queries start fast: nothing heavy is imported until it is needed. Real processes are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from program import Site, make_site

HEAVY = {
    *("cv2", "numpy", "watchdog", "sqlite_utils", "rich", "jinja2"),
    *("pymediainfo", "exifread", "puremagic", "pyseccomp"),
}
# Reads and signs entries. A search is recorded, so it needs both; a help text needs neither.
OF_THE_LOG = {"msgspec", "cryptography", "sqlite3"}

_PROBE = """
import json, os, sys, cli
probe = int(sys.argv.pop(1))
code = cli.main()
os.write(probe, json.dumps({"code": code, "modules": sorted(sys.modules)}).encode())
"""


def modules_after(*arguments: str | Path) -> set[str]:
    """Run the program and return the names of all modules that it had loaded at its end."""
    reading, writing = os.pipe()
    with (
        open(reading, "rb") as probe,
        subprocess.Popen(
            [sys.executable, "-P", "-c", _PROBE, str(writing), *map(str, arguments)],
            pass_fds=[writing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ),
    ):
        os.close(writing)
        told = json.loads(probe.read())
    assert told["code"] == 0
    return set(told["modules"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a store that holds one item, and whose catalogue is current but for consultations."""
    made = make_site(tmp_path_factory.mktemp("start-up"))
    made.drop("card", {"yard.txt": b"a note"})
    assert made.watch_once().code == 0
    return made


def test_help_imports_nothing_heavy() -> None:
    modules = modules_after("--help")
    assert "click" in modules
    assert modules & (HEAVY | OF_THE_LOG) == set()


def test_help_of_a_command_imports_nothing_heavy() -> None:
    assert modules_after("watch", "--help") & (HEAVY | OF_THE_LOG) == set()


@pytest.mark.parametrize("arguments", [("find", "yard"), ("find", "--json"), ("status",), ("checkpoint", "show")])
def test_small_queries_import_nothing_heavy(site: Site, arguments: tuple[str, ...]) -> None:
    modules = modules_after(*arguments, "--store", site.store)
    assert "sqlite3" in modules
    assert modules & HEAVY == set()


def test_a_search_does_not_load_the_ways_in_and_out(site: Site) -> None:
    rooms = {name.partition(".")[0] for name in modules_after("find", "yard", "--store", site.store)}
    assert rooms & {"ingest", "exports", "media"} == set()


def test_what_is_heavy_is_noticed(site: Site) -> None:
    assert {"jinja2"} <= modules_after(
        "sheet", item_of(site), "-o", site.store.parent / "sheet.html", "--store", site.store
    )


def item_of(site: Site) -> str:
    items = site.run("find", "yard", "--json").document["items"]
    assert isinstance(items, list)
    return str(items[0]["item"])
