"""Events of the log itself and of the program that writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec

from base.errors import LedgerError
from hashing.digest import Digest
from hashing.strict_json import Json
from ledger.events.event import Event
from ledger.events.vocabulary import (
    Category,
    Committed,
    EventType,
    OpeningClass,
    ascii_text,
    base64_texts,
    code,
    count,
    digest,
    optional_digest,
    optional_record,
    optional_records,
    record,
    records,
)

FORMAT = "draft"  # until the first tagged release
ENDED = ("closed", "lost", "restored", "compromised")  # why a log goes on in a successor
CAUSES = ("key-rotation", "retired")  # why a log was closed

LOG_OPENED = EventType(
    name="log.opened",
    meaning="The first entry of a log: which keys speak for it, and which log it continues.",
    subjects=("log",),
    facts={
        "format": code("version of the entry format", FORMAT),
        "origin": ascii_text("name of the log, as in every entry and checkpoint"),
        "log_vkey": ascii_text("verifier key of the log, as in C2SP signed-note"),
        "recorder_keys": records("keys that sign entries", "algorithm", "keyid", "spki"),
        "root_keys": optional_records(
            "keys whose holders must endorse a change of keys, and the end of the log", "algorithm", "keyid", "spki"
        ),
        "root_threshold": count("how many of them must; 0: whoever has a recorder key may change the keys"),
        "predecessor": optional_record(
            "the log that this one continues; null for none",
            origin=ascii_text("its name"),
            size=count("entries that its last checkpoint covers", unit="entry"),
            root=digest("root of that checkpoint"),
            note=digest("SHA-256 of the note of that checkpoint"),
            ended=code("how it ended; without a matching log.closed it is broken off", *ENDED),
        ),
        "endorsements": base64_texts("endorsements by the predecessor's root keys, ascending by keyid; null for none"),
    },
    correctable=False,
)

LOG_CLOSED = EventType(
    name="log.closed",
    meaning="The last entry of a log: nothing may follow it, and the log that goes on is named.",
    subjects=("log",),
    facts={
        "cause": code("why", *CAUSES),
        "successor": record(
            "the log that goes on", origin=ascii_text("its name"), log_vkey=ascii_text("its verifier key")
        ),
        "endorsements": base64_texts("endorsements by root keys, ascending by keyid; null for none"),
    },
    committed={
        "reason": Committed(
            meaning="why, in the person's words", json_type="string or null", opening_class=OpeningClass.TEXT
        ),
    },
    correctable=False,
)

CONFIG_CHANGED = EventType(
    name="config.changed",
    meaning="A setting of the store has another value than when an entry was last written.",
    subjects=("log",),
    facts={"setting": code("name of the setting")},
    committed={
        "before": Committed(meaning="value before", json_type="any", opening_class=OpeningClass.SENSITIVE),
        "after": Committed(meaning="value now", json_type="any", opening_class=OpeningClass.SENSITIVE),
    },
)

SOFTWARE_UPDATED = EventType(
    name="software.updated",
    meaning="From this entry on another version or build of the program writes.",
    subjects=("log",),
    facts={
        "version_before": ascii_text("version that wrote the entry before"),
        "version_after": ascii_text("version that writes now"),
        "build_before": optional_digest("digest over the program's files before; null for a checkout"),
        "build_after": optional_digest("digest over the program's files now; null for a checkout"),
    },
)

CLOCK_ANOMALY = EventType(
    name="clock.anomaly",
    meaning="The recorder's clock stands before the time written into the last entry. Order comes from positions only.",
    subjects=("log",),
    facts={"anomaly": code("what was seen", "backwards")},
    committed={
        "before": Committed(meaning="time of the last entry", json_type="time", opening_class=OpeningClass.INTERNAL),
        "after": Committed(meaning="the clock now", json_type="time", opening_class=OpeningClass.INTERNAL),
    },
    category=Category.ADMINISTRATION,
)

TYPES = (LOG_OPENED, LOG_CLOSED, CONFIG_CHANGED, SOFTWARE_UPDATED, CLOCK_ANOMALY)


class NamedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A recorder or root key, as entry 0 names it."""

    algorithm: str  # "ed25519" for a recorder key
    keyid: str  # hex SHA-256 of the DER SubjectPublicKeyInfo
    spki: str  # standard base64 of that DER

    def as_json(self) -> Json:
        return {"algorithm": self.algorithm, "keyid": self.keyid, "spki": self.spki}


