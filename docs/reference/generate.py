"""Write the pages of docs/reference/ that are made from the program: `make reference`.

Each page is made from the declarations that the program itself uses, so that what is written here is what it does. A
test makes every page again and compares; nobody edits them by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from base import errors
from base.errors import EvidenceError
from ledger.events import EVENT_TYPES
from ledger.events.vocabulary import Committed, EventType, Fact
from ledger.identifiers import FILE_KINDS

HERE = Path(__file__).resolve().parent
MADE = "Made from the program by `make reference`; do not edit."


def pages() -> Mapping[str, str]:
    """Return every generated page: its path below docs/reference/, and its text."""
    made = {f"events/{name}.json": event_page(kind) for name, kind in EVENT_TYPES.items()}
    return {**made, "events/README.md": event_index(), "exit-codes.md": exit_codes_page()}


# ------------------------------------------------------------------------------------------------------------ events


def event_page(kind: EventType) -> str:
    """Return the exact schema of one event type, as JSON."""
    page = {
        "type": kind.name,
        "meaning": kind.meaning,
        "category": str(kind.category),
        "subjects": {subject: _digest_of(subject) for subject in kind.subjects},
        "facts": {name: _fact(fact) for name, fact in kind.all_facts.items()} or None,
        "commitments": {name: _committed(member) for name, member in kind.all_committed.items()},
        "endorsements": _endorsements(kind),
        "correctable": kind.correctable,
        "splits": kind.splits,
        "golden_entry": f"tests/vectors/events/{kind.name}.json",
    }
    return json.dumps(page, indent=2, ensure_ascii=True) + "\n"


def _endorsements(kind: EventType) -> str | None:
    if kind.endorsable:
        return "people with personal keys may sign beforehand: count and commitment"
    return "holders of root keys sign beforehand: in facts" if "endorsements" in kind.facts else None


def _digest_of(subject: str) -> str:
    if subject == "log":
        return "SHA-256 of the origin of the log"
    return "SHA-256 of the file" if subject in FILE_KINDS else "SHA-256 of the identifier"


def _fact(fact: Fact) -> dict[str, object]:
    page: dict[str, object] = {"meaning": fact.meaning, "json_type": fact.json_type}
    if fact.codes:
        page["codes"] = list(fact.codes)
    if fact.unit is not None:
        page["unit"] = fact.unit
    return page


def _committed(member: Committed) -> dict[str, object]:
    return {
        "meaning": member.meaning,
        "json_type": member.json_type,
        "class": str(member.opening_class),
        "listed": member.listed,
    }


_EVENT_INDEX = f"""# Event types of the custody log
{MADE}

One file for each type says what an entry of that type holds. The entry format itself is in
[custody-log.md](../custody-log.md); a complete entry of each type, with its openings, is in `tests/vectors/events/`.

How to read a file:

* `subjects`: the kinds of identifier that the entry may be about (`item` means `item_...`), each with what its digest
  is taken over. `log` is the log itself and stands alone.
* `facts`: the open members of `predicate.facts`, readable by whoever has the entry. All are always there; an entry of a
  type without open members has `facts: null`. `json_type` says what a value is, `codes` lists the only codes allowed,
  `unit` is what a number counts (`1`: things). A *code* matches `[a-z0-9._-]{{1,40}}`.
* `commitments`: the members of `predicate.commitments`. The entry holds only a salted digest; the value is in the
  opening, and `json_type` describes that value. A member without a value commits to `null`. A `listed` member is a list
  of commitments, one for each element of the value, so that one element can be shown without the others; an empty list
  is one commitment to `null`. *Raw bytes* are `{{"base64": "..."}}`. Times are `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
* `class`: who may see an opening. `internal`: auditors too, kept as long as the log. `sensitive`: place, device,
  technique. `personal`: about a person. `text`: free text.
* `category`: the kind of processing that the event documents (Directive (EU) 2016/680, article 25). `dp_disclosure` is
  what the directive calls disclosure: something was made ready to leave the house.
* `endorsements`: who may or must sign beforehand; `null` means nobody.
* `correctable`: whether a later entry of the same type may correct this one.
* `splits`: whether an event with more than 100 subjects or 256 listed commitments is written as several consecutive
  entries. Its facts then say `group` (the `event` of the first), `part` and `parts`; for a whole one all three are
  `null`.

A released type never changes: a new meaning is a new type.

| type | what it states | category |
|---|---|---|
"""


def event_index() -> str:
    """Return the page that lists the event types and says how their files are read."""
    rows = (f"| [{name}]({name}.json) | {kind.meaning} | {kind.category} |" for name, kind in EVENT_TYPES.items())
    return _EVENT_INDEX + "\n".join(rows) + "\n"


# -------------------------------------------------------------------------------------------------------- exit codes

_EXIT_CODES = f"""# Exit codes
{MADE}

Each number has one meaning for ever. When several things are wrong at once, the worst decides; a script must treat a
number that it does not know as a failure. `code` is the word in `{{"error": {{"code": ...}}}}` under `--json`.

| exit | code | meaning | what to do, where the message says nothing better |
|---|---|---|---|
| 0 | | Done, and nothing waits for a person. | |
"""


def exit_codes_page() -> str:
    """Return the table of exit codes, made from the error classes."""
    rows = {kind.exit_code: _exit_code_row(kind) for kind in _error_classes()}
    rows[130] = "| 130, 143 | | Stopped by a signal. | |"
    table = "\n".join(rows[code] for code in sorted(rows))
    order = " > ".join(map(str, errors.WORST_FIRST))
    return f"{_EXIT_CODES}{table}\n\nWorst first: {order}. A code that is not listed here outranks all.\n"


def _error_classes() -> Iterator[type[EvidenceError]]:
    """Yield the error classes that define an exit code: those of base/errors.py."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, EvidenceError):
            yield value


def _exit_code_row(kind: type[EvidenceError]) -> str:
    # The base class is what is left when nothing was foreseen.
    meaning = "A bug: an error that nobody foresaw." if kind is EvidenceError else (kind.__doc__ or "").strip()
    return f"| {kind.exit_code} | {kind.code} | {meaning} | {kind.next_step} |"


# ----------------------------------------------------------------------------------------------------------- writing


def write_pages(
    made: Mapping[str, str], *, root: Path = HERE, tell: Callable[[str], object] = sys.stdout.write
) -> None:
    """Write every page that is not there or differs, and remove the page of an event type that is no more."""
    for name, text in made.items():
        path = root / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            tell(f"written: {name}\n")
    for path in sorted((root / "events").glob("*.json")):
        if f"events/{path.name}" not in made:
            path.unlink()
            tell(f"removed: events/{path.name}\n")


if __name__ == "__main__":
    write_pages(pages())
