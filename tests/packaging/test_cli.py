"""The thin door: which commands there are, and how anything that goes wrong becomes a message and an exit code."""

from __future__ import annotations

import ast
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from program import Ended, make_site, start, strongroom

import cli

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = (CHECKOUT / "cli.py").read_text("utf-8")
COMMANDS = {
    *("init", "demo", "watch", "status", "find", "show", "sheet", "verify", "audit", "analyse", "doctor", "selftest"),
    *(
        "drop status",
        "drop receipt",
        "log show",
        "log receipt",
        "log export",
        "checkpoint show",
        "checkpoint check",
        "checkpoint lodge",
        "checkpoint cosign",
        "catalog rebuild",
        "catalog check",
    ),
    *("role grant", "config show"),
    *("key list", "key enrol", "key revoke", "key rotate", "key withdraw", "key prove", "key endorse", "key backup"),
}

_WITH_COMMAND = """
import sys, cli
cli._COMMANDS["trial"] = ("trial_of_the_door", "trial", "")
sys.exit(cli.main())
"""


def run_trial(folder: Path, body: str) -> Ended:
    """Run the program with one more command, which does ``body``."""
    lines = [
        "import os, signal, time, click",
        "from base.errors import RefusedError",
        "@click.command()",
        "def trial():",
    ]
    (folder / "trial_of_the_door.py").write_text("\n".join([*lines, f"    {body}"]))
    environment = {**os.environ, "PYTHONPATH": str(folder), "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WITH_COMMAND, "trial"], env=environment, capture_output=True, timeout=60
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


# ------------------------------------------------------------------------------------------------------- thin, whole


def test_the_door_is_thin() -> None:
    assert len(SOURCE.splitlines()) <= 120


def test_the_door_knows_only_base_and_commands() -> None:
    modules = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module))
    ours = {name.partition(".")[0] for name in modules if (CHECKOUT / name.partition(".")[0]).is_dir()}
    assert ours == {"base", "commands"}
    assert {module.partition(".")[0] for module, _, _ in cli._COMMANDS.values()} == {"commands"}


def paths_of(group: click.Group, prefix: str = "") -> set[str]:
    found = set()
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found |= paths_of(command, f"{prefix}{name} ") if isinstance(command, click.Group) else {f"{prefix}{name}"}
    return found


def test_the_tree_holds_every_command_of_this_version_and_no_other() -> None:
    assert paths_of(cli.strongroom) == COMMANDS


def test_every_line_of_the_list_of_commands_is_the_first_of_its_help() -> None:
    listing = strongroom("--help").stdout
    for name in cli._COMMANDS:
        assert f"\n  {name} " in listing


def test_an_unknown_command_is_wrong_usage() -> None:
    ended = strongroom("delete")
    assert ended.code == 2
    assert "No such command 'delete'" in ended.stderr


# -------------------------------------------------------------------------------------------------- what goes wrong


def test_an_error_that_nobody_declared_is_a_bug_with_a_report_that_only_its_owner_reads(tmp_path: Path) -> None:
    ended = run_trial(tmp_path, "return {}['no such thing']")
    assert ended.code == 1
    assert ended.stdout == ""
    assert "an unexpected KeyError" in ended.stderr
    assert "Traceback" not in ended.stderr
    (report,) = tmp_path.glob("strongroom-bug-*.txt")
    assert str(report) in ended.stderr
    assert stat.S_IMODE(report.stat().st_mode) & 0o077 == 0
    assert "KeyError: 'no such thing'" in report.read_text()


def test_a_declared_error_is_a_message_its_next_step_and_its_code(tmp_path: Path) -> None:
    ended = run_trial(tmp_path, "raise RefusedError('not today', next_step='Come again tomorrow.')")
    assert ended.code == 4
    assert ended.stderr == "Error: not today\nNext: Come again tomorrow.\n"
    assert list(tmp_path.glob("strongroom-bug-*")) == []


def test_ctrl_c_is_130_and_no_bug(tmp_path: Path) -> None:
    ended = run_trial(tmp_path, "os.kill(os.getpid(), signal.SIGINT); time.sleep(30)")
    assert ended.code == 130
    # click ends the line on which ^C stands
    assert ended.stderr.strip() == "Stopped by Ctrl-C before the end. What is recorded stays so; run the command again."
    assert list(tmp_path.glob("strongroom-bug-*")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_service_ends_as_told(tmp_path: Path, number: signal.Signals, code: int) -> None:
    site = make_site(tmp_path)
    with start("watch", "--store", site.store) as service:
        assert service.stderr is not None
        assert service.stderr.readline().startswith(b"Watching")
        service.send_signal(number)
        _, talk = service.communicate(timeout=60)
    assert service.returncode == code
    assert b"Traceback" not in talk
    sentence = talk.decode().splitlines()[-1]
    assert sentence.startswith(f"Stopped by {number.name}.")
    assert "Start again to go on" in sentence


@pytest.mark.parametrize("unbuffered", ["", "1"])  # whether the pipe breaks at the last flush, or at the first line
def test_a_reader_who_goes_away_is_no_bug(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-P", "-m", "cli", "--help"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open(writing, "wb") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, env=environment)
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.parametrize("mode", ["--json", "--jsonl"])
def test_in_json_mode_an_error_is_one_document_on_stdout(tmp_path: Path, mode: str) -> None:
    ended = strongroom("find", mode, "--store", tmp_path / "nowhere")
    error = json.loads(ended.stdout)["error"]
    assert ended.code == 3
    assert set(error) == {"code", "message", "next", "refs"}
    assert error["code"] == "not-found"
    assert "no store at" in error["message"]
    assert error["next"]
    assert error["refs"] == []
    assert ended.stderr == ""
