"""A long verification that was interrupted, gone on with: which objects were read already, kept in a file of the user.

The file lies outside the store, which is not written to. It is bound to one log at one checkpoint, and to one sample:
objects are read in ascending order of their digests, so all that must be kept is how far that came and which were bad.
Those are read again. What was read days ago is not *now*: the report says when each part was read.

KNOWN GAP: the file is believed. Whoever can write it can have objects left out of the rest of that one verification;
it belongs where only the one who verifies can write, and a verification without it reads everything.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from base import fsio
from base.clock import format_time, now
from base.errors import UsageError
from base.escape import shown
from hashing.digest import Digest
from hashing.sample import Sample
from ledger.layout import StoreLayout
from ledger.verdict import LogVerdict
from vault.check import ReadObject

SCHEMA = "strongroom/verify-state/1"
MAX_STATE_BYTES = 64 << 20
_SAVED_EVERY_S = 5.0


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What one run has read, and when."""

    began: str
    ended: str
    objects: int = 0
    bytes: int = 0


class Room(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How far one store of objects was read."""

    through: str | None = None  # digest of the last object that was read
    bad: list[str] = []


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The content of the file."""

    schema: str
    origin: str
    size: int
    root: str
    sample: list[str] | None  # percentage and seed
    rooms: dict[str, Room]
    parts: list[Part]


class Resumption:
    """The file of one verification; call `done` at the end, or `save` whenever it stops before."""

    def __init__(self, path: Path, state: State) -> None:
        self._path = path
        self._state = state
        self._saved_s = time.monotonic()
        self.earlier = list(state.parts)
        self._part = Part(began=format_time(now()), ended=format_time(now()))

    @classmethod
    def open(cls, path: Path, layout: StoreLayout, verdict: LogVerdict, sample: Sample | None) -> Resumption:
        """Return what the file at ``path`` has of this very verification, or a new one where there is no file.

        Raises UsageError for a file inside the store, one that is none of ours, or one of another verification.
        """
        refuse_inside(path, layout)
        fresh = State(
            schema=SCHEMA,
            origin=verdict.origin,
            size=verdict.size,
            root=verdict.root.hex,
            sample=None if sample is None else [sample.percent, sample.seed],
            rooms={},
            parts=[],
        )
        found = _read(path)
        if found is None:
            return cls(path, fresh)
        for member in ("schema", "origin", "size", "root", "sample"):
            if getattr(found, member) != getattr(fresh, member):
                raise UsageError(
                    f"{shown(str(path))} belongs to another verification: its {member} is {getattr(found, member)!r}, "
                    f"and here it is {getattr(fresh, member)!r}.",
                    next_step="What was read then says nothing of the store as it is now: begin with a new file.",
                )
        return cls(path, found)

    @property
    def parts(self) -> list[Part]:
        """What each run has read, this one last."""
        return [*self.earlier, *([self._part] if self._part.objects else [])]

    def room(self, name: str) -> RoomResumption:
        """Return how far the objects of one store were read."""
        return RoomResumption(self, self._state.rooms.setdefault(name, Room()))

    def took(self, objects: Sequence[ReadObject]) -> None:
        """Take note of objects that were read; now and then the file is written."""
        self._part.ended = format_time(now())
        self._part.objects += len(objects)
        self._part.bytes += sum(one.size_bytes or 0 for one in objects)
        if time.monotonic() - self._saved_s >= _SAVED_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the file. Raises DiskError where that can't be."""
        self._saved_s = time.monotonic()
        self._state.parts = self.parts
        with fsio.declared_errors(f"{self._path.name} can't be written"):
            fsio.replace_file(self._path, msgspec.json.encode(self._state) + b"\n")

    def done(self) -> None:
        """Remove the file: the verification has come to its end, and another one begins anew."""
        with fsio.declared_errors(f"{self._path.name} can't be removed"), contextlib.suppress(FileNotFoundError):
            fsio.remove(self._path)


class RoomResumption:
    """What was read of one store of objects (`vault.check.Already`)."""

    def __init__(self, whole: Resumption, room: Room) -> None:
        self._whole = whole
        self._room = room
        self._through = Digest.parse(room.through) if room.through else None  # of earlier runs
        self._bad = {Digest.parse(text) for text in room.bad}
        self._now_bad: set[Digest] = set()

    def holds(self, digest: Digest) -> bool:
        return self._through is not None and digest <= self._through and digest not in self._bad

    def take(self, objects: Sequence[ReadObject], bad: Sequence[Digest]) -> None:
        if not objects:
            return
        self._now_bad.update(bad)
        last = objects[-1].digest
        if self._through is None or last > self._through:
            self._room.through = last.hex
        # What was bad earlier stays so until it was read again.
        not_yet = {digest for digest in self._bad if digest > last}
        self._room.bad = sorted(str(digest) for digest in self._now_bad | not_yet)
        self._whole.took(objects)


def refuse_inside(path: Path, layout: StoreLayout) -> None:
    """Raise UsageError for a file inside the store: a verification leaves no trace there."""
    if path.absolute().resolve().is_relative_to(layout.root.resolve()):
        raise UsageError(
            f"{shown(str(path))} lies inside the store, where a verification writes nothing.",
            next_step="Name a file elsewhere.",
        )


def _read(path: Path) -> State | None:
    try:
        state = msgspec.json.decode(fsio.read_file(path, max_bytes=MAX_STATE_BYTES), type=State)
        for room in state.rooms.values():
            RoomResumption(Resumption(path, state), room)
        if not state.parts and any(room.through for room in state.rooms.values()):
            raise UsageError("it leaves objects out, and does not say when they were read")
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UsageError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{shown(str(path))} is not the file of an interrupted verification: {error}.",
            next_step="Name the file that the interrupted run was given, or a new one.",
        ) from error
    return state
