"""`strongroom log show` and `log receipt`, on real stores."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from store_of_log import ARRIVAL_KEY, ORIGIN, SHARE, arrive, receive, store_run_by

from base.errors import NotFoundError, RefusedError, UsageError
from cli import strongroom
from commands.log_show import NEWEST
from exports.log_receipt import HOW_TO_CHECK
from hashing.digest import Digest
from hashing.receipt import parse_receipt, verify_receipt
from ledger.events.event import Event
from ledger.events.vocabulary import EventType
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal

HOSTILE = b"a\x1b[31mred\x07\n\xe2\x80\xaegpj.exe\xff\\.mp4"
SHOWN = "a\\u001b[31mred\\u0007\\u000a\\u202egpj.exe\\xff\\\\.mp4"
FUTURE = EventType(name="future.thing", meaning="A type of a later version.", subjects=("item",))
ENTRY_MEMBERS = {
    "log", "seq", "type", "known", "meaning", "recorded_at", "actor", "role", "drop", "subjects", "facts", "values",
    "withheld", "erased", "missing", "entry",
}  # fmt: skip


class Desk:
    """A store with one drop of two files, and whoever runs the test in some roles."""

    def __init__(self, root: Path, *roles: str) -> None:
        self.layout: StoreLayout = store_run_by(root, roles)
        self.layout.settings.touch()
        with Recorder.open(self.layout) as recorder:
            self.drop = receive(recorder, name=HOSTILE)
            self.items = arrive(recorder, self.drop, [HOSTILE, b"b.mp4"])
            seal(recorder)

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(strongroom, ["log", *arguments, "--store", str(self.layout.root)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def last(self) -> tuple[str, dict[str, Any]]:
        """Return the type and the facts of the newest entry."""
        with LogReader(self.layout) as reader:
            entry = reader.entry(reader.recorded() - 1)
        return entry.type, dict(entry.facts)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "store", "investigator")


@pytest.fixture
def auditor(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "store", "auditor")


# ------------------------------------------------------------------------------------------------ log show


def test_a_history_says_what_happened_in_the_order_of_the_log(desk: Desk) -> None:
    told = desk.json("show", desk.drop)
    assert told["schema"] == "strongroom/log-show/1"
    assert [entry["type"] for entry in told["entries"]] == ["drop.received", "master.defined", "master.defined"]
    assert [entry["seq"] for entry in told["entries"]] == [3, 4, 5]
    assert all(set(entry) == ENTRY_MEMBERS for entry in told["entries"])
    assert (told["name"], told["earlier"], told["unknown_types"]) == (desk.drop, 0, 0)


def test_what_a_program_gets_is_what_the_log_has(desk: Desk) -> None:
    (told,) = desk.json("show", desk.items[0])["entries"]
    with LogReader(desk.layout) as reader:
        entry = reader.entry(told["seq"])
    assert told["entry"] == entry.digest.hex
    assert told["subjects"] == {desk.items[0]: Digest.of(HOSTILE).hex}
    assert told["facts"] == dict(entry.facts)
    assert base64.b64decode(told["values"]["source_path"]["base64"]) == HOSTILE
    assert (told["drop"], told["actor"], told["role"], told["withheld"]) == (desk.drop, None, None, {})


def test_a_hostile_name_reaches_nobody_as_it_is(desk: Desk) -> None:
    for arguments in (["show"], ["show", desk.drop], ["show", "--color", "always"]):
        result = desk.run(*arguments)
        assert SHOWN in result.stdout
        plain = result.output.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[33m", "")
        plain = plain.replace("\x1b[0m", "").replace("\n", "")
        assert plain.isprintable()
    assert desk.run("show", "--json").stdout.replace("\n", "").isprintable()


@pytest.mark.parametrize("mode", [[], ["--json"], ["--jsonl"]])
def test_the_arrival_key_is_never_told_in_any_form(desk: Desk, mode: list[str]) -> None:
    told = desk.run("show", *mode).output
    assert "arrival_key" in told  # it is said that there is one
    for form in (ARRIVAL_KEY.hex(), base64.b64encode(ARRIVAL_KEY).decode(), base64.b64encode(ARRIVAL_KEY[1:]).decode()):
        assert form[4:-4] not in told


def test_an_auditor_sees_everything_but_names_paths_and_places(auditor: Desk) -> None:
    told = auditor.json("show")
    received, master = told["entries"][3:5]
    assert (received["type"], master["type"]) == ("drop.received", "master.defined")
    assert set(received["withheld"]) == {"arrival_key", "depositor", "name", "share"}
    assert set(master["withheld"]) == {"source_path", "source_stat"}
    assert master["facts"]["size_bytes"] == len(HOSTILE)
    outputs = auditor.run("show").output + auditor.run("show", "--json").output + auditor.run("show", "--jsonl").output
    for secret in (HOSTILE, SHARE, b"b.mp4"):
        assert base64.b64encode(secret).decode() not in outputs
    for secret_text in ("gpj.exe", "covert-share", "b.mp4", "tester", "founder"):
        assert secret_text not in outputs
    assert "withheld" in auditor.run("show").stdout


def test_an_investigator_sees_who_looked_by_login_name(desk: Desk) -> None:
    desk.run("show", desk.items[0])
    told = desk.run("show", desk.items[0]).stdout
    assert "consulted.view by actor_" in told
    assert "(tester) as investigator" in told


def test_looking_is_recorded_and_the_look_itself_is_not_yet_shown(desk: Desk) -> None:
    first = desk.json("show", desk.items[0])["entries"]
    second = desk.json("show", desk.items[0])["entries"]
    assert second[:-1] == first
    look = second[-1]
    assert (look["type"], look["role"]) == ("consulted.view", "investigator")
    assert look["facts"]["command"] == "log-show"
    assert desk.items[0] in look["subjects"]


def test_a_look_at_a_drop_says_at_which(desk: Desk) -> None:
    desk.run("show", desk.drop)
    look = desk.json("show")["entries"][-1]
    assert (look["type"], list(look["subjects"]), look["values"]["links"]) == (
        "consulted.view", ["log"], {"drop": desk.drop},
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["show"], ["receipt", "item_0000", "-o", "out"]])
def test_whoever_may_not_look_sees_nothing_and_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    technician = Desk(tmp_path / "store", "technician")
    with pytest.raises(RefusedError, match="recorded"):
        technician.run(*arguments)
    assert technician.last() == ("access.denied", {"command": f"log-{arguments[0]}", "rule": "role-missing"})
    assert not (tmp_path / "out").exists()


def test_nothing_is_shown_when_the_look_cannot_be_recorded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RefusedError("no record")

    monkeypatch.setattr("catalog.consultation.Consultation.viewed", fails)
    result = CliRunner().invoke(strongroom, ["log", "show", "--store", str(desk.layout.root)])
    assert isinstance(result.exception, RefusedError)
    assert result.output == ""


def test_the_whole_log_shows_its_newest_entries_and_says_how_many_it_left_out(desk: Desk) -> None:
    with Recorder.open(desk.layout) as recorder:
        arrive(recorder, desk.drop, [b"more %d" % n for n in range(NEWEST)])
        seal(recorder)
    told = desk.json("show")
    assert (len(told["entries"]), told["earlier"]) == (NEWEST, 6)
    assert len(desk.json("show", desk.drop)["entries"]) == NEWEST + 3
    limited = desk.run("show", "--limit", "2")
    assert limited.stdout.count("#") == 2
    assert "NOT SHOWN 106 earlier entries" in limited.stderr


def test_a_stream_has_one_object_a_line_and_ends_with_a_summary(desk: Desk) -> None:
    lines = [json.loads(line) for line in desk.run("show", "--jsonl").stdout.splitlines()]
    assert {line["schema"] for line in lines} == {"strongroom/log-show/1"}
    *entries, summary = lines
    assert [entry["seq"] for entry in entries] == list(range(6))
    del summary["schema"]
    assert summary == {
        "event": "summary", "entries": 6, "name": None, "drop": None, "from": None, "to": None, "earlier": 0,
        "unknown_types": 0, "sealed": 7, "chains": [],
    }  # fmt: skip


def test_a_type_of_a_later_version_is_shown_and_counted(desk: Desk) -> None:
    with Recorder.open(desk.layout) as recorder:
        recorder.record([Event(type=FUTURE, subjects={desk.items[1]: Digest.of(b"b.mp4")})])
        seal(recorder)
    told = desk.json("show", desk.items[1])
    assert [entry["type"] for entry in told["entries"]] == ["master.defined", "future.thing"]
    assert told["unknown_types"] == 1
    for_people = desk.run("show", desk.items[1])
    assert "future.thing UNKNOWN TYPE" in for_people.stdout
    assert "UNKNOWN 1 of a type that this version does not know" in for_people.stderr


def test_what_is_recorded_and_not_sealed_is_said_to_be_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else holds the seal for a while: recorded entries are true, and have no proof yet."""
    monkeypatch.setattr("catalog.consultation.try_seal", lambda *_, **__: None)
    with Recorder.open(desk.layout) as recorder:
        arrive(recorder, desk.drop, [b"late.mp4"])
    assert "NOT SEALED 1 are recorded" in desk.run("show").stderr
    assert desk.json("show")["sealed"] == 6


