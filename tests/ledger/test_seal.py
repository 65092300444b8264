"""Sealing: what is covered, in which files, and what happens when it is cut off in the middle."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from log_oracles import problems_of
from msgspec.structs import replace
from other_process import run_killed, run_python
from store_of_log import ORIGIN, arrive, copied, receive

from base import failpoints
from base.clock import now
from base.errors import BusyError, LedgerError, NotFoundError, SyncFailedError
from base.fsio import DiskError, Lock
from hashing.checkpoint import open_checkpoint
from hashing.digest import Digest
from hashing.note import Verifier, parse_vkey, vkey
from hashing.tiles import bundles_at, tiles_at
from ledger import seal as sealing
from ledger.check import check_log
from ledger.entry import BuiltEntry, Place, SubjectHead, build_entry
from ledger.events.log import config_changed
from ledger.keys.file import LOG_KEY, FileSigner, KeyFileError
from ledger.layout import StoreLayout
from ledger.published import ForkedError, RolledBackError, newest_checkpoint
from ledger.reader import LogReader
from ledger.record import CHANCE, Recorder, write_entries
from ledger.recovery import start
from ledger.seal import seal, try_seal
from ledger.software import this_software


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return copied(tmp_path / "store")


@pytest.fixture
def recorder(layout: StoreLayout) -> Iterator[Recorder]:
    with Recorder.open(layout) as recorder:
        yield recorder


def files_of(log: Path) -> set[str]:
    return {str(path.relative_to(log)) for path in log.rglob("*") if path.is_file()}


def committed_sizes(layout: StoreLayout) -> list[int]:
    with closing(sqlite3.connect(layout.log_db)) as connection:
        return [size for (size,) in connection.execute("SELECT size FROM checkpoint ORDER BY size")]


def grow_to(recorder: Recorder, sizes: Sequence[int]) -> None:
    """Let the log grow, from 2, to each of ``sizes``, and seal it there."""
    drop, count = receive(recorder), 3
    for size in sizes:
        arrive(recorder, drop, [b"%d.mp4" % n for n in range(count, size)])
        count = max(count, size)
        assert seal(recorder).size == size


# ---------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    "sizes",
    [[255], [256], [257], [511], [513], [255, 256, 257], [254, 258], [3, 4, 256, 511, 512, 513]],
    ids=str,
)
def test_logs_around_the_edges_of_tiles_are_accepted_by_programs_of_others(
    layout: StoreLayout, recorder: Recorder, sizes: list[int]
) -> None:
    grow_to(recorder, sizes)
    assert problems_of(layout.root) == []
    assert check_log(layout).findings == []
    last = sizes[-1]
    wanted = {ref.path for ref in (*tiles_at(last), *bundles_at(last))}
    assert wanted <= files_of(layout.log)


def test_a_full_tile_replaces_its_partials(layout: StoreLayout, recorder: Recorder) -> None:
    grow_to(recorder, [200, 255])
    assert {"tile/0/000.p/200", "tile/0/000.p/255", "tile/entries/000.p/255"} <= files_of(layout.log)
    grow_to_more = [b"more-%d" % n for n in range(2)]
    arrive(recorder, receive(recorder), grow_to_more)
    seal(recorder)
    assert files_of(layout.log) == {
        *("checkpoint", "tile/0/000", "tile/entries/000"),
        *("tile/0/001.p/2", "tile/entries/001.p/2", "tile/1/000.p/1"),
    }
    assert problems_of(layout.root) == []


def test_more_than_one_checkpoint_holds_is_sealed_by_several(
    layout: StoreLayout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "MOST_ENTRIES", 100)
    grow_to(recorder, [350])
    assert committed_sizes(layout) == [2, 102, 202, 302, 350]
    assert problems_of(layout.root) == []


def test_the_published_files_can_be_read_and_not_changed(layout: StoreLayout, recorder: Recorder) -> None:
    grow_to(recorder, [10])
    assert {path.stat().st_mode & 0o777 for path in layout.log.rglob("*") if path.is_file()} == {0o444}


def test_sealing_twice_changes_nothing(layout: StoreLayout, recorder: Recorder) -> None:
    first = seal(recorder)
    note = layout.checkpoint.read_bytes()
    assert seal(recorder) == first
    assert layout.checkpoint.read_bytes() == note


def test_the_note_is_signed_by_the_log_and_by_nobody_else(layout: StoreLayout) -> None:
    with LogReader(layout) as log:
        note, key = layout.checkpoint.read_bytes(), log.trust.log_key
    assert open_checkpoint(note, key).size == 2
    assert problems_of(layout.root, vkey=str(key)) == []
    with pytest.raises(LedgerError):
        open_checkpoint(note, parse_vkey(vkey(ORIGIN, FORGER.public)))


# ----------------------------------------------------------------------------------------------------- at the lock


def test_whoever_seals_is_waited_for_and_then_it_is_busy(layout: StoreLayout, recorder: Recorder) -> None:
    arrive(recorder, receive(recorder), [b"a"])
    lock = Lock(layout.seal_lock)
    lock.acquire(holder="somebody else")
    try:
        assert try_seal(recorder, wait_s=0.05) is None
        with pytest.raises(BusyError, match="somebody else"):
            seal(recorder, wait_s=0.05)
    finally:
        lock.release()
    checkpoint = try_seal(recorder)
    assert checkpoint is not None
    assert checkpoint.size == 4


def test_entries_of_another_process_are_sealed_with_ours(layout: StoreLayout, recorder: Recorder) -> None:
    run_python(
        "import sys; from pathlib import Path; from ledger.layout import StoreLayout; "
        "from ledger.record import Recorder; from store_of_log import receive, arrive\n"
        "with Recorder.open(StoreLayout(Path(sys.argv[1]))) as r: arrive(r, receive(r), [b'x', b'y'])",
        layout.root,
    )
    arrive(recorder, receive(recorder, arrival_key=bytes(32)), [b"z"])
    assert seal(recorder).size == 7
    assert problems_of(layout.root) == []


# ------------------------------------------------------------------------------------ what others have recorded


def insert(layout: StoreLayout, built: BuiltEntry, *, raw: bytes | None = None) -> None:
    """Put an entry into the database as another process would, or as a forger."""
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("ATTACH DATABASE ? AS openings", (str(layout.openings_db),))
        write_entries(connection, [built if raw is None else replace(built, raw=raw)])
        connection.execute("UPDATE head SET count = count + 1, digest = ? WHERE name = 'log'", (built.digest.raw,))


def another_entry(layout: StoreLayout, **change: object) -> BuiltEntry:
    """Return a right entry of position 2, made by the store's own recorder, with one thing changed in it."""
    with Recorder.open(layout) as recorder:
        signer = change.pop("signer", recorder.signer)
        (count, digest) = recorder.connection.execute("SELECT count, digest FROM head WHERE name = 'log'").fetchone()
        prev = recorder.end()[1]
    heads = change.pop("heads", {"log": SubjectHead(count=count, entry=Digest(digest))})
    place = Place(log=ORIGIN, seq=2, prev=prev, recorded_at=now(), clock=None, software=this_software())
    event = config_changed(str(change.get("log", ORIGIN)), setting="batch_ms", before="1", after="2")
    return build_entry(
        event,
        place=replace(place, **change),
        heads=heads,  # type: ignore[arg-type]
        signer=signer,  # type: ignore[arg-type]
        chance=CHANCE,
    )


