"""The demonstration: each step is a command that anybody could type, run in a process of its own.

What is shown is therefore what a user would see; nothing is prepared behind the scenes but the folder and the footage.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from base import fsio
from base.config import settings_text
from base.errors import RefusedError
from commands.output import Output, Tone, Word
from sample_media import DROPS

MARKER = ".made-by-strongroom-demo"
_SETTLE_S = 1.0  # the sample cards bring a marker and a manifest; nobody should wait 15 s for a demonstration
_SHOWN_LINES = 16


class Demonstration:
    """One run of the demonstration in one directory."""

    def __init__(self, directory: Path, output: Output) -> None:
        self._directory = directory
        self._output = output
        self._store = directory / "store"
        self._share = directory / "share"
        self._failed = 0

    def run(self) -> int:
        """Do everything, print it, and return the exit code of the last thing that failed, or 0."""
        self._prepare()
        self._say("1. A new store: keys, log, catalogue")
        self._command("init", str(self._store), "--share", str(self._share))
        self._configure()
        self._say("2. A technician drops two cards into the share", f"({self._share})")
        self._drop_samples()
        self._say("3. The recorder takes them into evidence")
        self._command("watch", "--once", store=True)
        self._show_receipts()
        self._say("5. An investigator searches")
        self._command("find", "CLIP0003", store=True)
        item = self._newest_clip()
        self._command("show", item, store=True, lines=_SHOWN_LINES)
        self._say("6. A piece of the custody log of that item")
        self._command("log", "show", item, store=True, lines=_SHOWN_LINES)
        self._say("7. A contact sheet of everything")
        sheet = self._directory / "contact-sheet.html"
        self._command("sheet", *self._drops(), "-o", str(sheet), store=True)
        self._say("8. An auditor checks everything: every byte is read again")
        code = self._command("verify", store=True)
        self._say_next(item, sheet)
        return code

    # ------------------------------------------------------------------------------------------------ preparing

    def _prepare(self) -> None:
        """Make the directory, or empty the one that an earlier demonstration made: no other."""
        marker = self._directory / MARKER
        if self._directory.exists() and any(self._directory.iterdir()):
            if not marker.is_file():
                raise RefusedError(
                    f"{self._directory} is not empty, and no demonstration made it.",
                    next_step="Name another directory: strongroom demo DIR.",
                )
            self._empty(self._directory)
        fsio.make_directories(self._share)
        fsio.replace_file(marker, b"`strongroom demo` made this directory, and empties it when it runs again.\n")

    def _empty(self, directory: Path) -> None:
        for path in sorted(directory.iterdir()):
            if path.is_dir() and not path.is_symlink():
                self._empty(path)
                fsio.remove_directory(path)
            else:
                fsio.remove(path)

    def _configure(self) -> None:
        text = settings_text(shares=(os.fsencode(self._share),), settle_seconds=_SETTLE_S)
        fsio.replace_file(self._store / "strongroom.toml", text.encode())

    def _drop_samples(self) -> None:
        for source in sorted(DROPS.rglob("*")):
            target = self._share / source.relative_to(DROPS)
            if source.is_dir():
                fsio.make_directories(target, 0o755)
            else:
                fsio.put_file(target, source.read_bytes(), mode=0o644)
        names = sorted(path.name for path in self._share.iterdir())
        self._output.text("   ", ", ".join(names))

    # --------------------------------------------------------------------------------------------------- showing

    def _say(self, title: str, detail: str = "") -> None:
        self._output.text()
        self._output.text(Word(title, Tone.TITLE), detail)

    def _show_receipts(self) -> None:
        self._say("4. What the technician sees beside the cards")
        for path in sorted(self._share.iterdir()):
            self._output.text("   ", path.name + ("/" if path.is_dir() else ""))

    def _say_next(self, item: str, sheet: Path) -> None:
        self._say("What to try next")
        store = f"--store {shlex.quote(str(self._store))}"
        for text in (
            f"open {sheet} in a browser",
            f"strongroom show {item} {store}",
            f"strongroom log receipt {item} -o receipt {store}    then read receipt/HOW-TO-CHECK.txt",
            f"strongroom status {store}",
            f"change one byte of a file in {self._store}/vault, and run: strongroom verify {store}",
            f"copy your own footage into {self._share}, and run: strongroom watch --once {store}",
        ):
            self._output.text("   ", text)
        if not self._is_on_path():
            self._output.text("   ", f"(strongroom is {Path(sys.executable).parent / 'strongroom'})")

    @staticmethod
    def _is_on_path() -> bool:
        folders = os.environ.get("PATH", "").split(os.pathsep)
        return str(Path(sys.executable).parent) in folders

    # ---------------------------------------------------------------------------------------------- the commands

    def _command(self, *arguments: str, store: bool = False, lines: int | None = None) -> int:
        """Run one command and show what it prints, at most ``lines`` of it; return its exit code."""
        typed = [*arguments, *(["--store", str(self._store)] if store else [])]
        self._output.text(Word(f"$ strongroom {shlex.join(typed)}", Tone.QUIET))
        sys.stdout.flush()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli", *typed], capture_output=True, text=True, errors="backslashreplace"
        )
        printed = done.stdout.splitlines()
        for line in printed[:lines]:
            self._output.text("   ", line)
        if lines is not None and len(printed) > lines:
            self._output.text("   ", f"... ({len(printed) - lines} more lines)")
        if done.returncode != 0:
            self._output.text(Word(f"    exit status {done.returncode}", Tone.BAD), done.stderr.strip())
        self._failed = self._failed or done.returncode
        return self._failed

    def _asked(self, *arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli", *arguments, "--json", "--store", str(self._store)],
            capture_output=True,
            check=True,
        )
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def _newest_clip(self) -> str:
        items = self._asked("find", "CLIP0003")["items"]
        return str(items[0]["item"]) if isinstance(items, list) and items else ""

    def _drops(self) -> Sequence[str]:
        drops = self._asked("status")["drops"]
        return [str(drop["drop"]) for drop in drops] if isinstance(drops, list) else []
