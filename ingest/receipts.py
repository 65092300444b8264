"""What a receipt says: the state of one drop, for the technician who holds the card.

PURE and deterministic: the same state gives the same bytes, so a receipt is rewritten only when it says something new.
No time, no picture, no place, no operation: a share is read by many. A page can be forged; what can be checked is the
checkpoint, whose seven words are compared over a telephone, and the proof that lies beside the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from base.escape import shown
from ingest.receipt_names import State

if TYPE_CHECKING:
    from jinja2 import Template

MAX_LISTED = 200  # refused entries on a page; the others are counted
FORGED = "This page can be forged. Read the words to the custodian: they must be those of the store's log."
_TEXT_WIDTH = 78

_REASONS = {
    "not-a-file": "not a file, but a link, a device or the like: what it stands for is not part of the drop",
    "no-permission": "the recorder has no right to read it",
    "too-large": "larger than the free space of the store",
    "keeps-changing": "it does not stop changing",
    "read-error": "it could not be read: the card or the share may be damaged",
    "vanished": "it was there, and was gone before it was copied",
    "read-back-mismatch": "its copy did not read back from the disk of the store as it was written",
}
_PROBLEMS = {
    "refusals": "Not everything in the drop could be taken: see the list below.",
    "manifest-mismatch": "A list of digests lies in the drop, and the files are not what it says. "
    "What arrived was sealed as it is.",
    "empty": "The drop holds no file.",
    "vanished": "The drop was removed from the share before all of it was sealed.",
    "store-full": "The store has no space left: nothing more is sealed until there is.",
    "read-back-mismatch": "A copy did not read back from the disk as it was written; it was thrown away.",
}
_MANIFESTS = {
    "none": "none in the drop",
    "matched": "all files match it",
    "mismatch": "files DIFFER from it",
    "not-checked": "there is one, not checked",
}
_RULES = {
    "marker": "a marker file lay in it",
    "manifest": "a list of digests lay in it",
    "quiet": "nothing changed in it any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptState:
    """All that a receipt may say about a drop."""

    drop_id: str | None
    name: bytes  # as in the share
    state: State
    files_seen: int
    bytes_seen: int
    files_sealed: int
    bytes_sealed: int
    refused: tuple[tuple[bytes, str], ...] = ()  # raw path in the drop (empty: the drop itself), reason code
    problems: tuple[str, ...] = ()  # codes
    checkpoint_words: tuple[str, ...] | None = None
    checkpoint_size: int | None = None
    checkpoint_root: str | None = None
    settled_by: str | None = None
    source_manifest: str = "none"
    copies: int = 1
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The words of a receipt, the same for the page and for its text twin."""

    colour: str
    state: str
    headline: str
    meaning: str
    name: str
    counts: list[tuple[str, str]]
    steps: list[str]
    problems: list[str]
    refused: list[tuple[str, str]]
    more_refused: int
    words: tuple[str, ...]
    details: list[tuple[str, str]]


def html(state: ReceiptState) -> bytes:
    """Return the receipt as one page without scripts, for any window and for paper."""
    template, style = _template()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template.render(page=_page(state), forged=FORGED, style=style, style_digest=digest).encode()


def text(state: ReceiptState) -> bytes:
    """Return the receipt as plain text, with the line ends of Windows."""
    page = _page(state)
    rule = "=" * _TEXT_WIDTH
    lines = [
        rule,
        page.headline,
        rule,
        "",
        f"Drop:   {page.name}",
        f"State:  {page.state}",
        "",
        *_wrapped(page.meaning),
    ]
    if page.problems:
        lines += ["", "WHAT IS WRONG", *_bullets(page.problems)]
    lines += ["", "COMPARE WITH THE CARD", *_table(page.counts), "", "WHAT TO DO NOW", *_bullets(page.steps)]
    if page.refused:
        # A path stands whole on a line of its own: wrapping would change its blanks.
        lines += ["", "NOT TAKEN", *(f"  - {path}\r\n    {reason}" for path, reason in page.refused)]
    if page.more_refused:
        lines.append(f"  and {page.more_refused:,} more")
    if page.words:
        lines += ["", "CHECKPOINT IN SEVEN WORDS", f"  {' '.join(page.words)}", *_wrapped(FORGED)]
    lines += ["", "DETAILS", *_table(page.details), ""]
    return "\r\n".join(lines).encode()


def facts(state: ReceiptState) -> bytes:
    """Return the receipt as one JSON object, for programs: whole, where page and text are cut short."""
    checkpoint = None
    if state.checkpoint_words is not None:
        words = list(state.checkpoint_words)
        checkpoint = {"size": state.checkpoint_size, "root": state.checkpoint_root, "words": words}
    missing = [{"path": shown(path or state.name), "reason": reason} for path, reason in state.refused]
    return _json(
        {
            "drop": state.drop_id,
            "name": shown(state.name),
            "state": state.state.value,
            "files": state.files_seen,
            "bytes": state.bytes_seen,
            "sealed": state.files_sealed,
            "sealed_bytes": state.bytes_sealed,
            "copies": state.copies if state.files_sealed else 0,
            "missing": missing,
            "problems": list(state.problems),
            "settled_by": state.settled_by,
            "source_manifest": state.source_manifest,
            "checkpoint": checkpoint,
            "software": state.software,
        }
    )


