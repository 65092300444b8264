"""The program tests itself on the machine that it is to be believed on: known answers, the sandbox, its own files.

The result has one digest, the same on every machine where the same version gives the same answers; its seven words can
be compared over the telephone. Versions of libraries and the strength of the sandbox are told beside it and are not in
it: they may differ, and the answers must not.
"""

from __future__ import annotations

import platform
import sqlite3
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from base.errors import LedgerError, SurroundingsError, UncheckedError, worst_exit_code
from base.version import VERSION
from hashing.digest import Digest
from hashing.words import WordListError, spoken_form
from ingest.installed_files import InstalledFiles, compare_installed, installation
from ingest.known_answers import answers
from ledger.keys.known_answer import openssl_version
from ledger.software import this_software
from media.sandbox import Sandbox

RIGHT, WRONG, NOT_CHECKED = "OK", "BAD", "NOT CHECKED"
_HEADER = "strongroom-selftest/1"
_MOST_NAMED = 10  # files in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tested. ``exit_code`` is 0 where it is right."""

    code: str
    what: str
    verdict: str
    found: str
    expected: str
    exit_code: int

    def as_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "what": self.what,
            "verdict": self.verdict,
            "found": self.found,
            "expected": self.expected,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Selftest:
    """What came of all of it."""

    checks: tuple[Check, ...]
    versions: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        return worst_exit_code(check.exit_code for check in self.checks)

    @property
    def result_text(self) -> str:
        """What the result digest is taken over: program, build, and the verdict of each check in order."""
        build = this_software().build or "none"
        lines = [_HEADER, f"version {VERSION}", f"build {build}"]
        lines += [f"{check.code} {check.verdict.replace(' ', '-')}" for check in self.checks]
        return "".join(f"{line}\n" for line in lines)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.result_text.encode("ascii"))

    @property
    def words(self) -> tuple[str, ...]:
        """The seven words of the result; none where the list of words itself is wrong, which is among the checks."""
        try:
            return spoken_form(self.result_text)
        except WordListError:
            return ()


def selftest(folder: Path | None = None) -> Selftest:
    """Test everything. ``folder`` is the installation to compare, else the one that this program runs from."""
    checks = [_answered(each.code, each.what, each.expected, each.found) for each in answers()]
    sandbox, tools = _sandbox()
    checks += [*sandbox, _files(compare_installed(folder or installation()))]
    return Selftest(checks=tuple(checks), versions={**_versions(), **tools})


def _answered(code: str, what: str, expected: str, found: str) -> Check:
    right = found == expected
    return Check(
        code=code,
        what=what,
        verdict=RIGHT if right else WRONG,
        found=found,
        expected=expected,
        exit_code=0 if right else LedgerError.exit_code,
    )


def _sandbox() -> tuple[list[Check], dict[str, str]]:
    """Start the sandbox, and let a locked worker do what is forbidden: only its end shows that the lock holds."""
    try:
        with Sandbox() as sandbox:
            strength = ", ".join(sandbox.strength().codes())
            tools = {tool.name: tool.version for tool in sandbox.tools()}
            ended = sandbox.attempt_forbidden()
    except SurroundingsError as error:
        return [_sandbox_check("sandbox-start", "the sandbox starts", str(error), "its layers active")], {}
    return [
        Check(
            code="sandbox-start",
            what="the sandbox starts",
            verdict=RIGHT,
            found=strength,
            expected="its layers active",
            exit_code=0,
        ),
        _sandbox_check("sandbox-lock", "a locked worker that opens a socket is killed", ended, "killed"),
    ], tools


def _sandbox_check(code: str, what: str, found: str, expected: str) -> Check:
    right = found == expected
    return Check(
        code=code,
        what=what,
        verdict=RIGHT if right else WRONG,
        found=found,
        expected=expected,
        exit_code=0 if right else SurroundingsError.exit_code,
    )


def _files(files: InstalledFiles) -> Check:
    if files.record is None:
        found, verdict, exit_code = "it runs from a checkout, which has no list", NOT_CHECKED, UncheckedError.exit_code
    elif files.is_good:
        found, verdict, exit_code = f"{files.matched} files match", RIGHT, 0
    else:
        parts = [
            f"{len(names)} {what}: {', '.join(names[:_MOST_NAMED])}"
            for what, names in (("changed", files.changed), ("missing", files.missing), ("not ours", files.added))
            if names
        ]
        found, verdict, exit_code = "; ".join(parts), WRONG, LedgerError.exit_code
    return Check(
        code="installed-files",
        what="the installed files are those of the package",
        verdict=verdict,
        found=found,
        expected="every file as the package lists it",
        exit_code=exit_code,
    )


def _versions() -> dict[str, str]:
    return {
        "strongroom": VERSION,
        "build": this_software().build or "none: it runs from a checkout",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
        "openssl for signatures": openssl_version(),
        "openssl for digests": ssl.OPENSSL_VERSION,
    }
