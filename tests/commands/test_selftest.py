"""`strongroom selftest`: what it answers on a sound machine, and on one that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import strongroom
from hashing.digest import Digest
from hashing.words import spoken_form
from ingest import selftest as room
from ingest.installed_files import InstalledFiles
from media.sandbox import SandboxUnavailableError

GOOD_FILES = InstalledFiles(record=Path("RECORD"), matched=7, changed=(), missing=(), added=())


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(strongroom, ["selftest", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def told_json() -> tuple[int, dict[str, Any]]:
    result = run("--json")
    document: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, document


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it ran from an installed package."""
    monkeypatch.setattr(room, "compare_installed", lambda _: GOOD_FILES)


@pytest.fixture
def without_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting the real one takes a second; one test here does."""
    monkeypatch.setattr(room, "_sandbox", lambda: ([], {"opencv": "5.0.0"}))


@pytest.mark.usefixtures("installed")
def test_a_sound_installation_is_right_in_everything() -> None:
    code, told = told_json()
    assert code == 0, told
    assert told["schema"] == "strongroom/selftest/1"
    assert told["verdict"] == "ok"
    assert {check["verdict"] for check in told["checks"]} == {"OK"}
    assert {"sandbox-start", "sandbox-lock", "installed-files"} <= {check["code"] for check in told["checks"]}
    assert {"strongroom", "python", "sqlite", "opencv", "libavcodec", "openssl for signatures"} <= set(told["versions"])


@pytest.mark.usefixtures("without_sandbox")
def test_a_checkout_says_that_its_files_were_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "installation", lambda: Path(__file__).resolve().parents[2])
    code, told = told_json()
    assert (code, told["verdict"]) == (6, "unchecked")
    assert told["checks"][-1]["verdict"] == "NOT CHECKED"


@pytest.mark.usefixtures("without_sandbox", "installed")
def test_the_result_is_the_same_for_equal_answers_and_can_be_spoken() -> None:
    (_, first), (_, second) = told_json(), told_json()
    assert first["digest"] == second["digest"]
    text = room.selftest().result_text
    assert first["digest"] == Digest.of(text.encode()).hex
    assert tuple(first["words"]) == spoken_form(text)
    assert " ".join(first["words"]) in run().stdout


@pytest.mark.usefixtures("without_sandbox", "installed")
def test_a_broken_hash_makes_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: one digest in which a single bit is turned."""
    sound = told_json()[1]["digest"]
    real = Digest.of

    def broken(data: bytes) -> Digest:
        raw = real(data).raw
        return Digest(bytes([raw[0] ^ 1]) + raw[1:])

    monkeypatch.setattr(Digest, "of", staticmethod(broken))
    code, told = told_json()
    assert (code, told["verdict"]) == (21, "bad")
    assert told["digest"] != sound
    wrong = run().stdout
    assert "BAD" in wrong and "expected" in wrong


@pytest.mark.usefixtures("without_sandbox")
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"changed": ("cli.py",)}, "1 changed: cli.py"),
        ({"missing": ("base/errors.py",)}, "1 missing: base/errors.py"),
        ({"added": ("base/evil.py",)}, "1 not ours: base/evil.py"),
    ],
)
def test_changed_files_make_it_fail(monkeypatch: pytest.MonkeyPatch, files: dict[str, Any], said: str) -> None:
    found = InstalledFiles(
        **{"record": Path("RECORD"), "matched": 6, "changed": (), "missing": (), "added": (), **files}
    )
    monkeypatch.setattr(room, "compare_installed", lambda _: found)
    code, told = told_json()
    assert (code, told["checks"][-1]["found"]) == (21, said)


@pytest.mark.usefixtures("installed")
def test_a_sandbox_that_cannot_be_had_is_the_fault_of_the_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise SandboxUnavailableError("no seccomp here")

    monkeypatch.setattr("media.sandbox.Sandbox.strength", fails)
    code, told = told_json()
    assert (code, told["verdict"]) == (8, "bad")
    (sandbox,) = [check for check in told["checks"] if check["code"] == "sandbox-start"]
    assert sandbox["found"] == "no seccomp here"


@pytest.mark.usefixtures("installed")
def test_a_lock_that_does_not_hold_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.sandbox.Sandbox.attempt_forbidden", lambda _: "not killed: it answered")
    code, told = told_json()
    assert code == 8
    assert told["checks"][-2]["verdict"] == "BAD"