def test_a_right_entry_of_another_process_is_sealed(layout: StoreLayout) -> None:
    """The control of the refusals below."""
    insert(layout, another_entry(layout))
    with Recorder.open(layout) as recorder:
        assert seal(recorder).size == 3
    assert problems_of(layout.root) == []


FORGER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signer": FORGER}, "signed by a key that the log does not name"),
        ({"prev": Digest.of(b"another")}, "does not follow"),
        ({"seq": 3}, "gap"),
        ({"log": "strongroom/ANOTHER"}, "claims position"),
        ({"heads": {}}, "chain of log"),
        ({"heads": {"log": SubjectHead(count=2, entry=Digest.of(b"x"))}}, "chain of log"),
    ],
    ids=str,
)
def test_a_forged_entry_in_the_database_is_never_sealed(
    layout: StoreLayout, change: dict[str, object], message: str
) -> None:
    forged = another_entry(layout, **change)
    insert(layout, replace(forged, seq=2))
    with Recorder.open(layout) as recorder, pytest.raises(LedgerError, match=message) as raised:
        seal(recorder)
    assert raised.value.exit_code == 21
    assert committed_sizes(layout) == [2]
    assert open_checkpoint(layout.checkpoint.read_bytes(), _key(layout)).size == 2


def _key(layout: StoreLayout) -> Verifier:
    with LogReader(layout) as log:
        return log.trust.log_key


def test_an_entry_whose_signature_does_not_fit_is_never_sealed(layout: StoreLayout) -> None:
    good = another_entry(layout)
    other = another_entry(layout)
    # The payload of one, the signature of the other: both are made by the right key.
    payload, rest = good.raw.split(b'","payloadType"')
    forged = payload + b'","payloadType"' + other.raw.split(b'","payloadType"')[1]
    assert rest != other.raw.split(b'","payloadType"')[1]
    insert(layout, good, raw=forged)
    with Recorder.open(layout) as recorder, pytest.raises(LedgerError, match="signature"):
        seal(recorder)


def test_bytes_that_are_no_entry_are_never_sealed(layout: StoreLayout) -> None:
    insert(layout, another_entry(layout), raw=b"{}")
    with pytest.raises(LedgerError), Recorder.open(layout) as recorder:
        seal(recorder)
    assert committed_sizes(layout) == [2]