def _json(members: Mapping[str, object]) -> bytes:
    # Not canonical: a share may hold files that call themselves larger than canonical numbers go.
    return json.dumps(members, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _page(state: ReceiptState) -> _Page:
    listed = state.refused[:MAX_LISTED]
    return _Page(
        colour=_COLOURS[state.state],
        state=_STATES[state.state],
        headline=_HEADLINES[state.state],
        meaning=_meaning(state),
        name=shown(state.name),
        counts=_counts(state),
        steps=_steps(state),
        problems=[_PROBLEMS.get(code, f"Something is wrong: {code}.") for code in state.problems],
        refused=[(shown(path or state.name), _REASONS.get(reason, reason)) for path, reason in listed],
        more_refused=len(state.refused) - len(listed),
        words=state.checkpoint_words or (),
        details=_details(state),
    )


_COLOURS = {
    State.RECEIVED: "amber",
    State.COPYING: "amber",
    State.HELD: "amber",
    State.SAFE: "green",
    State.PROBLEM: "red",
}
_STATES = {
    State.RECEIVED: "1 - COPYING (seen, not begun)",
    State.COPYING: "1 - COPYING",
    State.HELD: "2 - HELD",
    State.SAFE: "3 - SAFE",
    State.PROBLEM: "X - PROBLEM",
}
_HEADLINES = {
    State.RECEIVED: "DO NOT WIPE THE CARD YET",
    State.COPYING: "DO NOT WIPE THE CARD YET",
    State.HELD: "DO NOT WIPE THE CARD YET",
    State.SAFE: "THE CARD MAY BE WIPED",
    State.PROBLEM: "KEEP THE CARD",
}


def _meaning(state: ReceiptState) -> str:
    match state.state:
        case State.RECEIVED:
            return "The drop was seen and counted. Copying begins when nothing in it changes any more."
        case State.COPYING:
            return f"{_files(state.files_sealed)} of {state.files_seen:,} sealed so far; copying goes on."
        case State.HELD:
            return (
                f"All of it is sealed: {_files(state.files_sealed)}, copied, read back from the disk and recorded. "
                "There is only one copy yet. Until a second one is verified, the card is the second one."
            )
        case State.SAFE:
            return (
                f"All of it is sealed: {_files(state.files_sealed)}, and verified in "
                f"{state.copies} places that do not fail together."
            )
        case State.PROBLEM:
            return (
                f"Something needs a person. What could be taken is sealed: {_files(state.files_sealed)}. "
                "What is missing may exist only on the card."
            )


def _steps(state: ReceiptState) -> list[str]:
    compare = "Compare the counts above with the card: number of files, and their size in bytes."
    match state.state:
        case State.RECEIVED | State.COPYING:
            return ["Leave the drop and the card as they are.", "Look again later: the name of this file will change."]
        case State.HELD:
            return [compare, "Keep the card until the name of this file says 3-SAFE-TO-WIPE."]
        case State.SAFE:
            return [compare, "If they agree, the card may be wiped. If they do not, keep it and call the custodian."]
        case State.PROBLEM:
            return [
                "Keep the card as it is, and mark it.",
                "Call the custodian of the store and read out the identifier of the drop.",
                "When the cause is mended, the recorder goes on by itself and the name of this file changes.",
            ]


def _counts(state: ReceiptState) -> list[tuple[str, str]]:
    counts = [
        ("In the drop", _amount(state.files_seen, state.bytes_seen)),
        ("Sealed", _amount(state.files_sealed, state.bytes_sealed)),
    ]
    if state.refused:
        counts.append(("Not taken", f"{len(state.refused):,}"))
    return counts


def _details(state: ReceiptState) -> list[tuple[str, str]]:
    details = [("Drop", state.drop_id or "not yet named")]
    if state.settled_by is not None:
        details.append(("Complete because", _RULES.get(state.settled_by, state.settled_by)))
    details.append(("List of digests", _MANIFESTS.get(state.source_manifest, state.source_manifest)))
    if state.checkpoint_size is not None and state.checkpoint_root is not None:
        details.append(("Checkpoint", f"{state.checkpoint_size:,} entries, root {state.checkpoint_root}"))
    if state.software:
        details.append(("Written by", state.software))
    return details


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _amount(files: int, size_bytes: int) -> str:
    return f"{_files(files)}, {'1 byte' if size_bytes == 1 else f'{size_bytes:,} bytes'}"


def _wrapped(paragraph: str, *, first: str = "  ", indent: str = "  ") -> list[str]:
    return textwrap.wrap(paragraph, _TEXT_WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)


def _bullets(sentences: list[str]) -> list[str]:
    return [line for sentence in sentences for line in _wrapped(sentence, first="  - ", indent="    ")]


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(label) for label, _ in rows)
    return [f"  {label:<{width}}  {value}" for label, value in rows]


@lru_cache(maxsize=1)
def _template() -> tuple[Template, str]:
    # Imported here: whoever only wants the names or the text does not need it.
    from jinja2 import Environment, StrictUndefined

    here = Path(__file__).parent
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = (here / "receipt.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(page), (here / "receipt.css").read_text(encoding="utf-8")
