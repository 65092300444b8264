"""The build digest, against a RECORD made by hand."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from base.version import VERSION
from ledger import software
from ledger.software import build_lines, this_software

FILES = {
    "cli.py": b"print('cli')\n",
    "base/errors.py": b"",
    "base/data.txt": b"not code",
    "ledger/entry.py": b"x = 1\n",
    "Base.py": b"upper case comes first",
}


def record(files: dict[str, bytes]) -> str:
    """Return a RECORD as an installer writes it (binary distribution format): path, digest, size."""
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join([*lines, "strongroom.dist-info/RECORD,,", ""])


def by_hand(files: dict[str, bytes]) -> bytes:
    """Return what `sha256sum` and `sort` give: the rule of the custody log, section 4, done in another way."""
    lines = [f"{path},{hashlib.sha256(content).hexdigest()}\n".encode() for path, content in files.items()]
    return b"".join(sorted(line for line in lines if line.split(b",")[0].endswith(b".py")))


def test_the_lines_are_those_of_the_python_files_ascending() -> None:
    assert b"".join(build_lines(record(FILES))) == by_hand(FILES)
    assert [line.split(b",")[0] for line in build_lines(record(FILES))] == [
        *(b"Base.py", b"base/errors.py", b"cli.py", b"ledger/entry.py")
    ]


def test_an_installed_program_names_its_build(tmp_path: Path) -> None:
    folder = tmp_path / f"strongroom-{VERSION}.dist-info"
    folder.mkdir()
    (folder / "RECORD").write_text(record(FILES))
    assert software._build(tmp_path) == hashlib.sha256(by_hand(FILES)).hexdigest()


def test_one_changed_byte_is_another_build(tmp_path: Path) -> None:
    assert build_lines(record(FILES)) != build_lines(record({**FILES, "cli.py": b"print('cli')"}))


def test_a_checkout_has_no_build(tmp_path: Path) -> None:
    assert software._build(tmp_path) is None


def test_the_running_program_names_itself() -> None:
    running = this_software()
    assert (running.name, running.version) == ("strongroom", VERSION)
    assert running.build is None or len(running.build) == 64


@pytest.mark.parametrize("text", ["", "\n", "a.py,,\n"])
def test_a_record_without_digests_gives_no_lines(text: str) -> None:
    assert build_lines(text) == []
