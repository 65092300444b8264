"""Everything checked together: what one room lost does not keep the others from being looked at."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nobody import as_nobody
from store_of_footage import footage_store

from base.errors import NotFoundError, UsageError
from base.fsio import Lock
from catalog.rebuild import LOCK
from catalog.verification import Asked, Verification, verify_store
from hashing.digest import Digest
from hashing.sample import Sample
from ledger.layout import StoreLayout
from ledger.reader import LogReader


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two masters, a result with its picture, and a catalogue."""
    root = tmp_path_factory.mktemp("verification") / "store"
    with footage_store(root) as footage:
        drop = footage.drop(b"card a")
        first = footage.item(drop, b"first.mp4")
        second = footage.item(drop, b"second.mp4")
        footage.analyse(first, drop)
        footage.complete(drop, [first, second])
        footage.settle()
    return root


@pytest.fixture
def layout(kept: Path, tmp_path: Path) -> StoreLayout:
    return StoreLayout(shutil.copytree(kept, tmp_path / "store", symlinks=True))


def a_master(layout: StoreLayout) -> Path:
    return next(path for path in sorted(layout.vault.rglob("*")) if path.is_file())


def objects(result: Verification) -> set[str]:
    return {finding.object for finding in result.findings}


def test_a_good_store_is_ok_in_every_word(layout: StoreLayout) -> None:
    result = verify_store(layout)
    document = result.as_json()
    assert (result.exit_code, document["verdict"], document["catalogue"], document["not_checked"]) == (
        0,
        "ok",
        "ok",
        [],
    )
    assert (result.masters.matched, result.derived.matched) == (2, 2)
    log = document["log"]
    assert isinstance(log, dict)
    assert [log[word] for word in ("chain", "signatures", "tiles")] == ["ok"] * 3


@pytest.mark.parametrize("name", ["log.db", "openings.db"])
def test_masters_are_held_against_the_log_without_a_database(layout: StoreLayout, name: str) -> None:
    (layout.private / name).unlink()
    master = a_master(layout)
    master.unlink()
    result = verify_store(layout)
    assert result.exit_code == 21
    assert objects(result) == {f"private/{name}", f"vault/{master.name}"}
    assert (result.masters.matched, result.masters.missing) == (1, 1)
    assert result.as_json()["catalogue"] == "unchecked"
    assert any(name in sentence for sentence in result.not_checked)
    assert any("catalogue" in sentence for sentence in result.not_checked)


def test_masters_are_held_against_their_names_when_nothing_is_left_of_the_log(layout: StoreLayout) -> None:
    shutil.rmtree(layout.private)
    shutil.rmtree(layout.log)
    layout.log.mkdir()
    master = a_master(layout)
    master.chmod(0o644)
    master.write_bytes(b"another recording")
    result = verify_store(layout)
    assert result.exit_code == 21
    assert {"entry 0", "private/log.db", "private/openings.db", f"vault/{master.name}"} <= objects(result)
    log = result.as_json()["log"]
    assert isinstance(log, dict)
    assert (log["chain"], log["signatures"], log["tiles"]) == ("unchecked", "bad", "unchecked")


def test_a_copy_for_an_auditor_is_good_as_far_as_it_goes(layout: StoreLayout) -> None:
    layout.openings_db.unlink()
    shutil.rmtree(layout.keys)
    result = verify_store(layout)
    assert (result.exit_code, result.as_json()["verdict"], result.findings) == (6, "unchecked", [])
    assert dict(result.summary())["catalogue"] == "not compared"
    assert (result.masters.matched, result.derived.not_recorded) == (2, 2)


def test_a_copy_for_an_auditor_does_not_hide_a_changed_master(layout: StoreLayout) -> None:
    layout.openings_db.unlink()
    shutil.rmtree(layout.keys)
    a_master(layout).unlink()
    assert verify_store(layout).exit_code == 20


def test_where_nothing_can_be_written_the_rest_is_told_all_the_same(layout: StoreLayout) -> None:
    """On read-only media no fresh projection can be made: an auditor still gets every other answer."""
    (layout.private / LOCK).unlink(missing_ok=True)
    (layout.private / LOCK).mkdir()  # stops root too, as a read-only mount would
    result = verify_store(layout)
    assert (result.exit_code, result.masters.matched, result.as_json()["catalogue"]) == (6, 2, "unchecked")
    assert any("catalogue.lock" in sentence for sentence in result.not_checked)
    a_master(layout).unlink()
    assert verify_store(layout).exit_code == 20


