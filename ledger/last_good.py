"""What a damaged thing was last seen good by, as far as the log knows.

A finding about an entry names the entry before it as soon as it is made. Here the rest is filled in: the newest
checkpoint that the entries still give, for damage to checkpoints and tiles and for another history; the last entry that
says that an object was read and matched, for an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from base.clock import format_time
from base.errors import Finding
from hashing.digest import Digest, DigestFormatError
from ledger.entry import Entry
from ledger.verdict import LogVerdict

_BY_CHECKPOINT = frozenset(
    {
        *("tile-damaged", "root-mismatch", "checkpoint-invalid", "checkpoint-behind"),
        *("log-rolled-back", "log-split-view", "log-forked"),
    }
)
_SIZE = re.compile(r"of size (\d+)", re.ASCII)


def with_last_good(verdict: LogVerdict) -> None:
    """Fill in what is known of the findings of a log."""
    verdict.findings = [_of_log(finding, verdict) for finding in verdict.findings]


def _of_log(finding: Finding, verdict: LogVerdict) -> Finding:
    if finding.last_good is not None or finding.code not in _BY_CHECKPOINT:
        return finding
    found = _SIZE.search(finding.object)
    sizes = sorted(size for size in verdict.good_sizes if found is None or size < int(found[1]))
    return finding._replace(last_good=f"checkpoint of size {sizes[-1]}") if sizes else finding


def objects_with_last_good(
    findings: Iterable[Finding], verdict: LogVerdict, entry_at: Callable[[int], Entry | None]
) -> Iterator[Finding]:
    """Yield the findings of objects with the entry that last said that the object was read back and matched."""
    for finding in findings:
        digest = _digest(finding.object.rpartition("/")[2])
        if finding.last_good is None and digest is not None and digest in verdict.masters:
            entry = entry_at(verdict.masters.seq_of(digest))
            if entry is not None and digest in entry.subjects.values():  # else it is an entry of an earlier log
                told = f"entry {entry.seq} ({entry.type}), recorded at {format_time(entry.recorded_at)}"
                finding = finding._replace(last_good=told)
        yield finding


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except DigestFormatError:
        return None