def test_the_question_as_understood_is_talk_and_not_result(desk: Desk) -> None:
    result = desk.run("show", desk.drop[:9].lower())
    assert f"Question: custody history of {desk.drop}, as investigator" in result.stderr
    assert "Question" not in result.stdout


@pytest.mark.parametrize("text", ["item_ZZZZ", "drop_", "abc", "op_7K3M"])
def test_what_is_not_there_is_not_found(desk: Desk, text: str) -> None:
    with pytest.raises(NotFoundError):
        desk.run("show", text)


def test_an_entry_says_in_words_what_happened(desk: Desk) -> None:
    told = desk.run("show", desk.items[0]).stdout
    assert "means" in told and "are from here on the master of this item." in told
    (entry,) = [each for each in desk.json("show", desk.items[1])["entries"] if each["type"] == "master.defined"]
    assert entry["known"] and entry["meaning"].endswith("the master of this item.")


def test_a_history_says_whether_it_is_all_there_is(desk: Desk) -> None:
    whole = desk.run("show", desk.items[0])
    assert f"COMPLETE {desk.items[0]}: 1 entries" in whole.stderr
    chains = {chain["name"]: chain for chain in desk.json("show", desk.drop)["chains"]}
    assert set(chains) == {desk.drop, *desk.items}
    # The look before is an entry of the item, and belongs to its chain; the look now is not shown and not counted.
    assert [chains[name]["entries"] for name in (desk.drop, *desk.items)] == [1, 2, 1]
    assert {chain["verdict"] for chain in chains.values()} == {"complete"}
    assert "COMPLETE" not in desk.run("show", desk.items[0], "--limit", "1").stderr


