"""What every store of sealed bytes must do, whatever keeps it. A test module subclasses this and says how to make one.

Fakes run it too, and a fake is made to fail *before* and *after* it has kept the bytes: whoever calls a store must be
right in both cases.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import pytest

from base.errors import EvidenceError, SurroundingsError
from hashing.digest import Digest
from vault.check import check_objects, check_only
from vault.store import ObjectChangedError, ObjectStore, ReadBackMismatchError, Staged, Stored

CONTENTS = [b"", b"one", b"two", b"\0" * 70_000, bytes(range(256)) * 5000]


class StoreUnderTest(Protocol):
    """A store, and the ways to do to it what its own interface never does."""

    store: ObjectStore

    def stage(self, content: bytes, *, claimed: bytes | None = None) -> Staged:
        """Put ``content`` into staging, as being ``claimed``."""

    def staged_names(self) -> list[str]:
        """Return what lies in staging."""

    def damage(self, digest: Digest, content: bytes | None) -> None:
        """Replace an object's bytes, or take them away."""

    def add_stray(self) -> None:
        """Put something into the store that is not an object."""


class ObjectStoreContract:
    """The suite. ``subject`` is a fixture of the subclass's module."""

    def put(self, subject: StoreUnderTest, contents: Sequence[bytes]) -> list[Stored]:
        answers = subject.store.put_batch([subject.stage(content) for content in contents])
        assert all(isinstance(answer, Stored) for answer in answers)
        return [answer for answer in answers if isinstance(answer, Stored)]

    def test_an_empty_store_has_nothing(self, subject: StoreUnderTest) -> None:
        assert list(subject.store.digests()) == []
        assert list(subject.store.strays()) == []

    @pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 500])
    def test_a_batch_is_kept_whole_and_answered_in_order(self, subject: StoreUnderTest, count: int) -> None:
        contents = [b"content %d" % n for n in range(count)]
        answers = self.put(subject, contents)
        assert [answer.sha256 for answer in answers] == [Digest.of(content) for content in contents]
        assert [answer.size_bytes for answer in answers] == [len(content) for content in contents]
        assert list(subject.store.digests()) == sorted(Digest.of(content) for content in contents)
        assert subject.staged_names() == []

    @pytest.mark.parametrize("content", CONTENTS, ids=len)
    def test_what_was_put_comes_back(self, subject: StoreUnderTest, content: bytes) -> None:
        self.put(subject, [content])
        digest = Digest.of(content)
        assert subject.store.read(digest, max_bytes=len(content)) == content
        assert subject.store.verify(digest) == len(content)
        descriptor = subject.store.open(digest)
        try:
            assert os.pread(descriptor, len(content) + 1, 0) == content
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(descriptor, b"x")
        finally:
            os.close(descriptor)

    def test_the_same_bytes_twice_are_one_object(self, subject: StoreUnderTest) -> None:
        self.put(subject, [b"same", b"same"])
        self.put(subject, [b"same"])
        assert list(subject.store.digests()) == [Digest.of(b"same")]
        assert subject.store.verify(Digest.of(b"same")) == 4

    @pytest.mark.parametrize("others", [0, 3, 20])
    def test_bytes_that_are_not_what_they_claim_are_not_kept_and_the_others_are(
        self, subject: StoreUnderTest, others: int
    ) -> None:
        good = [subject.stage(b"good %d" % n) for n in range(others)]
        wrong = subject.stage(b"on the disk", claimed=b"read from the share")
        answers = subject.store.put_batch([*good, wrong])
        assert isinstance(answers[-1], ReadBackMismatchError)
        assert (answers[-1].sent, answers[-1].found) == (Digest.of(b"read from the share"), Digest.of(b"on the disk"))
        assert answers[-1].exit_code == 20
        assert len(list(subject.store.digests())) == others
        assert subject.staged_names() == []

    def test_bytes_cut_short_are_not_kept(self, subject: StoreUnderTest) -> None:
        staged = subject.stage(b"whole"[:3], claimed=b"whole")
        assert isinstance(subject.store.put_batch([staged])[0], ReadBackMismatchError)
        assert list(subject.store.digests()) == []

    def test_an_object_over_a_torn_one_mends_it(self, subject: StoreUnderTest) -> None:
        """What lies at the name may be half an object from before a crash: the name alone proves nothing."""
        self.put(subject, [b"whole"])
        subject.damage(Digest.of(b"whole"), b"who")
        self.put(subject, [b"whole"])
        assert subject.store.read(Digest.of(b"whole"), max_bytes=5) == b"whole"

    @pytest.mark.parametrize("found", [None, b"", b"changed", b"original and more"], ids=repr)
    def test_a_changed_or_missing_object_is_never_read_as_itself(
        self, subject: StoreUnderTest, found: bytes | None
    ) -> None:
        digest = Digest.of(b"original")
        self.put(subject, [b"original"])
        subject.damage(digest, found)
        with pytest.raises(ObjectChangedError, match=str(digest)) as raised:
            subject.store.verify(digest)
        assert raised.value.exit_code == 20
        with pytest.raises(ObjectChangedError):
            subject.store.read(digest, max_bytes=100)

    def test_an_object_that_was_never_there_is_missing(self, subject: StoreUnderTest) -> None:
        for call in (subject.store.open, subject.store.verify):
            with pytest.raises(ObjectChangedError, match="missing"):
                call(Digest.of(b"never"))

    def test_an_object_larger_than_expected_is_not_read_into_memory(self, subject: StoreUnderTest) -> None:
        self.put(subject, [b"12345"])
        with pytest.raises(SurroundingsError, match="larger"):
            subject.store.read(Digest.of(b"12345"), max_bytes=4)

    def test_a_stray_is_named_and_is_no_object(self, subject: StoreUnderTest) -> None:
        self.put(subject, [b"object"])
        subject.add_stray()
        (finding,) = subject.store.strays()
        assert (finding.code, finding.exit_code) == ("stray-file", 20)
        assert list(subject.store.digests()) == [Digest.of(b"object")]

    def test_all_damage_is_listed(self, subject: StoreUnderTest) -> None:
        contents = [b"good", b"changed", b"missing", b"of another size", b"not recorded"]
        self.put(subject, contents)
        subject.damage(Digest.of(b"changed"), b"other")
        subject.damage(Digest.of(b"missing"), None)
        subject.add_stray()
        recorded: dict[Digest, int | None] = {Digest.of(content): len(content) for content in contents[:-1]}
        recorded[Digest.of(b"of another size")] = 1
        told: list[int] = []
        counts = check_objects(subject.store, recorded, room="vault", progress=told.append)
        assert (counts.matched, counts.changed, counts.missing, counts.moved, counts.not_recorded) == (1, 2, 1, 0, 2)
        assert sorted(finding.code for finding in counts.findings) == [
            *("object-changed", "object-missing", "object-size-mismatch", "stray-file")
        ]
        named = {finding.object for finding in counts.findings if finding.code.startswith("object")}
        assert named == {f"vault/{Digest.of(content)}" for content in (b"changed", b"missing", b"of another size")}
        assert told[-1] == counts.bytes_read == len(b"good") + len(b"of another size") + len(b"not recorded")

    def test_bytes_under_another_name_are_moved_and_not_missing(self, subject: StoreUnderTest) -> None:
        self.put(subject, [b"a", b"b"])
        subject.damage(Digest.of(b"a"), b"b")
        subject.damage(Digest.of(b"b"), None)
        counts = check_objects(subject.store, {Digest.of(b"a"): 1, Digest.of(b"b"): 1}, room="vault")
        assert (counts.matched, counts.changed, counts.missing, counts.moved, counts.not_recorded) == (0, 1, 0, 1, 0)
        found = {finding.code: finding for finding in counts.findings}
        assert found["object-moved"].object == f"vault/{Digest.of(b'b')}"
        assert f"vault/{Digest.of(b'a')}" in found["object-moved"].found

    def test_what_a_sample_leaves_out_is_looked_for_and_not_read(self, subject: StoreUnderTest) -> None:
        self.put(subject, [b"read", b"left out", b"left out and changed", b"left out and gone"])
        subject.damage(Digest.of(b"left out and changed"), b"x")
        subject.damage(Digest.of(b"left out and gone"), None)
        recorded = {Digest.of(content): None for content in (b"read", b"left out", b"left out and changed")}
        chosen = {Digest.of(b"read")}.__contains__
        counts = check_objects(
            subject.store, {**recorded, Digest.of(b"left out and gone"): None}, room="vault", chosen=chosen
        )
        assert (counts.matched, counts.changed, counts.missing, counts.not_read) == (1, 0, 1, 2)
        assert counts.bytes_read == len(b"read")

    def test_the_first_damage_ends_the_reading_if_that_is_asked_for(self, subject: StoreUnderTest) -> None:
        contents = [b"%d" % n for n in range(200)]
        self.put(subject, contents)
        for content in contents:
            subject.damage(Digest.of(content), b"changed")
        recorded = dict.fromkeys(map(Digest.of, contents))
        assert check_objects(subject.store, recorded, room="vault").changed == 200
        assert check_objects(subject.store, recorded, room="vault", first_bad=True).changed < 200

    def test_only_the_asked_objects_are_looked_at(self, subject: StoreUnderTest) -> None:
        self.put(subject, [b"asked", b"another"])
        subject.damage(Digest.of(b"another"), None)
        subject.add_stray()
        recorded: dict[Digest, int | None] = {Digest.of(b"asked"): 5, Digest.of(b"never there"): 1}
        counts = check_only(subject.store, recorded, room="vault")
        assert (counts.matched, counts.missing, counts.not_recorded) == (1, 1, 0)
        assert [finding.object for finding in counts.findings] == [f"vault/{Digest.of(b'never there')}"]

    def test_only_declared_errors_come_out(self, subject: StoreUnderTest) -> None:
        vanished = Staged(name="vanished", sha256=Digest.of(b"x"), size_bytes=1)
        with pytest.raises(EvidenceError):
            subject.store.put_batch([vanished])
        assert list(subject.store.digests()) == []
