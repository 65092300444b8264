"""A batch of files on its way from the share into staging: what was ordered of the reader, and what it answered.

The reader copies one file after the other and answers in that order. What it says is checked here: an answer that does
not fit its order is not one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from ingest import share_messages as said
from ingest.share_facts import Copied, Found, Kind, NotCopied, Reason


class CopyUnderWay:
    """The orders of one batch, and the answers so far."""

    def __init__(self, found: Sequence[Found], *, free_bytes: int) -> None:
        """Order every file of ``found`` that fits into ``free_bytes``, which is less with each; refuse the others."""
        self._found = found
        self._answers: dict[bytes, Copied | NotCopied] = {}
        self.orders: list[said.CopyOrder] = []
        for entry in found:
            if entry.stat is None or entry.problem is not None or entry.kind is not Kind.FILE:
                raise ValueError("only files without a problem can be copied")
            if entry.stat.size_bytes > free_bytes:
                detail = f"{entry.stat.size_bytes} bytes, {max(free_bytes, 0)} are free"
                self._answers[entry.path] = NotCopied(path=entry.path, reason=Reason.TOO_LARGE, detail=detail)
                continue
            free_bytes -= entry.stat.size_bytes
            order = said.CopyOrder(path=entry.path, stat=entry.stat, staging_name=secrets.token_hex(16))
            self.orders.append(order)

    @property
    def staging_names(self) -> list[str]:
        return [order.staging_name for order in self.orders]

    @property
    def answers(self) -> list[Copied | NotCopied]:
        """One answer per file, in the order in which they were found. Only when each has one."""
        return [self._answers[entry.path] for entry in self._found]

    @property
    def awaited(self) -> bytes | None:
        """The path that the reader is at: the first without an answer."""
        return next((order.path for order in self.orders if order.path not in self._answers), None)

    def take(self, reply: said.Reply, order: said.CopyOrder) -> bool:
        """Take ``reply`` as the answer to ``order``; False when it is none."""
        answer = _answer(reply, order)
        if answer is None:
            return False
        self._answers[order.path] = answer
        return True


def _answer(reply: said.Reply, order: said.CopyOrder) -> Copied | NotCopied | None:
    if isinstance(reply, said.NotCopiedReply) and reply.not_copied.path == order.path:
        return reply.not_copied
    if isinstance(reply, said.CopiedReply):
        copied = reply.copied
        told = (copied.path, copied.staging_name, copied.stat, copied.size_bytes)
        if told == (order.path, order.staging_name, order.stat, order.stat.size_bytes):
            return copied
    return None
