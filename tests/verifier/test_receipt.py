"""The receipt of one exhibit, checked by a stranger who has nothing of this program."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from receipt_damage import TAMPERED, Given
from standalone import BARE, SHELL, answer, ask
from store_of_log import arrive, copied, item_by_a_later_key, receive

from exports.log_receipt import HOW_TO_CHECK, log_receipt, write_log_receipt
from hashing.commitment import commitment
from hashing.digest import Digest
from hashing.note import parse_vkey, sign_note, vkey
from ledger.events.drop import ManifestLine, drop_completed
from ledger.events.event import Event
from ledger.identifiers import new_event_id
from ledger.keys.file import FileSigner
from ledger.proofs import prove
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal


def runs(python: str) -> bool:
    """A name on the PATH may be no more than a promise."""
    return bool(shutil.which(python)) and subprocess.run([python, "-V"], capture_output=True).returncode == 0


OLD_PYTHON = [python for python in ("python3.8", "python3.9", "python3.10") if runs(python)]


def test_a_stranger_finds_a_sound_receipt_sound(given_log: Given, tmp_path: Path) -> None:
    told = ask("receipt", given_log.receipt, given_log.exhibit, cwd=tmp_path)
    assert told.status == 0, told.told
    assert "bit for bit what was recorded" in told.told
    assert "\nRESULT    0: " in told.told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["verify_evidence.py"]


def test_every_command_of_the_page_works_in_an_empty_directory(given_log: Given, tmp_path: Path) -> None:
    """The three ways, as they stand in HOW-TO-CHECK.txt, with no other files than the receipt's."""
    folder = Path(shutil.copytree(given_log.receipt, tmp_path / "receipt"))
    page = (folder / HOW_TO_CHECK).read_text("ascii")
    commands = [line.strip() for line in page.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    runnable = [line for line in commands if line.split()[0] in ("python3", "sh", "sed")]
    assert len(runnable) == 4
    (folder / "log").symlink_to(given_log.log)
    for command in runnable:
        line = command.replace("/path/to/the/file", str(given_log.exhibit)).replace("/path/to/log", "log")
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=BARE, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("python", OLD_PYTHON)
def test_it_runs_with_old_python(given_log: Given, tmp_path: Path, python: str) -> None:
    assert ask("receipt", given_log.receipt, given_log.exhibit, cwd=tmp_path, python=python).status == 0


def test_without_the_exhibit_the_receipt_alone_is_checked(given_log: Given) -> None:
    told = answer("receipt", given_log.receipt)
    assert told.status == 0
    assert "bit for bit" not in told.told


def test_another_file_is_found_out(given_log: Given, tmp_path: Path) -> None:
    (tmp_path / "another").write_bytes(b"another")
    told = answer("receipt", given_log.receipt, tmp_path / "another")
    assert told.status == 20
    assert [(code, name) for code, name, _ in told.found] == [(20, str(tmp_path / "another"))]


def test_the_key_from_elsewhere_decides(given_log: Given, grown_log: Given) -> None:
    assert answer("receipt", given_log.receipt, "--key", given_log.vkey).status == 0
    told = answer("receipt", given_log.receipt, "--key", grown_log.vkey)
    assert told.status == 21
    assert "another log" in told.told


class Thief:
    """Signs checkpoints in the name of a log."""

    def __init__(self, name: str) -> None:
        self.name, self.key = name, FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([66]) * 32))
        self.key_id = parse_vkey(vkey(name, self.key.public)).key_id

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


def test_a_policy_may_not_name_a_second_log_key_for_the_checkpoint(copy: Given) -> None:
    """The key from elsewhere is that of entry 0, and so is the policy's; a checkpoint by another key is worth nothing.

    The tree has real entries and one that the log never sealed, as whoever stole the recorder key alone can make it.
    """
    key = copy.vkey
    thief = Thief(key.partition("+")[0])
    for name in ("entry", "entry-0"):
        proof = copy.receipt / ("receipt.tlog-proof" if name == "entry" else f"{name}.tlog-proof")
        head, _, note = proof.read_text("utf-8").partition("\n\n")
        text = note.rpartition("\n\n")[0] + "\n"
        proof.write_bytes(f"{head}\n\n".encode() + sign_note(text, [thief]))
    policy = (copy.receipt / "policy").read_text()
    (copy.receipt / "policy").write_text(f"log {vkey(thief.name, thief.key.public)}\n{policy}")
    told = answer("receipt", copy.receipt, copy.exhibit, "--key", key)
    assert told.status == 21, told.told
    assert "not signed by the log's key" in told.told


