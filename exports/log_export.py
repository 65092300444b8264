"""A part of the log to give away: entries with their proofs, the openings that may go with them, and a page to read.

What goes out is listed in SHA256SUMS; the digest of that list stands in the log, in the entry `log.exported`, before
the first byte is written. Openings are left out by class; what is left out is counted, and the entries verify as they
do with them. How the folder is written is in `exports.log_export_files`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass

from base.clock import format_time
from base.errors import UsageError
from base.escape import shown
from exports.page import page_template, period_text
from hashing.digest import Digest
from ledger import log_db
from ledger.completeness import SubjectChain, subject_chain
from ledger.events.vocabulary import OpeningClass
from ledger.history import Erasures, Period, ToldEntry, meaning_of, tell, told_openings
from ledger.layout import StoreLayout
from ledger.openings import texts_of
from ledger.reader import LogReader
from ledger.store_reader import StoreReader
from ledger.value_text import told_value, value_text

MOST_ENTRIES = 10_000  # each has a folder of its own; whoever needs more copies log/ and the openings
SCHEMA = "strongroom/log-export/1"
TEMPLATE = "log_export.html.jinja"
HISTORY, PAGE = "history.jsonl", "history.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEntry:
    """One entry as it goes out."""

    told: ToldEntry
    openings: tuple[str, ...]

    @property
    def withheld(self) -> int:
        return sum(self.told.withheld.values())

    def as_json(self) -> dict[str, object]:
        envelope = self.told.entry.raw.decode("ascii")
        return {"schema": SCHEMA, **self.told.as_json(), "envelope": envelope, "openings": list(self.openings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedLog:
    """The entries of one log of the store that go out. Most stores have one log; a closed one has a successor."""

    folder: str
    layout: StoreLayout
    log_key: str
    entries: tuple[ExportedEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExport:
    """What goes out, before it is recorded: everything but the proofs, which need the record."""

    names: tuple[str, ...]  # what was asked for; empty: the whole log, or a period of it
    classes: tuple[str, ...]
    logs: tuple[ExportedLog, ...]
    files: Mapping[str, bytes]  # in the order of SHA256SUMS

    @property
    def entries(self) -> list[ExportedEntry]:
        return [each for log in self.logs for each in log.entries]

    @property
    def openings(self) -> int:
        return sum(len(each.openings) for each in self.entries)

    @property
    def withheld(self) -> int:
        return sum(each.withheld for each in self.entries)

    @property
    def items(self) -> dict[str, Digest]:
        """The items that the entries are about."""
        subjects = [pair for each in self.entries for pair in each.told.entry.subjects.items()]
        return {name: digest for name, digest in subjects if name.startswith("item_")}

    @property
    def sums(self) -> bytes:
        """The list of the files, as `sha256sum -c` reads it."""
        return "".join(f"{Digest.of(data)}  {name}\n" for name, data in self.files.items()).encode("ascii")

    @property
    def digest(self) -> Digest:
        """What the log is told of it."""
        return Digest.of(self.sums)


def log_export(
    layout: StoreLayout,
    store: StoreReader,
    *,
    names: Sequence[str],
    places: Sequence[int],
    period: Period,
    classes: Set[OpeningClass],
    made_by: str,
) -> LogExport:
    """Return what goes out of the entries at ``places``. Nothing is recorded and nothing is written.

    Raises UsageError for too many entries, LedgerError when an entry is not rightly signed.
    """
    if not places or len(places) > MOST_ENTRIES:
        raise UsageError(
            f"{len(places):,} entries would be exported; 1 to {MOST_ENTRIES:,} are possible.",
            next_step="Name fewer things, or a shorter period. For the whole log, copy the directory log/.",
        )
    by_log: dict[str, list[int]] = {}
    for place in places:
        entry = store.entry(place)
        by_log.setdefault(entry.log, []).append(entry.seq)
    logs = tuple(
        _exported_log(layout if origin == store.origin else layout.closed_log(origin), number, seqs, classes)
        for number, (origin, seqs) in enumerate(by_log.items(), start=1)
    )
    page = render_page(
        [each for log in logs for each in log.entries],
        [subject_chain(store, name, before=store.recorded()) for name in names],
        origins=list(by_log),
        names=names,
        period=period,
        classes=_codes(classes),
        made_by=made_by,
    )
    return LogExport(names=tuple(names), classes=_codes(classes), logs=logs, files=_files(logs, page))


def _codes(classes: Set[OpeningClass]) -> tuple[str, ...]:
    return tuple(sorted(str(each) for each in classes))


def _exported_log(layout: StoreLayout, number: int, seqs: Sequence[int], classes: Set[OpeningClass]) -> ExportedLog:
    """Return the entries of one log as they go out, each rightly signed."""
    with LogReader(layout) as log, closing(log_db.connect_read_only(layout)) as connection:
        entries = []
        erasures = Erasures(log)
        for opened in log.opened_at(seqs):
            log.keys.verify_signature(opened.entry)
            seq = opened.entry.seq
            texts = texts_of(connection, seq, seq + 1).get(seq, {})
            told = tell(opened, classes, erased=erasures.of(opened))
            entries.append(ExportedEntry(told=told, openings=tuple(told_openings(opened, texts, classes))))
        key = str(log.trust.log_key)
    return ExportedLog(folder=f"log-{number}", layout=layout, log_key=key, entries=tuple(entries))


def _files(logs: Sequence[ExportedLog], page: bytes) -> dict[str, bytes]:
    entries = [(entry_folder(log.folder, each.told.entry.seq), each) for log in logs for each in log.entries]
    lines = [json.dumps(each.as_json(), ensure_ascii=True, allow_nan=False) for _, each in entries]
    files = {PAGE: page, HISTORY: "".join(f"{line}\n" for line in lines).encode("ascii")}
    for folder, each in entries:
        files[f"{folder}/entry.json"] = each.told.entry.raw
        if each.openings:
            files[f"{folder}/openings.txt"] = "".join(f"{text}\n" for text in each.openings).encode("ascii")
    return files


def entry_folder(folder: str, seq: int) -> str:
    """Return the folder of one entry below that of its log."""
    return f"{folder}/entries/{seq:08d}"


# ------------------------------------------------------------------------------------------------ what people read


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One entry as the page needs it."""

    log: str
    seq: int
    recorded_at: str
    type: str
    meaning: str
    actor: str
    fields: tuple[tuple[str, str], ...]
    withheld: tuple[tuple[str, str], ...]  # member, and why it is not told
    digest: str


