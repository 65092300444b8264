"""`strongroom verify`: what it is told, and what it answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from store_of_log import copied, receive, store_of_size

from base.errors import NotFoundError, UsageError
from catalog.rebuild import rebuild
from cli import strongroom
from ledger.layout import StoreLayout
from ledger.proofs import prove
from ledger.record import Recorder
from ledger.seal import seal


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    layout = copied(tmp_path / "store")
    rebuild(layout)
    return layout


def run(layout: StoreLayout, *arguments: str | Path) -> Result:
    return CliRunner().invoke(strongroom, ["verify", "--store", str(layout.root), *map(str, arguments)])


def verify(layout: StoreLayout, kept: Path) -> Result:
    return run(layout, "--against", kept)


def test_the_checkpoint_that_was_kept_is_one_to_compare_with(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(layout.checkpoint.read_bytes())
    assert verify(layout, kept).exit_code == 0


def test_a_receipt_is_compared_by_the_checkpoint_inside(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "receipt.tlog-proof"
    kept.write_bytes(prove(layout, 1).encode())
    assert verify(layout, kept).exit_code == 0
    kept.write_bytes(prove(layout, 1).encode().replace(b"index 1", b"index two"))
    assert isinstance(verify(layout, kept).exception, UsageError)


@pytest.mark.parametrize("content", [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"\xff" * 2_000_000])
def test_a_file_that_is_no_checkpoint_says_nothing_about_the_log(
    layout: StoreLayout, tmp_path: Path, content: bytes
) -> None:
    kept = tmp_path / "shopping list"
    kept.write_bytes(content)
    error = verify(layout, kept).exception
    assert isinstance(error, UsageError)
    assert "shopping list is no checkpoint" in str(error)


def test_a_checkpoint_that_somebody_changed_is_a_finding(layout: StoreLayout, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    origin, size, rest = layout.checkpoint.read_bytes().split(b"\n", 2)
    kept.write_bytes(b"\n".join([origin, str(int(size) + 1).encode(), rest]))
    assert verify(layout, kept).exit_code == 21


def other_log(folder: Path) -> bytes:
    layout = store_of_size(folder / "another store", 4)
    return layout.checkpoint.read_bytes().replace(b"strongroom/TESTSTORE0000", b"strongroom/ANOTHERSTORE0")


def test_each_kept_checkpoint_has_an_answer_of_its_own(layout: StoreLayout, tmp_path: Path) -> None:
    kept = {"same": layout.checkpoint.read_bytes(), "other": other_log(tmp_path)}
    for name, note in kept.items():
        (tmp_path / name).write_bytes(note)
    with Recorder.open(layout) as recorder:
        receive(recorder)
        seal(recorder)
    (tmp_path / "now").write_bytes(layout.checkpoint.read_bytes())
    arguments = [part for name in ("same", "now", "other") for part in ("--against", str(tmp_path / name))]
    ended = run(layout, *arguments, "--json")
    answers = json.loads(ended.stdout)["against"]
    assert [(Path(answer["file"]).name, answer["size"], answer["verdict"]) for answer in answers] == [
        ("same", 2, "extension"),
        ("now", 3, "same"),
        ("other", 4, "other-log"),
    ]
    assert ended.exit_code == 21
    told = run(layout, *arguments).stdout
    assert "this log goes on from it" in told
    assert "ANOTHER LOG" in told


@pytest.mark.parametrize("as_json", [True, False])
def test_the_report_is_the_document_in_a_new_file(layout: StoreLayout, tmp_path: Path, as_json: bool) -> None:
    report = tmp_path / "report.json"
    ended = run(layout, "--report", report, *(["--json"] if as_json else []))
    assert ended.exit_code == 0, ended.output
    document = json.loads(report.read_bytes())
    assert (document["schema"], document["verdict"]) == ("strongroom/verify/1", "ok")
    if as_json:
        assert json.loads(ended.stdout) == document


def test_a_report_replaces_nothing(layout: StoreLayout, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("the last one")
    assert isinstance(run(layout, "--report", report).exception, UsageError)
    assert report.read_text() == "the last one"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert isinstance(run(layout, "--report", tmp_path / "link").exception, UsageError)
    assert not (tmp_path / "nowhere").exists()


def test_a_report_never_lies_in_the_store(layout: StoreLayout) -> None:
    assert isinstance(run(layout, "--report", layout.log / "report.json").exception, UsageError)
    assert not (layout.log / "report.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sample", "5"],
        ["--seed", "x"],
        ["--sample", "0", "--seed", "x"],
        ["--sample", "5", "--seed", "x", "item_7K3M"],
        ["--resume", "state", "item_7K3M"],
    ],
)
def test_what_does_not_go_together_is_refused(layout: StoreLayout, arguments: list[str]) -> None:
    assert isinstance(run(layout, *arguments).exception, UsageError)


def test_a_sample_ends_with_6_and_names_its_seed(layout: StoreLayout) -> None:
    ended = run(layout, "--sample", "5%", "--seed", "visit 3", "--json")
    document = json.loads(ended.stdout)
    assert (ended.exit_code, document["verdict"]) == (6, "unchecked")
    assert document["sample"] == {"percent": "5", "seed": "visit 3", "left_out": 0}
    assert "only a sample" in run(layout, "--sample", "5%", "--seed", "visit 3").stdout


def test_an_unknown_exhibit_is_not_found(layout: StoreLayout) -> None:
    assert isinstance(run(layout, "item_7K3M").exception, NotFoundError)


def test_a_folder_with_only_the_public_log_will_do(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copytree(layout.log, tmp_path / "given" / "log")
    ended = run(StoreLayout(tmp_path / "given"), "--json")
    document = json.loads(ended.stdout)
    assert (ended.exit_code, document["verdict"], document["findings"]) == (6, "unchecked", [])
    assert document["log"]["signatures"] == document["log"]["chain"] == "ok"


def test_a_folder_with_nothing_in_it_is_no_store(tmp_path: Path) -> None:
    assert isinstance(run(StoreLayout(tmp_path)).exception, NotFoundError)


def test_ctrl_c_leaves_a_true_sentence(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("catalog.verification.check_objects", stop)
    ended = run(layout, "--resume", tmp_path / "my state")
    assert ended.exit_code == 1  # `cli.main` makes it 130
    assert "Stopped: 2 of 2 entries were checked. No verdict was reached, and nothing was changed." in ended.stderr
    assert (tmp_path / "my state").exists()
