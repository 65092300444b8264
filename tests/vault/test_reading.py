"""Objects read in several processes: the same answers as in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashing.digest import Digest
from vault.check import check_objects
from vault.local import LocalStore
from vault.reading import MANY_BYTES, MANY_OBJECTS, reading


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    for name in ("vault", "staging"):
        (tmp_path / name).mkdir()
    (tmp_path / "vault" / "sha256").mkdir()
    return LocalStore(tmp_path / "vault", tmp_path / "staging")


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_process_answers_for_its_objects(store: LocalStore, tmp_path: Path, processes: int) -> None:
    digests = store.put_bytes([b"object %d" % n for n in range(500)])
    for digest in digests[:3]:
        store.path_of(digest).chmod(0o600)
        store.path_of(digest).write_bytes(b"changed")
    store.path_of(digests[3]).unlink()
    lying = store.path_of(digests[4])
    lying.rename(lying.with_name("somewhere else"))
    recorded: dict[Digest, int | None] = dict.fromkeys(digests)
    told: list[int] = []
    with reading(tmp_path / "vault", tmp_path / "staging", objects=1, size_bytes=1, processes=processes) as read:
        counts = check_objects(store, recorded, room="vault", read=read, progress=told.append)
    assert (counts.matched, counts.changed, counts.missing, counts.moved, counts.not_recorded) == (495, 3, 1, 1, 1)
    assert told == sorted(told)
    assert told[-1] == counts.bytes_read
    moved = next(finding for finding in counts.findings if finding.code == "object-moved")
    assert "somewhere else" in moved.found


def test_a_little_is_read_without_another_process(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("vault.reading.Workers", refuse)
    (digest,) = store.put_bytes([b"one"])
    folders = (tmp_path / "vault", tmp_path / "staging")
    with reading(*folders, objects=MANY_OBJECTS - 1, size_bytes=MANY_BYTES - 1) as read:
        assert [one.size_bytes for objects in read([[digest]]) for one in objects] == [3]
    with (
        pytest.raises(AssertionError, match="process"),
        reading(*folders, objects=MANY_OBJECTS, size_bytes=0, processes=2),
    ):
        pass
