"""What every test may ask for: tools on the PATH and the footage corpus, through ``@pytest.mark.needs(...)``.

A test whose need is missing is skipped, and the last line of the run says how many there were and how to get what was
missing. With ``STRONGROOM_REQUIRE_ALL=1`` (as in CI) it fails instead. Samples and vectors inside the checkout are no
need: a test that finds one missing fails by itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parents[1]
CORPUS_FOLDER = "media"

# How to get what is missing; a tool that is not listed is asked for by its own name.
HOW_TO_GET = {
    "corpus": "set STRONGROOM_CORPUS",
    "ffprobe": "apt-get install ffmpeg",
    "ffmpeg": "apt-get install ffmpeg",
    "exiftool": "apt-get install libimage-exiftool-perl",
    "mediainfo": "apt-get install mediainfo",
    "openssl": "apt-get install openssl",
    "strace": "apt-get install strace",
    "restic": "apt-get install restic",
    "softhsm2-util": "apt-get install softhsm2",
    "root": "run the tests as root",
    "atheris": "make test-long",
}

_NOT_RUN = pytest.StashKey[dict[str, set[str]]]()


def corpus_root() -> Path:
    """Return the folder that should hold the footage: ``$STRONGROOM_CORPUS``, else ``shared`` beside the checkout."""
    return Path(os.environ.get("STRONGROOM_CORPUS") or CHECKOUT.parent / "shared")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the corpus folder; the footage lies below its ``media/``. Use only with ``needs("corpus")``."""
    return corpus_root()


@pytest.fixture(autouse=True)
def _umask() -> Generator[None, None, None]:
    """Give each test the umask back: the program sets its own when it runs inside a test."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_NOT_RUN] = {}
    # The gate draws the same examples each time, so that what was green stays green; the long run draws new ones. No
    # deadlines: how long an example takes says more about the machine than about us.
    settings.register_profile("gate", derandomize=True, deadline=None)
    settings.register_profile("long", deadline=None)
    settings.load_profile("gate" if config.option.markexpr == "not long" else "long")


def pytest_runtest_setup(item: pytest.Item) -> None:
    needed = dict.fromkeys(thing for marker in item.iter_markers("needs") for thing in marker.args)
    missing = [thing for thing in needed if not _is_present(thing)]
    if not missing:
        return
    text = "needs " + ", ".join(map(_with_advice, missing))
    if os.environ.get("STRONGROOM_REQUIRE_ALL") == "1":
        pytest.fail(text, pytrace=False)
    item.config.stash[_NOT_RUN][item.nodeid] = set(missing)
    pytest.skip(text)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    # After the yield the reporter has printed its own closing line, so that ours is the last one.
    yield
    not_run = session.config.stash[_NOT_RUN]
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not_run and reporter is not None:
        things = ", ".join(_with_advice(thing) for thing in sorted(set().union(*not_run.values())))
        reporter.write_line(f"{len(not_run)} tests did not run: needs {things}", yellow=True)


def _is_present(thing: str) -> bool:
    if thing == "corpus":
        return (corpus_root() / CORPUS_FOLDER).is_dir()
    if thing == "root":  # to mount a small disk, to become somebody else
        return os.geteuid() == 0
    if thing == "atheris":  # a library, not a program
        return find_spec("atheris") is not None
    return shutil.which(thing) is not None


def _with_advice(thing: str) -> str:
    return f"{thing} ({HOW_TO_GET.get(thing, f'install {thing}')})"
