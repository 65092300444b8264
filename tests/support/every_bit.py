"""Every way to damage the public files of a small log, or a receipt, one at a time; and what each side says to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from standalone import answer
from store_of_log import arrive, copied, receive
from tampering import is_named

from base.errors import EvidenceError
from exports.log_receipt import log_receipt, write_log_receipt
from hashing.note import parse_vkey
from hashing.receipt import parse_receipt, verify_receipt
from ledger.check import check_log
from ledger.entry import parse_entry
from ledger.kept import KeptNote
from ledger.layout import StoreLayout
from ledger.record import Recorder
from ledger.seal import seal
from ledger.trust import KeyRegister


class Case(NamedTuple):
    """Files of a folder with other content (None: gone), and what must be named: any one of it."""

    name: str
    files: dict[str, bytes | None]
    names: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What a campaign found wrong with the verifiers; all must stay empty."""

    cases: int = 0
    undetected: list[str] = field(default_factory=list)  # by one of the two, or by both
    disagreed: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return self.undetected + self.disagreed + self.misnamed

    def judge(self, case: Case, *sides: tuple[int, list[str]]) -> None:
        self.cases += 1
        codes = [code for code, _ in sides]
        if 0 in codes:
            self.undetected.append(f"{case.name}: {codes}")
        elif len(set(codes)) > 1:
            self.disagreed.append(f"{case.name}: {codes}")
        for _, objects in sides:
            if not is_named(case.names, objects):
                self.misnamed.append(f"{case.name}: none of {case.names} in {objects}")


def small_log(root: Path) -> tuple[StoreLayout, str]:
    """Make a store with five entries, sealed at sizes 2, 3 and 5; return it with the item of the last."""
    layout = copied(root)
    with Recorder.open(layout) as recorder:
        drop = receive(recorder)
        seal(recorder)
        _, item = arrive(recorder, drop, [b"one", b"two"])
        seal(recorder)
    return layout, item


def public_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# What is done to one file.


def flips(files: dict[str, bytes], *, bits: Iterable[int] = range(8)) -> Iterator[Case]:
    """Yield each bit of each byte of each file."""
    for name, data in files.items():
        for at in range(len(data)):
            for bit in bits:
                changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
                yield Case(f"{name}: bit {bit} of byte {at}", {name: changed}, (name, *entry_at(name, data, at)))


def cuts(files: dict[str, bytes]) -> Iterator[Case]:
    """Yield each file cut short at each length, with each byte behind it, and gone."""
    for name, data in files.items():
        anything = (name, *(f"entry {n}" for n in range(10)))
        for length in range(len(data)):
            yield Case(f"{name}: cut to {length} bytes", {name: data[:length]}, anything)
        for byte in range(256):
            yield Case(f"{name}: goes on with {byte}", {name: data + bytes([byte])}, anything)
        yield Case(f"{name}: twice", {name: data + data}, anything)


def entry_at(name: str, data: bytes, at: int) -> tuple[str, ...]:
    """Return the entry of a bundle, or the leaf of a tile, in which byte ``at`` lies."""
    if "tile/entries/" not in name:
        return ()
    position = 0
    for n, entry in enumerate(split(data)):
        position += 2 + len(entry)
        if at < position:
            return (f"entry {n}", f"entry {n + 1}") if at < position - len(entry) else (f"entry {n}",)
    return ()


def rearranged(files: dict[str, bytes]) -> Iterator[Case]:
    """Yield bundles whose entries change places, stand twice, or have gone; and files that change places."""
    for name, data in files.items():
        if "tile/entries/" in name:
            entries = split(data)
            everything = (name, *(f"entry {n}" for n in range(len(entries) + 1)))
            for what, changed in arrangements(entries):
                raw = b"".join(len(entry).to_bytes(2, "big") + entry for entry in changed)
                yield Case(f"{name}: {what}", {name: raw}, everything)
    for one in files:
        for other in files:
            if one < other:
                names = (one, other, *(f"entry {n}" for n in range(10)))
                yield Case(f"{one} and {other} swapped", {one: files[other], other: files[one]}, names)


def split(bundle: bytes) -> list[bytes]:
    entries = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2:end])
        bundle = bundle[end:]
    return entries


