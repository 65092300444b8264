"""The installed program, run as a user runs it: a process of its own, its output and exit code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SETTLE_S = 0.1
COMMAND = (sys.executable, "-P", "-m", "cli")


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, object]]:
        """What it said as JSON lines."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    @property
    def document(self) -> dict[str, object]:
        """What it said as one JSON document."""
        document: dict[str, object] = json.loads(self.stdout)
        return document

    def events(self, name: str) -> list[dict[str, object]]:
        return [line for line in self.lines if line.get("event") == name]


def strongroom(*arguments: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = 120) -> Ended:
    """Run the program and return how it ended."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        env={**_environment(), **(env or {})},
        timeout=timeout_s,
    )
    return Ended(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def run_seeded(
    seed: str, site: Site, *, env: Mapping[str, str], command: Sequence[str] = ("watch", "--once", "--jsonl")
) -> Ended:
    """Run the program with a seeded bug (tests/support/seeds.py): by default a recorder that takes what is there."""
    code = f"import sys, seeds; seeds.plant({seed!r}); import cli; sys.exit(cli.main())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *command, "--store", str(site.store)],
        capture_output=True,
        env={**_environment(), **env, "PYTHONPATH": os.fspath(Path(__file__).parent)},
    )
    return Ended(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def start(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the program and return the process, its output in pipes."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_environment(), **(env or {})},
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}


@dataclass(frozen=True)
class Site:
    """A store and one share, as a technician and a recorder see them."""

    store: Path
    share: Path

    def watch_once(self, *extra: str, env: Mapping[str, str] | None = None, timeout_s: float = 120) -> Ended:
        """Let the recorder take what is there."""
        return strongroom("watch", "--once", "--jsonl", "--store", self.store, *extra, env=env, timeout_s=timeout_s)

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Ended:
        """Run another command on the store."""
        return strongroom(*arguments, "--store", self.store, env=env)

    def put(self, path: str | bytes, content: bytes = b"content") -> Path:
        """Put one file into the share, with the directories it needs."""
        target = Path(os.fsdecode(os.path.join(os.fsencode(self.share), os.fsencode(path))))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    def drop(self, name: str, files: Mapping[str, bytes]) -> None:
        """Put a folder of files into the share, and last the marker that says it is complete."""
        for path, content in files.items():
            self.put(f"{name}/{path}", content)
        self.put(f"{name}/DONE", b"")

    def receipts(self, name: str) -> list[str]:
        """Return the names of the receipts beside a drop, without the name of the drop."""
        return sorted(
            path.name.removeprefix(name).strip() for path in self.share.iterdir() if path.name.startswith(f"{name}  ")
        )

    def sources(self) -> dict[bytes, str]:
        """Return every file of the share that is no receipt written by the recorder, with its SHA-256."""
        ours = {hashlib.sha256(path.read_bytes()).hexdigest() for path in self.store.glob("private/receipts/*/[!.]*")}
        found = {os.fsencode(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(self.share)}
        return {path: digest for path, digest in found.items() if digest not in ours}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def make_site(folder: Path, *, settle_s: float = SETTLE_S) -> Site:
    """Make a store and an empty share in ``folder``."""
    site = Site(store=folder / "store", share=folder / "share")
    site.share.mkdir(parents=True)
    made = strongroom("init", site.store, "--share", site.share)
    assert made.code == 0, made.stderr
    settings = site.store / "strongroom.toml"
    settings.write_text(settings.read_text().replace("settle_seconds = 5", f"settle_seconds = {settle_s}"))
    return site
