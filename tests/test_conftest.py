"""The marker ``needs``: a missing tool is said aloud, and fails where everything is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

PROBE = """
import pytest

@pytest.mark.needs("no-such-tool-anywhere")
def test_wants_a_tool(): pass

@pytest.mark.needs("corpus", "no-such-tool-anywhere")
def test_wants_two_things(corpus): pass

def test_wants_nothing(): pass
"""


def run_probe(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_probe.py").write_text(PROBE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = needs(*things)\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pytest.ini", "test_probe.py"]
    return subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False)


def test_a_missing_need_skips_and_the_last_line_says_how_to_get_it(tmp_path: Path) -> None:
    result = run_probe(tmp_path, STRONGROOM_CORPUS=str(tmp_path / "absent"))
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1] == (
        "2 tests did not run: needs corpus (set STRONGROOM_CORPUS), "
        "no-such-tool-anywhere (install no-such-tool-anywhere)"
    )
    assert "1 passed, 2 skipped" in result.stdout


def test_a_missing_need_fails_where_everything_is_required(tmp_path: Path) -> None:
    result = run_probe(tmp_path, STRONGROOM_CORPUS=str(tmp_path / "absent"), STRONGROOM_REQUIRE_ALL="1")
    assert result.returncode == 1
    assert "needs no-such-tool-anywhere (install no-such-tool-anywhere)" in result.stdout
    assert "1 passed" in result.stdout
    assert "did not run" not in result.stdout


def test_a_corpus_is_there_when_its_folder_media_is(tmp_path: Path) -> None:
    (tmp_path / "footage" / "media").mkdir(parents=True)
    result = run_probe(tmp_path, STRONGROOM_CORPUS=str(tmp_path / "footage"))
    assert result.stdout.splitlines()[-1].startswith("2 tests did not run: needs no-such-tool-anywhere")


@pytest.mark.needs("corpus")
def test_the_corpus_holds_footage(corpus: Path) -> None:
    assert any((corpus / "media").iterdir())
