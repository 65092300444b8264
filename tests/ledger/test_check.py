"""The check of everything: each kind of damage has its code, names its object, and none hides another."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from store_of_log import ORIGIN, arrive, copied, receive

from base.clock import now
from hashing.checkpoint import Checkpoint
from hashing.digest import ZERO_DIGEST, Digest
from hashing.merkle import leaf_hash, root
from hashing.note import sign_note
from ledger.chain import ChainCheck
from ledger.check import check_log
from ledger.entry import NO_HEAD, Place, SubjectHead, build_entry
from ledger.events import EVENT_TYPES
from ledger.events.log import config_changed
from ledger.kept import KeptNote, KeptVerdict
from ledger.keys.file import LOG_KEY, FileSigner, load_key
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import CHANCE, Recorder
from ledger.seal import LogKey, seal
from ledger.software import this_software


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    """A store of 20 entries, sealed at 2, 10 and 20."""
    layout = copied(tmp_path / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        for first, last in ((0, 7), (7, 17)):
            arrive(recorder, drop, [b"%d.mp4" % n for n in range(first, last)])
            seal(recorder)
    return layout


def sql(statement: str, *parameters: object, database: str = "log.db") -> Callable[[StoreLayout], object]:
    def change(layout: StoreLayout) -> None:
        with closing(sqlite3.connect(layout.private / database, isolation_level=None)) as connection:
            assert connection.execute(statement, parameters).rowcount > 0

    return change


def openings(statement: str, *parameters: object) -> Callable[[StoreLayout], object]:
    return sql(statement, *parameters, database="openings.db")


def flip(name: str, at: int = -1) -> Callable[[StoreLayout], object]:
    def change(layout: StoreLayout) -> None:
        path = layout.log / name
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.unlink()
        path.write_bytes(data)

    return change


def put(name: str, data: bytes = b"?") -> Callable[[StoreLayout], object]:
    return lambda layout: (layout.log / name).write_bytes(data)


def old_checkpoint_published(layout: StoreLayout) -> None:
    with closing(sqlite3.connect(layout.log_db)) as connection:
        (note,) = connection.execute("SELECT note FROM checkpoint WHERE size = 10").fetchone()
    layout.checkpoint.unlink()
    layout.checkpoint.write_bytes(note)


def signed(layout: StoreLayout, size: int, root_hash: Digest) -> bytes:
    """Return a checkpoint that the log's own key signed: what only its operator can do."""
    key = LogKey(load_key(layout.keys / LOG_KEY), ORIGIN)
    return sign_note(Checkpoint(origin=ORIGIN, size=size, root=root_hash).text(), [key])


EMPTY = Digest(bytes(32))


def other_log() -> LogKey:
    return LogKey(FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(5, 37)))), "other/log")


def kept(note: bytes) -> KeptNote:
    return KeptNote(file="kept", note=note)


def longer_checkpoint_published(layout: StoreLayout) -> None:
    layout.checkpoint.unlink()
    layout.checkpoint.write_bytes(signed(layout, 25, Digest.of(b"25")))


def another_checkpoint_published(layout: StoreLayout) -> None:
    layout.checkpoint.unlink()
    layout.checkpoint.write_bytes(signed(layout, 20, Digest.of(b"20")))


def text_of_another_entry(layout: StoreLayout) -> None:
    with closing(sqlite3.connect(layout.openings_db, isolation_level=None)) as connection:
        (text,) = connection.execute("SELECT text FROM opening WHERE seq = 7 AND member = 'actor'").fetchone()
        connection.execute("UPDATE opening SET text = ? WHERE seq = 8 AND member = 'actor'", (text,))