RecorderKey = NamedKey


class Predecessor(msgspec.Struct, frozen=True, kw_only=True):
    """The log before this one, as `log.opened` names it."""

    origin: str
    size: int  # entries that its last checkpoint covers
    root: Digest
    note: Digest  # SHA-256 of that checkpoint's note
    ended: str  # one of ENDED

    def as_json(self) -> Json:
        return {
            "origin": self.origin,
            "size": self.size,
            "root": str(self.root),
            "note": str(self.note),
            "ended": self.ended,
        }

    @classmethod
    def of(cls, stated: Json) -> Self | None:
        """Return the predecessor that the fact of `log.opened` states; None for null. Raises LedgerError."""
        if stated is None:
            return None
        if not LOG_OPENED.facts["predecessor"].accepts(stated) or not isinstance(stated, dict):
            raise LedgerError("log.opened names a predecessor in a form that is none.")
        return cls(
            origin=str(stated["origin"]),
            size=int(str(stated["size"])),
            root=Digest.parse(str(stated["root"])),
            note=Digest.parse(str(stated["note"])),
            ended=str(stated["ended"]),
        )


def log_subject(origin: str) -> dict[str, Digest]:
    """Return the log as a subject: its digest is that of its origin."""
    return {"log": Digest.of(origin.encode())}


def log_opened(
    origin: str,
    *,
    log_vkey: str,
    recorder_keys: Sequence[NamedKey],
    root_keys: Sequence[NamedKey] = (),
    root_threshold: int = 0,
    predecessor: Predecessor | None = None,
    by: str | None = None,
    role: str | None = None,
) -> Event:
    return Event(
        type=LOG_OPENED,
        subjects=log_subject(origin),
        facts={
            "format": FORMAT,
            "origin": origin,
            "log_vkey": log_vkey,
            "recorder_keys": [key.as_json() for key in recorder_keys],
            "root_keys": [key.as_json() for key in root_keys] or None,
            "root_threshold": root_threshold,
            "predecessor": None if predecessor is None else predecessor.as_json(),
            "endorsements": None,
        },
        values={"actor": by},
        role=role,
    )


def log_closed(
    origin: str, *, cause: str, successor: str, successor_vkey: str, reason: str | None, by: str, role: str
) -> Event:
    return Event(
        type=LOG_CLOSED,
        subjects=log_subject(origin),
        facts={
            "cause": cause,
            "successor": {"origin": successor, "log_vkey": successor_vkey},
            "endorsements": None,
        },
        values={"reason": reason, "actor": by},
        role=role,
    )


def config_changed(origin: str, *, setting: str, before: Json, after: Json, actor: str | None = None) -> Event:
    return Event(
        type=CONFIG_CHANGED,
        subjects=log_subject(origin),
        facts={"setting": setting},
        values={"before": before, "after": after, "actor": actor},
    )


def software_updated(
    origin: str, *, version_before: str, version_after: str, build_before: str | None, build_after: str | None
) -> Event:
    return Event(
        type=SOFTWARE_UPDATED,
        subjects=log_subject(origin),
        facts={
            "version_before": version_before,
            "version_after": version_after,
            "build_before": build_before,
            "build_after": build_after,
        },
    )


def clock_anomaly(origin: str, *, before: str, after: str) -> Event:
    return Event(
        type=CLOCK_ANOMALY,
        subjects=log_subject(origin),
        facts={"anomaly": "backwards"},
        values={"before": before, "after": after},
    )
