"""Every bit of a small log and of a receipt: the product and the standalone verifier find the same, and name it (I13).

The two share no line, so where they agree they do not agree by sharing a mistake. `make test` takes a sample that is
always the same; `make test-long` takes every bit of every byte.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from every_bit import (
    Case,
    both_on_log,
    both_on_receipt,
    campaign,
    cuts,
    flips,
    made_receipt,
    opening_flips,
    public_files,
    rearranged,
    sampled,
    small_log,
)
from standalone import answer
from store_of_log import arrive, at_home, receive

from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from verifier import verify_evidence

SAMPLE = 120  # cases of each kind in `make test`


class Ground(NamedTuple):
    """A small log, a receipt from it, and its files."""

    layout: StoreLayout
    receipt: Path

    @property
    def log_files(self) -> dict[str, bytes]:
        return public_files(self.layout.log)

    @property
    def receipt_files(self) -> dict[str, bytes]:
        return public_files(self.receipt)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    root = tmp_path_factory.mktemp("every-bit")
    layout, item = small_log(root / "store")
    return Ground(layout, made_receipt(layout, item, root / "receipt"))


@pytest.fixture(autouse=True)
def _nobody_writes_beside_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.check_tiles._WRITING_TAKES_S", 0)


def test_both_call_what_is_sound_sound(ground: Ground) -> None:
    assert [code for code, _ in both_on_log(ground.layout, ground.layout.checkpoint)] == [0, 0]
    assert [code for code, _ in both_on_receipt(ground.receipt)] == [0, 0]


Kind = Callable[[dict[str, bytes]], Iterator[Case]]


def cases_of(kind: Kind, files: dict[str, bytes], count: int | None) -> Iterable[Case]:
    return kind(files) if count is None else sampled(lambda: kind(files), count)


@pytest.mark.long
@pytest.mark.parametrize("bit", range(8))
def test_every_bit_of_every_byte_of_a_log(ground: Ground, bit: int) -> None:
    """Some 17,000 cases for each bit, and minutes for each."""
    cases = flips(ground.log_files, bits=[bit])
    outcome = campaign(cases, ground.layout.log, lambda: both_on_log(ground.layout))
    assert outcome.problems == []


@pytest.mark.long
def test_a_log_cut_anywhere_is_found_by_both(ground: Ground) -> None:
    assert campaign(cuts(ground.log_files), ground.layout.log, lambda: both_on_log(ground.layout)).problems == []


@pytest.mark.parametrize(
    ("kind", "count"), [(flips, SAMPLE), (cuts, SAMPLE), (rearranged, None)], ids=["flips", "cuts", "rearranged"]
)
def test_a_log_hides_no_damage_from_either(ground: Ground, kind: Kind, count: int | None) -> None:
    outcome = campaign(cases_of(kind, ground.log_files, count), ground.layout.log, lambda: both_on_log(ground.layout))
    assert outcome.problems == []
    assert outcome.cases >= 60


@pytest.mark.parametrize("kind", [flips, cuts])
@pytest.mark.parametrize("count", [SAMPLE, pytest.param(None, marks=pytest.mark.long)])
def test_a_receipt_hides_no_damage_from_either(ground: Ground, kind: Kind, count: int | None) -> None:
    cases = cases_of(kind, ground.receipt_files, count)
    told = [case for case in cases if case.name != "policy: goes on with 10"]  # an empty line says nothing: allowed
    outcome = campaign(told, ground.receipt, lambda: both_on_receipt(ground.receipt))
    assert outcome.undetected + outcome.disagreed == []
    assert outcome.cases >= SAMPLE - 1


@pytest.mark.parametrize("count", [SAMPLE, pytest.param(None, marks=pytest.mark.long)])
def test_a_kept_note_hides_no_damage_from_either(ground: Ground, tmp_path: Path, count: int | None) -> None:
    (tmp_path / "kept").write_bytes(ground.layout.checkpoint.read_bytes())
    files = public_files(tmp_path)
    cases = [*cases_of(flips, files, count), *cases_of(cuts, files, count)]
    cases = [case._replace(names=("kept", "given checkpoint")) for case in cases]
    outcome = campaign(cases, tmp_path, lambda: both_on_log(ground.layout, tmp_path / "kept"))
    assert outcome.problems == []


def test_an_opening_hides_no_damage(ground: Ground, tmp_path: Path) -> None:
    with closing(sqlite3.connect(ground.layout.openings_db)) as connection:
        (text,) = connection.execute("SELECT text FROM opening WHERE member = 'source_path'").fetchone()
    path = tmp_path / "openings"
    path.write_text(text)
    assert answer("log", ground.layout.log, "--openings", path).status == 0
    lines = list(opening_flips(text))[::7]
    assert len(lines) > 50
    for line in lines:
        path.write_text(line, "latin-1")
        assert answer("log", ground.layout.log, "--openings", path).status == 20, line


# ------------------------------------------------------------------------------------------------ with the keys


@pytest.fixture(scope="module")
def later(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoreLayout]:
    """The same store gone on in two ways, as whoever has both keys can make it."""
    root = tmp_path_factory.mktemp("later")
    stores = {}
    for name in ("one", "other"):
        shutil.copytree(ground.layout.root, root / name)
        stores[name] = at_home(StoreLayout(root / name))
        with Recorder.open(stores[name]) as recorder:
            arrive(recorder, receive(recorder), [b"went on as " + name.encode()])
            seal(recorder)
    return stores


def test_a_log_put_back_whole_is_found_by_whoever_kept_a_checkpoint(
    ground: Ground, later: dict[str, StoreLayout]
) -> None:
    """Databases, tiles and checkpoint put back together: nothing inside shows it."""
    assert [code for code, _ in both_on_log(ground.layout)] == [0, 0]
    assert [code for code, _ in both_on_log(ground.layout, later["one"].checkpoint)] == [21, 21]


def test_two_histories_under_one_key_convict_it(ground: Ground, later: dict[str, StoreLayout], tmp_path: Path) -> None:
    assert [code for code, _ in both_on_log(later["one"], ground.layout.checkpoint)] == [0, 0]
    assert [code for code, _ in both_on_log(later["one"], later["other"].checkpoint)] == [21, 21]
    with Recorder.open(later["other"]) as recorder:  # the other way is longer now: a fork below its size
        receive(recorder)
        seal(recorder)
    assert [code for code, _ in both_on_log(later["other"], later["one"].checkpoint)] == [21, 21]


def test_files_of_another_history_are_found(later: dict[str, StoreLayout], tmp_path: Path) -> None:
    """Single files of a log that the same keys signed: each is sound by itself."""
    folder = tmp_path / "store"
    shutil.copytree(later["one"].root, folder)
    layout, other = at_home(StoreLayout(folder)), public_files(later["other"].log)
    mine = public_files(layout.log)
    names = [name for name in mine if name in other and mine[name] != other[name]]
    assert len(names) >= 3
    cases = [Case(name, {name: other[name]}, (name, "checkpoint", "entry 5", "entry 6")) for name in names]
    outcome = campaign(cases, layout.log, lambda: both_on_log(layout))
    assert outcome.problems == []


# ------------------------------------------------------------------------------------------------ seeded bugs


def nothing(*_: object, **__: object) -> None:
    return None


BUGS = [
    ("tiles are not compared", "tile/0/000.p/5", (verify_evidence.Log, "check_tiles", nothing)),
    ("older tiles are not looked at", "tile/0/000.p/3", (verify_evidence.Log, "check_rest", nothing)),
    ("every signature is good", "checkpoint", (verify_evidence.PublicKey, "verifies", lambda *_: True)),
    ("entries are not read", "tile/entries/000.p/5", (verify_evidence.Log, "check_entry", nothing)),
]


@pytest.mark.parametrize(("file", "bug"), [bug[1:] for bug in BUGS], ids=[bug[0] for bug in BUGS])
def test_the_campaign_notices_a_verifier_that_skips_something(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, file: str, bug: tuple[type, str, Callable[..., object]]
) -> None:
    cases = sampled(lambda: flips({file: ground.log_files[file]}), 40)
    assert campaign(cases, ground.layout.log, lambda: both_on_log(ground.layout)).problems == []
    monkeypatch.setattr(*bug)
    assert campaign(cases, ground.layout.log, lambda: both_on_log(ground.layout)).problems != []