DAMAGES = {
    # ------------------------------------------------------------------------------- checkpoints
    "a published checkpoint is not signed": (flip("checkpoint"), {"checkpoint-invalid": "log/checkpoint"}),
    "no checkpoint is published": (lambda layout: layout.checkpoint.unlink(), {"checkpoint-invalid": "log/checkpoint"}),
    "an older one is published": (old_checkpoint_published, {"checkpoint-behind": "log/checkpoint"}),
    "a longer one is published": (longer_checkpoint_published, {"log-rolled-back": "private/log.db"}),
    "another one is published": (another_checkpoint_published, {"log-split-view": "log/checkpoint"}),
    "a kept checkpoint is changed": (
        sql("UPDATE checkpoint SET note = CAST(replace(note, ?, ?) AS BLOB) WHERE size = 10", ORIGIN, "x/y"),
        {"checkpoint-invalid": "kept checkpoint of size 10"},
    ),
    "a kept root is changed": (
        sql("UPDATE checkpoint SET root = zeroblob(32) WHERE size = 10"),
        {"checkpoint-invalid": "kept checkpoint of size 10"},
    ),
    # ------------------------------------------------------------------------------------- files
    "a hash tile is changed": (flip("tile/0/000.p/20"), {"tile-damaged": "log/tile/0/000.p/20"}),
    "a hash tile has gone": (
        lambda layout: (layout.log / "tile/0/000.p/20").unlink(),
        {"tile-damaged": "log/tile/0/000.p/20"},
    ),
    "an older tile is changed": (flip("tile/0/000.p/10"), {"stray-file": "log/tile/0/000.p/10"}),
    "an older tile has gone": (
        lambda layout: (layout.log / "tile/0/000.p/10").unlink(),
        {"tile-damaged": "log/tile/0/000.p/10"},
    ),
    "an older bundle is changed": (flip("tile/entries/000.p/10", 40), {"stray-file": "log/tile/entries/000.p/10"}),
    "a bundle is cut": (flip("tile/entries/000.p/20", 0), {"tile-damaged": "log/tile/entries/000.p/20"}),
    "a bundle has gone": (
        lambda layout: (layout.log / "tile/entries/000.p/20").unlink(),
        {"tile-damaged": "log/tile/entries/000.p/20"},
    ),
    "a strange file": (put("README"), {"stray-file": "log/README"}),
    "a tile beyond the end": (put("tile/0/000.p/21", bytes(32 * 21)), {"stray-file": "log/tile/0/000.p/21"}),
    "another spelling of a tile": (put("tile/0/000.p/020"), {"stray-file": "log/tile/0/000.p/020"}),
    "a link": (
        lambda layout: (layout.log / "tile/0/000.p/5").symlink_to("10"),
        {"stray-file": "log/tile/0/000.p/5"},
    ),
    # ----------------------------------------------------------------------------------- entries
    "an entry of the database is changed": (
        sql("UPDATE entry SET raw = (SELECT raw FROM entry WHERE seq = 7) WHERE seq = 8"),
        {"entry-differs": "entry 8"},
    ),
    "an entry of the database has gone": (sql("DELETE FROM entry WHERE seq = 8"), {"entry-differs": "entry 8"}),
    # ------------------------------------------------------------------------------ rows beside them
    "an event": (
        sql("UPDATE entry SET event = ? WHERE seq = 8", "event_" + "0" * 32),
        {"index-differs": "private/log.db entry 8"},
    ),
    "a type": (sql("UPDATE entry SET type = 'x' WHERE seq = 8"), {"index-differs": "private/log.db entry 8"}),
    "a digest": (
        sql("UPDATE entry SET digest = zeroblob(32) WHERE seq = 8"),
        {"index-differs": "private/log.db entry 8"},
    ),
    "a head": (sql("UPDATE head SET count = 9 WHERE name = 'log'"), {"index-differs": "private/log.db head log"}),
    "a head too many": (
        sql("INSERT INTO head VALUES ('item_0000000000000', 1, zeroblob(32))"),
        {"index-differs": "private/log.db head item_0000000000000"},
    ),
    "a subject": (sql("DELETE FROM subject WHERE name = 'log'"), {"index-differs": "private/log.db subject log"}),
    "an arrival's item": (
        openings("UPDATE arrival SET item = 'item_0000000000000' WHERE seq = 8"),
        {"index-differs": "private/openings.db arrival of entry 8"},
    ),
    "an arrival's path": (
        openings("UPDATE arrival SET path = x'00' WHERE seq = 8"),
        {"index-differs": "private/openings.db arrival of entry 8"},
    ),
    "an arrival's generation": (
        openings("UPDATE arrival SET generation = 5 WHERE seq = 8"),
        {"index-differs": "private/openings.db arrival of entry 8"},
    ),
    # ----------------------------------------------------------------------------------- openings
    "an opening has gone": (
        openings("DELETE FROM opening WHERE seq = 8 AND member = 'actor'"),
        {"opening-mismatch": "entry 8"},
    ),
    "an opening is changed": (
        openings("UPDATE opening SET text = 'W10' WHERE seq = 8 AND member = 'actor'"),
        {"opening-mismatch": "entry 8"},
    ),
    "an opening is of another entry": (text_of_another_entry, {"opening-mismatch": "entry 8"}),
    "an opening for no commitment": (
        openings("INSERT INTO opening VALUES (8, 'y', 'x', 'text', zeroblob(32), 'z')"),
        {"opening-mismatch": "entry 8"},
    ),
    "an opening with a short commitment": (
        openings("UPDATE opening SET commitment = x'00' WHERE seq = 8 AND member = 'actor'"),
        {"opening-mismatch": "entry 8"},
    ),
    "an opening of another class": (
        openings("UPDATE opening SET class = 'internal' WHERE seq = 8 AND member = 'source_path'"),
        {"opening-mismatch": "entry 8"},
    ),
    "an opening of an entry that is not there": (
        openings("INSERT INTO opening VALUES (99, 'y', 'x', 'text', zeroblob(32), 'z')"),
        {"log-rolled-back": "private/log.db"},
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found_and_named(layout: StoreLayout, name: str) -> None:
    damage, expected = DAMAGES[name]
    damage(layout)
    findings = check_log(layout).findings
    assert expected.items() <= {finding.code: finding.object for finding in reversed(findings)}.items(), findings
    assert {finding.exit_code for finding in findings} == {21}
    assert all(finding.meaning and finding.expected and finding.found for finding in findings)


def test_a_good_log_is_counted_and_has_no_findings(layout: StoreLayout) -> None:
    told: list[tuple[int, int]] = []
    verdict = check_log(layout, progress=lambda done, total: told.append((done, total)))
    assert verdict.findings == []
    assert (verdict.origin, verdict.size, verdict.entries_checked) == (ORIGIN, 20, 20)
    assert len(verdict.masters) == 17
    assert verdict.openings_checked > 17 * 4
    assert told[-1] == (20, 20)


def test_all_damage_is_listed_not_only_the_first(layout: StoreLayout) -> None:
    several = ["a hash tile is changed", "an opening has gone", "a head", "a strange file", "an older one is published"]
    for name in several:
        DAMAGES[name][0](layout)
    codes = {finding.code for finding in check_log(layout).findings}
    assert codes == {"tile-damaged", "opening-mismatch", "index-differs", "stray-file", "checkpoint-behind"}


def test_what_is_recorded_and_not_sealed_is_checked_too(layout: StoreLayout) -> None:
    with Recorder.open(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))
    verdict = check_log(layout)
    assert (verdict.size, verdict.entries_checked, verdict.findings) == (20, 21, [])
    openings("DELETE FROM opening WHERE seq = 20 AND member = 'actor'")(layout)
    assert [finding.object for finding in check_log(layout).findings] == ["entry 20"]


def test_a_changed_bundle_is_found_by_root_signature_and_chain(layout: StoreLayout) -> None:
    """The same bytes changed in both places: only the mathematics is left to tell, and all of it does."""
    with LogReader(layout) as log:
        raw, other = log.entry(8).raw, log.entry(7).raw
    bundle = layout.log / "tile/entries/000.p/20"
    data = bundle.read_bytes().replace(raw, other)
    bundle.unlink()
    bundle.write_bytes(data)
    sql("UPDATE entry SET raw = ? WHERE seq = 8", other)(layout)
    found = {finding.code: finding for finding in reversed(check_log(layout).findings)}
    assert {
        "entry-misplaced",
        "chain-broken",
        "event-twice",
        "subject-chain-broken",
        "root-mismatch",
        "tile-damaged",
    } <= set(found)
    assert found["root-mismatch"].last_good == "checkpoint of size 2"
    assert found["entry-misplaced"].last_good == "entry 7"


def test_a_damaged_index_or_page_of_a_database_is_a_finding(layout: StoreLayout) -> None:
    with closing(sqlite3.connect(layout.log_db)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_entry_1'"
        (page,) = connection.execute(query).fetchone()
    data = bytearray(layout.log_db.read_bytes())
    data[page * 4096 - 1] ^= 1
    layout.log_db.write_bytes(data)
    found = {finding.code: finding.object for finding in check_log(layout).findings}
    assert found["database-damaged"] == "private/log.db"


# -------------------------------------------------------------------------------------- checkpoints from outside


def test_a_kept_checkpoint_that_the_log_continues_is_good(layout: StoreLayout, tmp_path: Path) -> None:
    note = layout.checkpoint.read_bytes()
    with Recorder.open(layout) as recorder:
        receive(recorder, arrival_key=bytes(32))
        seal(recorder)
    assert check_log(layout, against=[kept(note), kept(layout.checkpoint.read_bytes())]).findings == []


@pytest.mark.parametrize(
    ("size", "code"), [(20, "log-split-view"), (10, "log-forked"), (21, "log-rolled-back"), (1000, "log-rolled-back")]
)
def test_a_kept_checkpoint_of_another_history_is_found(layout: StoreLayout, size: int, code: str) -> None:
    (finding,) = check_log(layout, against=[kept(signed(layout, size, Digest.of(b"another")))]).findings
    assert (finding.code, finding.object) == (code, f"given checkpoint of size {size}")


def test_a_kept_checkpoint_of_another_log_is_invalid(layout: StoreLayout) -> None:
    (finding,) = check_log(layout, against=[kept(b"not a note")]).findings
    assert finding.code == "checkpoint-invalid"
    another = sign_note(Checkpoint(origin="other/log", size=1, root=Digest.of(b"x")).text(), [other_log()])
    (finding,) = check_log(layout, against=[kept(another)]).findings
    assert (finding.code, finding.object) == ("log-replaced", "given checkpoint of size 1")


def test_each_kept_checkpoint_is_answered_by_itself(layout: StoreLayout) -> None:
    notes = [layout.checkpoint.read_bytes(), signed(layout, 10, Digest.of(b"x")), b"", signed(layout, 25, EMPTY)]
    verdict = check_log(layout, against=[KeptNote(file=f"file {n}", note=note) for n, note in enumerate(notes)])
    assert [(note.file, answer.verdict) for note, answer in verdict.against] == [
        ("file 0", KeptVerdict.SAME),
        ("file 1", KeptVerdict.FORK),
        ("file 2", KeptVerdict.INVALID),
        ("file 3", KeptVerdict.ROLLED_BACK),
    ]


# ------------------------------------------------------------------------------------------------------ the chain

SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def chain_over(layout: StoreLayout, count: int) -> ChainCheck:
    chain = ChainCheck(ORIGIN)
    with LogReader(layout) as log:
        for seq in range(count):
            assert chain.check(seq, log.entry(seq).raw)
    return chain


@pytest.mark.parametrize(
    ("place", "heads", "signer", "code"),
    [
        ({"seq": 3}, "right", "right", "entry-misplaced"),
        ({"log": "strongroom/OTHER"}, "right", "right", "entry-misplaced"),
        ({"prev": ZERO_DIGEST}, "right", "right", "chain-broken"),
        ({}, "none", "right", "subject-chain-broken"),
        ({}, "right", "other", "entry-untrusted"),
    ],
)
def test_an_entry_that_does_not_continue_the_chain_is_found(
    layout: StoreLayout, place: dict[str, object], heads: str, signer: str, code: str
) -> None:
    chain = chain_over(layout, 2)
    with Recorder.open(layout) as recorder, LogReader(layout) as log:
        right: dict[str, object] = {"log": ORIGIN, "seq": 2, "prev": log.entry(1).digest}
        built = build_entry(
            config_changed(str(place.get("log", ORIGIN)), setting="batch_ms", before="1", after="2"),
            place=Place(recorded_at=now(), clock=None, software=this_software(), **{**right, **place}),  # type: ignore[arg-type]
            heads={"log": SubjectHead(count=1, entry=log.entry(0).digest)} if heads == "right" else {"log": NO_HEAD},
            signer=recorder.signer if signer == "right" else SIGNER,
            chance=CHANCE,
        )
    chain.check(2, built.raw)
    assert [finding.code for finding in chain.findings] == [code]
    assert chain.findings[0].last_good == "entry 1"


def test_a_log_that_does_not_begin_with_its_keys_is_not_believed(layout: StoreLayout) -> None:
    with LogReader(layout) as log:
        second = log.entry(1).raw
    chain = ChainCheck(ORIGIN)
    chain.check(0, second)
    assert {finding.code for finding in chain.findings} >= {"entry-untrusted", "entry-misplaced", "chain-broken"}


def test_bytes_that_are_no_entry_are_found_and_the_chain_goes_on(layout: StoreLayout) -> None:
    chain = chain_over(layout, 2)
    assert chain.check(2, b"{}") is None
    assert [finding.code for finding in chain.findings] == ["entry-malformed"]


def test_entries_of_types_from_the_future_are_counted_and_not_called_damage(
    layout: StoreLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: kind for name, kind in EVENT_TYPES.items() if name != "master.defined"}
    monkeypatch.setattr("ledger.entry.EVENT_TYPES", known)
    verdict = check_log(layout)
    assert verdict.unknown_types == 17
    assert "entry-malformed" not in {finding.code for finding in verdict.findings}


def test_further_digests_are_neither_good_nor_bad(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.entry._further_digests", lambda statement: frozenset({"blake3"}))
    for processes in (1, 2):
        verdict = check_log(layout, processes=processes)
        assert verdict.findings == []
        assert any("blake3" in sentence and "20 entries" in sentence for sentence in verdict.not_checked)


def test_a_replayed_store_gives_the_root_that_its_checkpoint_says(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copytree(layout.log, tmp_path / "log")
    with LogReader(layout) as log:
        leaves = [leaf_hash(log.entry(seq).raw) for seq in range(20)]
        assert log.sealed().root.raw == root(leaves)
    assert check_log(layout).root.raw == root(leaves)
