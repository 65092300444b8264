"""How a verification tells of time stamps: in JSON, in words, as a finding, and as what could not be checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from base.clock import format_time
from base.errors import Finding, IntegrityError
from ledger.check_time_stamps import TokenAnswer, TokenVerdict
from ledger.layout import StoreLayout

TIME_STAMP_INVALID = "time-stamp-invalid"


def time_stamp_json(answer: TokenAnswer) -> dict[str, object]:
    return {
        "size": answer.token.size,
        "tsa": answer.token.authority,
        "time": None if answer.time is None else format_time(answer.time),
        "verdict": str(answer.verdict),
        "found": answer.found,
    }


def time_stamp_words(answer: TokenAnswer) -> tuple[str, str]:
    """Return the line for people: who stamped what, and when."""
    told = {
        TokenVerdict.OK: "" if answer.time is None else f"existed at {format_time(answer.time)}",
        TokenVerdict.BAD: "BAD",
        TokenVerdict.UNCHECKED: "not checked",
    }[answer.verdict]
    return f"stamped by {answer.token.authority}", f"size {answer.token.size:,}: {told}"


def time_stamp_finding(answer: TokenAnswer, *, closed: str | None = None) -> Finding:
    """Return the finding for a bad one; ``closed`` is the origin of its log, if that is not the open one."""
    store = StoreLayout(Path())
    lodged = (store if closed is None else store.closed_log(closed)).lodged
    return Finding(
        code=TIME_STAMP_INVALID,
        object=f"{lodged}/{answer.token.file}",
        expected=f"a time stamp by {answer.token.authority} over a checkpoint of this log",
        found=answer.found,
        meaning="The token, or what was stamped, was changed after it was accepted: it shows no time any more.",
        exit_code=IntegrityError.exit_code,
    )


def unchecked_time_stamps(answers: Iterable[TokenAnswer]) -> Iterator[str]:
    """Yield a sentence for each reason for which time stamps could not be checked."""
    reasons: dict[str, int] = {}
    for answer in answers:
        if answer.verdict is TokenVerdict.UNCHECKED:
            reasons[answer.found] = reasons.get(answer.found, 0) + 1
    for reason, count in reasons.items():
        yield f"{count} time stamp{'' if count == 1 else 's'} on checkpoints: {reason}"
