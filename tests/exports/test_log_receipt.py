"""The receipt for a stranger: its own text is run, as a stranger would, on sound receipts and on tampered ones."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from store_of_log import DROP_NAME, SHARE, arrive, found, item_by_a_later_key, receive, store_of_size

from base.errors import LedgerError, NotFoundError, RefusedError
from base.fsio import DiskError
from exports.log_receipt import (
    CHECKERS,
    HOW_TO_CHECK,
    LogReceipt,
    definition_of,
    log_receipt,
    refuse_used,
    write_log_receipt,
)
from hashing.note import sign_note
from hashing.receipt import parse_receipt, verify_receipt
from ledger.keys.file import LOG_KEY, create_key, load_key
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import LogKey, seal

FILES = ["entry.json", "receipt.tlog-proof", "entry-0.json", "entry-0.tlog-proof", "policy", *CHECKERS, HOW_TO_CHECK]
CONTENT = b"the very bytes of one recording"
FOREIGN_LINE = (
    "— witness.example/w1 tyurLgAAAABqsTuAFqpP+Fr+KPwz0/oeVvTHZtqWgw8ze6S8xPim1fCebiumUIGz080oKv3/jgLDDK7TYs5oW/"
)
FOREIGN_LINE += "J06YVzhwc05OJWDQ==\n"

needs_openssl = pytest.mark.needs("openssl", "sha256sum", "base64")


def commands_of(folder: Path) -> str:
    """Return the command lines of HOW-TO-CHECK.txt: those that begin with four blanks."""
    lines = (folder / HOW_TO_CHECK).read_text("ascii").splitlines()
    return "".join(f"{line[4:]}\n" for line in lines if line.startswith("    "))


def check_by_hand(folder: Path, file: Path, *, shell: str = "sh") -> tuple[int, str]:
    """Run the commands as a stranger would; return the exit status and what was printed."""
    done = subprocess.run(
        [shell], input=commands_of(folder), cwd=folder, env={**os.environ, "file": str(file)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A receipt in the middle of a log of some 300 entries, and the file that it is about."""
    root = tmp_path_factory.mktemp("receipt")
    receipt, _ = receipt_in_log(root / "store", before=258, after=40)
    write_log_receipt(receipt, root / "out")
    (root / "file").write_bytes(CONTENT)
    return root / "out", root / "file"


def receipt_in_log(root: Path, *, before: int, after: int) -> tuple[LogReceipt, StoreLayout]:
    layout = found(root)
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        arrive(recorder, drop, [b"before/%d" % n for n in range(before)])
        (item,) = arrive(recorder, drop, [b"secret place/clip.mp4"], content=CONTENT)
        arrive(recorder, drop, [b"after/%d" % n for n in range(after)])
        seal(recorder)
    return log_receipt(layout, item), layout


@pytest.fixture
def folder(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(made[0], tmp_path / "copy"))


# ------------------------------------------------------------------------------------------------ by hand, all is well


@needs_openssl
def test_a_stranger_finds_a_sound_receipt_sound(made: tuple[Path, Path]) -> None:
    status, told = check_by_hand(*made)
    assert status == 0, told
    assert "FAILED" not in told
    assert told.count("OK      ") == 13
    assert told.endswith("ALL OK\n")


@needs_openssl
def test_the_one_line_that_runs_everything_does_so(made: tuple[Path, Path]) -> None:
    text = (made[0] / HOW_TO_CHECK).read_text("ascii")
    (line,) = [line for line in text.splitlines() if line.startswith("  sed ")]
    done = subprocess.run(
        ["sh", "-c", line.replace("/path/to/the/file", str(made[1]))], cwd=made[0], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == check_by_hand(*made)[1]


@needs_openssl
@pytest.mark.needs("bash")
def test_the_commands_are_not_of_one_shell_only(made: tuple[Path, Path]) -> None:
    assert check_by_hand(*made, shell="bash") == check_by_hand(*made)


@needs_openssl
@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 300), (251, 0), (252, 0), (252, 1), (253, 0), (300, 300)])
def test_the_commands_climb_trees_of_every_shape(tmp_path: Path, before: int, after: int) -> None:
    """Position = before + 3: lone right edges, both sides of a tile border, powers of two."""
    receipt, _ = receipt_in_log(tmp_path / "store", before=before, after=after)
    assert (receipt.seq, receipt.checkpoint.size) == (before + 3, before + after + 4)
    write_log_receipt(receipt, tmp_path / "out")
    (tmp_path / "file").write_bytes(CONTENT)
    status, told = check_by_hand(tmp_path / "out", tmp_path / "file")
    assert status == 0, told


