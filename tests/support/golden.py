"""Golden entries: one of each event type, with fixed keys, salts, times and identifiers, so that its bytes are frozen.

Each is the second entry of a log whose first is the golden `log.opened`. Run as a program, this writes
tests/vectors/events/. The bytes of a released type never change; before the first release each change needs a decision
record.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping, MutableSequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from vectors import VECTORS

from hashing.checkpoint import Checkpoint
from hashing.digest import ZERO_DIGEST, Digest
from hashing.merkle import leaf_hash
from hashing.note import vkey
from hashing.public_key import PublicKey
from hashing.strict_json import Json
from ledger.entry import BuiltEntry, Chance, Place, Software, SubjectHead, build_entry
from ledger.events import EVENT_TYPES, access, actor, analysis, anchor, custody, drop, export, item, key, log
from ledger.events.event import Event
from ledger.keys.file import FileSigner
from ledger.trust import proof_message

ORIGIN = "strongroom/4XH7K3M9QZV2D"
LOG_SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(0x20))))
RECORDER_SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(0x20, 0x40))))
RECORDED_AT = datetime(2026, 11, 24, 8, 15, 30, 123456, tzinfo=UTC)
SOFTWARE = Software(name="strongroom", version="0.1.0", build="5b" * 32)

_ITEM, _DROP = "item_7K3M9QZV2D8HN", "drop_0123456789ABC"
_ACTOR, _CUSTODIAN = "actor_DEFGHJKMNPQRS", "actor_TVWXYZ0123456"
_MASTER = Digest.of(b"the bytes of a recording")
_STAT = item.SourceStat(
    size_bytes=24,
    mtime_ns=1795507200123456789,
    ctime_ns=1795507201123456789,
    inode=9007199254740993,
    device=66,
    mode=0o100644,
)


class CountingChance:
    """Salts 0, 1, 2, ... and a shuffle that turns the list round: repeatable, and visible where it was used."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def salt(self) -> bytes:
        return next(self._count).to_bytes(16, "big")

    @staticmethod
    def shuffle(elements: MutableSequence[Json]) -> None:
        elements.reverse()


def build_golden(event: Event) -> BuiltEntry:
    """Return the golden entry of ``event``: position 0 for `log.opened`, else position 1 behind it."""
    chance = CountingChance()
    first = event.type is log.LOG_OPENED
    prev = ZERO_DIGEST if first else build_golden(golden_events()["log.opened"]).digest
    place = Place(
        log=ORIGIN,
        seq=0 if first else 1,
        prev=prev,
        recorded_at=RECORDED_AT,
        clock=None if first else "synchronised",
        software=SOFTWARE,
    )
    heads = {"log": SubjectHead(count=1, entry=prev)} if "log" in event.subjects and not first else {}
    return build_entry(
        event, place=place, heads=heads, signer=RECORDER_SIGNER, chance=Chance(salt=chance.salt, shuffle=chance.shuffle)
    )


def golden_document(event: Event) -> dict[str, object]:
    """Return what is frozen of one event: what went in, and every byte that comes out."""
    built = build_golden(event)
    return {
        "event": {
            "type": event.type.name,
            "event": event.event,
            "subjects": {name: str(digest) for name, digest in event.subjects.items()},
            "facts": dict(event.facts) or None,
            "values": {name: event.values.get(name) for name in event.type.all_committed},
            "role": event.role,
            "drop": event.drop,
        },
        "entry": built.raw.decode("ascii"),
        "sha256": str(built.digest),
        "leaf_hash": leaf_hash(built.raw).hex(),
        "openings": [
            {
                "member": opening.member,
                "class": str(opening.opening_class),
                "commitment": str(opening.commitment),
                "text": opening.text,
            }
            for opening in built.openings
        ],
    }


def golden_text(event: Event) -> str:
    """Return the text of the frozen file of one event."""
    return json.dumps(golden_document(event), indent=2, ensure_ascii=True) + "\n"


def golden_events() -> Mapping[str, Event]:
    """Return one event of each type, by the name of the type; its ``event`` is derived from that name."""
    events = [
        *_log_events(),
        *_anchor_events(),
        *_key_events(),
        *_actor_events(),
        custody.custody_carried(
            _ITEM,
            _MASTER,
            log="strongroom/2D4XH7K3M9QZV",
            seq=1041,
            entry=Digest.of(b"an entry of the log before"),
            count=3,
            size=1200,
            root=Digest.of(b"the root of the log before"),
            note=Digest.of(b"the last checkpoint of the log before"),
        ),
        *_drop_events(),
        *_item_events(),
        *_access_events(),
        *_export_events(),
    ]
    return {
        event.type.name: replace(event, event=f"event_{Digest.of(event.type.name.encode()).hex[:32]}")
        for event in events
    }


def _log_events() -> list[Event]:
    named = log.NamedKey(
        algorithm="ed25519",
        keyid=RECORDER_SIGNER.keyid,
        spki=base64.b64encode(RECORDER_SIGNER.spki).decode("ascii"),
    )
    return [
        log.log_opened(ORIGIN, log_vkey=vkey(ORIGIN, LOG_SIGNER.public), recorder_keys=[named]),
        log.log_closed(
            ORIGIN,
            cause="key-rotation",
            successor="strongroom/9QZV2D4XH7K3M",
            successor_vkey=vkey("strongroom/9QZV2D4XH7K3M", LOG_SIGNER.public),
            reason="yearly change",
            by=_CUSTODIAN,
            role="custodian",
        ),
        log.config_changed(ORIGIN, setting="settle_seconds", before="5", after="8.5", actor=_CUSTODIAN),
        log.software_updated(
            ORIGIN, version_before="0.0.9", version_after="0.1.0", build_before=None, build_after="5b" * 32
        ),
        log.clock_anomaly(ORIGIN, before="2026-11-24T08:15:30.123456Z", after="2026-11-24T08:15:29.000000Z"),
    ]


