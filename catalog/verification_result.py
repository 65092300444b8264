"""What a verification found, and how it is told: the verdict, the exit code, the JSON document, the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from base.clock import format_time
from base.errors import Finding, IntegrityError, UncheckedError, worst_exit_code
from base.escape import shown
from catalog.resumption import Part
from catalog.time_stamp_words import TIME_STAMP_INVALID, time_stamp_finding, time_stamp_json, time_stamp_words
from hashing.sample import Sample
from ledger.check_scope import Exhibit, Scope
from ledger.check_succession import EarlierVerdict
from ledger.check_time_stamps import TokenVerdict
from ledger.kept import KeptAnswer, KeptNote, KeptVerdict
from ledger.verdict import LogVerdict, WitnessStanding
from vault.check import ContentCounts

COUNTED = ("matched", "changed", "missing", "moved", "not_recorded")
_VERDICTS = {0: "ok", 6: "unchecked", 20: "content", 21: "log", 22: "content"}
_HEADLINES = {
    0: "OK  everything was read again, and is what was recorded",
    6: "UNCHECKED  what was checked is good; not everything could be checked",
    20: "BAD  sealed content is damaged or missing",
    21: "BAD  the log is damaged, rolled back or forked: stop, and call the custodian",
    22: "BAD  the catalogue differs from the log: run `strongroom catalog rebuild`",
}
_TIME_STAMP_BAD = "BAD  a time stamp that is kept here does not hold; the log and what it seals are what was recorded"
_SAMPLED = "UNCHECKED  what was read is good; only a sample was read"
_SCOPE_OK = "OK  the log, and all that was asked for, is what was recorded"

_CHAIN = {"chain-broken", "subject-chain-broken", "entry-misplaced", "event-twice"}
_SIGNATURES = {
    *("entry-untrusted", "entry-malformed", "checkpoint-invalid", "key-not-sound", "endorsement-not-sound"),
}
_TILES = {"tile-damaged", "root-mismatch", "entry-differs", "stray-file"}


@dataclass(slots=True)
class Verification:
    """What was read, what is wrong with it, and what could not be checked."""

    log: LogVerdict
    masters: ContentCounts = field(default_factory=ContentCounts)
    derived: ContentCounts = field(default_factory=ContentCounts)
    catalogue: list[Finding] = field(default_factory=list)
    is_catalogue_compared: bool = False
    not_checked: list[str] = field(default_factory=list)
    sample: Sample | None = None
    scope: Scope | None = None
    is_first_bad: bool = False  # the check ended with the first bad record
    earlier: list[EarlierVerdict] = field(default_factory=list)  # logs before the open one, the newest first
    parts: list[Part] = field(default_factory=list)  # of a verification that was interrupted

    @property
    def findings(self) -> list[Finding]:
        """Return all damage, the most serious first; where only the first bad record was asked for, that one."""
        content = [*self.masters.findings, *self.derived.findings, *self._bad_time_stamps()]
        found = [*self.log.findings, *content, *self._gaps(), *self.catalogue]
        found.sort(key=lambda finding: (21, 20, 22).index(finding.exit_code))
        return found[:1] if self.is_first_bad else found

    @property
    def exit_code(self) -> int:
        codes = [finding.exit_code for finding in self.findings]
        return worst_exit_code([*codes, UncheckedError.exit_code if self.not_checked else 0])

    @property
    def headline(self) -> str:
        code = self.exit_code
        if code == 0 and self.scope is not None:
            return _SCOPE_OK
        if code == IntegrityError.exit_code and all(finding.code == TIME_STAMP_INVALID for finding in self.findings):
            return _TIME_STAMP_BAD
        if code == UncheckedError.exit_code and self.sample is not None and len(self.not_checked) == 1:
            return _SAMPLED
        return _HEADLINES[code]

    def _logs(self) -> list[LogVerdict]:
        return [self.log, *(one.log for one in self.earlier)]

    def _bad_time_stamps(self) -> list[Finding]:
        answers = [(log, answer) for log in self._logs() for answer in log.time_stamps]
        return [
            time_stamp_finding(answer, closed=None if log is self.log else log.origin)
            for log, answer in answers
            if answer.verdict is TokenVerdict.BAD
        ]

    def _gaps(self) -> list[Finding]:
        """Return a finding for each exhibit of which entries are missing, where the log itself shows none."""
        if self.scope is None or self.log.findings:
            return []
        return [
            Finding(
                code="exhibit-incomplete",
                object=exhibit.name,
                expected="a chain of entries without a gap",
                found=f"{exhibit.entries} entries, and a gap at entry {exhibit.gap_at}",
                meaning="The log has other entries about it than those that were found: something is left out.",
                exit_code=21,
            )
            for exhibit in (*self.scope.items, *self.scope.drops)
            if exhibit.gap_at is not None
        ]

    # -------------------------------------------------------------------------------------------------- programs

    def as_json(self) -> dict[str, object]:
        """Return the verdict as docs/reference/json-fields.md describes it."""
        return {
            "verdict": _VERDICTS[self.exit_code],
            "log": self._log(),
            "earlier": [_earlier(one) for one in self.earlier],
            "against": [_against(kept, answer) for kept, answer in self.log.against],
            "content": {name: getattr(self.masters, name) + getattr(self.derived, name) for name in COUNTED},
            "sample": self._sample(),
            "scope": None if self.scope is None else {"asked": list(self.scope.asked)},
            "exhibits": [self._exhibit(exhibit) for exhibit in self._exhibits()],
            "catalogue": "differs" if self.catalogue else "ok" if self.is_catalogue_compared else "unchecked",
            "findings": [_finding(finding) for finding in self.findings],
            "not_checked": self.not_checked,
            "resumed": [
                {"began": part.began, "ended": part.ended, "objects": part.objects, "bytes": part.bytes}
                for part in self.parts
            ],
        }

    def _log(self) -> dict[str, object]:
        broken = {finding.code for finding in self.log.findings}
        return {
            "origin": self.log.origin,
            "size": self.log.size,
            "root": self.log.root.hex,
            "entries_checked": self.log.entries_checked,
            "subjects_checked": self.log.subjects_checked,
            "unknown_types": self.log.unknown_types,
            "chain": self._word(broken, _CHAIN),
            "signatures": self._word(broken, _SIGNATURES),
            "tiles": self._word(broken, _TILES),
            "witnesses": _witnesses(self.log.witnesses),
            "timestamps": [time_stamp_json(answer) for answer in self.log.time_stamps],
            "root_threshold": self.log.root_threshold,
            "endorsed": [
                {"seq": one.seq, "type": one.type, "keys": one.keys, "persons": one.persons}
                for one in self.log.endorsed
            ],
        }

    def _sample(self) -> dict[str, object] | None:
        if self.sample is None:
            return None
        left_out = self.masters.not_read + self.derived.not_read
        return {"percent": self.sample.percent, "seed": self.sample.seed, "left_out": left_out}

    def _exhibits(self) -> Sequence[Exhibit]:
        return () if self.scope is None else (*self.scope.drops, *self.scope.items)

    def _exhibit(self, exhibit: Exhibit) -> dict[str, object]:
        is_item = exhibit.size_bytes is not None
        return {
            "item": exhibit.name if is_item else None,
            "drop": exhibit.drop if is_item else exhibit.name,
            "sha256": exhibit.sha256.hex if is_item else None,
            "size_bytes": exhibit.size_bytes,
            "entries": exhibit.entries,
            "unknown_types": exhibit.unknown_types,
            "gap_at": exhibit.gap_at,
            "complete": exhibit.verdict == "complete",
            "chain": exhibit.verdict,
            "object": self._object_word(exhibit) if is_item else None,
        }

    def _object_word(self, exhibit: Exhibit) -> str:
        for finding in self.masters.findings:
            if finding.object == f"vault/{exhibit.sha256}":
                return "missing" if finding.code in ("object-missing", "object-moved") else "changed"
        return "matched" if self.masters.matched else "unchecked"

    # ---------------------------------------------------------------------------------------------------- people

    def summary(self) -> list[tuple[str, str]]:
        """Return what was checked, for people."""
        read = self.masters.bytes_read + self.derived.bytes_read
        told = [
            ("log", f"{self.log.origin}, {self.log.size:,} sealed entries, root {self.log.root}"),
            *(("log before", _earlier_words(one)) for one in self.earlier),
            ("entries checked", f"{self.log.entries_checked:,} with {self.log.openings_checked:,} openings"),
            ("chains", f"{self.log.subjects_checked:,} things, each followed from its first entry to its last"),
            ("change of keys", _change_of_keys(self.log.root_threshold)),
            *(("endorsed", one.told()) for one in self.log.endorsed),
            *((f"against {shown(kept.file)}", _told(answer)) for kept, answer in self.log.against),
            *(_witness_words(self.log.witnesses)),
            *(time_stamp_words(answer) for log in self._logs() for answer in log.time_stamps),
            ("masters", _counts(self.masters)),
            ("derived", _counts(self.derived)),
            ("read from disk", f"{read:,} bytes"),
            *((f"read in part {number}", _part(part)) for number, part in enumerate(self.parts, 1)),
        ]
        if self.scope is None:
            return [*told, ("catalogue", self._catalogue_word())]
        return [*told, *((exhibit.name, self._exhibit_words(exhibit)) for exhibit in self._exhibits())]

    def _exhibit_words(self, exhibit: Exhibit) -> str:
        words = {
            "complete": f"{exhibit.entries} entries, all that the log has",
            "gap": f"{exhibit.entries} entries, and a gap at entry {exhibit.gap_at}",
            "unknown-types": f"{exhibit.entries} entries, {exhibit.unknown_types} of them of types that are not known "
            "here: not called complete",
        }[exhibit.verdict]
        return words if exhibit.size_bytes is None else f"{self._object_word(exhibit)}; {words}"

    def _word(self, broken: set[str], codes: set[str]) -> str:
        if broken & codes:
            return "bad"
        return "ok" if self.log.entries_checked else "unchecked"

    def _catalogue_word(self) -> str:
        if not self.is_catalogue_compared:
            return "not compared"
        return "differs from the log" if self.catalogue else "equal to a fresh projection of the log"


def _change_of_keys(threshold: int | None) -> str:
    if threshold is None:
        return "nobody knows by which rule: there is no first entry"
    if threshold == 0:
        return "root threshold 0: whoever has a recorder key may change the keys alone"
    return f"root threshold {threshold}: as many root keys must endorse it"


def _counts(counts: ContentCounts) -> str:
    text = f"{counts.matched:,} matched, {counts.changed:,} changed, {counts.missing:,} missing"
    text += f", {counts.moved:,} moved" if counts.moved else ""
    text += f", {counts.not_recorded:,} that no entry names" if counts.not_recorded else ""
    return text + (f", {counts.not_read:,} not read (sample)" if counts.not_read else "")


def _part(part: Part) -> str:
    return f"{part.objects:,} objects, {part.bytes:,} bytes, from {part.began} to {part.ended}"


_KEPT_WORDS = {
    KeptVerdict.SAME: "the same as this log",
    KeptVerdict.EXTENSION: "this log goes on from it",
    KeptVerdict.ROLLED_BACK: "ROLLED BACK: this log has fewer entries",
    KeptVerdict.SPLIT_VIEW: "SPLIT VIEW: the same size, and another root",
    KeptVerdict.FORK: "FORK: this log has another root at that size",
    KeptVerdict.OTHER_LOG: "ANOTHER LOG",
    KeptVerdict.INVALID: "NOT SIGNED by the key of this log",
}


def _told(answer: KeptAnswer) -> str:
    size = "" if answer.size is None else f"size {answer.size:,}: "
    return size + _KEPT_WORDS[answer.verdict]


def _earlier(one: EarlierVerdict) -> dict[str, object]:
    return {
        "origin": one.stated.origin,
        "size": one.log.size,
        "root": one.log.root.hex,
        "entries_checked": one.log.entries_checked,
        "ended": one.stated.ended,
        "end": one.end,
        "damage": len(one.log.findings),
        "timestamps": [time_stamp_json(answer) for answer in one.log.time_stamps],
    }


def _earlier_words(one: EarlierVerdict) -> str:
    end = "closed" if one.is_closed else f"BROKEN OFF ({one.stated.ended})"
    checked = f"{one.log.entries_checked:,} entries checked"
    return f"{one.stated.origin}, {end}, {one.log.size:,} sealed entries, {checked}, root {one.log.root}"


def _witnesses(standing: WitnessStanding | None) -> dict[str, object] | None:
    if standing is None:
        return None
    return {
        "quorum": standing.quorum,
        "quorum_size": standing.quorum_size,
        "cosigned": [
            {"witness": one.witness, "size": one.size, "at": None if one.timestamp is None else _moment(one.timestamp)}
            for one in standing.cosigned
        ],
    }


def _witness_words(standing: WitnessStanding | None) -> Iterator[tuple[str, str]]:
    if standing is None:
        return
    for one in standing.cosigned:
        told = "nothing" if one.timestamp is None else f"size {one.size:,} at {_moment(one.timestamp)}, by its clock"
        yield f"cosigned by {shown(one.witness)}", told
    if standing.quorum != "none":
        met = "nowhere" if standing.quorum_size is None else f"up to size {standing.quorum_size:,}"
        yield "witnesses", f"the quorum that is set ({standing.quorum}) is met {met}"


def _moment(timestamp: int) -> str:
    try:
        return format_time(datetime.fromtimestamp(timestamp, UTC))
    except (ValueError, OverflowError, OSError):  # a witness may say any 63 bits
        return f"second {timestamp}"


def _against(kept: KeptNote, answer: KeptAnswer) -> dict[str, object]:
    return {
        "file": kept.file,
        "origin": answer.origin,
        "size": answer.size,
        "root": None if answer.root is None else answer.root.hex,
        "verdict": str(answer.verdict),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "object": finding.object,
        "expected": finding.expected,
        "found": finding.found,
        "last_good": finding.last_good,
        "meaning": finding.meaning,
    }
