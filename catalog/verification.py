"""Everything checked: the log, every sealed and derived object as the disk gives it now, and the catalogue.

This room is the only one that sees log, vault and catalogue together. Nothing is changed, and nothing stops at the
first problem unless that is asked for; what could not be checked is listed beside what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from base.errors import BusyError, EvidenceError, NewerDataError, SurroundingsError
from catalog.resumption import Resumption
from catalog.time_stamp_words import unchecked_time_stamps
from catalog.verification_result import Verification
from hashing.digest import Digest, DigestFormatError
from hashing.sample import Sample
from hashing.strict_json import StrictJsonError, parse_strict
from ledger.check import check_log
from ledger.check_scope import check_scope_over, entry_reader
from ledger.check_succession import check_earlier, earlier_origins, origin_of
from ledger.kept import KeptNote
from ledger.last_good import objects_with_last_good
from ledger.layout import StoreLayout
from ledger.log_db import SuccessionUnderWayError
from vault.check import ContentCounts, check_objects, check_only
from vault.local import LocalStore
from vault.reading import reading
from vault.store import ObjectChangedError

__all__ = ["Asked", "Verification", "verify_store"]

MAX_RESULT_BYTES = 64 << 20
ENTRIES, BYTES = "entries", "bytes"
Progress: TypeAlias = Callable[[str, int, int], None]  # what is counted, how much is done, and of how much


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a verification was asked for; by default everything."""

    against: Sequence[KeptNote] = ()  # checkpoints kept from earlier
    scope: Sequence[str] = ()  # items and drops, by unique prefixes
    sample: Sample | None = None
    first_bad: bool = False
    resume: Path | None = None


def verify_store(
    layout: StoreLayout, asked: Asked | None = None, *, progress: Progress = lambda unit, done, total: None
) -> Verification:
    """Read and check what is asked for in a store.

    Raises NotFoundError for a scope that the log does not have, UsageError for a file to resume from that is another's.
    """
    asked = asked or Asked()
    if layout.succession.exists():
        raise SuccessionUnderWayError("the log of this store is just being closed, and its successor opened.")
    origins = set(earlier_origins(layout))
    earlier_notes = [kept for kept in asked.against if origin_of(kept) in origins]

    def tell(done: int, total: int) -> None:
        progress(ENTRIES, done, total)

    log = check_log(
        layout,
        against=[kept for kept in asked.against if kept not in earlier_notes],
        progress=tell,
        first_bad=asked.first_bad,
    )
    result = Verification(log=log, sample=asked.sample, is_first_bad=asked.first_bad)
    if not (asked.first_bad and log.findings):
        result.earlier = check_earlier(layout, log, against=earlier_notes, progress=tell, first_bad=asked.first_bad)
    result.not_checked += log.not_checked
    for one in (log, *(earlier.log for earlier in result.earlier)):
        result.not_checked += unchecked_time_stamps(one.time_stamps)
    if not (asked.first_bad and log.findings):
        if asked.scope:
            _check_scope(layout, asked, result, progress)
        else:
            _check_everything(layout, asked, result, progress)
    _say_what_was_left_out(result)
    entry_at = entry_reader(layout, log.size)
    for counts in (result.masters, result.derived):
        counts.findings = list(objects_with_last_good(counts.findings, log, entry_at))
    return result


def _check_everything(layout: StoreLayout, asked: Asked, result: Verification, progress: Progress) -> None:
    resumption = None
    if asked.resume is not None:
        resumption = Resumption.open(asked.resume, layout, result.log, asked.sample)
    try:
        content = _Content(layout, asked, result, progress, resumption)
        result.masters = content.check_masters()
        if not (asked.first_bad and result.findings):
            result.derived = content.check_derived()
    except BaseException:
        if resumption is not None:
            resumption.save()
        raise
    if resumption is not None:
        result.parts = resumption.parts if resumption.earlier else []
        resumption.done()
    if not (asked.first_bad and result.findings):
        _compare_catalogue(layout, result)


