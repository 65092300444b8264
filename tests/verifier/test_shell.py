"""VERIFY.sh: the receipt of one exhibit with a shell, sha256sum and OpenSSL, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from receipt_damage import TAMPERED, Given
from standalone import BARE, SHELL, answer
from store_of_log import item_by_a_later_key

from exports.log_receipt import log_receipt, write_log_receipt

pytestmark = pytest.mark.needs("openssl", "sha256sum", "base64", "awk", "od")


def shell(*arguments: object, program: str = "sh") -> tuple[int, str]:
    done = subprocess.run(
        [program, str(SHELL), *map(str, arguments)], env=BARE, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("program", ["sh", pytest.param("dash", marks=pytest.mark.needs("dash")),
                                     pytest.param("bash", marks=pytest.mark.needs("bash"))])  # fmt: skip
def test_a_sound_receipt_is_sound_in_each_shell(given_log: Given, program: str) -> None:
    status, told = shell(given_log.receipt, given_log.exhibit, given_log.vkey, program=program)
    assert status == 0, told
    assert told.count("OK      ") == 14
    assert told.endswith("ALL OK\n")
    assert "BAD" not in told


def test_another_file_and_another_key_are_found_out(given_log: Given, grown_log: Given, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert shell(given_log.receipt, tmp_path / "x")[0] == 20
    assert shell(given_log.receipt, given_log.exhibit, grown_log.vkey)[0] == 21


def test_keys_that_came_later_are_followed(tmp_path: Path) -> None:
    write_log_receipt(log_receipt(*item_by_a_later_key(tmp_path / "store", b"content")), tmp_path / "out")
    (tmp_path / "file").write_bytes(b"content")
    status, told = shell(tmp_path / "out", tmp_path / "file")
    assert status == 0, told
    assert told.count("enrols one more recorder key") == 2
    (tmp_path / "out" / "entry-2.json").unlink()
    assert shell(tmp_path / "out", tmp_path / "file")[0] == 21


@pytest.mark.parametrize("tamper", [case[0] for case in TAMPERED], ids=range(len(TAMPERED)))
def test_it_agrees_with_the_other_verifier(copy: Given, tamper: Callable[[Path], None]) -> None:
    assert shell(copy.receipt, copy.exhibit)[0] == answer("receipt", copy.receipt, copy.exhibit).status == 0
    tamper(copy.receipt)
    assert answer("receipt", copy.receipt, copy.exhibit).status == 21
    assert shell(copy.receipt, copy.exhibit)[0] in (
        21,
        3,
        6,
    )  # 3: a part is not there; 6: a quorum, which it does not check


def test_a_policy_with_witnesses_is_not_called_checked(copy: Given) -> None:
    text = (copy.receipt / "policy").read_text()
    (copy.receipt / "policy").write_text(text.replace("quorum none", "quorum w1"))
    assert shell(copy.receipt, copy.exhibit)[0] == 6


def test_usage(given_log: Given) -> None:
    assert shell()[0] == 2
    assert shell(given_log.receipt, given_log.receipt / "nothing")[0] == 3


def test_it_leaves_nothing_behind(copy: Given, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    before = sorted(copy.receipt.iterdir())
    command = ["sh", str(SHELL), str(copy.receipt), str(copy.exhibit)]
    subprocess.run(command, env={**BARE, "TMPDIR": str(tmp_path / "scratch")}, capture_output=True, check=True)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert sorted(copy.receipt.iterdir()) == before


def test_names_are_never_commands(given_log: Given, tmp_path: Path) -> None:
    folder = tmp_path / "a $(touch broken) `touch broken` 'folder'\n"
    shutil.copytree(given_log.receipt, folder)
    assert shell(folder, given_log.exhibit)[0] == 0
    assert not list(tmp_path.rglob("broken"))
