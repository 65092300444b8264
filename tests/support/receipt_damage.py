"""What a stranger may be given, and how a receipt may have been tampered with on the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.layout import StoreLayout


@dataclass(frozen=True, slots=True)
class Given:
    """What a stranger may be given."""

    layout: StoreLayout
    receipt: Path
    exhibit: Path
    item: str

    @property
    def log(self) -> Path:
        return self.layout.log

    @property
    def vkey(self) -> str:
        return (self.receipt / "policy").read_text().split()[1]


def replaced(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        before = (folder / name).read_bytes()
        assert change(before) != before
        (folder / name).write_bytes(change(before))

    return tamper


TAMPERED = [
    (replaced("entry.json", lambda data: data + b"\n"), 21, "entry.json"),
    (replaced("entry.json", lambda data: data.replace(b'"sig":"', b'"sig":"A', 1)), 21, "entry.json"),
    (replaced("entry.json", lambda data: b""), 21, "entry.json"),
    (replaced("entry.json", lambda data: b'{"a":' * 20_000), 21, "entry.json"),
    (replaced("entry.json", lambda data: b"[" * 60_000), 21, "entry.json"),
    (replaced("entry.json", lambda data: b"x" * 70_000), 21, "entry.json"),
    (replaced("receipt.tlog-proof", lambda data: data.replace(b"\n", b"\r\n")), 21, "receipt.tlog-proof"),
    (replaced("receipt.tlog-proof", lambda data: data.replace(b"index 2", b"index 1")), 21, "entry.json"),
    (replaced("receipt.tlog-proof", lambda data: data.replace(b"index 2", b"index +2")), 21, "receipt.tlog-proof"),
    (replaced("receipt.tlog-proof", lambda data: data[:-9] + b"\xff" * 9), 21, "receipt.tlog-proof"),
    (replaced("entry-0.json", lambda data: data[:-1]), 21, "entry-0.json"),
    (replaced("entry-0.tlog-proof", lambda data: b""), 21, "entry-0.tlog-proof"),
    (replaced("policy", lambda data: b""), 21, "policy"),
    (replaced("policy", lambda data: data.replace(b"quorum none", b"quorum all")), 21, "policy"),
    (replaced("policy", lambda data: data + b"log x\n"), 21, "policy"),
    (lambda folder: (folder / "entry.json").unlink(), 21, "entry.json"),
    (lambda folder: (folder / "policy").unlink(), 21, "policy"),
    (lambda folder: shutil.copy(folder / "entry-0.json", folder / "entry.json"), 21, "entry.json"),
]  # fmt: skip
