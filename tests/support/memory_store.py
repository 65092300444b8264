"""A store of sealed bytes in memory, for tests of those who use one. It can fail before or after it has kept them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import Enum

from base.errors import Finding, SurroundingsError
from hashing.digest import Digest
from vault.store import ObjectChangedError, ReadBackMismatchError, Staged, Stored


class Failure(Enum):
    """When the next `put_batch` fails. Whoever calls must be right in both cases."""

    BEFORE = "nothing was kept"
    AFTER = "all was kept, and the answer was lost"


class MemoryStore:
    """Obeys `vault.store.ObjectStore`; staged files and objects are bytes in dictionaries."""

    def __init__(self) -> None:
        self.staging: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}  # by name; a name that is no digest is a stray
        self.fails: Failure | None = None

    def stage(self, content: bytes, *, claimed: bytes | None = None) -> Staged:
        name = f"staged-{len(self.staging)}"
        self.staging[name] = content
        told = content if claimed is None else claimed
        return Staged(name=name, sha256=Digest.of(told), size_bytes=len(told))

    def put_batch(self, staged: Sequence[Staged]) -> list[Stored | ReadBackMismatchError]:
        failure, self.fails = self.fails, None
        if failure is Failure.BEFORE or any(file.name not in self.staging for file in staged):
            raise SurroundingsError("the store could not be written: nothing was kept.")
        answers = [self._put(file) for file in staged]
        if failure is Failure.AFTER:
            raise SurroundingsError("the store did not answer: nobody knows whether anything was kept.")
        return answers

    def discard(self, staged: Sequence[Staged]) -> None:
        for file in staged:
            self.staging.pop(file.name, None)

    def _put(self, file: Staged) -> Stored | ReadBackMismatchError:
        content = self.staging.pop(file.name)
        found = Digest.of(content)
        if found != file.sha256 or len(content) != file.size_bytes:
            return ReadBackMismatchError(sent=file.sha256, found=found)
        self.objects[str(found)] = content
        return Stored(sha256=found, size_bytes=len(content), read_back="page-cache")

    def open(self, digest: Digest) -> int:
        descriptor = os.memfd_create(str(digest))
        try:
            os.write(descriptor, self._content(digest))
            return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
        finally:
            os.close(descriptor)

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        content = self._content(digest)
        if len(content) > max_bytes:
            raise SurroundingsError(f"the object {digest} is larger than the {max_bytes} bytes expected of it.")
        self.verify(digest)
        return content

    def verify(self, digest: Digest) -> int:
        content = self._content(digest)
        if Digest.of(content) != digest:
            raise ObjectChangedError(digest, found="changed", actual=Digest.of(content))
        return len(content)

    def digests(self) -> Iterator[Digest]:
        yield from sorted(Digest.parse(name) for name in self.objects if len(name) == 64)

    def strays(self) -> Iterator[Finding]:
        for name in sorted(self.objects):
            if len(name) != 64:
                yield Finding(
                    code="stray-file",
                    object=name,
                    expected="nothing but objects",
                    found="something else",
                    meaning="Somebody put it there.",
                    exit_code=20,
                )

    def digest_of_stray(self, stray: Finding) -> Digest | None:
        return Digest.of(self.objects[stray.object])

    def _content(self, digest: Digest) -> bytes:
        try:
            return self.objects[str(digest)]
        except KeyError as error:
            raise ObjectChangedError(digest, found="missing") from error
