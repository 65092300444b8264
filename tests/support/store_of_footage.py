"""A real store with real log entries, without a camera: what a catalogue, a search or a sheet has to get over.

Everything goes through the recorder, the seal and the vault of the product; only the footage and its analysis are made
up. Names are hostile on purpose.
"""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from base.clock import format_time
from catalog.bring_forward import bring_forward
from catalog.rebuild import rebuild
from hashing.digest import ZERO_DIGEST, Digest
from hashing.strict_json import Json, canonical_document
from ledger.actors import Login, current_login
from ledger.arrivals import Arrival, Refusal
from ledger.entry import Chance, Place, Software, build_entry, parse_entry
from ledger.events.analysis import analysis_completed, analysis_failed
from ledger.events.drop import ManifestLine, drop_completed, drop_received
from ledger.events.event import Event
from ledger.events.item import SourceStat
from ledger.founding import found_store
from ledger.identifiers import new_event_id, new_identifier
from ledger.layout import StoreLayout
from ledger.openings import OpenedEntry, open_entry
from ledger.record import Recorder
from ledger.seal import seal
from vault.local import LocalStore

ORIGIN = "strongroom/TESTSTORE0000"
NOON = datetime(2031, 3, 14, 12, 0, tzinfo=UTC)
TOOLS = [{"name": "opencv", "version": "5.0.0"}]
# A grey JPEG of 8 x 8 pixels, made with OpenCV.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////"
    "////////wAALCAAIAAgBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG"
    "E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJ"
    "ipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AI6//9k="
)


@dataclass(slots=True)
class FootageStore:
    """One store, open for making up what happened to it."""

    layout: StoreLayout
    recorder: Recorder
    items: dict[str, Digest] = field(default_factory=dict)
    made: int = 0

    def drop(self, name: bytes = b"card-a", *, share: bytes = b"/srv/share") -> str:
        drop = new_identifier("drop")
        self.record(
            drop_received(
                drop,
                settled_by="marker",
                share=share,
                name=name,
                depositor_uid=1000,
                depositor_user="tech",
                arrival_key=os.urandom(32),
            )
        )
        return drop

    def item(self, drop: str, path: bytes, *, content: bytes | None = None) -> str:
        """Put bytes into the vault and record them as a master; without content, bytes that occur nowhere else."""
        self.made += 1
        data = b"footage %d" % self.made if content is None else content
        LocalStore(self.layout.vault, self.layout.staging).put_bytes([data])
        arrival = Arrival(
            drop=drop,
            path=path,
            sha256=Digest.of(data),
            size_bytes=len(data),
            read_back="page-cache-dropped",
            stat=SourceStat(size_bytes=len(data), mtime_ns=1, ctime_ns=1, inode=self.made, device=1, mode=0o100644),
        )
        (recorded,) = self.recorder.record([arrival])
        (item,) = recorded.subjects
        self.items[item] = Digest.of(data)
        return item

    def refuse(self, drop: str, path: bytes, *, kind: str = "link", reason: str = "not-a-file") -> None:
        self.recorder.record([Refusal(drop=drop, path=path, kind=kind, reason=reason, stat=None)])

    def complete(self, drop: str, items: Sequence[str], *, refused: int = 0) -> None:
        lines = [ManifestLine(item=item, sha256=self.items[item], size_bytes=9) for item in items]
        self.record(
            drop_completed(
                drop,
                completion="refusals" if refused else "complete",
                refused=refused,
                source_manifest="none",
                manifest=lines,
                event=new_event_id(),
            )
        )

    def analyse(
        self,
        item: str,
        drop: str,
        *,
        start: datetime | None = NOON,
        duration: timedelta = timedelta(minutes=10),
        tier: int = 1,
        document: Mapping[str, Json] | None = None,
        metadata: Sequence[Json] = (),
        pictures: Sequence[bytes] = (JPEG,),
        media_type: str = "video/mp4",
    ) -> Digest:
        """Store a result with its pictures and record it; return the digest of the result."""
        derived = LocalStore(self.layout.derived, self.layout.staging)
        made = {**result_document(duration, tier, pictures), **(document or {})}
        digests = derived.put_bytes([*pictures, canonical_document(dict(made))])
        device_time: Json = None
        if start is not None:
            device_time = {
                "start": format_time(start),
                "end": format_time(start + duration),
                "source": "mediainfo",
                "key": "General/Encoded_Date",
                "zone": "utc",
            }
        self.record(
            analysis_completed(
                item,
                sha256=self.items[item],
                drop=drop,
                tier=tier,
                outcome="complete",
                keyframes=len(pictures),
                tools=TOOLS,
                limits=[],
                sandbox=["seccomp"],
                media_type=media_type,
                parameters={"coverage_s": 60},
                result=digests[-1],
                device_time=device_time,
                metadata=metadata,
            )
        )
        return digests[-1]

    def fail(self, item: str, drop: str, *, outcome: str = "time-out", metadata: Sequence[Json] = ()) -> None:
        self.record(
            analysis_failed(
                item,
                sha256=self.items[item],
                drop=drop,
                tier=1,
                outcome=outcome,
                tools=TOOLS,
                limits=["wall"],
                sandbox=["seccomp"],
                media_type="video/mp4",
                parameters={"coverage_s": 60},
                metadata=metadata,
            )
        )

    def record(self, *events: Event) -> None:
        self.recorder.record(events)

    def seal(self) -> None:
        seal(self.recorder)

    def settle(self) -> None:
        """Seal, and bring the catalogue forward."""
        self.seal()
        bring_forward(self.layout)


