"""`strongroom audit`: recorded before it is shown, for those who may, as text, JSON and a page to print."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from store_of_footage import FootageStore, footage_store
from store_of_log import store_run_by

from base.clock import now
from base.errors import EvidenceError, RefusedError, UsageError
from catalog.audit.report import audit
from cli import strongroom
from exports.audit_report import render_audit
from exports.contact_sheet import SheetExistsError
from ledger.history import ALWAYS, EVERYTHING
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.store_reader import StoreReader

HOSTILE = b'<script>alert(1)</script>{{7*7}}\x1b[2J\xe2\x80\xae\xff"><img src=x>'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FootageStore]:
    with footage_store(tmp_path / "store") as made:
        made.layout.settings.touch()
        drop = made.drop(HOSTILE)
        item = made.item(drop, b"a.mp4")
        made.refuse(drop, HOSTILE)
        made.complete(drop, [item], refused=1)
        made.settle()
        yield made


def run(layout: StoreLayout, *arguments: str) -> Result:
    result = CliRunner().invoke(strongroom, ["audit", *arguments, "--store", str(layout.root)])
    if isinstance(result.exception, EvidenceError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def last(layout: StoreLayout) -> tuple[str, dict[str, Any], dict[str, Any]]:
    with LogReader(layout) as log:
        (opened,) = log.opened_at([log.recorded() - 1])
    return opened.entry.type, dict(opened.entry.facts), dict(opened.values)


def test_what_a_program_gets(store: FootageStore) -> None:
    result = run(store.layout, "--json", "--from", "2020-01-01")
    told = json.loads(result.stdout)
    assert result.exit_code == 5
    assert told["schema"] == "strongroom/audit/1"
    assert (told["from"], told["to"], told["file"]) == ("2020-01-01T00:00:00.000000Z", None, None)
    assert told["waits"] == ["refused", "gaps"]
    (refused,) = [each for each in told["sections"] if each["code"] == "refused"]
    assert (refused["standing"], refused["count"], refused["left_out"]) == ("waits", 1, 0)
    assert (refused["rows"][0]["reason"], refused["rows"][0]["path"]) == ("not-a-file", "withheld")
    assert set(refused) == {
        "code", "title", "standing", "says", "covers", "cannot_know", "count", "rows", "left_out",
    }  # fmt: skip


def test_that_it_was_asked_is_recorded_with_the_period_and_the_items_shown(store: FootageStore) -> None:
    (item,) = store.items
    store.fail(item, "drop_0123456789ABC")
    run(store.layout, "--from", "2020-01-01", "--to", "2999-12-31")
    kind, facts, values = last(store.layout)
    assert (kind, facts) == ("consulted.search", {"command": "audit", "count": 1, "rule": "auditor"})
    assert values["terms"] == {"from": "2020-01-01T00:00:00.000000Z", "to": "3000-01-01T00:00:00.000000Z"}
    assert values["results"] == [item]


def test_nothing_is_shown_or_written_when_it_cannot_be_recorded(
    store: FootageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RefusedError("no record")

    monkeypatch.setattr("catalog.consultation.Consultation.searched", fails)
    page = tmp_path / "a.html"
    result = CliRunner().invoke(strongroom, ["audit", "-o", str(page), "--store", str(store.layout.root)])
    assert isinstance(result.exception, RefusedError)
    assert result.stdout == ""
    assert not page.exists()


def test_for_people_each_question_has_its_answer(store: FootageStore) -> None:
    told = run(store.layout).stdout
    assert "WAITS Refused items" in told
    assert "not-a-file" in told
    assert "It cannot know:" in told
    assert told.replace("\n", "").isprintable()


def test_whoever_is_auditor_among_other_things_reads_it_as_auditor(store: FootageStore) -> None:
    assert "as auditor" in run(store.layout).stderr
    assert "script" not in run(store.layout).stdout


def test_a_custodian_reads_names_and_they_are_escaped(tmp_path: Path) -> None:
    layout = store_run_by(tmp_path / "store", ["custodian"])
    layout.settings.touch()
    told = run(layout).stdout
    assert "(tester)" in told


@pytest.mark.parametrize("roles", [[], ["technician"], ["investigator"]])
def test_whoever_works_with_the_footage_does_not_read_who_looked(tmp_path: Path, roles: list[str]) -> None:
    layout = store_run_by(tmp_path / "store", roles)
    layout.settings.touch()
    with pytest.raises(RefusedError, match="recorded"):
        run(layout)
    kind, facts, _ = last(layout)
    assert (kind, facts) == ("access.denied", {"command": "audit", "rule": "role-missing"})


def test_the_page_runs_nothing_and_only_its_owner_can_read_it(store: FootageStore, tmp_path: Path) -> None:
    path = tmp_path / "audit.html"
    result = run(store.layout, "-o", str(path))
    assert result.exit_code == 5
    assert f"the whole report is in {path}" in result.stdout
    page = path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.search(r"<(script|img|iframe|link|object|embed|form|base)\b", page)
    assert not re.search(r"\bon[a-z]+\s*=|javascript:|https?:", page)
    assert page.count("<section") == page.count("</section>") == len(re.findall(r'<section id="', page)) + 1
    assert "<i>withheld</i>" in page


def test_a_page_with_hostile_names_shows_them_as_text(store: FootageStore) -> None:
    """As a supervisor gets it, who sees paths."""
    with StoreReader(store.layout) as log:
        report = audit(
            store.layout, log, period=ALWAYS, classes=EVERYTHING, users={}, now=now(), progress=lambda *_: None
        )
    page = render_audit(report, made_by="actor_X", role="supervisor").decode("utf-8")
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}\\u001b[2J\\u202e\\xff&#34;&gt;&lt;img" in page


def test_an_existing_file_is_never_written_over(store: FootageStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.html"
    path.write_text("mine")
    with pytest.raises(SheetExistsError):
        run(store.layout, "-o", str(path))
    with pytest.raises(RefusedError, match="lies in the store"):
        run(store.layout, "-o", str(store.layout.root / "a.html"))
    assert path.read_text() == "mine"


def test_a_period_that_is_none_is_refused(store: FootageStore) -> None:
    with pytest.raises(UsageError, match="not after its beginning"):
        run(store.layout, "--from", "2026-02-02", "--to", "2026-01-01")
