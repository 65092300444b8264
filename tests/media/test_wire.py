"""The messages of the sandbox: whatever bytes come, the only error is the declared one."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.limits import Limits
from media.report import Failure
from media.wire import Ended, Job, Ready, Reply, WireError, decode, encode

JOB = Job(task="probe", require="require-seccomp", limits=Limits())
READY = Ready(tools=(), problem="nothing is there")
ENDED = Ended(exit_code=None, signal=11, timed_out=False)
REPLY = Reply(failure=Failure(outcome="crash"))


def test_a_message_arrives_as_it_was_sent() -> None:
    assert decode(encode(JOB), Job) == JOB
    assert decode(encode(READY), Ready) == READY
    assert decode(encode(ENDED), Ended) == ENDED
    assert decode(encode(REPLY), Reply) == REPLY


@given(st.binary(max_size=300))
def test_random_bytes_raise_only_the_declared_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(data, Reply)
    with contextlib.suppress(WireError):
        decode(data, Ended)
    with contextlib.suppress(WireError):
        decode(data, Job)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["report", "failure", "outcome", "x"]), inner),
    )
)
def test_well_formed_messages_of_a_wrong_shape_raise_only_the_declared_error(value: object) -> None:
    with contextlib.suppress(WireError):
        decode(msgspec.msgpack.encode(value), Reply)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81\xa6report",
        b"\x81\xa6report\xdd\xff\xff\xff\xff",  # an array that claims four thousand million members
        b"\x81\xa6report\xc6\xff\xff\xff\xff",
        b"\x81\xa1x" + b"\x91" * 100_000,
        b"\x81\xa6report\xa2\xff\xff",
        encode(REPLY) + b"\x00",
    ],
)
def test_malicious_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(data, Reply)