def test_an_old_receipt_holds_against_every_later_checkpoint(grown_log: Given, tmp_path: Path) -> None:
    """It is checked by itself, and then as a checkpoint that the grown log must continue."""
    assert answer("receipt", grown_log.receipt, grown_log.exhibit).status == 0
    told = ask("log", grown_log.log, "--against", grown_log.receipt / "receipt.tlog-proof", cwd=tmp_path)
    assert told.status == 0, told.told
    assert "2508 entries give the root" in told.told
    assert "this log continues it" in told.told


def test_a_receipt_of_another_log_is_no_beginning_of_this_one(given_log: Given, grown_log: Given) -> None:
    told = answer("log", grown_log.log, "--against", given_log.receipt / "receipt.tlog-proof")
    assert told.status == 21


def test_keys_that_came_later_are_followed(tmp_path: Path) -> None:
    write_log_receipt(log_receipt(*item_by_a_later_key(tmp_path / "store", b"content")), tmp_path / "out")
    (tmp_path / "file").write_bytes(b"content")
    assert answer("receipt", tmp_path / "out", tmp_path / "file").status == 0
    assert answer("log", tmp_path / "store" / "log").status == 0
    (tmp_path / "out" / "entry-2.json").unlink()
    told = answer("receipt", tmp_path / "out")
    assert told.status == 21
    assert "not valid here" in told.told


# ------------------------------------------------------------------------------------------------ drops and openings


