"""The fake store obeys the contract too, and fails in both ways: who tests against it tests against the real thing."""

from __future__ import annotations

import pytest
from memory_store import Failure, MemoryStore
from vault_store import ObjectStoreContract

from base.errors import SurroundingsError
from hashing.digest import Digest
from vault.store import Staged, Stored


class MemorySubject:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def stage(self, content: bytes, *, claimed: bytes | None = None) -> Staged:
        return self.store.stage(content, claimed=claimed)

    def staged_names(self) -> list[str]:
        return sorted(self.store.staging)

    def damage(self, digest: Digest, content: bytes | None) -> None:
        del self.store.objects[str(digest)]
        if content is not None:
            self.store.objects[str(digest)] = content

    def add_stray(self) -> None:
        self.store.objects["stray"] = b""


@pytest.fixture
def subject() -> MemorySubject:
    return MemorySubject()


class TestMemoryStore(ObjectStoreContract):
    pass


@pytest.mark.parametrize(("failure", "kept"), [(Failure.BEFORE, 0), (Failure.AFTER, 1)])
def test_a_failed_put_may_or_may_not_have_kept_the_bytes_and_a_second_try_is_good(
    subject: MemorySubject, failure: Failure, kept: int
) -> None:
    staged = subject.stage(b"content")
    subject.store.fails = failure
    with pytest.raises(SurroundingsError):
        subject.store.put_batch([staged])
    assert len(list(subject.store.digests())) == kept
    (answer,) = subject.store.put_batch([subject.stage(b"content")])
    assert isinstance(answer, Stored)
    assert len(list(subject.store.digests())) == 1