def test_our_own_entry_is_read_back_before_it_is_sealed(layout: StoreLayout, recorder: Recorder) -> None:
    drop = receive(recorder)
    arrive(recorder, drop, [b"a"])
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("UPDATE entry SET raw = CAST(raw || ' ' AS BLOB) WHERE seq = 2")
    with pytest.raises(LedgerError, match="read back"):
        seal(recorder)


def test_a_gap_in_the_database_is_never_sealed(layout: StoreLayout, recorder: Recorder) -> None:
    receive(recorder)
    receive(recorder)
    with closing(sqlite3.connect(layout.log_db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM entry WHERE seq = 2")
    with pytest.raises(LedgerError, match="gap"):
        seal(recorder)


def test_a_changed_old_tile_stops_the_seal(layout: StoreLayout, recorder: Recorder) -> None:
    """The old root is proved to be a prefix of the new one from the tiles on the disk, before anything is signed."""
    tile = layout.log / "tile/0/000.p/2"
    data = bytearray(tile.read_bytes())
    data[5] ^= 1
    tile.chmod(0o644)
    tile.write_bytes(data)
    receive(recorder)
    with pytest.raises(LedgerError):
        seal(recorder)
    assert committed_sizes(layout) == [2]


def test_a_tile_of_other_bytes_in_the_way_stops_the_seal(layout: StoreLayout, recorder: Recorder) -> None:
    receive(recorder)
    (layout.log / "tile/0/000.p/3").write_bytes(bytes(96))
    with pytest.raises(LedgerError, match="other bytes"):
        seal(recorder)
    assert committed_sizes(layout) == [2]


def test_without_the_log_key_nothing_is_sealed_and_recording_goes_on(layout: StoreLayout, recorder: Recorder) -> None:
    (layout.keys / LOG_KEY).unlink()
    receive(recorder)
    with pytest.raises(NotFoundError):
        seal(recorder)
    assert recorder.end()[0] == 3


def test_with_another_log_key_nothing_is_sealed(layout: StoreLayout, recorder: Recorder) -> None:
    other = copied(layout.root.parent / "other")
    (layout.keys / LOG_KEY).write_bytes(Ed25519Pem.make())
    (layout.keys / LOG_KEY).chmod(0o600)
    receive(recorder)
    with pytest.raises(KeyFileError, match="is not the key of the log"):
        seal(recorder)
    assert committed_sizes(layout) == committed_sizes(other)


class Ed25519Pem:
    """A key of the right kind that is not the log's."""

    @staticmethod
    def make() -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# ------------------------------------------------------------------------------------------------------- put back


def put_back(layout: StoreLayout, kept: Path, *names: str) -> None:
    for name in names:
        shutil.copyfile(kept / name, layout.private / name)


def test_a_database_that_was_put_back_is_not_written_to(layout: StoreLayout, tmp_path: Path) -> None:
    """A short command would otherwise record in it and publish a second history over the first."""
    shutil.copytree(layout.private, tmp_path / "kept")
    with Recorder.open(layout) as recorder:
        grow_to(recorder, [5])
    note = layout.checkpoint.read_bytes()
    put_back(layout, tmp_path / "kept", "log.db", "openings.db")
    with pytest.raises(RolledBackError) as raised:
        Recorder.open(layout)
    assert raised.value.exit_code == 21
    assert layout.checkpoint.read_bytes() == note
    assert committed_sizes(layout) == [2]


def test_a_database_put_back_under_a_running_recorder_is_not_sealed(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copytree(layout.private, tmp_path / "kept")
    with Recorder.open(layout) as recorder:
        grow_to(recorder, [5])
    note = layout.checkpoint.read_bytes()
    checkpoint_kept_back = tmp_path / "checkpoint"
    shutil.move(layout.checkpoint, checkpoint_kept_back)
    put_back(layout, tmp_path / "kept", "log.db", "openings.db")
    with Recorder.open(layout) as recorder:  # nothing published to compare with: nobody can tell yet
        receive(recorder, arrival_key=bytes(32))
        shutil.move(checkpoint_kept_back, layout.checkpoint)
        with pytest.raises(RolledBackError):
            seal(recorder)
    assert layout.checkpoint.read_bytes() == note


def test_two_checkpoints_of_one_size_are_a_fork(layout: StoreLayout, tmp_path: Path) -> None:
    shutil.copytree(layout.root, tmp_path / "clone")
    clone = StoreLayout(tmp_path / "clone")
    for place, content in ((layout, b"a"), (clone, b"b")):
        with Recorder.open(place) as recorder:
            receive(recorder, name=content)
            seal(recorder)
    shutil.copyfile(clone.checkpoint, tmp_path / "checkpoint")
    shutil.move(tmp_path / "checkpoint", layout.checkpoint)
    with pytest.raises(ForkedError):
        Recorder.open(layout)


def test_a_checkpoint_that_was_not_published_is_published_by_the_next_seal(
    layout: StoreLayout, recorder: Recorder
) -> None:
    old = layout.checkpoint.read_bytes()
    grow_to(recorder, [5])
    new = layout.checkpoint.read_bytes()
    for lost in (old, None):
        layout.checkpoint.unlink()
        if lost is not None:
            layout.checkpoint.write_bytes(lost)
        assert seal(recorder).size == 5
        assert layout.checkpoint.read_bytes() == new


# -------------------------------------------------------------------------------------------------------- cut off

RECORD_AND_SEAL = """
import sys
from pathlib import Path
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from store_of_log import arrive, receive

with Recorder.open(StoreLayout(Path(sys.argv[1]))) as recorder:
    drop = receive(recorder)
    arrive(recorder, drop, [b"%d" % n for n in range(254)])
    seal(recorder)
"""
ALL = 2 + 1 + 254


@pytest.mark.parametrize(
    ("failpoint", "recorded", "committed", "published"),
    [
        ("record.commit@1", 2, 2, 2),
        ("record.commit@2", 3, 2, 2),
        ("write@1", ALL, 2, 2),  # the first bundle
        ("link@1", ALL, 2, 2),
        ("unlink@1", ALL, 2, 2),  # the temporary name beside the final one
        ("link@4", ALL, 2, 2),
        ("seal.commit", ALL, 2, 2),
        ("rename@1", ALL, ALL, 2),  # committed, not yet published
        ("rmdir@1", ALL, ALL, ALL),  # published; the replaced partials are being removed
    ],
)
def test_a_process_killed_at_any_step_needs_only_a_new_start(
    layout: StoreLayout, tmp_path: Path, failpoint: str, recorded: int, committed: int, published: int
) -> None:
    run_killed(RECORD_AND_SEAL, layout.root, failpoint=failpoint, fired=tmp_path / "fired")
    assert open_checkpoint(layout.checkpoint.read_bytes(), _key_of_first(layout)).size == published
    assert committed_sizes(layout)[-1] == committed
    with start(layout) as recorder:
        assert recorder.end()[0] == recorded
        assert newest_checkpoint(recorder.connection, _key(layout)).checkpoint.size == recorded
    assert problems_of(layout.root) == []
    assert check_log(layout).findings == []


def _key_of_first(layout: StoreLayout) -> Verifier:
    with Recorder.open(layout):  # rolls back what the killed process left in its journals
        return _key(layout)


CHANGES_OF_THE_DISK = 56  # that RECORD_AND_SEAL makes; the test after the next one notices when there are more


@pytest.mark.long
@pytest.mark.parametrize("passage", range(1, CHANGES_OF_THE_DISK + 1))
def test_a_process_killed_at_each_change_of_the_disk_needs_only_a_new_start(
    layout: StoreLayout, tmp_path: Path, passage: int
) -> None:
    run_killed(RECORD_AND_SEAL, layout.root, failpoint=f"any@{passage}", fired=tmp_path / "fired")
    with start(layout) as recorder:
        seal(recorder)
    assert problems_of(layout.root) == []
    assert check_log(layout).findings == []


def test_no_change_of_the_disk_is_left_out(layout: StoreLayout, tmp_path: Path) -> None:
    fired = {"STRONGROOM_FAILPOINTS_FIRED": str(tmp_path / "fired")}
    run_python(RECORD_AND_SEAL, layout.root, STRONGROOM_FAILPOINTS=f"any@{CHANGES_OF_THE_DISK + 1}=kill", **fired)
    assert not (tmp_path / "fired").exists()
    assert problems_of(layout.root) == []


@pytest.mark.parametrize(
    ("failpoint", "error", "exit_code"),
    [
        ("write=ENOSPC", DiskError, 8),
        ("link=EIO", DiskError, 8),
        ("create=EROFS", DiskError, 8),
        ("fsync=EIO", SyncFailedError, 10),
        ("rename=EIO", DiskError, 8),
    ],
)
def test_a_disk_that_refuses_is_said_and_the_next_seal_finishes(
    layout: StoreLayout,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    failpoint: str,
    error: type[Exception],
    exit_code: int,
) -> None:
    receive(recorder)
    monkeypatch.setattr(failpoints, "_planned", failpoints._parse(failpoint))
    monkeypatch.setattr(failpoints, "_counts", {})
    with pytest.raises(error) as raised:
        seal(recorder)
    assert raised.value.exit_code == exit_code  # type: ignore[attr-defined]
    monkeypatch.setattr(failpoints, "_planned", {})
    with start(layout) as again:
        assert seal(again).size == 3
    assert problems_of(layout.root) == []