@pytest.fixture(scope="module")
def drop_proof(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """The technician's proof of a drop, a receipt of one of its items, and the openings of the completion."""
    root = tmp_path_factory.mktemp("drop")
    layout = copied(root / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        (item,) = arrive(recorder, drop, [b"one.mp4"])
        recorder.record([completed(drop, item)])
        seq = seal(recorder).size - 1
    write_log_receipt(log_receipt(layout, item), root / "trust")
    proof = root / "card of the van  3-SAFE-TO-WIPE  1 of 1.tlog-proof"
    proof.write_bytes(prove(layout, seq).encode())
    with LogReader(layout) as log:
        proof.with_name(proof.name.replace(".tlog-proof", ".entry.json")).write_bytes(log.entry(seq).raw)
    with closing(sqlite3.connect(layout.openings_db)) as connection:
        texts = [text for (text,) in connection.execute("SELECT text FROM opening WHERE seq = ?", (seq,))]
    return proof, root / "trust", texts


def completed(drop: str, item: str) -> Event:
    line = ManifestLine(item=item, sha256=Digest.of(b"one.mp4"), size_bytes=7)
    return drop_completed(
        drop, completion="complete", refused=0, source_manifest="none", manifest=[line], event=new_event_id()
    )


def test_a_drop_is_checked_with_the_keys_of_a_receipt(drop_proof: tuple[Path, Path, list[str]]) -> None:
    proof, trust, _ = drop_proof
    told = answer("drop", proof, "--trust", trust)
    assert told.status == 0, told.told
    assert '"files": 1' in told.told


def test_without_keys_a_drop_is_only_found_in_its_place(drop_proof: tuple[Path, Path, list[str]]) -> None:
    told = answer("drop", drop_proof[0])
    assert told.status == 6
    assert "neither signature was checked" in told.told


def test_an_opening_fits_or_does_not(drop_proof: tuple[Path, Path, list[str]], tmp_path: Path) -> None:
    proof, trust, texts = drop_proof
    (tmp_path / "openings").write_text("".join(f"{text}\n" for text in texts))
    told = answer("drop", proof, "--trust", trust, "--openings", tmp_path / "openings")
    assert told.status == 0, told.told
    assert told.told.count("OK        opening ") == len(texts) > 1
    salt_changed = (
        base64.urlsafe_b64encode(base64.urlsafe_b64decode(texts[0] + "===")[:-1] + b" ]").decode().rstrip("=")
    )
    assert commitment(salt_changed) != commitment(texts[0])
    (tmp_path / "openings").write_text(f"{salt_changed}\nnot base64!\n")
    told = answer("drop", proof, "--trust", trust, "--openings", tmp_path / "openings")
    assert told.status == 20
    assert [name for _, name, _ in told.found] == ["opening 1", "opening 2"]


def test_any_entry_of_an_export_is_checked_with_the_keys_beside_it(
    drop_proof: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    proof, trust, texts = drop_proof
    folder = tmp_path / "00000005"
    folder.mkdir()
    shutil.copy(proof, folder / "receipt.tlog-proof")
    shutil.copy(proof.with_name(proof.name.replace(".tlog-proof", ".entry.json")), folder / "entry.json")
    (folder / "openings.txt").write_text("".join(f"{text}\n" for text in texts))
    told = answer("receipt", folder, "--trust", trust, "--openings", folder / "openings.txt")
    assert told.status == 0, told.told
    assert answer("receipt", folder).status == 21  # no keys in it


# ------------------------------------------------------------------------------------------------ tampered, and hostile


@pytest.mark.parametrize(("tamper", "status", "name"), TAMPERED, ids=range(len(TAMPERED)))
def test_what_was_tampered_with_is_named(
    copy: Given, tamper: Callable[[Path], None], status: int, name: str, tmp_path: Path
) -> None:
    tamper(copy.receipt)
    told = ask("receipt", copy.receipt, copy.exhibit, cwd=tmp_path)
    assert told.status == status
    assert f"BAD       {name}: " in told.told


def test_a_policy_asks_for_witnesses(copy: Given) -> None:
    witness = "witness.example/w1+b72bab2e+BCVDuS/xCVURR2rcg2nbbdyTNmWhGXjdoUBO4QZsqVWd"
    text = (copy.receipt / "policy").read_text().replace("quorum none", f"witness w1 {witness}\ngroup all 1 w1\n")
    (copy.receipt / "policy").write_text(text.replace("group all", "group g") + "quorum g\n")
    told = answer("receipt", copy.receipt, copy.exhibit)
    assert told.status == 6
    assert "0 of 1 witnesses cosigned: no quorum" in told.told


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["entry.json", "receipt.tlog-proof", "policy", "entry-0.json"]), data=st.binary(max_size=300)
)
def test_any_bytes_get_a_definite_answer(copy: Given, name: str, data: bytes) -> None:
    before = (copy.receipt / name).read_bytes()
    try:
        (copy.receipt / name).write_bytes(data)
        assert answer("receipt", copy.receipt, copy.exhibit).status == 21
    finally:
        (copy.receipt / name).write_bytes(before)


def test_what_is_printed_cannot_move_a_cursor(given_log: Given, tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b[2J\nRESULT    0: good \u202egnp"
    hostile.write_bytes(b"x")
    told = ask("receipt", given_log.receipt, hostile, cwd=tmp_path)
    assert told.status == 20
    assert told.told.isascii()
    assert "\x1b" not in told.told
    assert told.told.count("\nRESULT ") == 1


@pytest.mark.parametrize("what", ["pipe", "folder", "link to nothing"])
def test_a_thing_that_is_no_file_is_not_waited_for(copy: Given, what: str, tmp_path: Path) -> None:
    path = copy.receipt / "entry.json"
    path.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "link to nothing": lambda path: os.symlink("nowhere", path)}[what](path)
    assert ask("receipt", copy.receipt, cwd=tmp_path).status == 21


@pytest.mark.parametrize(
    ("arguments", "status"),
    [([], 2), (["receipt"], 2), (["unknown", "x"], 2), (["receipt", "nowhere"], 3), (["log", "nowhere"], 3)],
)
def test_wrong_usage_and_missing_things_have_their_own_status(
    arguments: list[str], status: int, tmp_path: Path
) -> None:
    shutil.copy(SHELL.with_name("verify_evidence.py"), tmp_path)
    command = ["python3", "-I", "verify_evidence.py", *arguments]
    assert subprocess.run(command, cwd=tmp_path, env=BARE, capture_output=True).returncode == status


def test_help_is_written_for_people(tmp_path: Path) -> None:
    told = ask("--help", cwd=tmp_path)
    assert told.status == 0
    assert "writes nothing and uses no network" in told.told
