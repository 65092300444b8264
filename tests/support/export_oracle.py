"""Somebody else's check of an exported history: shares nothing with the product, only with the other oracles here.

Every entry is well formed, signed by a key that entry 0 names, and stands in the tree of a checkpoint that the log of
`policy` signed; every opening is the one of a commitment of its entry; and the list of files is what the log was told.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from checker_ed25519 import verifies
from checker_entry import Entry, read_entry
from checker_json import Json, decode_base64
from checker_openings import read_opening
from checker_tree import VerifierKey, leaf_hash, node_hash, parse_checkpoint

_SPKI_PREFIX = 12  # bytes of DER before the raw key


@dataclass(frozen=True)
class Checked:
    """One entry of an export that holds, with the values that are shown of it."""

    entry: Entry
    values: dict[str, Json]  # by member, or member/<n>
    hidden: int  # commitments without an opening


def check_export(folder: Path) -> dict[tuple[str, int], Checked]:
    """Return every exported entry by log and position. Raises AssertionError, KeyError or MalformedError otherwise."""
    own = _check_log(folder / "export")
    digest = hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert own and {each.entry.type for each in own} == {"log.exported"}
    assert all(each.entry.facts["sha256"] == digest for each in own), "the log was told of another export"
    _check_sums(folder)
    logs = sorted(folder.glob("log-*"))
    return {(each.entry.log, each.entry.seq): each for log in logs for each in _check_log(log)}


def _check_log(folder: Path) -> list[Checked]:
    key = VerifierKey.parse((folder / "policy").read_text().splitlines()[0].removeprefix("log "))
    keys = _recorder_keys(folder, key)
    return [_checked(each, key, keys) for each in sorted((folder / "entries").iterdir())]


def _check_sums(folder: Path) -> None:
    for line in (folder / "SHA256SUMS").read_text("ascii").splitlines():
        digest, name = line.split("  ", 1)
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@dataclass(frozen=True)
class _Key:
    """A key that signs entries, from behind the entry that names it up to the one that revokes it."""

    raw: bytes
    since: int
    until: int | None = None

    def is_valid_at(self, seq: int) -> bool:
        return (self.since == 0 or self.since < seq) and (self.until is None or seq <= self.until)


def _recorder_keys(folder: Path, log: VerifierKey) -> dict[str, _Key]:
    """Return the keys that entry 0 names, and what later entries in the folder made of them."""
    numbers = sorted(int(path.stem.removeprefix("entry-")) for path in folder.glob("entry-*.json"))
    entries = [_proved(folder / f"entry-{n}.json", folder / f"entry-{n}.tlog-proof", log) for n in numbers]
    first, *changes = entries
    rows = first.facts["recorder_keys"]
    assert first.seq == 0 and first.type == "log.opened" and isinstance(rows, list)
    keys = {str(row["keyid"]): _key(row, 0) for row in rows if isinstance(row, dict)}
    _check_signature(first, keys)
    for entry in changes:
        _check_signature(entry, keys)
        keyid = str(entry.facts["keyid"])
        if entry.type == "key.enrolled" and entry.facts["purpose"] == "recorder":
            keys[keyid] = _key(entry.facts, entry.seq)
        elif entry.type == "key.revoked" and keyid in keys:
            keys[keyid] = replace(keys[keyid], until=entry.seq)
    return keys


def _key(facts: Mapping[str, Json], since: int) -> _Key:
    spki = decode_base64(facts["spki"])
    assert hashlib.sha256(spki).hexdigest() == facts["keyid"]
    return _Key(spki[_SPKI_PREFIX:], since)


def _check_signature(entry: Entry, keys: Mapping[str, _Key]) -> None:
    key = keys[entry.keyid]
    assert key.is_valid_at(entry.seq), f"entry {entry.seq} is signed by a key that is not valid there"
    assert verifies(key.raw, entry.signature, entry.signed), f"entry {entry.seq} is not rightly signed"


def _checked(folder: Path, key: VerifierKey, keys: Mapping[str, _Key]) -> Checked:
    entry = _proved(folder / "entry.json", folder / "receipt.tlog-proof", key)
    assert folder.name == f"{entry.seq:08d}"
    _check_signature(entry, keys)
    file = folder / "openings.txt"
    return _opened(entry, file.read_text("ascii").splitlines() if file.exists() else [])


def _opened(entry: Entry, openings: Sequence[str]) -> Checked:
    places = {digest: f"{member}" if n is None else f"{member}/{n}" for member, n, digest in entry.committed()}
    values = {}
    for text in openings:
        place = places.pop(hashlib.sha256(text.encode("ascii")).hexdigest())
        values[place] = read_opening(text, f"{entry.event}/{place}")
    return Checked(entry, values, len(places))


def _proved(entry_file: Path, proof_file: Path, key: VerifierKey) -> Entry:
    """Return the entry, which the proof shows in the log of ``key`` (RFC 9162, section 2.1.3.2)."""
    entry = read_entry(entry_file.read_bytes())
    proof, _, note = proof_file.read_bytes().partition(b"\n\n")
    header, index, *hashes = proof.decode("ascii").split("\n")
    checkpoint = parse_checkpoint(note)
    assert header == "c2sp.org/tlog-proof@v1" and index == f"index {entry.seq}"
    assert checkpoint.origin == key.name == entry.log and checkpoint.is_signed_by(key)
    node, last, hash_ = entry.seq, checkpoint.size - 1, leaf_hash(entry.raw)
    assert node <= last
    for sibling in map(base64.b64decode, hashes):
        if node % 2 or node == last:
            hash_ = node_hash(sibling, hash_)
            while node and not node % 2:
                node, last = node // 2, last // 2
        else:
            hash_ = node_hash(hash_, sibling)
        node, last = node // 2, last // 2
    assert last == 0 and hash_ == checkpoint.root, f"entry {entry.seq} is not in the tree"
    return entry