def arrangements(entries: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    count = range(len(entries))
    for n in count:
        yield f"entry {n} has gone", entries[:n] + entries[n + 1 :]
        yield f"entry {n} twice", entries[: n + 1] + entries[n:]
        for m in count:
            if n < m:
                swapped = list(entries)
                swapped[n], swapped[m] = entries[m], entries[n]
                yield f"entries {n} and {m} swapped", swapped
            if n != m:
                yield f"entry {n} in place of {m}", [entries[n] if k == m else entry for k, entry in enumerate(entries)]


def sampled(cases: Callable[[], Iterable[Case]], count: int, *, seed: int = 0) -> list[Case]:
    """Return ``count`` of the cases, always the same; all of them together would not fit into memory."""
    total = sum(1 for _ in cases())
    chosen = set(Random(seed).sample(range(total), min(count, total)))
    return [case for n, case in enumerate(cases()) if n in chosen]


# Who is asked.


def apply(folder: Path, files: dict[str, bytes | None]) -> None:
    for name, data in files.items():
        path = folder / name
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def campaign(
    cases: Iterable[Case], folder: Path, ask: Callable[[], tuple[tuple[int, list[str]], tuple[int, list[str]]]]
) -> Outcome:
    """Do each damage in ``folder``, ask both, and undo it."""
    outcome, before = Outcome(), public_files(folder)
    for case in cases:
        assert any(before.get(name) != data for name, data in case.files.items()), f"{case.name} changes nothing"
        try:
            apply(folder, case.files)
            outcome.judge(case, *ask())
        finally:
            apply(folder, {name: before.get(name) for name in case.files})
    assert public_files(folder) == before
    return outcome


def both_on_log(layout: StoreLayout, *kept: Path) -> tuple[tuple[int, list[str]], tuple[int, list[str]]]:
    """Return exit code and objects of the product's check of the log, and of the standalone verifier's."""
    notes = [KeptNote(file=str(path), note=path.read_bytes()) for path in kept]
    findings = check_log(layout, against=notes, processes=1).findings
    told = answer("log", layout.log, *(word for path in kept for word in ("--against", path)))
    return (21 if findings else 0, [finding.object for finding in findings]), (
        told.status,
        [name for _, name, _ in told.found],
    )


def made_receipt(layout: StoreLayout, item: str, folder: Path) -> Path:
    write_log_receipt(log_receipt(layout, item), folder)
    for name in ("HOW-TO-CHECK.txt", "VERIFY.sh", "verify_evidence.py"):  # nobody verifies these
        (folder / name).unlink()
    return folder


def both_on_receipt(folder: Path) -> tuple[tuple[int, list[str]], tuple[int, list[str]]]:
    """As `both_on_log`, for a receipt: the product has no command for it, so its parts are put together here."""
    told = answer("receipt", folder)
    return product_on_receipt(folder), (told.status, [name for _, name, _ in told.found])


def product_on_receipt(folder: Path) -> tuple[int, list[str]]:
    everything = [path.name for path in folder.iterdir()]
    try:
        kind, _, vkey = (folder / "policy").read_text("ascii").splitlines()[0].partition(" ")
        if (folder / "policy").read_bytes() != f"{kind} {vkey}\nquorum none\n".encode() or kind != "log":
            return 21, everything
        key = parse_vkey(vkey)
        checkpoints, entries = [], []
        for entry_file, proof_file in (("entry-0.json", "entry-0.tlog-proof"), ("entry.json", "receipt.tlog-proof")):
            proof, raw = parse_receipt((folder / proof_file).read_bytes()), (folder / entry_file).read_bytes()
            checkpoints.append(verify_receipt(proof, raw, key))
            entries.append(parse_entry(raw))
            if entries[-1].seq != proof.index:
                return 21, everything
        register = KeyRegister(entries[0])
        for entry in entries:
            register.verify_signature(entry)
        good = checkpoints[0] == checkpoints[1] and register.trust.log_key == key
        return (0 if good and entries[1].type == "master.defined" else 21), everything
    except (EvidenceError, UnicodeDecodeError, IndexError):
        return 21, everything


def opening_flips(text: str) -> Iterator[str]:
    """Yield an opening with each bit of each byte flipped, as one line of a file."""
    raw = text.encode()
    for at in range(len(raw)):
        for bit in range(8):
            yield (raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]).decode("latin-1")
