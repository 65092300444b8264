"""The machine examined: what `strongroom doctor` looks at, and what it advises."""

from __future__ import annotations

import importlib.metadata
import platform
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from base import fsio
from base.clock import format_time, now, synchronisation
from base.config import Settings, read_settings
from base.errors import EvidenceError, SurroundingsError
from base.escape import shown
from base.version import VERSION
from ingest.share import ShareReader
from ledger.keys.file import LOG_KEY, RECORDER_KEY, load_key
from ledger.layout import StoreLayout
from ledger.log_db import check_private

_LOW_SPACE_BYTES = 10 << 30
_LIBRARIES = ("opencv-python-headless", "numpy", "pymediainfo", "exifread", "cryptography", "sqlite-utils", "watchdog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing that was looked at: OK, NOTE (bearable, and should be known) or BAD."""

    verdict: str
    what: str
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        return {"verdict": self.verdict, "what": self.what, "found": self.found, "advice": self.advice}


def examine(store: str | None) -> list[Examined]:
    """Look at this machine, and at a store where one is named. Changes nothing."""
    results = [*_versions(), *_opencv(), _clock(), *_sandbox()]
    if store is not None:
        results += _store(StoreLayout(Path(store).absolute()))
    return results


def _versions() -> Iterator[Examined]:
    yield Examined(verdict="OK", what="strongroom", found=f"{VERSION} on Python {platform.python_version()}")
    yield Examined(verdict="OK", what="system", found=f"{platform.system()} {platform.release()}")
    found = [f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES]
    yield Examined(verdict="OK", what="libraries", found=", ".join(found))
    yield Examined(verdict="OK", what="SQLite", found=sqlite3.sqlite_version)
    in_venv = sys.prefix != sys.base_prefix
    yield Examined(
        verdict="OK" if in_venv else "NOTE",
        what="environment",
        found="its own virtual environment" if in_venv else "shared with other programs",
        advice="" if in_venv else "Install it in an environment of its own: other packages may overwrite files.",
    )


def _opencv() -> Iterator[Examined]:
    names = {"opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"}
    here = sorted(name for name in names if _is_installed(name))
    yield Examined(
        verdict="OK" if here == ["opencv-python-headless"] else "BAD",
        what="OpenCV packages",
        found=", ".join(here) or "none",
        advice="" if here == ["opencv-python-headless"] else "Exactly opencv-python-headless may be installed.",
    )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _clock() -> Examined:
    state = synchronisation()
    return Examined(
        verdict="OK" if state == "synchronised" else "NOTE",
        what="clock",
        found=f"{format_time(now())}, {state or 'the kernel does not tell whether it is synchronised'}",
        advice=""
        if state == "synchronised"
        else "Times in the log are claims of this clock: let a time service set it. Order never depends on it.",
    )


def _sandbox() -> Iterator[Examined]:
    from media.sandbox import Sandbox

    try:
        with Sandbox(require="require-seccomp") as sandbox:
            strength = sandbox.strength()
    except SurroundingsError as error:
        yield Examined(verdict="BAD", what="sandbox", found=str(error), advice=error.next_step)
        return
    found = ", ".join(strength.codes())
    weak = strength.landlock_abi is None
    yield Examined(
        verdict="NOTE" if weak else "OK",
        what="sandbox",
        found=found,
        advice="This kernel has no landlock; seccomp holds without it, and its absence is recorded." if weak else "",
    )


def _store(layout: StoreLayout) -> Iterator[Examined]:
    if not layout.settings.exists():
        yield Examined(
            verdict="BAD", what="store", found=f"none at {shown(str(layout.root))}", advice="Make one: strongroom init."
        )
        return
    kind = fsio.remote_type(layout.root)
    yield Examined(
        verdict="OK" if kind is None else "BAD",
        what="store",
        found=f"{shown(str(layout.root))} on a {'local' if kind is None else kind} file system",
        advice="" if kind is None else "Locks and syncs need a local file system.",
    )
    yield _space(layout)
    yield _modes(layout)
    try:
        settings = read_settings(layout.settings)
    except EvidenceError as error:
        yield Examined(verdict="BAD", what="settings", found=str(error), advice=error.next_step)
        return
    yield Examined(
        verdict="OK", what="settings", found=f"{len(settings.shares)} shares, T = {settings.settle_seconds:g} s"
    )
    yield from _shares(layout, settings)


def _space(layout: StoreLayout) -> Examined:
    free = fsio.free_bytes(layout.root)
    low = free < _LOW_SPACE_BYTES
    return Examined(
        verdict="NOTE" if low else "OK",
        what="free space",
        found=f"{free / 1e9:,.1f} GB",
        advice="Less than 10 GB: larger drops will be refused." if low else "",
    )


def _modes(layout: StoreLayout) -> Examined:
    try:
        check_private(layout)
        for name in (RECORDER_KEY, LOG_KEY):
            load_key(layout.keys / name)
    except EvidenceError as error:
        return Examined(verdict="BAD", what="private files", found=str(error), advice=error.next_step)
    return Examined(verdict="OK", what="private files", found="closed to others")


def _shares(layout: StoreLayout, settings: Settings) -> Iterator[Examined]:
    for root in settings.shares:
        reader = ShareReader(root, layout.staging, silence_s=10.0)
        try:
            description = reader.describe_root()
        except EvidenceError as error:
            yield Examined(verdict="BAD", what=f"share {shown(root)}", found=str(error), advice=error.next_step)
            continue
        finally:
            reader.close()
        yield Examined(
            verdict="NOTE" if description.read_only else "OK",
            what=f"share {shown(root)}",
            found=f"watched by {description.watched_by}",
            advice="It can't be written: receipts stand in the store, `strongroom drop receipt` prints them."
            if description.read_only
            else "",
        )
