"""The contact sheet: one HTML file that shows what was kept of some recordings, and says what was looked at.

The file runs no script and loads nothing from anywhere: the pictures stand in it, and its own policy forbids the rest.
Each picture was hashed again when it was read. What is withheld is counted and not shown. Rendering is PURE; the
caller has recorded the look before `write_sheet` is called.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from base import fsio
from base.errors import IntegrityError, RefusedError, SurroundingsError, UsageError
from base.escape import shown
from catalog.details import ItemDetails, Keyframe
from catalog.display import time_text
from hashing.digest import Digest
from ledger.layout import StoreLayout
from vault.local import LocalStore

TEMPLATE = "contact_sheet.html.jinja"
MOST_PICTURES = 1000  # in one file: more would be slow to open on an office machine
MAX_PICTURE_BYTES = 16 << 20
_JPEG_BEGINS = b"\xff\xd8\xff"

_REASONS = {
    "first": "first picture",
    "last": "last picture that could be decoded",
    "cut": "a new scene begins",
    "activity-peak": "strongest change hereabouts",
    "coverage": "regular interval",
    "thumbnail": "thumbnail inside the file",
}
_ACTIVITY = {
    "not-analysed": "not analysed for activity",
    "changes-seen-tier-1": "changes seen (tier 1)",
    "activity": "activity",
    "no-activity": "no activity found in any frame",
}


class SheetExistsError(RefusedError):
    """There is a file of this name: it may be somebody's evidence, or somebody's work."""

    next_step = "Name another file with -o, or move that one away yourself."

    def __init__(self, path: Path) -> None:
        super().__init__(f"{shown(str(path))} exists and is not written over. Nothing was written.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFacts:
    """Where a sheet comes from."""

    origin: str  # of the log
    made_at_us: int
    made_by: str  # identifier of the actor
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of a sheet."""

    page: bytes
    pictures: int
    left_out: int  # beyond MOST_PICTURES
    bad: tuple[Digest, ...]  # pictures that are missing or changed: they are not shown


ReadPicture = Callable[[Digest], bytes]


def refuse_existing(path: Path, layout: StoreLayout) -> None:
    """Raise RefusedError, SheetExistsError or UsageError unless a new file can be made there, outside the store."""
    if path.resolve().is_relative_to(layout.root.resolve()):
        raise RefusedError(
            f"{shown(str(path))} lies in the store, where only the recorder writes.",
            next_step="Name a file outside the store.",
        )
    if path.exists() or path.is_symlink():
        raise SheetExistsError(path)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {shown(str(path.parent))}.", next_step="Make it first, or name another.")


def write_sheet(items: Sequence[ItemDetails], path: Path, *, derived: LocalStore, facts: SheetFacts) -> Made:
    """Render a sheet of ``items`` into the new file ``path`` that only its owner can read."""
    made = render(items, facts=facts, read=lambda digest: derived.read(digest, max_bytes=MAX_PICTURE_BYTES))
    try:
        fsio.put_file(path.absolute(), made.page)
    except FileExistsError as error:
        raise SheetExistsError(path) from error
    except OSError as error:
        raise fsio.DiskError.from_os(error, f"{shown(str(path))} can't be written") from error
    return made


def render(items: Sequence[ItemDetails], *, facts: SheetFacts, read: ReadPicture) -> Made:
    """Return the page. The same items, pictures and facts give the same bytes."""
    book = _PictureBook(read)
    pictured = [details for details in items if details.keyframes]
    page = _template().render(
        sections=[_section(number, details, book) for number, details in enumerate(pictured, start=1)],
        rest=[_line(details) for details in items if not details.keyframes],
        items=len(items),
        facts=facts,
        made_at=time_text(facts.made_at_us),
        left_out=book.left_out,
        bad=len(book.bad),
        pictures=book.shown,
    )
    return Made(page=page.encode("utf-8"), pictures=book.shown, left_out=book.left_out, bad=tuple(book.bad))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE)


# --------------------------------------------------------------------------------------------------- what is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """One picture as the template needs it."""

    anchor: str
    source: str | None  # data: address; None: missing or changed
    alternative: str
    at: str | None
    clock: str | None
    reason: str
    place: str
    digest: str
    rotation: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A stretch or a point of the recording on its time line, in thousandths of its length."""

    start: int
    length: int
    kind: str  # "picture" or "activity"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """One item as the template needs it."""

    anchor: str
    name: str
    fields: Sequence[tuple[str, str]]
    looked_at: str
    is_cautious: bool
    findings: Sequence[str]
    withheld: int
    pictures: Sequence[_Picture]
    marks: Sequence[_Mark]
    length: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One item without pictures as the template needs it."""

    name: str
    item: str
    sha256: str
    looked_at: str
    findings: Sequence[str]