@needs_openssl
def test_a_signature_line_of_a_witness_does_not_disturb(folder: Path, made: tuple[Path, Path]) -> None:
    for name in ("receipt.tlog-proof", "entry-0.tlog-proof"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(FOREIGN_LINE)
    status, told = check_by_hand(folder, made[1])
    assert status == 0, told


# ------------------------------------------------------------------------------------------------ by hand, tampered


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        before = (folder / name).read_bytes()
        after = change(before)
        assert after != before
        (folder / name).write_bytes(after)

    return tamper


def replace_line(number: int, text: bytes | None) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        lines[number : number + 1] = [] if text is None else [text]
        return b"\n".join(lines)

    return change


def both(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Tamper with the checkpoint of both receipts alike."""

    def tamper(folder: Path) -> None:
        for name in ("receipt.tlog-proof", "entry-0.tlog-proof"):
            head, gap, checkpoint = (folder / name).read_bytes().partition(b"\n\n")
            assert change(checkpoint) != checkpoint
            (folder / name).write_bytes(head + gap + change(checkpoint))

    return tamper


def other_payload(data: bytes) -> bytes:
    """Change one digit of the digest inside the payload, as somebody would who wants another file to fit."""
    head, payload, tail = data.split(b'"', 3)[0:3], data.split(b'"')[3], data.split(b'"')[4:]
    statement = base64.b64decode(payload)
    at = statement.rindex(b'"sha256":"') + len(b'"sha256":"')
    digit = b"0" if statement[at : at + 1] != b"0" else b"1"
    changed = base64.b64encode(statement[:at] + digit + statement[at + 1 :])
    return b'"'.join([*head, changed, *tail])


def other_signature(data: bytes) -> bytes:
    parts = data.split(b'"')
    parts[17] = base64.b64encode(bytes(byte ^ 1 for byte in base64.b64decode(parts[17])))
    return b'"'.join(parts)


def entry_zero_for_the_entry(folder: Path) -> None:
    shutil.copy(folder / "entry-0.json", folder / "entry.json")
    shutil.copy(folder / "entry-0.tlog-proof", folder / "receipt.tlog-proof")


def own_recorder_key(folder: Path) -> None:
    """Sign the entry anew with a key of one's own, and name that key in entry 0."""
    signer = create_key(folder / "key.pem")
    old = (folder / "entry.json").read_bytes().split(b'"')
    payload = base64.b64decode(old[3])
    signed = signer.sign(b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload))
    entry = b'"'.join([*old[:13], signer.keyid.encode(), *old[14:17], base64.b64encode(signed), *old[18:]])
    zero = (folder / "entry-0.json").read_bytes().split(b'"')
    first = base64.b64decode(zero[3]).replace(old[13], signer.keyid.encode())
    at = first.index(b'"spki":"') + len(b'"spki":"')
    spki = base64.b64encode(signer.spki)
    first = first[:at] + spki + first[at + len(spki) :]
    signed = signer.sign(b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(first), first))
    parts = [*zero[:3], base64.b64encode(first), *zero[4:13], signer.keyid.encode(), *zero[14:17]]
    (folder / "entry.json").write_bytes(entry)
    (folder / "entry-0.json").write_bytes(b'"'.join([*parts, base64.b64encode(signed), *zero[18:]]))


