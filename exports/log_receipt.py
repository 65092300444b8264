"""The receipt of one item, for a stranger: its entry, the proofs, the keys, and how to check them by hand.

A folder of some eight files. It holds what is open in the log and nothing else: no opening, no name, no path. ITEM is
one arrival: bytes that arrived twice have two items, two entries and two receipts. Where entry 0 does not name the key
that signed, the entries that enrolled it go along. Two checkers lie beside, so that a stranger needs to fetch nothing;
whoever distrusts them takes them from elsewhere. Time stamps that cover the entry go along too. `HOW-TO-CHECK.txt` is
written last: a folder without it was never finished.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from base import fsio
from base.clock import format_time
from base.config import read_settings
from base.errors import NotFoundError, RefusedError
from base.escape import shown
from exports.receipt_time_stamps import time_stamp_files, with_time_stamps
from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from ledger.earlier import log_layouts
from ledger.entry import Entry
from ledger.layout import StoreLayout
from ledger.lodging import best_note
from ledger.proofs import prove_all
from ledger.reader import LogReader
from ledger.record import Recorder
from ledger.seal import seal
from ledger.trust import Trust
from ledger.witness_settings import policy_of

_FILE_MODE = 0o644  # made to be given away; the folder is as private as the umask says
_EXPLANATION = Path(__file__).with_name("how_to_check.txt")
_VERIFIER = Path(__file__).parents[1] / "verifier"
CHECKERS = ("verify_evidence.py", "VERIFY.sh")
HOW_TO_CHECK = "HOW-TO-CHECK.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReceipt:
    """A receipt as it will be written: what it is about, and the content of each file."""

    item: str
    sha256: Digest
    seq: int
    checkpoint: Checkpoint
    files: Mapping[str, bytes]  # in the order of writing
    cosigned_by: tuple[str, ...] = ()  # witnesses that are set
    lacks_quorum: bool = False  # fewer of them than the policy in it asks for
    stamped_by: tuple[str, ...] = ()  # authorities that say since when the entry exists at the latest


def log_receipt(layout: StoreLayout, item: str) -> LogReceipt:
    """Return the receipt of ``item``; seals the log first where the entry of the item is not sealed yet.

    Raises: NotFoundError when nothing defines the item, LedgerError when a proof or a signature does not hold.
    """
    home = _home_of(layout, item)
    with LogReader(home) as log:
        entry, trust = definition_of(log, item), log.trust
        named = [log.entry(0), *_enrolments(log, entry)]
        for signed in (entry, *named):
            log.keys.verify_signature(signed)
        sealed = log.sealed().size > entry.seq
    if not sealed:
        with Recorder.open(layout) as recorder:
            seal(recorder)
    positions = [entry.seq, *(one.seq for one in named)]
    policy = policy_of(trust.log_key, read_settings(layout.settings))
    proof, *proofs = prove_all(home, positions, under=best_note(home, policy, above=max(positions)))
    attested = policy.read(proof.checkpoint)
    checkpoint = attested.checkpoint
    stamps = time_stamp_files(home, trust.log_key, entry.seq)
    page = _how_to_check(item, entry, checkpoint, trust)
    return LogReceipt(
        item=item,
        sha256=entry.subjects[item],
        seq=entry.seq,
        checkpoint=checkpoint,
        files={
            "entry.json": entry.raw,
            "receipt.tlog-proof": proof.encode(),
            **{f"entry-{one.seq}.json": one.raw for one in named},
            **{f"entry-{one.seq}.tlog-proof": its.encode() for one, its in zip(named, proofs, strict=True)},
            "policy": policy.text().encode("utf-8"),
            **{name: (_VERIFIER / name).read_bytes() for name in CHECKERS},
            **{name: content for files in stamps.values() for name, content in files.items()},
            HOW_TO_CHECK: (with_time_stamps(page) if stamps else page).encode("ascii"),
        },
        cosigned_by=tuple(attested.cosignatures),
        lacks_quorum=not policy.is_met_by(attested.cosignatures),
        stamped_by=tuple(stamps),
    )


def _home_of(layout: StoreLayout, item: str) -> StoreLayout:
    """Return the store with the log that defines ``item``, open or closed. Raises NotFoundError when none does."""
    for home in log_layouts(layout):
        with LogReader(home) as log, contextlib.suppress(NotFoundError):
            definition_of(log, item)
            return home
    raise NotFoundError(f"{shown(item)} is not an item of this store: only items have a receipt of their own.")


def definition_of(log: LogReader, item: str) -> Entry:
    """Return the entry that made ``item`` a master. Raises NotFoundError when there is none."""
    for seq in log.subject_entries(item):
        entry = log.entry(seq)
        if entry.type == "master.defined":
            return entry
    raise NotFoundError(f"{shown(item)} is not an item of this log: only items have a receipt of their own.")


def _enrolments(log: LogReader, entry: Entry) -> Sequence[Entry]:
    """Return the entries that lead from the keys of entry 0 to the one that signed ``entry``, in their order."""
    found: list[Entry] = []
    signed = entry
    # Each stands before what it lets its key sign, so this ends.
    while (key := log.keys.keys.get(signed.envelope.signatures[0].keyid)) is not None and 0 < key.since < signed.seq:
        signed = log.entry(key.since)
        found.insert(0, signed)
    return found


def refuse_used(target: Path, layout: StoreLayout) -> None:
    """Raise RefusedError unless ``target`` is a new or empty directory outside the store. Nothing is changed."""
    resolved = target.resolve()
    if resolved.is_relative_to(layout.root.resolve()):
        raise RefusedError(
            f"{shown(str(target))} lies in the store, where only the recorder writes.",
            next_step="Name a directory outside the store.",
        )
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise RefusedError(
            f"{shown(str(target))} is not an empty directory: a receipt is never mixed with other files.",
            next_step="Name a new directory with -o DIR.",
        )


def write_log_receipt(receipt: LogReceipt, target: Path) -> None:
    """Write the files of ``receipt`` into the new or empty directory ``target``, durably.

    Raises DiskError when the disk refuses; what was written until then stays, without HOW-TO-CHECK.txt.
    """
    try:
        fsio.make_directories(target)
        for name, content in receipt.files.items():
            fsio.put_file(target / name, content, mode=_FILE_MODE)
    except OSError as error:
        raise fsio.DiskError.from_os(error, f"the receipt can't be written to {shown(str(target))}") from error


def _how_to_check(item: str, entry: Entry, checkpoint: Checkpoint, trust: Trust) -> str:
    """Return the page for a stranger: what this receipt says, and the commands that are the same for every receipt."""
    keyid = entry.envelope.signatures[0].keyid
    about = [
        ("item", item),
        ("its file", f"SHA-256 {entry.subjects[item]}, {entry.facts['size_bytes']} bytes"),
        ("log", trust.origin),
        ("position", f"{entry.seq} (counted from 0) of {checkpoint.size} entries"),
        ("recorded", f"{format_time(entry.recorded_at)}, by the recorder's clock: a claim"),
        ("recorder key", keyid),
        ("root", f"{checkpoint.root} (hex of the base64 in the checkpoint)"),
        ("log key", str(trust.log_key)),
    ]
    title = f"How to check the receipt of {item}"
    rows = "\n".join(f"  {name:<13} {value}" for name, value in about)
    explanation = _EXPLANATION.read_text("ascii")
    return f"{title}\n{'=' * len(title)}\nWhat it says; the steps below show it.\n\n{rows}\n\n{explanation}"