def test_a_rebuild_that_runs_leaves_only_the_catalogue_unchecked(layout: StoreLayout) -> None:
    other = Lock(layout.private / LOCK)
    other.acquire(holder="a rebuild")
    try:
        result = verify_store(layout)
    finally:
        other.release()
    assert (result.exit_code, result.masters.matched) == (6, 2)
    assert any("a rebuild" in sentence for sentence in result.not_checked)


def test_a_catalogue_of_a_newer_version_hides_no_damage(layout: StoreLayout) -> None:
    with contextlib.closing(sqlite3.connect(layout.catalogue)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert verify_store(layout).exit_code == 6
    a_master(layout).unlink()
    result = verify_store(layout)
    assert (result.exit_code, result.as_json()["catalogue"]) == (20, "unchecked")


# ------------------------------------------------------------------------------------ copies, and what is not there


def only(layout: StoreLayout, *names: str) -> None:
    """Leave of a store only what somebody was given."""
    for path in layout.root.iterdir():
        if path.name in names:
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("log",), ["private/log.db", "private/openings.db", "vault/ is not here: 2", "catalogue"]),
        (("log", "vault"), ["private/log.db", "private/openings.db", "catalogue"]),
        (("log", "vault", "derived", "catalogue.db"), ["private/log.db", "private/openings.db", "catalogue"]),
    ],
)
def test_a_copy_is_checked_as_far_as_it_goes_and_says_how_far(
    layout: StoreLayout, given: tuple[str, ...], said: list[str]
) -> None:
    only(layout, *given)
    result = verify_store(layout)
    assert (result.exit_code, result.findings) == (6, [])
    assert all(any(words in sentence for sentence in result.not_checked) for words in said), result.not_checked
    assert result.log.entries_checked == result.log.size > 0


def test_a_copy_of_the_log_alone_shows_what_was_changed_in_it(layout: StoreLayout) -> None:
    only(layout, "log")
    bundle = max((layout.log / "tile/entries").rglob("*.p/*"), key=lambda path: int(path.name))
    data = bytearray(bundle.read_bytes())
    data[400] ^= 1
    bundle.unlink()
    bundle.write_bytes(data)
    assert verify_store(layout).exit_code == 21