NO_KEYID = b"0" * 64
ANY_HASH = base64.b64encode(bytes(32))
TAMPERED: list[tuple[str, Callable[[Path], None], list[str]]] = [
    ("another digest in the entry", edit("entry.json", other_payload), ["1  the file has", "2  the signature of the"]),
    ("another signature", edit("entry.json", other_signature), ["2  the signature of the entry"]),
    ("another keyid", edit("entry.json", lambda d: d.replace(d.split(b'"')[13], NO_KEYID)), ["2  the signature of"]),
    ("a second line", edit("entry.json", lambda d: d + b"\n"), ["0  entry.json is"]),
    ("a member more", edit("entry.json", lambda d: d.replace(b'{"pay', b'{"more":"","pay')), ["0  entry.json is"]),
    ("another entry", entry_zero_for_the_entry, ["1  the entry defines one master"]),
    ("a hash of the path", edit("receipt.tlog-proof", replace_line(2, ANY_HASH)), ["3  the entry stands"]),
    ("a hash too few", edit("receipt.tlog-proof", replace_line(2, None)), ["3  the entry stands"]),
    ("a hash more", edit("receipt.tlog-proof", lambda d: d.replace(b"\n\n", b"\n%b\n\n" % ANY_HASH, 1)), ["3  the"]),
    ("a hash cut short", edit("receipt.tlog-proof", replace_line(2, ANY_HASH[:24])), ["3  the entry stands"]),
    ("another position", edit("receipt.tlog-proof", replace_line(1, b"index 260")), ["3  the entry stands"]),
    ("a signed position", edit("receipt.tlog-proof", lambda d: d.replace(b"index ", b"index +")), ["3  the entry"]),
    ("no position", edit("receipt.tlog-proof", replace_line(1, b"index ")), ["3  the entry stands"]),
    ("another header", edit("receipt.tlog-proof", replace_line(0, b"c2sp.org/tlog-proof@v2")), ["3  the entry stands"]),
    ("another size", both(replace_line(1, b"999")), ["3  the entry stands", "4  the log signed"]),
    ("a size with a zero", both(lambda d: d.replace(b"\n", b"\n0", 1)), ["3  the entry stands", "4  the log signed"]),
    ("another root", both(replace_line(2, ANY_HASH)), ["3  the entry stands", "4  the log signed"]),
    ("a size beyond counting", both(replace_line(1, b"9" * 40)), ["3  the entry stands", "4  the log signed"]),
    ("another log in the note", both(replace_line(0, b"strongroom/OTHER")), ["4  the log signed", "4  entry, first"]),
    ("a claim nobody signed", both(replace_line(3, b"and all of it is true")), ["4  the log signed"]),
    ("two checkpoints", edit("entry-0.tlog-proof", lambda d: d + FOREIGN_LINE.encode()), ["3  both receipts end"]),
    ("no signature line", both(lambda d: d.partition(b"\n\n")[0] + b"\n\n"), ["4  the log signed"]),
    ("an empty receipt", edit("receipt.tlog-proof", lambda d: b""), ["3  both receipts", "3  the entry stands"]),
    ("no policy", edit("policy", lambda d: b""), ["4  the key in policy", "4  the log signed"]),
    ("another key in policy", edit("policy", lambda d: d[:-20] + b"AAAA" + d[-16:]), ["4  the key in policy"]),
    ("keys of a forger", own_recorder_key, ["3  the entry stands", "3  entry-0.json is the first"]),
]  # fmt: skip


@needs_openssl
@pytest.mark.parametrize(("tamper", "failing"), [case[1:] for case in TAMPERED], ids=[case[0] for case in TAMPERED])
def test_a_stranger_sees_what_was_tampered_with(
    folder: Path, made: tuple[Path, Path], tamper: Callable[[Path], None], failing: list[str]
) -> None:
    tamper(folder)
    status, told = check_by_hand(folder, made[1])
    assert status == 1, told
    assert told.endswith("NOT OK: see the lines that say FAILED\n")
    for line in failing:
        assert f"FAILED  {line}" in told


