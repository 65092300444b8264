"""The receipts of one share: written beside the drops, kept in the store as well, and told apart from footage.

A receipt of ours is recognised by what we wrote down when we wrote it, never by its name. Each is kept in the store
first: where the share can't be written, `strongroom drop receipt` prints it from there. An older receipt goes only
after the newer one stands, so a technician never sees a moment without an answer.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from base import fsio
from base.errors import SurroundingsError
from base.version import VERSION
from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from hashing.words import spoken_form
from ingest.completion import Completed
from ingest.drops import Drop
from ingest.intake_db import IntakeDb, ReceiptRow
from ingest.receipt_names import Part, State, names_a_receipt, receipt_names
from ingest.receipts import ReceiptState, facts, html, text
from ingest.share import ShareReader
from ingest.share_facts import Found, Hashed, Kind, Reason, ReceiptFile, ReceiptRefused, SmallFile
from ledger.events.item import SourceStat
from ledger.layout import StoreLayout
from ledger.proofs import prove
from ledger.reader import LogReader

_MODE = 0o600
_MOST_BYTES = 1 << 20  # of a receipt
_Identity: TypeAlias = tuple[int, int]  # device and inode


class ReceiptDesk:
    """Writes and recognises the receipts of one share."""

    def __init__(self, root: bytes, reader: ShareReader, db: IntakeDb, layout: StoreLayout) -> None:
        self._root = root
        self._reader = reader
        self._db = db
        self._layout = layout
        self.is_refused = False  # whether the share let the last receipt not be written
        self._rows: dict[bytes, ReceiptRow] = {}  # by temporary name, which each has to itself
        self._by_identity: dict[_Identity, dict[bytes, ReceiptRow]] = {}  # the same: there are more and more receipts
        for row in db.receipts():
            if row.root == root:
                self._remember(row)
        # A recorder that lost its memory knows its receipts by their bytes: each is kept in the store.
        self._lost = self._kept_digests() if db.lost else {}

    # ---------------------------------------------------------------------------------------------- recognising

    def is_ours(self, found: Found) -> bool:
        """Return whether a top-level entry of the share is a receipt that we wrote, and unchanged since."""
        if found.kind is not Kind.FILE or b"/" in found.path:
            return False
        begun = self._rows.get(found.path)
        if begun is not None and begun.file is None:
            return True  # a crash left it half written: nobody could guess its name
        for row in self._identical(found):
            if row.file is not None and self._is_still(row, row.file, found):
                return True
        return bool(self._lost) and self._adopt(found)

    def _is_still(self, row: ReceiptRow, file: ReceiptFile, found: Found) -> bool:
        """Whether a file of ours is found as it was noted, or as a crash left it before it could be noted again."""
        if file.name == found.path and file.is_certainly(found.stat):
            return True
        # Renamed on its way to its name, or out of everybody's reach to be removed.
        on_its_way = file.name == row.temporary or self._reader.is_temporary_name(found.path)
        if found.stat is None or not (file.name == found.path or on_its_way) or not self._still_has(row.sha256, found):
            return False
        self._note(_with_file(row, replace(file, name=found.path, stat=found.stat)))
        return True

    def _still_has(self, sha256: Digest, found: Found) -> bool:
        hashed = self._reader.hash_file(found.path)
        return isinstance(hashed, Hashed) and hashed.sha256 == sha256

    def _kept_digests(self) -> dict[tuple[int, Digest], str]:
        """Return size and digest of each receipt that is kept in the store, with the drop it is of."""
        kept = {}
        for path in self._layout.receipts.glob("*/*"):
            data = path.read_bytes()
            kept[len(data), Digest.of(data)] = path.parent.name
        return kept

    def _adopt(self, found: Found) -> bool:
        """Take a file for a receipt of ours when its bytes are those of one that the store keeps."""
        if found.stat is None or found.stat.size_bytes not in {size for size, _ in self._lost}:
            return False
        hashed = self._reader.hash_file(found.path)
        if not isinstance(hashed, Hashed):
            return False
        drop_id = self._lost.get((hashed.stat.size_bytes, hashed.sha256))
        if drop_id is None:
            return False
        file = ReceiptFile(name=found.path, stat=hashed.stat, sha256=hashed.sha256)
        self._note(
            ReceiptRow(
                root=self._root,
                temporary=self._reader.new_temporary_name(),
                drop_id=drop_id,
                sha256=hashed.sha256,
                file=file,
            )
        )
        return True

    # -------------------------------------------------------------------------------------------------- telling

    def tell(self, drop: Drop, completed: Completed | None, *, vanished: bool = False) -> None:
        """Write the receipts for the state of ``drop`` as it is now, and take away older ones."""
        state = _receipt_state(drop, completed, vanished=vanished)
        files = self._contents(state, completed)
        kept = self._keep(drop.row.drop_id, state, files)
        older = [row for row in self._rows.values() if row.drop_id == drop.row.drop_id]
        wanted = {Digest.of(content) for content in files.values()}
        if kept and all(map(_is_named, older)) and {row.sha256 for row in older} == wanted:
            return  # these very receipts lie in the share already
        if names_a_receipt(drop.row.name):
            return  # sealed like all else; but two recorders on one share must not write receipts of receipts for ever
        for part, content in files.items():
            self.is_refused = not self._write(drop.row.drop_id, _names(state, part), content)
            if self.is_refused:
                return  # the share can't be written: the receipts stand in the store
        for row in older:
            if row.temporary in self._rows:
                self._take_away(row)

    def withdraw(self, drop: Drop) -> None:
        """Take away the receipts of a drop of which nothing was taken, and which has another name now."""
        for row in [row for row in self._rows.values() if row.drop_id == drop.row.drop_id]:
            self._take_away(row)

    def _contents(self, state: ReceiptState, completed: Completed | None) -> dict[Part, bytes]:
        """Return the files of one receipt by their extension."""
        files = {Part.PAGE: html(state), Part.TEXT: text(state)}
        if completed is not None:
            with LogReader(completed.log) as log:
                files[Part.ENTRY] = log.entry(completed.seq).raw
            files[Part.PROOF] = prove(completed.log, completed.seq).encode()
        return files

    def _keep(self, drop_id: str, state: ReceiptState, files: dict[Part, bytes]) -> bool:
        """Put the receipt into the store; return whether exactly this one was there before."""
        folder = self._layout.receipts / drop_id
        fsio.make_directories(folder)
        paths = {folder / f"{state.state}.{part}": content for part, content in files.items()}
        paths[folder / f"{state.state}.json"] = facts(state)  # for programs; it goes into no share
        same = all(_holds(path, content) for path, content in paths.items())
        for path, content in paths.items():
            if not same:
                fsio.replace_file(path, content, mode=_MODE)
        return same

    def _write(self, drop_id: str, names: list[bytes], content: bytes) -> bool:
        """Write one file beside the drop: note it, write it, note its identity, name it, note it again."""
        temporary = self._reader.new_temporary_name()
        row = ReceiptRow(root=self._root, temporary=temporary, drop_id=drop_id, sha256=Digest.of(content), file=None)
        self._note(row)
        written = self._reader.write_receipt(temporary, content)
        if isinstance(written, ReceiptRefused):
            self._forget(row)
            return False
        self._note(_with_file(row, written))
        for older in [one for one in self._rows.values() if one.file is not None and one.file.name == names[0]]:
            self._take_away(older)  # says the same with older counts: for a moment there is none
        named = self._reader.name_receipt(written, names)
        if isinstance(named, ReceiptRefused):
            self._take_away(_with_file(row, written))
            return False
        self._note(_with_file(row, named))
        return True

    def _take_away(self, row: ReceiptRow) -> None:
        file = row.file or self._half_written(row)
        if file is not None:
            removed = self._reader.remove_receipt(file, self._reader.new_temporary_name())
            if isinstance(removed, ReceiptRefused):
                return  # it stays, and stays ours: forgotten, it would be taken for footage
        elif self._is_there(row.temporary):
            return  # what it holds is not what we wrote: it is not removed, and not taken either
        self._forget(row)

    def _half_written(self, row: ReceiptRow) -> ReceiptFile | None:
        """Return what a crash left of a receipt while it was written, if it is the beginning of one that we kept."""
        found = self._reader.read_small(row.temporary, _MOST_BYTES)
        if not isinstance(found, SmallFile):
            return None
        sha256 = Digest.of(found.content)
        kept = (path.read_bytes() for path in sorted((self._layout.receipts / row.drop_id).glob("*")))
        if sha256 == row.sha256 or not found.content or any(each.startswith(found.content) for each in kept):
            return ReceiptFile(name=row.temporary, stat=found.stat, sha256=sha256)
        return None

    def _note(self, row: ReceiptRow) -> None:
        self._db.put_receipt(row)
        self._remember(row)

    def _forget(self, row: ReceiptRow) -> None:
        self._db.forget_receipt(row)
        self._drop_from_memory(row)

    def _remember(self, row: ReceiptRow) -> None:
        self._drop_from_memory(row)
        self._rows[row.temporary] = row
        if row.file is not None:
            self._by_identity.setdefault(_identity(row.file.stat), {})[row.temporary] = row

    def _drop_from_memory(self, row: ReceiptRow) -> None:
        known = self._rows.pop(row.temporary, None)
        if known is not None and known.file is not None:
            del self._by_identity[_identity(known.file.stat)][known.temporary]

    def _identical(self, found: Found) -> list[ReceiptRow]:
        return [] if found.stat is None else list(self._by_identity.get(_identity(found.stat), {}).values())

    def _is_there(self, path: bytes) -> bool:
        hashed = self._reader.hash_file(path)
        return isinstance(hashed, Hashed) or hashed.reason is not Reason.VANISHED


def _names(state: ReceiptState, part: Part) -> list[bytes]:
    return list(
        receipt_names(
            state.name,
            state.state,
            part,
            drop_id=state.drop_id,
            files_sealed=state.files_sealed,
            files_seen=state.files_seen,
        )
    )


def _with_file(row: ReceiptRow, file: ReceiptFile) -> ReceiptRow:
    return ReceiptRow(root=row.root, temporary=row.temporary, drop_id=row.drop_id, sha256=row.sha256, file=file)


def _identity(stat: SourceStat) -> _Identity:
    return stat.device, stat.inode


def _is_named(row: ReceiptRow) -> bool:
    """Whether a receipt has its final name: a crash may leave it noted only, or under its temporary name."""
    return row.file is not None and row.file.name != row.temporary


def _holds(path: Path, content: bytes) -> bool:
    try:
        return fsio.read_file(path, max_bytes=len(content)) == content
    except (OSError, SurroundingsError):
        return False


def _receipt_state(drop: Drop, completed: Completed | None, *, vanished: bool) -> ReceiptState:
    tally = drop.tally()
    checkpoint: Checkpoint | None = None if completed is None else completed.checkpoint
    return ReceiptState(
        drop_id=drop.row.drop_id,
        name=drop.row.name,
        state=State(drop.row.state),
        files_seen=tally.files_seen,
        bytes_seen=tally.bytes_seen,
        files_sealed=tally.files_sealed,
        bytes_sealed=tally.bytes_sealed,
        refused=tally.refused,
        problems=_problems(completed, vanished=vanished),
        checkpoint_words=None if checkpoint is None else spoken_form(checkpoint.text()),
        checkpoint_size=None if checkpoint is None else checkpoint.size,
        checkpoint_root=None if checkpoint is None else checkpoint.root.hex,
        settled_by=drop.row.settled_by,
        source_manifest=drop.row.manifest,
        software=f"strongroom {VERSION}",
    )


def _problems(completed: Completed | None, *, vanished: bool) -> tuple[str, ...]:
    if vanished:
        return ("vanished",)
    return () if completed is None or completed.completion == "complete" else (completed.completion,)
