"""Everything checked: the log, every sealed and derived object as the disk gives it now, and the catalogue.

This room is the only one that sees log, vault and catalogue together. Nothing is changed, and nothing stops at the
first problem; what could not be checked is listed beside what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from base.errors import (
    BusyError,
    EvidenceError,
    Finding,
    NewerDataError,
    SurroundingsError,
    UncheckedError,
    worst_exit_code,
)
from hashing.digest import Digest, DigestFormatError
from hashing.strict_json import StrictJsonError, parse_strict
from ledger.check import check_log
from ledger.kept import KeptNote
from ledger.layout import StoreLayout
from ledger.verdict import LogVerdict
from vault.check import ContentCounts, check_objects
from vault.local import LocalStore
from vault.store import ObjectChangedError

MAX_RESULT_BYTES = 64 << 20
_VERDICTS = {0: "ok", 6: "unchecked", 20: "content", 21: "log", 22: "content"}
_HEADLINES = {
    0: "OK  everything was read again, and is what was recorded",
    6: "UNCHECKED  what was checked is good; not everything could be checked",
    20: "BAD  sealed content is damaged or missing",
    21: "BAD  the log is damaged, rolled back or forked: stop, and call the custodian",
    22: "BAD  the catalogue differs from the log: run `strongroom catalog rebuild`",
}


@dataclass(slots=True)
class Verification:
    """What was read, what is wrong with it, and what could not be checked."""

    log: LogVerdict
    masters: ContentCounts = field(default_factory=ContentCounts)
    derived: ContentCounts = field(default_factory=ContentCounts)
    catalogue: list[Finding] = field(default_factory=list)
    is_catalogue_compared: bool = False
    not_checked: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """Return all damage, the most serious first."""
        found = [*self.log.findings, *self.masters.findings, *self.derived.findings, *self.catalogue]
        return sorted(found, key=lambda finding: (21, 20, 22).index(finding.exit_code))

    @property
    def exit_code(self) -> int:
        codes = [finding.exit_code for finding in self.findings]
        return worst_exit_code([*codes, UncheckedError.exit_code if self.not_checked else 0])

    @property
    def headline(self) -> str:
        return _HEADLINES[self.exit_code]

    def as_json(self) -> dict[str, object]:
        """Return the verdict as docs/reference/cli.md describes it."""
        broken = {finding.code for finding in self.log.findings}
        return {
            "verdict": _VERDICTS[self.exit_code],
            "log": {
                "origin": self.log.origin,
                "size": self.log.size,
                "root": self.log.root.hex,
                "entries_checked": self.log.entries_checked,
                "chain": self._word(broken, {"chain-broken", "subject-chain-broken", "entry-misplaced", "event-twice"}),
                "signatures": self._word(broken, {"entry-untrusted", "entry-malformed", "checkpoint-invalid"}),
                "tiles": self._word(broken, {"tile-damaged", "root-mismatch", "entry-differs", "stray-file"}),
                "witnesses": None,
            },
            "content": {
                name: getattr(self.masters, name) + getattr(self.derived, name)
                for name in ("matched", "changed", "missing", "moved", "not_recorded")
            },
            "catalogue": "differs" if self.catalogue else "ok" if self.is_catalogue_compared else "unchecked",
            "findings": [
                {
                    "code": finding.code,
                    "object": finding.object,
                    "expected": finding.expected,
                    "found": finding.found,
                    "last_good": finding.last_good,
                    "meaning": finding.meaning,
                }
                for finding in self.findings
            ],
            "not_checked": self.not_checked,
        }

    def summary(self) -> list[tuple[str, str]]:
        """Return what was checked, for people."""
        read = self.masters.bytes_read + self.derived.bytes_read
        return [
            ("log", f"{self.log.origin}, {self.log.size:,} sealed entries, root {self.log.root}"),
            ("entries checked", f"{self.log.entries_checked:,} with {self.log.openings_checked:,} openings"),
            ("masters", _counts(self.masters)),
            ("derived", _counts(self.derived)),
            ("read from disk", f"{read:,} bytes"),
            ("catalogue", self._catalogue_word()),
        ]

    def _word(self, broken: set[str], codes: set[str]) -> str:
        if broken & codes:
            return "bad"
        return "ok" if self.log.entries_checked else "unchecked"

    def _catalogue_word(self) -> str:
        if not self.is_catalogue_compared:
            return "not compared"
        return "differs from the log" if self.catalogue else "equal to a fresh projection of the log"


def _counts(counts: ContentCounts) -> str:
    text = f"{counts.matched:,} matched, {counts.changed:,} changed, {counts.missing:,} missing"
    return text + (f", {counts.not_recorded:,} that no entry names" if counts.not_recorded else "")


def verify_store(
    layout: StoreLayout,
    *,
    against: Sequence[KeptNote] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Read and check everything in a store. ``against`` are checkpoints kept from earlier."""
    result = Verification(log=check_log(layout, against=against))
    vault = LocalStore(layout.vault, layout.staging)
    derived = LocalStore(layout.derived, layout.staging)
    total = sum(size or 0 for size in result.log.masters.values())
    result.masters = check_objects(
        vault, result.log.masters, room="vault", progress=lambda done: progress(done, max(total, done))
    )
    result.derived = check_objects(derived, _named_by_results(derived, result.log.results), room="derived")
    result.not_checked += result.log.not_checked
    _compare_catalogue(layout, result)
    if result.log.unknown_types:
        result.not_checked.append(
            f"{result.log.unknown_types} entries are of types that this version does not know: they are signed and in "
            "their place, and what they say was not checked."
        )
    return result


def _named_by_results(derived: LocalStore, results: Iterable[Digest]) -> dict[Digest, int | None]:
    """Return every object that the results name, and the results themselves; a damaged result names nothing."""
    named: dict[Digest, int | None] = {}
    for digest in results:
        named[digest] = None
        try:
            document = parse_strict(derived.read(digest, max_bytes=MAX_RESULT_BYTES), max_bytes=MAX_RESULT_BYTES)
        except (ObjectChangedError, StrictJsonError, EvidenceError):
            continue
        keyframes = document.get("keyframes") if isinstance(document, dict) else None
        for keyframe in keyframes if isinstance(keyframes, list) else []:
            if isinstance(keyframe, dict):
                named[_digest(keyframe.get("sha256"))] = None
    return named


def _digest(value: object) -> Digest:
    try:
        return Digest.parse(str(value))
    except DigestFormatError:
        return Digest.of(json.dumps(value, default=str).encode())  # an object that can't be there is missing


def _compare_catalogue(layout: StoreLayout, result: Verification) -> None:
    from catalog.check import check_catalogue

    # Made from a log that is damaged or not all here, a fresh projection would only repeat that.
    if result.log.findings or result.log.not_checked:
        result.not_checked.append("The catalogue: the log it is made from is damaged, or not all of it could be read.")
        return
    try:
        result.catalogue = check_catalogue(layout)
    except (SurroundingsError, BusyError, NewerDataError) as error:
        # A store on read-only media, or a full disk: log and objects were read all the same, and that must be told.
        result.not_checked.append(f"The catalogue could not be compared with the log: {error}")
        return
    result.is_catalogue_compared = True
