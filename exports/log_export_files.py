"""An export as a folder: its files, the proofs of its entries, and how a stranger checks them.

Nothing is written before the log has its entry about the export: the positions of that entry are asked for. No file is
linked or renamed, so the folder may lie on a stick with a simple file system. HOW-TO-CHECK.txt comes last: a folder
without it was never finished.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from base import fsio
from base.config import read_settings
from base.escape import shown
from exports.log_export import LogExport, entry_folder
from hashing.checkpoint import open_checkpoint
from hashing.receipt import parse_receipt
from ledger.entry import Entry
from ledger.layout import StoreLayout
from ledger.lodging import best_note
from ledger.proofs import prove_all
from ledger.reader import LogReader
from ledger.witness_settings import policy_of

SUMS, HOW_TO_CHECK = "SHA256SUMS", "HOW-TO-CHECK.txt"
OWN = "export"  # the folder of its own entries; those of the logs are log-1, log-2 ...
_FILE_MODE = 0o644  # made to be given away; the folder is as private as the umask says
_EXPLANATION = Path(__file__).with_name("how_to_check_export.txt")


def write_log_export(export: LogExport, layout: StoreLayout, target: Path, *, recorded_at: Sequence[int]) -> int:
    """Write ``export`` into the new or empty directory ``target``, durably; return the size of the open log's proof.

    ``recorded_at`` are the positions of its own entries in the open log, sealed. Raises DiskError when the disk
    refuses; what was written until then stays, without HOW-TO-CHECK.txt.
    """
    files = {**export.files, SUMS: export.sums}
    for log in export.logs:
        files |= _proof_files(log.layout, log.folder, [each.told.entry.seq for each in log.entries])
    with LogReader(layout) as open_log:
        key = open_log.trust.log_key
        for seq in recorded_at:
            files[f"{entry_folder(OWN, seq)}/entry.json"] = open_log.entry(seq).raw
    files |= _proof_files(layout, OWN, recorded_at)
    proof = parse_receipt(files[f"{OWN}/entry-0.tlog-proof"])
    size = open_checkpoint(proof.checkpoint, key).size
    _write(files, target)
    _write({HOW_TO_CHECK: _how_to_check(export, recorded_at, size).encode("ascii")}, target)
    return size


def _proof_files(layout: StoreLayout, folder: str, seqs: Sequence[int]) -> dict[str, bytes]:
    """Return the policy of one log, its key entries, and the proofs of these and of the entries at ``seqs``.

    They end in the newest checkpoint that covers them and that the witnesses cosigned, else in the newest one.
    """
    with LogReader(layout) as log:
        keys = [log.entry(0), *_key_entries(log, before=max(seqs))]
        policy = policy_of(log.trust.log_key, read_settings(layout.settings))
    wanted = sorted({*seqs, *(each.seq for each in keys)})
    receipts = prove_all(layout, wanted, under=best_note(layout, policy, above=wanted[-1]))
    proofs = {receipt.index: receipt.encode() for receipt in receipts}
    files = {f"{folder}/policy": policy.text().encode("utf-8")}
    for entry in keys:
        files |= {
            f"{folder}/entry-{entry.seq}.json": entry.raw,
            f"{folder}/entry-{entry.seq}.tlog-proof": proofs[entry.seq],
        }
    return files | {f"{entry_folder(folder, seq)}/receipt.tlog-proof": proofs[seq] for seq in seqs}


def _key_entries(log: LogReader, *, before: int) -> Iterator[Entry]:
    """Yield the entries after the first and ``before`` that enrol or revoke a key of the machine, or a root key."""
    keys = [key for key in log.keys.keys.values() if key.purpose != "personal"]
    seqs = {seq for key in keys for seq in (key.since, key.until) if seq and seq < before}
    return (log.entry(seq) for seq in sorted(seqs))


def _write(files: Mapping[str, bytes], target: Path) -> None:
    """Write every file into its folder, and make all of them durable at once: there may be many thousands."""
    by_folder: dict[str, dict[str, bytes]] = {"": {}}
    for path, data in files.items():
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder, {})[name] = data
    with _declared_errors(target):
        fsio.make_directories(target)
        with fsio.directory(target) as root:  # opened before the first write, so that it hears of every error
            for folder, contents in by_folder.items():
                fsio.make_directories_unsynced(folder or ".", dir_fd=root)
                with fsio.directory(target / folder) as descriptor:
                    for name, data in contents.items():
                        _write_file(name, data, descriptor)
            fsio.sync_filesystem(root)


def _write_file(name: str, data: bytes, folder: int) -> None:
    """Write one new file. No link and no rename: the folder may lie on a stick whose file system has neither."""
    descriptor = fsio.create(name, dir_fd=folder)
    try:
        fsio.write_all(descriptor, data)
        with suppress(PermissionError):  # nor modes
            fsio.set_mode(descriptor, _FILE_MODE)
    finally:
        os.close(descriptor)


@contextmanager
def _declared_errors(target: Path) -> Iterator[None]:
    """Turn what the system refuses into the declared error that names the directory."""
    try:
        yield
    except OSError as error:
        raise fsio.DiskError.from_os(error, f"the export can't be written to {shown(str(target))}") from error


def positions_text(seqs: Sequence[int]) -> str:
    """Return consecutive positions for a sentence."""
    return f"{seqs[0]}" if len(seqs) == 1 else f"{seqs[0]} to {seqs[-1]}"


def _how_to_check(export: LogExport, recorded_at: Sequence[int], size: int) -> str:
    """Return the page for a stranger: what this export is, and the commands that are the same for every export."""
    classes = ", ".join(export.classes) or "none"
    about = [
        ("asked for", ", ".join(export.names) or "the whole log, or a period of it"),
        ("entries", f"{len(export.entries):,}, of {len(export.logs)} log{'s' if len(export.logs) > 1 else ''}"),
        ("openings", f"{export.openings:,}, of the classes {classes}"),
        ("left out", f"{export.withheld:,} values: the entries hold their commitments"),
        ("its own entry", f"{positions_text(recorded_at)}, of a log of {size:,}"),
        *((f"log key {number}", log.log_key) for number, log in enumerate(export.logs, start=1)),
    ]
    rows = "\n".join(f"  {name:<13} {value}" for name, value in about)
    title = "How to check this export of a custody log"
    return f"{title}\n{'=' * len(title)}\n\n{rows}\n\n{_EXPLANATION.read_text('ascii')}"