@needs_openssl
@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"\n", None])
def test_a_stranger_sees_that_a_file_is_another_one_or_not_there(
    made: tuple[Path, Path], tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    status, told = check_by_hand(made[0], tmp_path / "file")
    assert status == 1
    assert [line for line in told.splitlines() if "FAILED" in line][:-1] == [
        "FAILED  1  the file has the digest that the entry names"
    ]


@needs_openssl
def test_no_file_does_not_fit_an_entry_that_names_none(folder: Path, tmp_path: Path) -> None:
    (folder / "entry.json").write_bytes(b"")
    assert "FAILED  1  the file has the digest" in check_by_hand(folder, tmp_path / "missing")[1]


@needs_openssl
def test_a_log_that_signs_a_wrong_number_of_entries_is_found_out(tmp_path: Path) -> None:
    """Size 1,024 with the root of size 512: the path is the same, and ends one level below the root."""
    receipt, layout = receipt_in_log(tmp_path / "store", before=258, after=250)
    assert receipt.checkpoint.size == 512
    wrong = structs.replace(receipt.checkpoint, size=1024)
    note = sign_note(wrong.text(), [LogKey(load_key(layout.keys / LOG_KEY), wrong.origin)])
    for name in ("receipt.tlog-proof", "entry-0.tlog-proof"):
        proof = replace(parse_receipt(receipt.files[name]), checkpoint=note)
        receipt = replace(receipt, files={**receipt.files, name: proof.encode()})
    write_log_receipt(receipt, tmp_path / "out")
    (tmp_path / "file").write_bytes(CONTENT)
    status, told = check_by_hand(tmp_path / "out", tmp_path / "file")
    assert status == 1
    assert "OK      4  the log signed the checkpoint" in told
    assert "FAILED  3  the entry stands" in told


@needs_openssl
def test_a_file_with_any_name_can_be_checked(made: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "a \\ $(touch broken) 'name'\nof two lines"
    file.write_bytes(CONTENT)
    assert check_by_hand(made[0], file)[0] == 0
    assert not (made[0] / "broken").exists()


@needs_openssl
def test_a_whole_log_made_up_differs_only_in_its_key(made: tuple[Path, Path], tmp_path: Path) -> None:
    """What the text says of itself: without a key from elsewhere, a forger with a log of his own passes."""
    receipt, _ = receipt_in_log(tmp_path / "store", before=1, after=1)
    write_log_receipt(receipt, tmp_path / "out")
    assert check_by_hand(tmp_path / "out", made[1])[0] == 0
    assert receipt.files["policy"] != (made[0] / "policy").read_bytes()


@needs_openssl
def test_checking_leaves_nothing_behind(folder: Path, made: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    env = {**os.environ, "file": str(made[1]), "TMPDIR": str(tmp_path / "temporary")}
    subprocess.run(["sh"], input=commands_of(folder).encode(), cwd=folder, env=env, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list((tmp_path / "temporary").iterdir()) == []


# ------------------------------------------------------------------------------------------------ what is in it


def test_the_files_are_those_of_the_log(tmp_path: Path) -> None:
    receipt, layout = receipt_in_log(tmp_path / "store", before=5, after=5)
    assert list(receipt.files) == FILES
    with LogReader(layout) as log:
        key, entry, first = log.trust.log_key, log.entry(receipt.seq).raw, log.entry(0).raw
    assert (receipt.files["entry.json"], receipt.files["entry-0.json"]) == (entry, first)
    for name, raw in (("receipt.tlog-proof", entry), ("entry-0.tlog-proof", first)):
        assert verify_receipt(parse_receipt(receipt.files[name]), raw, key) == receipt.checkpoint
    assert receipt.files["policy"] == f"log {key}\nquorum none\n".encode()


def test_nothing_secret_is_in_it(made: tuple[Path, Path]) -> None:
    whole = b"".join(path.read_bytes() for path in made[0].iterdir())
    whole += b"".join(base64.b64decode(path.read_bytes().split(b'"')[3]) for path in made[0].glob("*.json"))
    for secret in (SHARE, DROP_NAME, b"secret place", b"clip.mp4", b"tech"):
        assert secret not in whole
        assert base64.b64encode(secret)[:-4] not in whole


def test_an_arrival_of_the_same_bytes_has_its_own_receipt(tmp_path: Path) -> None:
    layout = found(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        items = arrive(recorder, receive(recorder), [b"one.mp4", b"two.mp4"], content=CONTENT)
        seal(recorder)
    one, two = (log_receipt(layout, item) for item in items)
    assert one.sha256 == two.sha256
    assert (one.item, two.item) == tuple(items)
    assert two.seq == one.seq + 1
    assert one.files["entry.json"] != two.files["entry.json"]


def test_what_is_recorded_is_sealed_for_its_receipt(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 2)
    with Recorder.open(layout) as recorder:
        (item,) = arrive(recorder, receive(recorder), [b"fresh.mp4"])
    receipt = log_receipt(layout, item)
    assert (receipt.seq, receipt.checkpoint.size) == (3, 4)


def test_only_an_item_has_a_receipt(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 2)
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
    with LogReader(layout) as log, pytest.raises(NotFoundError, match="is not an item"):
        definition_of(log, drop)


def test_an_entry_signed_with_a_key_that_the_log_does_not_name_gets_no_receipt(tmp_path: Path) -> None:
    layout = store_of_size(tmp_path / "store", 2)
    with Recorder.open(layout) as recorder:
        recorder.signer = create_key(tmp_path / "stranger.pem")
        (item,) = arrive(recorder, receive(recorder), [b"fresh.mp4"])
        assert seal(recorder).size == 4  # a recorder does not suspect what it wrote itself
    with pytest.raises(LedgerError, match="does not name"):
        log_receipt(layout, item)


def test_the_entries_that_enrolled_the_key_go_along(tmp_path: Path) -> None:
    receipt = log_receipt(*item_by_a_later_key(tmp_path / "store", CONTENT))
    assert list(receipt.files)[2:6] == ["entry-0.json", "entry-2.json", "entry-3.json", "entry-0.tlog-proof"]


@needs_openssl
def test_a_stranger_follows_the_keys_by_hand(tmp_path: Path) -> None:
    write_log_receipt(log_receipt(*item_by_a_later_key(tmp_path / "store", CONTENT)), tmp_path / "out")
    (tmp_path / "file").write_bytes(CONTENT)
    status, told = check_by_hand(tmp_path / "out", tmp_path / "file")
    assert status == 0, told
    assert told.count("enrols one more key") == 2
    (tmp_path / "out" / "entry-3.json").unlink()
    status, told = check_by_hand(tmp_path / "out", tmp_path / "file")
    assert status == 1
    assert "FAILED  2  the signature of the entry" in told


# ------------------------------------------------------------------------------------------------ where it goes


@pytest.mark.parametrize("prepare", [None, Path.mkdir])
def test_a_new_or_empty_directory_is_filled(
    tmp_path: Path, made: tuple[Path, Path], prepare: Callable[[Path], None] | None
) -> None:
    receipt, layout = receipt_in_log(tmp_path / "store", before=0, after=0)
    target = tmp_path / "deep" / "er" if prepare is None else tmp_path / "empty"
    if prepare:
        prepare(target)
    refuse_used(target, layout)
    write_log_receipt(receipt, target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == dict(receipt.files)


@pytest.mark.parametrize("kind", ["file", "used", "link", "dangling", "store", "in the store"])
def test_any_other_target_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    layout = store_of_size(tmp_path / "store", 2)
    target = tmp_path / "target"
    match kind:
        case "file":
            target.write_bytes(b"mine")
        case "used":
            target.mkdir()
            (target / "mine").write_bytes(b"")
        case "link":
            (tmp_path / "elsewhere").mkdir()
            target.symlink_to(tmp_path / "elsewhere")
        case "dangling":
            target.symlink_to(tmp_path / "nowhere")
        case "store":
            target = layout.root
        case "in the store":
            target = layout.log / "receipt"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RefusedError):
        refuse_used(target, layout)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_target_below_a_file_is_an_error_of_the_disk(tmp_path: Path) -> None:
    receipt, _ = receipt_in_log(tmp_path / "store", before=0, after=0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError, match="can't be written"):
        write_log_receipt(receipt, tmp_path / "file" / "below")