def test_a_store_that_can_record_does_not_lack_its_vault(layout: StoreLayout) -> None:
    shutil.rmtree(layout.vault)
    result = verify_store(layout)
    assert (result.exit_code, result.masters.missing) == (20, 2)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that others may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_nothing_is_written_and_read_only_media_will_do(kept: Path, reachable: Path) -> None:
    layout = StoreLayout(shutil.copytree(kept, reachable / "store", symlinks=True))
    for path in (layout.root, *layout.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")}
    with as_nobody():
        result = verify_store(layout)
    assert (result.exit_code, result.not_checked, result.is_catalogue_compared) == (0, [], True)
    assert {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")} == before
    assert not list(Path("/dev/shm").glob("strongroom-*"))


# ------------------------------------------------------------------------------------------------------ exhibits


def names(layout: StoreLayout, kind: str) -> list[str]:
    with LogReader(layout) as log:
        found = {name for seq in range(log.recorded()) for name in log.entry(seq).subjects}
    return sorted(name for name in found if name.startswith(kind))


def exhibits(result: Verification) -> list[dict[str, object]]:
    found = result.as_json()["exhibits"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("with_databases", [True, False])
def test_one_item_is_read_and_its_chain_is_whole(layout: StoreLayout, with_databases: bool) -> None:
    item, other = names(layout, "item")
    if not with_databases:
        layout.openings_db.unlink()
        shutil.rmtree(layout.keys)
    with LogReader(StoreLayout(layout.root)) if with_databases else contextlib.nullcontext() as log:
        count = len(log.subject_entries(item)) if log is not None else None
    result = verify_store(layout, Asked(scope=[item.lower()[:5] + item[5:12]]))
    (found,) = exhibits(result)
    assert (found["item"], found["complete"], found["chain"], found["object"]) == (item, True, "complete", "matched")
    assert count in (None, found["entries"])
    assert result.masters.matched == 1
    assert result.exit_code == (0 if with_databases else 6)
    assert other not in str(result.as_json())


def test_a_drop_is_all_of_its_items_and_their_results(layout: StoreLayout) -> None:
    (drop,) = names(layout, "drop")
    result = verify_store(layout, Asked(scope=[drop]))
    assert result.exit_code == 0
    assert [found["item"] or found["drop"] for found in exhibits(result)] == [drop, *names(layout, "item")]
    assert (result.masters.matched, result.derived.matched) == (2, 2)
    assert (result.not_checked, result.as_json()["catalogue"]) == ([], "unchecked")


def test_damage_outside_the_scope_is_not_its_affair_and_damage_inside_is(layout: StoreLayout) -> None:
    with LogReader(layout) as log:
        digests = {item: log.digest_of(item) for item in names(layout, "item")}
    first, second = digests
    next(layout.vault.rglob(str(digests[first]))).unlink()
    assert verify_store(layout, Asked(scope=[second])).exit_code == 0
    result = verify_store(layout, Asked(scope=[first]))
    assert (result.exit_code, exhibits(result)[0]["object"]) == (20, "missing")
    (finding,) = result.findings
    assert finding.last_good is not None
    assert "(master.defined), recorded at 20" in finding.last_good


def test_a_chain_with_types_from_the_future_is_never_called_complete(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.events import EVENT_TYPES

    known = {name: kind for name, kind in EVENT_TYPES.items() if name != "analysis.completed"}
    monkeypatch.setattr("ledger.entry.EVENT_TYPES", known)
    with LogReader(layout) as log:
        analysed = next(
            name
            for seq in range(log.recorded())
            if (entry := log.entry(seq)).type == "analysis.completed"
            for name in entry.subjects
        )
    result = verify_store(layout, Asked(scope=[analysed]))
    (found,) = exhibits(result)
    assert (found["complete"], found["chain"], found["unknown_types"]) == (False, "unknown-types", 1)
    assert result.exit_code == 6
    assert any(analysed in sentence for sentence in result.not_checked)


@pytest.mark.parametrize("name", ["item_0000", "it", "item_", "actor_0000", "drop_ZZZZZZZZZZZZZ"])
def test_what_the_log_does_not_have_is_not_found(layout: StoreLayout, name: str) -> None:
    with pytest.raises(NotFoundError):
        verify_store(layout, Asked(scope=[name]))


# ----------------------------------------------------------------------- a sample, the first bad, another night


def test_a_sample_is_never_more_than_unchecked(layout: StoreLayout) -> None:
    sample = Sample(percent="40", seed="visit 1")
    result = verify_store(layout, Asked(sample=sample))
    document = result.as_json()
    assert (result.exit_code, document["verdict"], result.findings) == (6, "unchecked", [])
    everything = verify_store(layout)
    left_out = result.masters.not_read + result.derived.not_read
    assert result.masters.matched + result.derived.matched + left_out == 4
    assert result.masters.bytes_read < everything.masters.bytes_read or result.derived.not_read
    assert document["sample"] == {"percent": "40", "seed": "visit 1", "left_out": left_out}


def test_a_sample_finds_what_is_in_it_and_misses_what_is_not(layout: StoreLayout) -> None:
    master = a_master(layout)
    master.chmod(0o600)
    master.write_bytes(b"changed")
    seeds = {}
    for seed in map(str, range(40)):
        sample = Sample(percent="50", seed=seed)
        result = verify_store(layout, Asked(sample=sample))
        seeds[sample.takes(Digest.parse(master.name))] = result.exit_code
    assert seeds == {True: 20, False: 6}


def test_the_first_bad_record_ends_the_check(layout: StoreLayout) -> None:
    for path in [path for path in layout.vault.rglob("*") if path.is_file()]:
        path.unlink()
    assert len(verify_store(layout).findings) == 2
    result = verify_store(layout, Asked(first_bad=True))
    (finding,) = result.findings
    assert finding.last_good is not None
    assert (result.exit_code, result.derived.matched, result.is_catalogue_compared) == (20, 0, False)
    assert any("first bad record" in sentence for sentence in result.not_checked)


def test_the_first_bad_entry_ends_the_check_before_any_object_is_read(layout: StoreLayout) -> None:
    with contextlib.closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("UPDATE entry SET raw = (SELECT raw FROM entry WHERE seq = 2) WHERE seq IN (3, 5)")
    result = verify_store(layout, Asked(first_bad=True))
    (finding,) = result.findings
    assert (finding.object, finding.last_good, result.masters.matched) == ("entry 3", "entry 2", 0)


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def interrupt(unit: str, done: int, total: int) -> None:
    if unit == "bytes" and done:
        raise Interrupted


def test_an_interrupted_run_goes_on_and_says_so(layout: StoreLayout, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(Interrupted):
        verify_store(layout, Asked(resume=state), progress=interrupt)
    reads: list[int] = []
    result = verify_store(
        layout, Asked(resume=state), progress=lambda unit, done, total: reads.append(done) if unit == "bytes" else None
    )
    assert (result.exit_code, result.masters.matched, result.derived.matched) == (0, 2, 2)
    assert result.masters.bytes_read == 0  # they were read by the run before, and only the derived ones are left
    parts = result.as_json()["resumed"]
    assert isinstance(parts, list)
    assert [part["objects"] for part in parts] == [2, 2]
    assert not state.exists()


def test_a_run_that_was_not_interrupted_leaves_no_file(layout: StoreLayout, tmp_path: Path) -> None:
    result = verify_store(layout, Asked(resume=tmp_path / "state"))
    assert (result.exit_code, result.as_json()["resumed"]) == (0, [])
    assert not (tmp_path / "state").exists()


def test_damage_that_the_run_before_saw_is_looked_at_again(layout: StoreLayout, tmp_path: Path) -> None:
    master, state = a_master(layout), tmp_path / "state"
    content = master.read_bytes()
    master.chmod(0o600)
    master.write_bytes(b"changed")
    with pytest.raises(Interrupted):
        verify_store(layout, Asked(resume=state), progress=interrupt)
    kept = state.read_bytes()
    assert verify_store(layout, Asked(resume=state)).exit_code == 20
    state.write_bytes(kept)
    master.write_bytes(content)
    result = verify_store(layout, Asked(resume=state))
    assert (result.exit_code, result.masters.bytes_read) == (0, len(content))


def test_what_was_good_and_has_gone_since_is_missing(layout: StoreLayout, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(Interrupted):
        verify_store(layout, Asked(resume=state), progress=interrupt)
    a_master(layout).unlink()
    result = verify_store(layout, Asked(resume=state))
    assert (result.exit_code, result.masters.missing) == (20, 1)


def test_a_state_that_leaves_objects_out_and_does_not_say_who_read_them_is_refused(
    layout: StoreLayout, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with pytest.raises(Interrupted):
        verify_store(layout, Asked(resume=state), progress=interrupt)
    written = json.loads(state.read_bytes())
    state.write_text(json.dumps({**written, "rooms": {"vault": {"through": "f" * 64}}, "parts": []}))
    with pytest.raises(UsageError, match="is not the file of an interrupted verification"):
        verify_store(layout, Asked(resume=state))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"size":', b'"size":1', "its size is"),
        (b'"sample":null', b'"sample":["5","x"]', "its sample is"),
        (b'"rooms"', b'"ruins"', "not the file"),
        (b'"bad":[]', b'"bad":["x"]', "not the file"),
    ],
)
def test_the_state_of_another_verification_is_refused(
    layout: StoreLayout, tmp_path: Path, old: bytes, new: bytes, told: str
) -> None:
    state = tmp_path / "state"
    with pytest.raises(Interrupted):
        verify_store(layout, Asked(resume=state), progress=interrupt)
    changed = state.read_bytes().replace(old, new, 1)
    assert changed != state.read_bytes()
    state.write_bytes(changed)
    with pytest.raises(UsageError, match=told):
        verify_store(layout, Asked(resume=state))
    assert state.read_bytes() == changed


def test_nothing_is_kept_inside_the_store(layout: StoreLayout) -> None:
    with pytest.raises(UsageError, match="inside the store"):
        verify_store(layout, Asked(resume=layout.root / "private" / "state"))


def test_two_masters_that_changed_places_are_changed_and_one_that_lies_elsewhere_is_moved(layout: StoreLayout) -> None:
    master = a_master(layout)
    master.rename(layout.vault / "recovered.mp4")
    result = verify_store(layout)
    content = result.as_json()["content"]
    assert content == {"matched": 3, "changed": 0, "missing": 0, "moved": 1, "not_recorded": 1}
    assert {finding.code for finding in result.findings} == {"object-moved", "stray-file"}
    assert any("vault/recovered.mp4" in finding.found for finding in result.findings)