class _Content:
    """The objects of a store, all or a sample, gone on with where an earlier run has stopped."""

    def __init__(
        self,
        layout: StoreLayout,
        asked: Asked,
        result: Verification,
        progress: Progress,
        resumption: Resumption | None,
    ) -> None:
        self._layout = layout
        self._asked = asked
        self._result = result
        self._progress = progress
        self._resumption = resumption
        self._done = 0
        self._total = sum(size or 0 for size in result.log.masters.values())

    def check_masters(self) -> ContentCounts:
        counts = self._check(self._layout.vault, "vault", self._result.log.masters, self._total)
        self._done = counts.bytes_read
        return counts

    def check_derived(self) -> ContentCounts:
        store = LocalStore(self._layout.derived, self._layout.staging)
        return self._check(self._layout.derived, "derived", _named_by_results(store, self._result.log.results), 0)

    def _check(self, root: Path, room: str, recorded: Mapping[Digest, int | None], size_bytes: int) -> ContentCounts:
        if not root.exists() and self._result.log.is_copy:
            if recorded:
                self._result.not_checked.append(f"{room}/ is not here: {len(recorded):,} objects were not looked for.")
            return ContentCounts()
        sample = self._asked.sample
        with reading(root, self._layout.staging, objects=len(recorded), size_bytes=size_bytes) as read:
            return check_objects(
                LocalStore(root, self._layout.staging),
                recorded,
                room=room,
                read=read,
                chosen=(lambda digest: True) if sample is None else sample.takes,
                already=None if self._resumption is None else self._resumption.room(room),
                progress=self._tell,
                first_bad=self._asked.first_bad,
            )

    def _tell(self, read: int) -> None:
        done = self._done + read
        self._progress(BYTES, done, max(self._total, done))


def _check_scope(layout: StoreLayout, asked: Asked, result: Verification, progress: Progress) -> None:
    """Check the exhibits that were asked for, and their objects; nothing is said of others."""
    logs = [(one.layout, one.log) for one in reversed(result.earlier)]
    scope = result.scope = check_scope_over([*logs, (layout, result.log)], asked.scope)
    masters = {item.sha256: item.size_bytes for item in scope.items}
    derived_store = LocalStore(layout.derived, layout.staging)
    results = {digest for item in scope.items for digest in item.results}
    total = sum(size or 0 for size in masters.values())
    wanted: list[tuple[Path, str, Mapping[Digest, int | None]]] = [
        (layout.vault, "vault", masters),
        (layout.derived, "derived", _named_by_results(derived_store, results)),
    ]
    found = []
    for root, room, recorded in wanted:
        if recorded and not root.exists() and result.log.is_copy:
            result.not_checked.append(f"{room}/ is not here: {len(recorded):,} objects were not looked for.")
            recorded = {}
        with reading(root, layout.staging, objects=len(recorded), size_bytes=total) as read:
            found.append(
                check_only(
                    LocalStore(root, layout.staging),
                    recorded,
                    room=room,
                    read=read,
                    progress=lambda done: progress(BYTES, done, max(total, done)),
                )
            )
    result.masters, result.derived = found
    unknown = [exhibit.name for exhibit in (*scope.items, *scope.drops) if exhibit.verdict == "unknown-types"]
    if unknown:
        result.not_checked.append(
            f"Whether the chains of {', '.join(unknown)} are complete: they have entries of unknown types."
        )


def _say_what_was_left_out(result: Verification) -> None:
    if result.is_first_bad and result.findings:
        result.not_checked.append("What comes after the first bad record: the check ended there, as was asked for.")
    if result.sample is not None:
        left_out = result.masters.not_read + result.derived.not_read
        result.not_checked.append(
            f"{left_out:,} objects outside the sample of {result.sample.percent}%: that they are there was seen, and "
            "none of their bytes were read."
        )
    if result.log.unknown_types and result.scope is None:
        result.not_checked.append(
            f"{result.log.unknown_types} entries are of types that this version does not know: they are signed and in "
            "their place, and what they say was not checked."
        )


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
    if result.log.findings:
        result.not_checked.append("The catalogue: the log it is made from is damaged.")
        return
    if result.log.is_unread:
        result.not_checked.append("The catalogue: not all of the log it is made from could be read.")
        return
    if result.log.is_copy and not layout.catalogue.exists():
        result.not_checked.append("The catalogue: it is not in this copy.")
        return
    try:
        result.catalogue = check_catalogue(layout)
    except (SurroundingsError, BusyError, NewerDataError) as error:
        # A full disk, a rebuild that runs: log and objects were read all the same, and that must be told.
        result.not_checked.append(f"The catalogue could not be compared with the log: {error}")
        return
    result.is_catalogue_compared = True