def _anchor_events() -> list[Event]:
    checkpoint = Checkpoint(origin=ORIGIN, size=41, root=Digest.of(b"the root of a log of 41 entries"))
    return [
        anchor.checkpoint_lodged(
            checkpoint,
            kind="witness",
            key="b72bab2e",
            where="the court's registry",
            by=_CUSTODIAN,
            role="custodian",
        ),
        anchor.start_unanchored(checkpoint, places=2),
    ]


def _key_events() -> list[Event]:
    new = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60))))
    public = PublicKey(algorithm="ed25519", spki=new.spki)
    proof = new.sign(proof_message(ORIGIN, new.keyid, "recorder"))
    return [
        key.key_enrolled(
            ORIGIN,
            key.ProvenKey(public=public, proof=proof),
            purpose="recorder",
            holder=None,
            reason="yearly change",
            by=_CUSTODIAN,
            role="custodian",
        ),
        key.key_revoked(
            ORIGIN,
            RECORDER_SIGNER.keyid,
            purpose="recorder",
            good_size=1,
            holder=None,
            reason="the machine was stolen",
            by=_CUSTODIAN,
            role="custodian",
        ),
    ]


def _actor_events() -> list[Event]:
    return [
        actor.actor_registered(
            _ACTOR, uid=1001, user="jdoe", roles=["technician", "investigator"], by=_CUSTODIAN, role="custodian"
        ),
        actor.role_granted(_ACTOR, roles=["auditor"], by=_CUSTODIAN, role="custodian"),
    ]


def _drop_events() -> list[Event]:
    return [
        drop.drop_received(
            _DROP,
            settled_by="marker",
            share=b"/srv/drops",
            name=b"card \xff\n\xe2\x80\xae A",
            depositor_uid=1001,
            depositor_user="jdoe",
            arrival_key=bytes(range(32)),
        ),
        drop.drop_completed(
            _DROP,
            completion="refusals",
            refused=1,
            source_manifest="matched",
            manifest=[drop.ManifestLine(item=_ITEM, sha256=_MASTER, size_bytes=24)],
            event="event_" + "00" * 16,
        ),
    ]


def _item_events() -> list[Event]:
    tools = [{"name": "opencv", "version": "5.0.0"}]
    metadata: list[Json] = [
        {"source": "mediainfo", "key": "General/Encoded_Date", "value": "2026-11-23 22:00:00 UTC", "sensitive": False},
        {"source": "exif", "key": "GPSPosition", "value": "52\u00b0 31' N", "sensitive": True},
    ]
    return [
        item.master_defined(
            _ITEM,
            sha256=_MASTER,
            size_bytes=24,
            position=0,
            read_back="page-cache-dropped",
            duplicate="none",
            supersedes="none",
            source_path=b"DCIM/\xffclip 1.mp4",
            source_stat=_STAT,
            drop=_DROP,
            event="event_" + "00" * 16,
        ),
        item.item_refused(
            _DROP,
            kind="link",
            reason="not-a-file",
            source_path=b"DCIM/link",
            source_stat=None,
            event="event_" + "00" * 16,
        ),
        analysis.analysis_completed(
            _ITEM,
            sha256=_MASTER,
            drop=_DROP,
            tier=1,
            outcome="complete",
            keyframes=3,
            tools=tools,
            limits=[],
            sandbox=["seccomp", "landlock"],
            media_type="video/mp4",
            parameters={"coverage_s": 60},
            result=Digest.of(b"the result object"),
            device_time={
                "start": "2026-11-23T22:00:00.000000Z",
                "end": "2026-11-23T22:10:00.000000Z",
                "source": "mediainfo",
                "key": "General/Encoded_Date",
            },
            metadata=metadata,
        ),
        analysis.analysis_failed(
            _ITEM,
            sha256=_MASTER,
            drop=_DROP,
            tier=1,
            outcome="time-out",
            tools=tools,
            limits=["wall"],
            sandbox=["seccomp"],
            media_type=None,
            parameters={"coverage_s": 60},
            metadata=[],
        ),
    ]


def _access_events() -> list[Event]:
    return [
        access.consulted_search(
            ORIGIN,
            actor=_ACTOR,
            role="investigator",
            terms={"words": ["\u00e9t\u00e9"]},
            results=[_ITEM],
            purpose="case 7",
        ),
        access.consulted_view(
            ORIGIN, command="show", actor=_ACTOR, role="investigator", items={_ITEM: _MASTER}, links={"drop": _DROP}
        ),
        access.access_denied(ORIGIN, command="find", rule="not-registered", uid=1002, user="mallory", actor=None),
    ]


def _export_events() -> list[Event]:
    return [
        export.log_exported(
            ORIGIN,
            actor=_CUSTODIAN,
            role="custodian",
            items={_ITEM: _MASTER},
            names=[_DROP],
            entries=4,
            openings=7,
            withheld=9,
            classes=["internal", "sensitive"],
            sha256=Digest.of(b"the list of the files"),
            purpose="for the court",
        )
    ]


def main() -> None:
    folder = VECTORS / "events"
    folder.mkdir(exist_ok=True)
    for name, event in golden_events().items():
        (folder / f"{name}.json").write_text(golden_text(event), "utf-8")
    for path in folder.glob("*.json"):
        if path.stem not in EVENT_TYPES:
            path.unlink()


if __name__ == "__main__":
    main()
