"""The generated pages of docs/reference/ say what the program says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from base import errors
from ledger.events import EVENT_TYPES

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_generator", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()
PAGES: dict[str, str] = dict(generator.pages())


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_what_the_program_says(name: str) -> None:
    path = REFERENCE / name
    assert path.is_file(), f"docs/reference/{name} is missing: run `make reference`"
    assert path.read_text("utf-8") == PAGES[name], f"docs/reference/{name} is out of date: run `make reference`"


def test_every_event_type_has_a_schema_file_and_no_file_is_left_over() -> None:
    assert {path.stem for path in (REFERENCE / "events").glob("*.json")} == set(EVENT_TYPES)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_a_schema_file_names_every_member_of_its_type(name: str) -> None:
    page = json.loads((REFERENCE / "events" / f"{name}.json").read_text("utf-8"))
    kind = EVENT_TYPES[name]
    assert set(page["facts"] or {}) == set(kind.all_facts)
    assert set(page["commitments"]) == set(kind.all_committed)
    assert {member["class"] for member in page["commitments"].values()} <= {
        "internal",
        "sensitive",
        "personal",
        "text",
    }


def test_every_exit_code_has_one_row() -> None:
    table = PAGES["exit-codes.md"]
    for code in errors.WORST_FIRST:
        assert table.count(f"\n| {code} |") == 1


def test_a_changed_declaration_is_noticed_and_written(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "gone.type.json").write_text("{}")
    generator.write_pages({"events/new.type.json": "{}\n"}, root=tmp_path, tell=told.append)
    assert [path.name for path in (tmp_path / "events").iterdir()] == ["new.type.json"]
    assert len(told) == 2
    generator.write_pages({"events/new.type.json": "{}\n"}, root=tmp_path, tell=told.append)
    assert len(told) == 2  # nothing to do the second time
