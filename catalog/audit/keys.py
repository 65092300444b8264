"""The keys that speak for the log."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.audit.section import NOTE, OK, Collector, Ground, all_facts, head_cells, number, who_cell
from hashing.strict_json import Json
from ledger.entry import Entry
from ledger.history import ToldEntry

_LONG = ("keyid", "spki", "proof", "endorsements")  # told elsewhere, or only of use to a program


class Keys(Collector):
    """The keys that entry 0 of each log names, every later entry about keys of whatever type, and each end of a log."""

    code = "keys"
    title = "Keys"
    columns = ("entry", "recorded_at", "what", "key", "facts", "by")
    cannot_know = "Whether a private key was copied or used elsewhere: only two histories under one key would show it."
    covers_all_time = True

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._threshold: Json = None
        self._later = 0

    def take(self, told: ToldEntry, *, in_period: bool) -> None:
        entry = told.entry
        if entry.type == "log.opened":
            self._threshold = entry.facts.get("root_threshold")
            self.add(
                *head_cells(entry), "log key", str(entry.facts.get("log_vkey")), _predecessor(entry), None, of=entry
            )
            for what, name in (("recorder key", "recorder_keys"), ("root key", "root_keys")):
                keys = entry.facts.get(name)
                for key in keys if isinstance(keys, list) else []:
                    self.add(*head_cells(entry), what, _key_text(key), None, None, of=entry)
        elif entry.type.startswith("key.") or entry.type == "log.closed":
            self._later += 1
            keyid = entry.facts.get("keyid")
            key_text = None if keyid is None else str(keyid)
            facts = all_facts(entry, but=_LONG)
            self.add(*head_cells(entry), entry.type, key_text, facts, who_cell(told, self.ground), of=entry)

    def answer(self) -> tuple[str, Sequence[str]]:
        says = [f"{number(self._later, 'entry', 'entries')} about keys after the first entry of a log."]
        if self._threshold == 0:
            says.append("The root threshold is 0: the operator alone can change keys, and nobody outside has to agree.")
        else:
            says.append(f"Key changes need {self._threshold} root endorsements.")
        return (NOTE if self._later or self._threshold == 0 else OK), says


def _predecessor(entry: Entry) -> str | None:
    """Return which log a log continues and how that ended; None for the first log of a store."""
    predecessor = entry.facts.get("predecessor")
    if not isinstance(predecessor, dict):
        return None
    return f"continues {predecessor.get('origin')}, {predecessor.get('size')} entries, {predecessor.get('ended')}"


def _key_text(key: Json) -> str:
    if isinstance(key, dict):
        return f"{key.get('algorithm')} {key.get('keyid')}"
    return str(key)