def test_a_chain_with_an_unknown_type_is_never_called_complete(desk: Desk) -> None:
    with Recorder.open(desk.layout) as recorder:
        recorder.record([Event(type=FUTURE, subjects={desk.items[1]: Digest.of(b"b.mp4")})])
        seal(recorder)
    assert f"NOT COMPLETE {desk.items[1]}: 1 of 2 entries" in desk.run("show", desk.items[1]).stderr
    (chain,) = desk.json("show", desk.items[1])["chains"]
    assert (chain["verdict"], chain["unknown_types"], chain["gap_at"]) == ("unknown-types", 1, None)


def test_a_chain_with_a_gap_is_named(desk: Desk) -> None:
    desk.run("show", desk.items[0])  # its second entry
    desk.run("show", desk.items[0])  # its third
    with sqlite3.connect(desk.layout.log_db) as connection:
        assert connection.execute("DELETE FROM subject WHERE name = ? AND seq = 6", (desk.items[0],)).rowcount == 1
    connection.close()
    assert f"GAP {desk.items[0]}: entry 7 does not follow" in desk.run("show", desk.items[0]).stderr


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (("--from", "2026-01-01"), [0, 1, 2, 3, 4, 5]),
        (("--from", "2999-01-01"), []),
        (("--to", "2026-01-01"), []),
        (("--to", "2999-01-01", "--limit", "2"), [4, 5]),
        (("--drop", "DROP"), [3, 4, 5]),
        (("ITEM", "--drop", "DROP"), [4]),
        (("ITEM", "--from", "2999-01-01"), []),
    ],
)
def test_a_period_and_a_drop_narrow_a_history(desk: Desk, arguments: tuple[str, ...], seqs: list[int]) -> None:
    named = {"DROP": desk.drop, "ITEM": desk.items[0]}
    told = desk.json("show", *(named.get(argument, argument) for argument in arguments))
    assert [entry["seq"] for entry in told["entries"]] == seqs
    assert told["from"] in (None, "2026-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z")


