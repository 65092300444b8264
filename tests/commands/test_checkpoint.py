"""`strongroom checkpoint` as two people use it: who runs the log, and a witness with a stick."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from program import Ended, start, strongroom
from store_of_log import arrive, copied, receive

from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


def grow(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        arrive(recorder, receive(recorder, arrival_key=os.urandom(32)), [b"1.mp4", b"2.mp4"])
        seal(recorder)


def on_store(layout: StoreLayout, *arguments: str | Path) -> Ended:
    return strongroom("checkpoint", *arguments, "--store", layout.root)


@pytest.fixture
def witness(layout: StoreLayout, tmp_path: Path) -> Path:
    """A witness that knows the log and that the store has set."""
    folder = tmp_path / "witness"
    made = strongroom("checkpoint", "cosign", "--witness", folder, "--init", "witness.example/w", "--json")
    assert made.code == 0, made.stderr
    set_witness(layout, str(made.document["vkey"]))
    with LogReader(layout) as log:
        vkey = str(log.trust.log_key)
    assert strongroom("checkpoint", "cosign", "--witness", folder, "--trust", vkey).code == 0
    return folder


def set_witness(layout: StoreLayout, vkey: str, *more: str) -> None:
    lines = ["[[witness]]", f'vkey = "{vkey}"', *more]
    layout.settings.write_text("\n".join([layout.settings.read_text(), *lines, ""]))


def test_show_prints_the_note_or_the_words(layout: StoreLayout) -> None:
    assert on_store(layout, "show").stdout.encode() == layout.checkpoint.read_bytes()
    words = on_store(layout, "show", "--words").stdout.split()
    assert words == on_store(layout, "show", "--json").document["words"]
    assert len(words) == 7


def test_a_copy_is_lodged_and_checked_later(layout: StoreLayout, tmp_path: Path) -> None:
    kept, page, code = tmp_path / "kept.checkpoint", tmp_path / "page.html", tmp_path / "code.png"
    lodged = on_store(layout, "lodge", "-o", kept, "--html", page, "--qr", code, "--where", "the safe", "--json")
    assert (lodged.code, lodged.document["seq"], lodged.document["file"]) == (0, 2, str(kept)), lodged.stderr
    assert kept.read_text() in page.read_text().replace("&#43;", "+")
    assert code.read_bytes().startswith(b"\x89PNG")
    grow(layout)
    checked = on_store(layout, "check", kept, "--json")
    assert checked.code == 0
    assert [(one["verdict"], one["size"]) for one in checked.document["answers"]] == [("extension", 2)]  # type: ignore[attr-defined]
    assert "CONTINUED" in on_store(layout, "check", kept).stdout


def test_a_kept_copy_is_never_written_over(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "kept.checkpoint"
    kept.write_text("the one of last year")
    assert on_store(layout, "lodge", "-o", kept).code == 4
    assert kept.read_text() == "the one of last year"
    with LogReader(layout) as log:
        assert log.recorded() == 2  # and nothing was said to be lodged


def test_a_store_that_was_put_back_is_told_by_name(layout: StoreLayout, tmp_path: Path) -> None:
    """Rolled back, then written on (a fork), then written on to the very size (a split view)."""
    shutil.copytree(layout.root, before := tmp_path / "before")
    grow(layout)
    kept = tmp_path / "kept.checkpoint"
    kept.write_bytes(layout.checkpoint.read_bytes())
    for rounds, word in ((0, "ROLLED BACK"), (1, "SPLIT VIEW"), (2, "FORK")):
        shutil.rmtree(layout.root)
        shutil.copytree(before, layout.root)
        for _ in range(rounds):
            grow(layout)
        checked = on_store(layout, "check", kept)
        assert (checked.code, word in checked.stdout) == (21, True), checked.stdout


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\xff" * 100])
def test_what_is_no_checkpoint_is_wrong_usage(layout: StoreLayout, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.checkpoint").write_bytes(content)
    assert on_store(layout, "check", tmp_path / "x.checkpoint").code == 2


def test_check_needs_no_right_to_write(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "kept.checkpoint"
    kept.write_bytes(layout.checkpoint.read_bytes())
    before = {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")}
    assert on_store(layout, "check", kept).code == 0
    assert {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")} == before


def test_a_witness_on_a_stick(layout: StoreLayout, witness: Path, tmp_path: Path) -> None:
    request, answer = tmp_path / "request", tmp_path / "answer"
    assert on_store(layout, "lodge", "--request", request).code == 0
    cosigned = strongroom("checkpoint", "cosign", "--witness", witness, "--request", request, "-o", answer, "--json")
    assert (cosigned.code, cosigned.document["status"]) == (0, 200), cosigned.stderr
    accepted = on_store(layout, "lodge", "--accept", answer, "--json")
    assert (accepted.code, accepted.document["witnesses"]) == (0, ["witness.example/w"]), accepted.stderr
    # The state of the witness is a memory of the log.
    (state,) = witness.glob("*.checkpoint")
    assert on_store(layout, "check", state).code == 0


def test_a_lost_stick_costs_one_more_question(layout: StoreLayout, witness: Path, tmp_path: Path) -> None:
    def ask(name: str, *more: str) -> tuple[Ended, Path]:
        assert on_store(layout, "lodge", "--request", tmp_path / name, *more).code == 0
        answer = tmp_path / f"{name}-answer"
        return strongroom(
            "checkpoint", "cosign", "--witness", witness, "--request", tmp_path / name, "-o", answer
        ), answer

    assert ask("lost")[0].code == 0
    grow(layout)
    refused, answer = ask("second")
    assert (refused.code, "--old 2" in refused.stderr) == (5, True)
    told = on_store(layout, "lodge", "--accept", answer)
    assert (told.code, "--old 2" in told.stderr) == (5, True)
    cosigned, answer = ask("third", "--old", "2")
    assert cosigned.code == 0, cosigned.stderr
    assert on_store(layout, "lodge", "--accept", answer).code == 0


def test_a_log_that_was_put_back_gets_no_cosignature(layout: StoreLayout, witness: Path, tmp_path: Path) -> None:
    shutil.copytree(layout.root, before := tmp_path / "before")
    grow(layout)
    request, answer = tmp_path / "request", tmp_path / "answer"
    on_store(layout, "lodge", "--request", request)
    assert strongroom("checkpoint", "cosign", "--witness", witness, "--request", request, "-o", answer).code == 0
    shutil.rmtree(layout.root)
    shutil.copytree(before, layout.root)
    for _ in range(3):
        grow(layout)
    request, answer = tmp_path / "again", tmp_path / "no"
    assert on_store(layout, "lodge", "--request", request, "--old", "5").code == 0
    assert strongroom("checkpoint", "cosign", "--witness", witness, "--request", request, "-o", answer).code == 21
    told = on_store(layout, "lodge", "--accept", answer)
    assert (told.code, "422" in told.stderr) == (21, True)
    watched = start_with_memory(layout, witness, tmp_path)
    assert (watched.code, "FORK" in watched.stderr) == (21, True), watched.stderr


def start_with_memory(layout: StoreLayout, place: Path, tmp_path: Path) -> Ended:
    """Start the recorder with ``place`` set as a memory."""
    (tmp_path / "share").mkdir(exist_ok=True)
    more = f'\n[[memory]]\npath = "{place}"\n\n[[share]]\npath = "{tmp_path / "share"}"\n'
    layout.settings.write_text(layout.settings.read_text() + more)
    assert strongroom("catalog", "rebuild", "--store", layout.root).code == 0
    return strongroom("watch", "--once", "--no-analysis", "--store", layout.root)


def test_a_start_without_its_memories_says_so_once(layout: StoreLayout, tmp_path: Path) -> None:
    ended = start_with_memory(layout, tmp_path / "nowhere", tmp_path)
    assert ended.code == 0, ended.stderr
    with LogReader(layout) as log:
        types = [log.entry(seq).type for seq in range(2, log.recorded())]
    assert types.count("start.unanchored") == 1
    assert types[0] == "start.unanchored"
    assert "config.changed" in types


def test_a_witness_over_http(layout: StoreLayout, witness: Path) -> None:
    server = start("checkpoint", "cosign", "--witness", witness, "--serve", "127.0.0.1:0")
    try:
        assert server.stderr is not None
        line = server.stderr.readline().decode()
        url = next(word.rstrip(";") for word in line.split() if word.startswith("http://"))
        settings = layout.settings.read_text()
        layout.settings.write_text(settings.replace("[[witness]]", f'[[witness]]\nurl = "{url}"'))
        lodged = on_store(layout, "lodge", "--send", "--json")
        assert (lodged.code, lodged.document["witnesses"]) == (0, ["witness.example/w"]), lodged.stderr
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)
    assert server.returncode == 130
    gone = on_store(layout, "lodge", "--send", "--json")
    assert (gone.code, json.loads(gone.stdout)["error"]["code"]) == (8, "surroundings")


@pytest.mark.parametrize(
    "arguments",
    [
        ["lodge"],
        ["lodge", "--print", "--send"],
        ["lodge", "-o", "x", "--request", "y"],
        ["lodge", "--qr", "x.gif"],
        ["lodge", "--send"],  # no witness is set
        ["lodge", "--request", "x"],
        ["check"],
    ],
)
def test_one_way_at_a_time(layout: StoreLayout, tmp_path: Path, arguments: list[str]) -> None:
    os.chdir(tmp_path)
    assert on_store(layout, *arguments).code == 2
    with LogReader(layout) as log:
        assert log.recorded() == 2


@pytest.mark.parametrize("arguments", [[], ["--init", "x", "--serve", "127.0.0.1:0"], ["--request", "r"]])
def test_a_witness_does_one_thing_at_a_time(witness: Path, arguments: list[str]) -> None:
    assert strongroom("checkpoint", "cosign", "--witness", witness, *arguments).code == 2
