"""A log checked in several processes gives what one process gives, finding by finding."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_of_log import ORIGIN, arrive, copied, receive

from base.clock import now
from base.errors import Finding
from hashing.digest import ZERO_DIGEST, Digest
from hashing.tiles import encode_bundle
from ledger.chain import ChainCheck
from ledger.check import check_log
from ledger.check_stretches import STRETCH
from ledger.entry import NO_HEAD, Place, SubjectHead, build_entry
from ledger.events.log import config_changed
from ledger.layout import StoreLayout
from ledger.reader import LogReader
from ledger.record import CHANCE, Recorder
from ledger.seal import seal
from ledger.software import this_software
from ledger.verdict import LogVerdict, Masters

SIZE = STRETCH + 700  # the last stretch begins at STRETCH, and ends within a bundle


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> StoreLayout:
    layout = copied(tmp_path_factory.mktemp("stretches") / "store")
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        arrive(recorder, drop, [b"%d.mp4" % n for n in range(SIZE - 3)])
        seal(recorder)
    return layout


@pytest.fixture
def layout(kept: StoreLayout, tmp_path: Path) -> StoreLayout:
    return StoreLayout(Path(shutil.copytree(kept.root, tmp_path / "store")))


def sql(database: str, statement: str, *parameters: object) -> Callable[[StoreLayout], None]:
    def change(layout: StoreLayout) -> None:
        with closing(sqlite3.connect(layout.private / database, isolation_level=None)) as connection:
            assert connection.execute(statement, parameters).rowcount > 0

    return change


def swapped(first: int, second: int) -> Callable[[StoreLayout], None]:
    """Swap two entries of one bundle, in `log/` and in the database."""

    def change(layout: StoreLayout) -> None:
        bundle = layout.log / f"tile/entries/{first // 256:03d}"
        with LogReader(layout) as log:
            start = first - first % 256
            raws = [log.entry(seq).raw for seq in range(start, start + 256)]
        raws[first - start], raws[second - start] = raws[second - start], raws[first - start]
        bundle.unlink()
        bundle.write_bytes(encode_bundle(raws))
        for seq in (first, second):
            sql("log.db", "UPDATE entry SET raw = ? WHERE seq = ?", raws[seq - start], seq)(layout)

    return change


def missing_bundle(layout: StoreLayout) -> None:
    (layout.log / f"tile/entries/{STRETCH // 256:03d}").unlink()


def lost_bundle(layout: StoreLayout) -> None:
    missing_bundle(layout)
    sql("log.db", "DELETE FROM entry WHERE seq = ?", STRETCH)(layout)


def no_database(layout: StoreLayout) -> None:
    for path in (layout.log_db, layout.openings_db):
        path.unlink()


def no_sqlite(layout: StoreLayout) -> None:
    layout.openings_db.write_bytes(b"not a database" * 1000)


DAMAGES: dict[str, Callable[[StoreLayout], None]] = {
    "none": lambda layout: None,
    "two entries inside a stretch are swapped": swapped(STRETCH + 10, STRETCH + 11),
    "the first entries of a stretch are swapped": swapped(STRETCH, STRETCH + 1),
    "the last entries of a stretch are swapped": swapped(STRETCH - 2, STRETCH - 1),
    "a bundle has gone": missing_bundle,
    "a bundle has gone, and the database knows less": lost_bundle,
    "an opening has gone": sql("openings.db", "DELETE FROM opening WHERE seq = ? AND member = 'actor'", STRETCH + 5),
    "a head is another": sql("log.db", "UPDATE head SET count = 9 WHERE name = 'log'"),
    "both databases have gone": no_database,
    "a database is none": no_sqlite,
}


def comparable(verdict: LogVerdict) -> dict[str, object]:
    """Return all of a verdict; the order of findings of one kind is told, that of kinds is not promised."""
    findings: list[Finding] = sorted(verdict.findings, key=lambda finding: (finding.code, finding.object))
    return {
        "findings": findings,
        "numbers": (verdict.size, verdict.root, verdict.entries_checked, verdict.openings_checked),
        "masters": dict(verdict.masters.items()),
        "places": {digest: verdict.masters.seq_of(digest) for digest in verdict.masters},
        "not checked": verdict.not_checked,
        "heads": dict(verdict.heads.items()),
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_several_processes_find_what_one_finds(layout: StoreLayout, damage: str) -> None:
    DAMAGES[damage](layout)
    alone = check_log(layout, processes=1)
    assert (alone.findings == []) == (damage == "none")
    assert comparable(check_log(layout, processes=2)) == comparable(alone)


def chain_in_parts(raws: list[bytes], cut: int) -> tuple[ChainCheck, ChainCheck]:
    """Check the same entries once in one go, and once in two parts that are joined."""
    whole, joined = ChainCheck(ORIGIN), ChainCheck(ORIGIN)
    for seq, raw in enumerate(raws):
        whole.check(seq, raw)
    for seq, raw in enumerate(raws[:cut]):
        joined.check(seq, raw)
    part = ChainCheck(ORIGIN, first=cut, key_entries=joined.key_entries)
    for seq, raw in enumerate(raws[cut:], cut):
        part.check(seq, raw)
    assert joined.join(part.part(len(joined.key_entries)))
    for chain in (whole, joined):
        chain.finish()
    return whole, joined


@pytest.mark.parametrize("cut", range(1, 6))
@pytest.mark.parametrize("fault", ["none", "prev", "subject", "repeated", "malformed"])
def test_what_a_part_takes_for_given_is_held_against_what_is_before_it(kept: StoreLayout, cut: int, fault: str) -> None:
    with LogReader(kept) as log:
        raws = [log.entry(seq).raw for seq in range(6)]
    if fault == "repeated":
        raws[4] = raws[1]
    elif fault == "malformed":
        raws[3] = b"{}"
    elif fault != "none":
        raws[5] = another_entry(kept, prev_fits=fault != "prev", subject_fits=fault != "subject")
    whole, joined = chain_in_parts(raws, cut)
    assert (whole.findings == []) == (fault == "none")
    assert sorted(joined.findings) == sorted(whole.findings)
    assert dict(joined.heads.items()) == dict(whole.heads.items())


def another_entry(layout: StoreLayout, *, prev_fits: bool, subject_fits: bool) -> bytes:
    """Return an entry for position 5, rightly signed, that goes on from something else."""
    with LogReader(layout) as log, Recorder.open(layout) as recorder:
        prev = log.entry(4).digest if prev_fits else ZERO_DIGEST
        heads = {"log": NO_HEAD} if not subject_fits else {"log": head_of_log(log)}
        event = config_changed(ORIGIN, setting="batch_ms", before="1", after="2")
        place = Place(log=ORIGIN, seq=5, prev=prev, recorded_at=now(), clock=None, software=this_software())
        return build_entry(event, place=place, heads=heads, signer=recorder.signer, chance=CHANCE).raw


def head_of_log(log: LogReader) -> SubjectHead:
    chain = ChainCheck(ORIGIN)
    for seq in range(5):
        chain.check(seq, log.entry(seq).raw)
    return chain.heads["log"]


def test_a_part_that_began_with_other_keys_is_not_joined(kept: StoreLayout) -> None:
    with LogReader(kept) as log:
        raws = [log.entry(seq).raw for seq in range(4)]
    chain = ChainCheck(ORIGIN)
    for seq in (0, 1):
        chain.check(seq, raws[seq])
    part = ChainCheck(ORIGIN, first=2)
    part.check(2, raws[2])
    assert not chain.join(part.part(0))
    assert chain.findings == []
    assert chain.heads["log"].entry == Digest.of(raws[0])


def test_what_the_check_keeps_of_a_million_masters_stays_small() -> None:
    """Or a log of a million entries does not fit into 500 MB with all else."""
    import tracemalloc

    verdict = LogVerdict()
    tracemalloc.start()
    try:
        for n in range(50_000):
            verdict.masters.put(Digest.of(b"%d" % n), 1 << 30, n)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / 50_000 < 64


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2**50), st.integers(0, 2**38)), max_size=60))
def test_masters_are_a_mapping_in_which_the_last_entry_counts(entries: list[tuple[int, int, int]]) -> None:
    masters, taken, expected = Masters(), Masters(), {}
    for number, size, seq in entries:
        digest = Digest.of(b"%d" % number)
        masters.put(digest, size, seq)
        expected[digest] = (size, seq)
    taken.take(masters.packed())
    for made in (masters, taken):
        assert list(made) == sorted(expected)
        assert len(made) == len(expected)
        assert {digest: (made[digest], made.seq_of(digest)) for digest in made} == expected
        assert Digest.of(b"never") not in made