def test_a_drop_is_named_by_its_beginning_and_nothing_else_is_one(desk: Desk) -> None:
    assert desk.json("show", "--drop", desk.drop[5:10].lower())["drop"] == desk.drop
    with pytest.raises(NotFoundError):
        desk.run("show", "--drop", desk.items[0])
    with pytest.raises(UsageError, match="not a time"):
        desk.run("show", "--from", "last night")


# ------------------------------------------------------------------------------------------------ log receipt


def test_a_receipt_holds_and_that_it_was_made_is_recorded(auditor: Desk, tmp_path: Path) -> None:
    result = auditor.run("receipt", auditor.items[0], "-o", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"OK the receipt of {auditor.items[0]}, entry 4 of ")
    with LogReader(auditor.layout) as reader:
        key = reader.trust.log_key
    receipt = parse_receipt((tmp_path / "out" / "receipt.tlog-proof").read_bytes())
    entry = (tmp_path / "out" / "entry.json").read_bytes()
    assert verify_receipt(receipt, entry, key).origin == ORIGIN
    assert auditor.items[0] in (tmp_path / "out" / HOW_TO_CHECK).read_text("ascii")
    assert auditor.last() == (
        "consulted.view",
        {"command": "log-receipt", "group": None, "part": None, "parts": None, "rule": "auditor"},
    )


def test_what_a_program_gets_of_a_receipt(desk: Desk, tmp_path: Path) -> None:
    told = desk.json("receipt", desk.items[1], "-o", str(tmp_path / "out"))
    assert told["schema"] == "strongroom/log-receipt/1"
    assert (told["item"], told["sha256"], told["seq"]) == (desk.items[1], Digest.of(b"b.mp4").hex, 5)
    assert set(told["files"]) == {path.name for path in (tmp_path / "out").iterdir()}
    assert told["checkpoint"]["size"] == 7


def test_a_used_directory_is_refused_before_anything_is_recorded(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(RefusedError, match="not an empty directory"):
        desk.run("receipt", desk.items[0], "-o", str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    assert desk.last()[0] == "master.defined"


def test_a_drop_has_no_receipt_of_this_kind(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not an item"):
        desk.run("receipt", desk.drop, "-o", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["show", "receipt"])
def test_help_tells_exit_statuses_and_an_example(command: str) -> None:
    told = CliRunner().invoke(strongroom, ["log", command, "--help"]).stdout
    assert "Exit status:" in told
    assert f"strongroom log {command} item_" in told
