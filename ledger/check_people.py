"""What people vouched for, checked with the openings: personal keys, holders of root keys, endorsements of entries.

The chain of entries is checked without openings (`ledger.chain`), as whoever has only the public log does it. Here the
keys are followed once more with what the openings tell: a personal key has its proof of possession, two root keys of
one person count once, and whoever endorsed an entry said exactly what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from base.errors import LedgerError, UncheckedError
from hashing.base64_text import decode
from hashing.digest import Digest
from hashing.endorsement import read_endorsement
from hashing.strict_json import Json
from ledger.check_databases import CheckedDatabase
from ledger.entry import ENDORSEMENTS, Entry, parse_entry
from ledger.events import EVENT_TYPES
from ledger.log_db import LISTED_BY_TYPE
from ledger.openings import OpenedEntry, open_entry
from ledger.trust import ENDORSED_EVENTS, KeyRegister
from ledger.verdict import Endorsed, LogVerdict

_SEQS = f"SELECT DISTINCT o.seq FROM opening o WHERE o.type = ? AND o.member = ? AND {LISTED_BY_TYPE}"


def check_people(log: CheckedDatabase, openings: CheckedDatabase, verdict: LogVerdict) -> None:
    """Add to ``verdict`` what does not hold of personal keys, holders and endorsements, as far as openings are here."""
    if log.connection is None or openings.connection is None:
        return
    keys = with_openings = None
    for opened in _entries(log, openings, {0, *_seqs(openings)}):
        entry = opened.entry
        try:
            if entry.seq == 0:
                keys, with_openings = KeyRegister(entry), KeyRegister(entry)
            elif keys is not None and with_openings is not None and _follow(opened, keys, with_openings):
                verdict.endorsed += _endorsed(opened, with_openings)
        except UncheckedError as error:
            verdict.not_checked.append(f"Entry {entry.seq}: {error}")
        except LedgerError as error:
            verdict.add(
                "endorsement-not-sound",
                f"entry {entry.seq}",
                expected="keys and endorsements of people that hold",
                found=str(error),
                meaning="Somebody is said to have vouched for this who did not, or for something else.",
            )


def _follow(opened: OpenedEntry, keys: KeyRegister, with_openings: KeyRegister) -> bool:
    """Return whether what the entry says of keys and endorsements holds.

    Raises LedgerError for what only the openings show to be wrong; the rest is found in the chain of entries.
    """
    entry = opened.entry
    if entry.type in ENDORSED_EVENTS:
        alone = _refusal(keys, entry, {})
        found = _refusal(with_openings, entry, opened.values)
        if found is not None and alone is None:
            raise found
        return found is None
    if entry.endorsements:
        with_openings.check_people(entry, opened.values.get(ENDORSEMENTS))
    return True


def _endorsed(opened: OpenedEntry, register: KeyRegister) -> list[Endorsed]:
    """Return who vouched for an entry whose endorsements hold: none, or one line."""
    entry = opened.entry
    stated = opened.values.get(ENDORSEMENTS) if entry.endorsements else entry.facts.get(ENDORSEMENTS)
    if not isinstance(stated, list) or not stated:
        return []
    keyids = [read_endorsement(decode(str(text))).keyid for text in stated]
    holders = [register.keys[keyid].holder for keyid in keyids]
    persons = None if None in holders else len(set(holders))
    return [Endorsed(seq=entry.seq, type=entry.type, keys=len(keyids), persons=persons)]


def _refusal(register: KeyRegister, entry: Entry, values: Mapping[str, Json]) -> LedgerError | UncheckedError | None:
    try:
        register.apply(entry, values)
    except (LedgerError, UncheckedError) as error:
        return error
    return None


def _seqs(openings: CheckedDatabase) -> Iterable[int]:
    kinds = [(kind, "actor") for kind in ENDORSED_EVENTS]
    kinds += [(name, ENDORSEMENTS) for name, kind in EVENT_TYPES.items() if kind.endorsable]
    for kind, member in kinds:
        for (seq,) in openings.rows(_SEQS, kind, member):
            yield seq


def _entries(log: CheckedDatabase, openings: CheckedDatabase, seqs: Iterable[int]) -> Iterable[OpenedEntry]:
    """Yield these entries, opened; what is damaged was found before, and is passed over."""
    for seq in sorted(seqs):
        texts = openings.rows("SELECT commitment, text FROM opening WHERE seq = ?", seq)
        for (raw,) in log.rows("SELECT raw FROM entry WHERE seq = ?", seq):
            try:
                entry = parse_entry(bytes(raw))
                yield open_entry(entry, {Digest(commitment): text for commitment, text in texts})
            except (LedgerError, TypeError, ValueError):
                continue