class _PictureBook:
    """Reads pictures for one sheet, counts them, and remembers those that are not what their name says."""

    def __init__(self, read: ReadPicture) -> None:
        self._read = read
        self.shown = 0
        self.left_out = 0
        self.bad: list[Digest] = []

    def take(self) -> bool:
        """Return whether one more picture has room; count it either way."""
        if self.shown == MOST_PICTURES:
            self.left_out += 1
            return False
        self.shown += 1
        return True

    def address(self, digest: Digest) -> str | None:
        """Return the data: address of a picture, or None when it is missing, changed, or no JPEG."""
        try:
            data = self._read(digest)
        except (IntegrityError, SurroundingsError):
            data = b""
        if not data.startswith(_JPEG_BEGINS):
            self.bad.append(digest)
            return None
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _section(number: int, details: ItemDetails, book: _PictureBook) -> _Section:
    item = details.item
    return _Section(
        anchor=f"item-{number}",
        name=item.source_name or "name withheld",
        fields=_fields(details),
        looked_at=looked_at(details),
        is_cautious=bool(details.tiers) and max(details.tiers) == 1,
        findings=[_finding_text(span.what, span.start_us, span.end_us) for span in details.findings],
        withheld=details.metadata_withheld,
        pictures=[_picture(number, picture, details, book) for picture in details.keyframes if book.take()],
        marks=_marks(details),
        length=clock_text(item.duration_us),
    )


def _line(details: ItemDetails) -> _Line:
    return _Line(
        name=details.item.source_name or "name withheld",
        item=details.item.item,
        sha256=str(details.item.sha256),
        looked_at=looked_at(details),
        findings=[_finding_text(span.what, span.start_us, span.end_us) for span in details.findings],
    )


def _fields(details: ItemDetails) -> list[tuple[str, str]]:
    item = details.item
    start, end = time_text(item.device_start_us), time_text(item.device_end_us)
    zone = "; its zone is not known" if item.device_time_zone == "unknown" else ""
    is_moving = details.analysis is None or details.analysis.kind not in ("still", "other")
    fields = [
        ("Item", item.item),
        ("SHA-256", str(item.sha256)),
        ("Drop", f"{item.drop} ({item.drop_name})"),
        ("Type and size", f"{item.media_type or 'type not known'}, {item.size_bytes:,} bytes"),
        ("Device time, unchecked, UTC", f"{_from_to(start, end)}{zone}" if start else "not known"),
    ]
    if is_moving:
        fields.append(("Length", clock_text(item.duration_us) or "not known"))
        fields.append(("Activity", _ACTIVITY.get(item.activity, item.activity)))
    return fields


def _from_to(start: str, end: str | None) -> str:
    return start if end in (None, start) else f"{start} to {end}"


def looked_at(details: ItemDetails) -> str:
    """Return the sentence that says what was looked at, and what therefore nobody can conclude."""
    analysis = details.analysis
    if analysis is None:
        return "Not analysed: nothing in it was looked at yet. That there are no pictures says nothing about it."
    if analysis.outcome == "empty":
        return "An empty file: there is nothing in it to look at."
    if not analysis.gave_result:
        return f"The analysis failed ({analysis.outcome}): nothing is known of what is to be seen in it."
    if not analysis.result_read:
        return (
            "The result of the analysis is missing or damaged: what it found can't be shown. Run `strongroom verify`."
        )
    if analysis.kind == "still":
        return "A still picture, shown smaller. The master itself is the evidence."
    if not details.tiers:
        return "Listed only: no picture was looked for in it."
    if max(details.tiers) == 1:
        return (
            "Tier 1: packets and intra frames only. What happened between two intra frames was not looked at, "
            "so this sheet never says that nothing happened."
        )
    return "Every frame was looked at (tier 2)."


def _finding_text(code: str | None, start_us: int | None, end_us: int | None) -> str:
    where = "" if start_us is None else f" at {clock_text(start_us)} to {clock_text(end_us) or 'the end'}"
    return f"{code}{where}"


def _picture(section: int, picture: Keyframe, details: ItemDetails, book: _PictureBook) -> _Picture:
    is_still = details.analysis is not None and details.analysis.kind == "still" and picture.reason == "first"
    reason = "the picture, smaller" if is_still else _REASONS.get(picture.reason, picture.reason)
    at = clock_text(picture.time_us)
    start_us = details.item.device_start_us
    clock = None if start_us is None or picture.time_us is None else time_text(start_us + picture.time_us)
    when = "" if at is None else f", {at} from its start"
    frame = "" if picture.frame is None else f"frame {picture.frame:,}"
    stamp = "" if picture.pts is None else f"pts {picture.pts} x {picture.time_base}"
    return _Picture(
        anchor=f"picture-{section}-{picture.number}",
        source=book.address(picture.sha256),
        alternative=f"Picture {picture.number + 1} of {details.item.item}{when}; kept as {reason}.",
        at=at,
        clock=clock,
        reason=reason,
        place=", ".join(filter(None, (frame, stamp))),
        digest=picture.sha256.hex[:16],
        rotation=picture.rotation,
        width=picture.width or 16,
        height=picture.height or 9,
    )


def _marks(details: ItemDetails) -> list[_Mark]:
    """Return where on the time line pictures and activity stand; nothing for what has no length."""
    length_us = details.item.duration_us
    if not length_us:
        return []
    spans = [(span.start_us or 0, span.end_us or 0, "activity") for span in details.activity]
    spans += [
        (picture.time_us, picture.time_us, "picture") for picture in details.keyframes if picture.time_us is not None
    ]
    return [
        _Mark(
            start=min(max(start * 1000 // length_us, 0), 998),
            length=min(max((end - start) * 1000 // length_us, 2), 1000),
            kind=kind,
        )
        for start, end, kind in spans
    ]


def clock_text(microseconds: int | None) -> str | None:
    """Return a time within a recording as h:mm:ss.mmm."""
    if microseconds is None:
        return None
    milliseconds = microseconds // 1000
    whole = milliseconds // 1000
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{milliseconds % 1000:03}"
