"""What the measurements share: time and CPU of whole process trees, alternating pairs, the machine, the verdict.

A figure is a ratio: ours and the peer's, taken in turns in one run on the same files, and of all pairs the median.
Seconds of one machine say nothing about another. Nothing here deletes before it measures: for some time after many
deletions ext4 makes new files slowly, so each run gets new directories, and all of them go at the end.

Exit statuses: 0 the bar is kept, 1 it is missed, 6 it was not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PAIRS = 5
KEPT, MISSED, NOT_MEASURED = 0, 1, 6
STRONGROOM = (sys.executable, "-P", "-m", "cli")

_PR_SET_CHILD_SUBREAPER = 36
_NEVER_LOAD = 0.7  # above it, somebody else works on this machine, and the figures say so


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a measurement was asked for."""

    scale: float
    pairs: int
    folder: Path

    def scaled(self, count: int) -> int:
        """Return ``count`` at the asked scale, at least 1."""
        return max(1, round(count * self.scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took, with all the processes that it started."""

    wall_s: float
    cpu_s: float  # user and system


def options(doc: str | None, *, pairs: int = PAIRS) -> Options:
    """Return what the command line asks for; ``doc`` is the docstring of the script."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full size, for a quick look (default 1)")
    parser.add_argument("--pairs", type=int, default=pairs, help=f"pairs of runs (default {pairs})")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where to work (default: here; a real disk)")
    asked = parser.parse_args()
    return Options(scale=asked.scale, pairs=asked.pairs, folder=asked.folder.resolve())


# ------------------------------------------------------------------------------------------------------- measuring


def cost_of(work: Callable[[], object]) -> Cost:
    """Return what ``work`` takes: this process and all that it starts, orphans included."""
    adopt_orphans()
    cpu_s, began_s = _cpu_s(), time.perf_counter()
    work()
    wall_s = time.perf_counter() - began_s
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # a process is counted only when somebody waited for it
    return Cost(wall_s=wall_s, cpu_s=_cpu_s() - cpu_s)


def adopt_orphans() -> None:
    """Let grandchildren that lose their parent become children of this process, so that they are counted too."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def pairs_of(ours: Callable[[int], T], peer: Callable[[int], T], pairs: int) -> Iterator[tuple[T, T]]:
    """Yield what both gave, pair by pair; who begins changes, so that neither always meets a warmer machine."""
    for number in range(pairs):
        if number % 2:
            theirs = peer(number)
            yield ours(number), theirs
        else:
            yield ours(number), peer(number)


def run(command: Sequence[str | Path], *, status: int = 0) -> None:
    """Run ``command`` quietly; any other exit status ends the measurement."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != status:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")


# ------------------------------------------------------------------------------------------------------------ files


@contextlib.contextmanager
def workplace(asked: Options, *, needs_bytes: int = 0) -> Iterator[Path]:
    """Give a new directory below the asked folder, removed at the end. Ends with 6 where there is too little space."""
    free = shutil.disk_usage(asked.folder).free
    if free < needs_bytes:
        print(f"not measured: {needs_bytes / 1e9:.1f} GB must be free in {asked.folder.name}, {free / 1e9:.1f} GB are")
        raise SystemExit(NOT_MEASURED)
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-", dir=asked.folder) as folder:
        _clean_environment(Path(folder))
        yield Path(folder)


def _clean_environment(folder: Path) -> None:
    """Let our settings not reach the runs, and keep compiled code: users have the program compiled too."""
    for name in [name for name in os.environ if name.startswith("STRONGROOM_")]:
        del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")


def random_file(path: Path, size_bytes: int) -> None:
    """Write a new file that no file system can make smaller."""
    with path.open("xb") as file:
        while size_bytes > 0:
            size_bytes -= file.write(os.urandom(min(size_bytes, 1 << 24)))


def drop_from_cache(folder: Path) -> None:
    """Make the next reader of the files in ``folder`` read them from the disk. They must be synced."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync(folder: Path) -> None:
    run(["sync", "-f", folder])


def new_store(folder: Path, share: Path, *, settle_s: float = 0.1) -> Path:
    """Make an empty store for ``share`` whose files settle at once."""
    store = folder / "store"
    run([*STRONGROOM, "init", store, "--share", share])
    settings = store / "strongroom.toml"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("settle_seconds = 5", f"settle_seconds = {settle_s}"), "utf-8")
    return store


# ------------------------------------------------------------------------------------------------------- what is said


def print_machine(asked: Options, **peers: Sequence[str]) -> None:
    """Print what a reader needs to judge the figures; ``peers`` are commands that tell their version."""
    load = os.getloadavg()[0]
    system = subprocess.run(["stat", "-f", "-c", "%T", asked.folder], capture_output=True, text=True).stdout.strip()
    print(f"machine: {_processor()}, {os.cpu_count()} cores, Linux {platform.release()}, {system}, load {load:.2f}")
    if load > _NEVER_LOAD:
        print("         others are working on this machine: read ratios only, and measure again")
    versions = [f"Python {platform.python_version()}", *(_first_line(command) for command in peers.values())]
    print(f"versions: {'; '.join(versions)}")
    if asked.scale != 1.0:
        print(f"scale: {asked.scale:g} of the full size: a quick look, no figure to quote")


def verdict(claim: str, ratios: Sequence[float], bar: float, *, at_least: bool = False) -> int:
    """Print the median of ``ratios`` beside its bar, and return the exit status."""
    ratio = statistics.median(ratios)
    kept = ratio >= bar if at_least else ratio <= bar
    word, sign = "kept" if kept else "MISSED", ">=" if at_least else "<="
    print(f"{claim}   median ratio {ratio:.2f}, bar {sign} {bar:.2f}: {word}")
    return KEPT if kept else MISSED


def missing(claim: str, *tools: str) -> bool:
    """Whether a peer is not installed; then that is printed, and nothing can be measured."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        print(f"{claim}   not measured ({', '.join(absent)} is not installed)")
    return bool(absent)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0].strip()