def render_page(
    entries: Sequence[ExportedEntry],
    chains: Sequence[SubjectChain],
    *,
    origins: Sequence[str],
    names: Sequence[str],
    period: Period,
    classes: Sequence[str],
    made_by: str,
) -> bytes:
    """Return the page of an export. The same entries give the same bytes."""
    page = page_template(TEMPLATE).render(
        origins=origins,
        names=names,
        period=period_text(period),
        classes=classes,
        made_by=made_by,
        chains=[(chain.name, chain.entries, _CHAIN_WORDS[chain.verdict]) for chain in chains],
        blocks=[_block(each.told) for each in entries],
        openings=sum(len(each.openings) for each in entries),
        withheld=sum(each.withheld for each in entries),
    )
    return page.encode("utf-8")


_CHAIN_WORDS = {
    "complete": "each entry names the one before; none is missing",
    "unknown-types": "some entries are of a type that the program did not know: not called complete",
    "gap": "AN ENTRY IS MISSING, or does not follow the one before",
}


def _block(told: ToldEntry) -> _Block:
    entry = told.entry
    who = "somebody (withheld)" if "actor" in told.withheld else told.actor or "the service"
    fields = [(name, f"sha256 {digest}") for name, digest in entry.subjects.items()]
    fields += [("drop", entry.drop)] if entry.drop else []
    for name, value in [*entry.facts.items(), *told.values.items()]:
        read = told_value(name, value)
        values = read if isinstance(read, list) else [read]
        fields += [(shown(name), value_text(each)) for each in values if each is not None]
    return _Block(
        log=entry.log,
        seq=entry.seq,
        recorded_at=format_time(entry.recorded_at),
        type=shown(entry.type),
        meaning=meaning_of(entry) or "A type that this version of the program does not know.",
        actor=who if entry.role is None else f"{who} as {shown(entry.role)}",
        fields=tuple(fields),
        withheld=tuple((shown(name), text) for name in told.withheld for text in told.reasons(name)),
        digest=str(entry.digest),
    )
