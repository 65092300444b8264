"""The file that is handed to endorsers: whatever becomes of it on the way, it is read rightly or refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from golden import ORIGIN
from hypothesis import given
from hypothesis import strategies as st
from key_log import enrolment, signer

from hashing.digest import ZERO_DIGEST
from ledger.keys.pending import Proposal, ProposalError, encode_proposal, event_matter, parse_proposal

MOMENT = datetime(2026, 11, 24, 8, 15, 30, 123456, tzinfo=UTC)
GOOD = encode_proposal(Proposal(log=ORIGIN, event=enrolment(signer(1)), seen={"log": ZERO_DIGEST}, proposed_at=MOMENT))


def test_a_proposal_is_read_back_as_it_was_written() -> None:
    read = parse_proposal(GOOD)
    assert encode_proposal(read) == GOOD
    assert read.matter == event_matter(ORIGIN, read.event)
    assert (read.values["actor"], read.values["reason"]) == (None, None)


@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_as_declared_or_endorses_something_else(at: int, byte: int) -> None:
    """What still parses says something else, and is not taken for the one that the store keeps."""
    spoiled = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    try:
        read = parse_proposal(spoiled)
    except ProposalError:
        return
    same = parse_proposal(GOOD)
    changed = (read.matter, read.seen, read.proposed_at, read.event.role, read.event.drop)
    unchanged = (same.matter, same.seen, same.proposed_at, same.event.role, same.event.drop)
    assert changed != unchanged or spoiled.split() == GOOD.split() or encode_proposal(read) == GOOD


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_declared(data: bytes) -> None:
    with pytest.raises(ProposalError):
        parse_proposal(data)
