"""`strongroom log export`: least by default, recorded before it is written, refused to whoever may not see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from export_oracle import check_export
from store_of_log import arrive, receive, store_run_by

from base.errors import EvidenceError, NotFoundError, RefusedError, UsageError
from cli import strongroom
from commands.log_export import CLASSES, LEAST
from ledger.events.vocabulary import OpeningClass
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import Recorder

PURPOSE = ("--purpose", "defence, case 12")


class Desk:
    """A store with one drop of two files, and whoever runs the test in some roles."""

    def __init__(self, root: Path, *roles: str) -> None:
        self.folder = root
        self.layout: StoreLayout = store_run_by(root / "store", roles)
        self.layout.settings.touch()
        with Recorder.open(self.layout) as recorder:
            self.drop = receive(recorder)
            self.items = arrive(recorder, self.drop, [b"a.mp4", b"b.mp4"])

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(strongroom, ["log", "export", *arguments, "--store", str(self.layout.root)])
        if isinstance(result.exception, EvidenceError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def json(self, *arguments: str, to: str = "out") -> Any:
        return json.loads(self.run(*arguments, *PURPOSE, "-o", str(self.folder / to), "--json").stdout)

    def recorded(self) -> int:
        with LogReader(self.layout) as reader:
            return reader.recorded()

    def last(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        with LogReader(self.layout) as reader:
            (opened,) = reader.opened_at([reader.recorded() - 1])
        return opened.entry.type, dict(opened.entry.facts), dict(opened.values)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, "custodian")


def test_the_classes_are_those_of_the_vocabulary() -> None:
    assert set(CLASSES) == set(map(str, OpeningClass))
    assert {"internal"} == LEAST


def test_what_a_program_gets_and_the_log_says_the_same(desk: Desk) -> None:
    told = desk.json(desk.drop)
    kind, facts, values = desk.last()
    assert told["schema"] == "strongroom/log-export/1"
    assert (told["names"], told["entries"], told["classes"]) == ([desk.drop], 3, ["internal"])
    assert kind == "log.exported"
    assert {name: facts[name] for name in ("entries", "openings", "withheld", "classes", "sha256")} == {
        name: told[name] for name in ("entries", "openings", "withheld", "classes", "sha256")
    }
    assert (values["purpose"], values["names"]) == (PURPOSE[1], [desk.drop])
    assert told["recorded_as"] == [desk.recorded() - 1]
    assert told["checkpoint_size"] == desk.recorded()
    assert sum(len(each.values) for each in check_export(Path(told["directory"])).values()) == told["openings"]


@pytest.mark.parametrize(
    ("options", "members"),
    [
        ((), {"actor", "links"}),
        (("--with", "sensitive"), {"actor", "links", "share", "name", "source_path", "source_stat"}),
        (("--with", "personal"), {"actor", "links", "depositor"}),
        (("--with", "sensitive", "--without", "internal"), {"share", "name", "source_path", "source_stat"}),
        (("--without", "internal"), set()),
        (("--with", "text", "--without", "text"), {"actor", "links"}),
    ],
)
def test_the_least_goes_out_and_more_only_when_it_is_asked_for(
    desk: Desk, options: tuple[str, ...], members: set[str]
) -> None:
    desk.json(desk.drop, *options)
    checked = check_export(desk.folder / "out")
    assert {name for each in checked.values() for name in each.values} == members


def test_for_people_it_is_said_what_was_left_out(desk: Desk) -> None:
    told = desk.run(desk.items[0], *PURPOSE, "-o", str(desk.folder / "out"))
    assert "OK 1 entries with their proofs" in told.stdout
    assert "nothing of the classes sensitive, personal, text" in told.stdout


def test_without_an_identifier_the_whole_log_goes_out_or_a_period_of_it(desk: Desk) -> None:
    assert desk.json()["entries"] == desk.recorded() - 1  # all but the entry about this export itself
    with pytest.raises(UsageError, match="0 entries would be exported"):
        desk.json("--from", "2999-01-01", to="later")


def test_several_things_are_exported_once_each(desk: Desk) -> None:
    told = desk.json(desk.items[1], desk.drop, desk.items[1])
    assert (told["names"], told["entries"]) == ([desk.items[1], desk.drop], 3)


def test_an_auditor_gives_away_what_an_auditor_sees(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "auditor")
    assert desk.json(desk.drop)["classes"] == ["internal"]
    for name in ("sensitive", "personal", "text"):
        with pytest.raises(RefusedError, match=f"may not see openings of the class {name}"):
            desk.json(desk.drop, "--with", name, to=name)
        assert not (tmp_path / name).exists()


def test_whoever_may_not_export_gets_nothing_and_is_on_record(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "technician")
    with pytest.raises(RefusedError, match="recorded"):
        desk.json(desk.drop)
    assert desk.last()[:2] == ("access.denied", {"command": "log-export", "rule": "role-missing"})
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_when_it_cannot_be_recorded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RefusedError("no record")

    monkeypatch.setattr("catalog.consultation.Consultation.exported", fails)
    with pytest.raises(RefusedError, match="no record"):
        desk.json(desk.drop)
    assert not (desk.folder / "out").exists()


def test_bad_wishes_are_refused_before_anything_is_recorded(desk: Desk) -> None:
    before = desk.recorded()
    (desk.folder / "used").mkdir()
    (desk.folder / "used" / "mine").touch()
    with pytest.raises(RefusedError, match="not an empty directory"):
        desk.json(desk.drop, to="used")
    with pytest.raises(UsageError, match="--purpose"):
        desk.run(desk.drop, "--purpose", "  ", "-o", str(desk.folder / "out"))
    with pytest.raises(UsageError, match="--purpose"):
        desk.run(desk.drop, "--purpose", "x" * 1001, "-o", str(desk.folder / "out"))
    with pytest.raises(NotFoundError):
        desk.json("item_ZZZZ")
    assert desk.recorded() == before
    assert desk.run(desk.drop, "-o", str(desk.folder / "out")).exit_code == 2  # no purpose at all
