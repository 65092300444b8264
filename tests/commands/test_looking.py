"""`find`, `show` and `sheet` as people and scripts see them: recorded first, escaped always, null where not known."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from store_of_footage import JPEG, FootageStore, footage_store

from base.errors import EvidenceError, NotFoundError, SurroundingsError
from cli import strongroom
from exports.contact_sheet import SheetExistsError
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.reader import LogReader
from ledger.record import Recorder

RAW = b"a\x1b[2J\xff\xe2\x80\xae\xe2\x80\xa8b\\.mp4"
SHOWN = "a\\u001b[2J\\xff\\u202e\\u2028b\\\\.mp4"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FootageStore]:
    with footage_store(tmp_path_factory.mktemp("looking") / "store") as made:
        drop = made.drop(RAW)
        first, second = made.item(drop, RAW), made.item(drop, b"plain.mp4")
        metadata: list[Json] = [
            {"source": "exif", "key": "Serial", "value": "SECRETSERIAL", "sensitive": True},
            {"source": "mediainfo", "key": "Encoder\x1b", "value": "enc\x9boder\u202e", "sensitive": False},
        ]
        document: dict[str, Json] = {"findings": [{"code": "damaged", "start_s": "1.0", "end_s": "2.5"}]}
        made.analyse(first, drop, metadata=metadata, document=document, pictures=(JPEG,))
        made.fail(second, drop)
        made.refuse(drop, RAW + b"link")
        made.complete(drop, [first, second], refused=1)
        made.settle()
        yield made


@pytest.fixture(scope="module")
def names(store: FootageStore) -> tuple[str, str]:
    first, second = store.items
    return first, second


def invoke(command: str, store: FootageStore, *arguments: str) -> Result:
    """Run a command as the console script does: through the whole tree, whose settings commands take over."""
    return CliRunner().invoke(strongroom, [command, *arguments, "--store", str(store.layout.root)])


def run(command: str, store: FootageStore, *arguments: str) -> Result:
    result = invoke(command, store, *arguments)
    if isinstance(result.exception, EvidenceError):
        raise result.exception
    return result


def types_of(store: FootageStore) -> list[str]:
    with LogReader(store.layout) as log:
        return [opened.entry.type for opened in log.opened(0, log.recorded())]


def is_harmless(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def drop_of(store: FootageStore, item: str) -> str:
    return str(json.loads(run("show", store, item, "--json").stdout)["drop"])


# ------------------------------------------------------------------------------------------------------------ find


def test_find_prints_one_document_with_its_question(store: FootageStore, names: tuple[str, str]) -> None:
    result = run("find", store, "--json")
    told = json.loads(result.stdout)
    assert list(told) == ["schema", "question", "items", "next", "without_device_time", "hint"]
    assert told["schema"] == "strongroom/find/1"
    assert [item["item"] for item in told["items"]] == list(names)
    assert told["items"][0]["source_name"] == SHOWN
    assert result.stderr.startswith("Question: ")


def test_find_prints_a_line_for_each_item_and_a_summary(store: FootageStore) -> None:
    lines = [json.loads(line) for line in run("find", store, "--jsonl", "--limit", "1").stdout.splitlines()]
    assert [line["schema"] for line in lines] == ["strongroom/find/1"] * 2
    assert lines[1]["event"] == "summary"
    after = lines[1]["next"]
    (last, summary) = (json.loads(line) for line in run("find", store, "--jsonl", "--after", after).stdout.splitlines())
    assert last["item"] != lines[0]["item"]
    assert summary["next"] is None


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--jsonl"], ["--color", "always"], ["--from", "2031-03-14"]])
def test_nothing_that_find_prints_moves_a_cursor(
    store: FootageStore, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = invoke("find", store, *arguments)
    assert result.exit_code == 0
    for text in (result.stdout, result.stderr):
        assert is_harmless(re.sub(r"\x1b\[[0-9;]*m", "", text))  # colours are ours
    assert "\\u202e\\u2028b" in result.stdout.replace("\\\\", "\\")  # JSON doubles each backslash


def test_items_without_a_time_are_counted_in_a_last_line(store: FootageStore) -> None:
    lines = run("find", store, "--from", "2031-03-14").stdout.splitlines()
    assert lines[-1] == "1 more item fits, but has no device time and can't be placed in an interval."


@pytest.mark.parametrize("state", ["seen", "settled", "staged"])
def test_a_state_that_the_catalogue_never_holds_is_said_with_the_place_to_look(store: FootageStore, state: str) -> None:
    assert run("find", store, "--state", state).stdout.splitlines()[-1].endswith("see `drop status`.")
    told = json.loads(run("find", store, "--state", state, "--json").stdout)
    assert (told["items"], f"are {state} are not in the catalogue" in told["hint"]) == ([], True)
    (summary,) = (json.loads(line) for line in run("find", store, "--state", state, "--jsonl").stdout.splitlines())
    assert summary["hint"] == told["hint"]


@pytest.mark.parametrize("state", ["sealed", "analysed"])
def test_a_state_that_the_catalogue_holds_has_no_hint(store: FootageStore, state: str) -> None:
    assert json.loads(run("find", store, "--state", state, "--json").stdout)["hint"] is None


def test_finding_nothing_is_an_answer(store: FootageStore) -> None:
    result = run("find", store, "nothing")
    assert (result.exit_code, result.stdout) == (0, "Nothing found.\n")


def test_a_search_is_recorded_before_it_is_shown(store: FootageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = types_of(store).count("consulted.search")
    run("find", store, "plain")
    assert types_of(store).count("consulted.search") == before + 1

    def fail(*_: object) -> None:
        raise SurroundingsError("the disk of the log database is full.")

    monkeypatch.setattr(Recorder, "record", fail)
    printed = invoke("find", store, "plain")
    assert isinstance(printed.exception, SurroundingsError)
    assert printed.stdout == ""


def test_a_wrong_question_is_asked_of_nobody(store: FootageStore) -> None:
    before = len(types_of(store))
    with pytest.raises(EvidenceError, match="is not a time"):
        run("find", store, "--from", "last night")
    assert len(types_of(store)) == before


# ------------------------------------------------------------------------------------------------------------ show


def test_show_tells_everything_about_an_item_and_what_is_not_known(store: FootageStore, names: tuple[str, str]) -> None:
    told = json.loads(run("show", store, names[0][:12], "--json").stdout)
    assert told["item"] == names[0]
    assert told["metadata"]["withheld"] == 1
    assert told["metadata"]["values"] == [
        {"source": "mediainfo", "key": "Encoder\\u001b", "value": "enc\\u009boder\\u202e"}
    ]
    assert told["keyframes"] == [
        {
            "index": 0,
            "time_s": 0.0,
            "pts": 0,
            "time_base": "1/90000",
            "frame": 0,
            "reason": "first",
            "sha256": str(Digest.of(JPEG)),
            "width": 640,
            "height": 360,
            "luma_difference": "3.25",
        }
    ]
    assert told["findings"] == [{"code": "damaged", "start_s": 1.0, "end_s": 2.5}]
    assert told["frames"] == {"declared": 15001, "counted": 15000, "decoded": 300, "missed": 0}
    assert (told["tiers"], told["activity"], told["activity_state"]) == ([1], [], "not-analysed")
    kinds = [event["type"] for event in told["events"]]
    assert kinds[:2] == ["master.defined", "analysis.completed"]
    unknown = {line["what"]: line["why"] for line in told["unknown"]}
    assert unknown["activity"] == "not-every-frame-was-looked-at"
    assert unknown["metadata"] == "partly-withheld"
    assert unknown["corrected_time"] == "not-recorded"


def test_show_says_that_an_analysis_failed(store: FootageStore, names: tuple[str, str]) -> None:
    told = json.loads(run("show", store, names[1], "--json").stdout)
    assert {"what": "analysis", "why": "failed-time-out"} in told["unknown"]
    assert (told["state"], told["tiers"], told["keyframes"], told["frames"]) == ("sealed", [], [], None)


def test_show_of_a_drop_lists_its_items_and_what_was_not_taken(store: FootageStore, names: tuple[str, str]) -> None:
    told = json.loads(run("show", store, drop_of(store, names[0]), "--json").stdout)
    assert told["name"] == SHOWN
    assert [item["item"] for item in told["items"]] == list(names)
    assert [(one["kind"], one["reason"]) for one in told["refusals"]] == [("link", "not-a-file")]
    assert (told["completion"], told["files"], told["refused"]) == ("refusals", 2, 1)


@pytest.mark.parametrize("what", [0, 1, 2])
def test_nothing_that_show_prints_moves_a_cursor(store: FootageStore, names: tuple[str, str], what: int) -> None:
    identifier = (*names, drop_of(store, names[0]))[what]
    result = run("show", store, identifier)
    assert is_harmless(result.stdout)
    assert "SECRETSERIAL" not in result.stdout
    assert identifier in result.stdout


def test_a_look_is_one_of_the_events_that_the_next_look_shows(store: FootageStore, names: tuple[str, str]) -> None:
    def looks() -> int:
        told = json.loads(run("show", store, names[0], "--json").stdout)
        return sum(event["type"] == "consulted.view" for event in told["events"])

    before = looks()
    assert looks() == before + 1


def test_what_is_not_there_is_not_found(store: FootageStore) -> None:
    with pytest.raises(NotFoundError):
        run("show", store, "item_ZZZZ")


# ----------------------------------------------------------------------------------------------------------- sheet


def test_a_sheet_is_written_after_the_look_is_recorded(
    store: FootageStore, names: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "sheet.html"
    before = types_of(store).count("consulted.view")
    result = run("sheet", store, names[0], "-o", str(path), "--json")
    assert types_of(store).count("consulted.view") == before + 1
    told = json.loads(result.stdout)
    assert (told["pictures"], told["left_out"], told["bad"]) == (1, 0, [])
    assert told["size_bytes"] == path.stat().st_size


def test_a_refused_file_name_is_no_look(store: FootageStore, names: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    path.touch()
    before = len(types_of(store))
    with pytest.raises(SheetExistsError):
        run("sheet", store, names[0], "-o", str(path))
    assert len(types_of(store)) == before


def test_a_missing_picture_is_a_content_problem_and_the_rest_is_written(
    tmp_path: Path,
) -> None:
    with footage_store(tmp_path / "store") as store:
        drop = store.drop()
        item = store.item(drop, b"a.mp4")
        store.analyse(item, drop, pictures=(JPEG, JPEG + b"2"))
        store.settle()
        gone = Digest.of(JPEG).hex
        (store.layout.derived / "sha256" / gone[:2] / gone[2:4] / gone).unlink()
        result = run("sheet", store, item, "-o", str(tmp_path / "sheet.html"))
    assert result.exit_code == 20
    assert gone in result.stdout
    assert (tmp_path / "sheet.html").stat().st_size > 1000


# --------------------------------------------------------------------------------------------------------- catalog


def test_catalog_check_and_rebuild(tmp_path: Path) -> None:
    with footage_store(tmp_path / "store") as store:
        store.drop()
        store.settle()
        assert run("catalog", store, "check").stdout == "OK the catalogue is what the log says\n"
        store.layout.catalogue.write_bytes(b"")
        checked = run("catalog", store, "check", "--json")
        assert checked.exit_code == 22
        assert json.loads(checked.stdout)["findings"][0]["code"] == "catalogue-unusable"
        rebuilt = json.loads(run("catalog", store, "rebuild", "--json").stdout)
        assert (rebuilt["schema"], rebuilt["size"]) == ("strongroom/catalog-rebuild/1", 3)
        assert run("catalog", store, "check").exit_code == 0


# ------------------------------------------------------------------------------------------------------ start-up

HEAVY = ("sqlite_utils", "jinja2", "rich", "cv2", "numpy", "watchdog", "lark")


def test_find_imports_nothing_heavy_when_only_looks_are_new(store: FootageStore) -> None:
    program = (
        "import sys\n"
        "from commands.search import find\n"
        "find.main(['--store', sys.argv[1]], standalone_mode=False)\n"
        f"heavy = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    run("find", store)  # from here on only consultations lie above the catalogue's cursor
    ran = subprocess.run([sys.executable, "-c", program, str(store.layout.root)], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", ["find", "show", "sheet", "catalog check", "catalog rebuild"])
def test_help_names_exit_statuses_and_an_example(command: str) -> None:
    text = CliRunner().invoke(strongroom, [*command.split(), "--help"]).stdout
    assert "Exit status:" in text
    assert f"strongroom {command}" in text[text.index("Example:") :]