class _Signer:
    """A signer whose signatures nobody checks."""

    keyid = "00" * 32

    def sign(self, message: bytes) -> bytes:
        return bytes(64)


def opened(event: Event, *, seq: int = 7, prev: Digest = ZERO_DIGEST, at: datetime = NOON) -> OpenedEntry:
    """Return ``event`` as it would be read from a log at ``seq``, all openings at hand. Its signature is worthless."""
    place = Place(
        log=ORIGIN,
        seq=seq,
        prev=prev,
        recorded_at=at,
        clock=None,
        software=Software(name="strongroom", version="0", build=None),
    )
    chance = Chance(salt=lambda: bytes(16), shuffle=lambda _: None)
    built = build_entry(event, place=place, heads={}, signer=_Signer(), chance=chance)
    return open_entry(parse_entry(built.raw), {opening.commitment: opening.text for opening in built.openings})


@contextmanager
def footage_store(root: Path, *, uid: int | None = None) -> Iterator[FootageStore]:
    """Make a store whose first registered person is the login user who runs the test."""
    layout = StoreLayout(root)
    login = Login(uid=current_login(os.getuid()).uid if uid is None else uid, user="tester")
    found_store(layout, origin=ORIGIN, settings="", login=login)
    rebuild(layout)
    with Recorder.open(layout) as recorder:
        yield FootageStore(layout=layout, recorder=recorder)


def result_document(duration: timedelta, tier: int, pictures: Sequence[bytes]) -> dict[str, Json]:
    """Return a result object as the media child makes them, as far as the catalogue reads it."""
    reasons = ["first", "activity-peak", "coverage"]
    return {
        "schema": "strongroom/analysis/1",
        "kind": "video",
        "tiers": [1] if tier == 1 else [1, 2],
        "width": 1280,
        "height": 720,
        "duration_s": f"{duration.total_seconds():.6f}",
        "frames": {"declared": 15001, "counted": 15000, "key": 300, "decoded": 300, "missed": 0},
        "keyframes": [
            {
                "index": index,
                "pts": 90000 * 60 * index,
                "time_base": "1/90000",
                "time_s": f"{60 * index}.000000",
                "frame": 1500 * index,
                "reason": reasons[index % len(reasons)],
                "width": 640,
                "height": 360,
                "rotation": 0,
                "luma_difference": "3.25",
                "sha256": str(Digest.of(picture)),
            }
            for index, picture in enumerate(pictures)
        ],
        "cuts": [],
        "findings": [],
    }


def fill(store: FootageStore) -> None:
    """Let everything happen that a catalogue has to tell: twice analysed, failed, split, refused, named strangely."""
    metadata: list[Json] = [
        {"source": "x", "key": str(n), "value": f"v{n}", "sensitive": n % 2 == 1} for n in range(300)
    ]
    first, second = store.drop(b"card-a"), store.drop(b"\xff\n\x1b[2J")
    items = [store.item(first, b"DCIM/%d.mp4" % number) for number in range(3)]
    other = store.item(second, b"", content=b"footage 1")  # the same bytes once more, and a drop of one file
    store.refuse(first, b"link")
    store.fail(items[0], first)
    store.analyse(items[0], first, metadata=metadata)
    store.analyse(items[0], first, tier=2, pictures=(JPEG, JPEG + b"2"), start=NOON + timedelta(hours=1))
    store.analyse(items[0], first, tier=1, start=None)  # a shallow look after a deep one changes nothing
    store.analyse(items[1], first, start=None, media_type="text/plain")
    store.fail(other, second)
    store.complete(first, items, refused=1)
    store.complete(second, [other])
    store.complete(first, items, refused=2)
    store.seal()


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table of a catalogue, but when its migrations ran."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM pragma_table_list WHERE type IN ('table', 'virtual')")
            if not name.startswith(("sqlite_", "_sqlite"))
        ]
        return {table: sorted(connection.execute(f'SELECT * FROM "{table}"'), key=repr) for table in tables}
