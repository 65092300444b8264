"""Objects read again in several processes: hashing is the cost, and one core hashes at the speed of one core."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from base.workers import Workers, cores, serve
from hashing.digest import Digest
from vault.check import Reader, ReadObject, read_batch, read_here
from vault.local import LocalStore

MANY_BYTES = 256 << 20  # from here on, or from so many objects, processes are worth their start
MANY_OBJECTS = 2000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one store."""

    root: str
    staging: str
    digests: list[Digest]


@contextlib.contextmanager
def reading(
    root: Path, staging: Path, *, objects: int, size_bytes: int, processes: int | None = None
) -> Iterator[Reader]:
    """Give a reader of the store at ``root`` for about so much: in this process, or with one process for each core."""
    if processes is None:
        processes = cores() if objects >= MANY_OBJECTS or size_bytes >= MANY_BYTES else 1
    if processes == 1:
        yield read_here(LocalStore(root, staging))
        return
    with Workers("vault.reading", processes) as workers:

        def read(batches: Iterable[Sequence[Digest]]) -> Iterator[Sequence[ReadObject]]:
            requests = (
                msgspec.msgpack.encode(Asked(root=str(root), staging=str(staging), digests=list(batch)))
                for batch in batches
            )
            for answer in workers.answers(requests):
                yield msgspec.msgpack.decode(answer, type=list[ReadObject])

        yield read


def _answer(request: bytes) -> bytes:
    asked = msgspec.msgpack.decode(request, type=Asked)
    return msgspec.msgpack.encode(read_batch(LocalStore(Path(asked.root), Path(asked.staging)), asked.digests))


if __name__ == "__main__":
    serve(_answer)
