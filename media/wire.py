"""The messages between the parent, the zygote and its workers, and their bounds.

Parent and zygote talk over a Unix socket pair that keeps message boundaries: `Ready` once, then `Job` (with two
descriptors: the file, and the write end of the reply pipe) answered by `Ended`; any message while a worker runs means
"kill it". The worker writes one `Reply` into its pipe and exits. Whatever comes from a worker may be hostile: `decode`
refuses all that is not exactly of the stated shape, and the caller bounds the bytes before it decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from media.limits import Limits
from media.report import Failure, Report, Strength, Text, Tool

MAX_MESSAGE_BYTES = 64 * 1024  # of the socket; a reply has its own limit
CANCEL = b"cancel"

# What must hold before a worker touches a file. Landlock is used wherever the kernel has it; the second name insists.
Requirement: TypeAlias = Literal["require-seccomp", "require-landlock"]


class WireError(ValueError):
    """A message is not of the declared shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call. ``probe`` and ``forbidden`` do not look at the file.

    ``probe`` locks the worker and answers with its strength; ``forbidden`` then does what no worker may: a worker that
    lives to answer was not locked.
    """

    task: Literal["probe", "analyse", "forbidden"]
    require: Requirement
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The zygote has loaded its libraries, or says why it could not."""

    tools: Annotated[tuple[Tool, ...], Meta(max_length=32)]
    problem: Text | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a worker ended, as the zygote saw it."""

    exit_code: int | None
    signal: int | None
    timed_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a worker says. ``unavailable`` names the layer that could not be had: then the file was not looked at."""

    strength: Strength | None = None
    report: Report | None = None
    failure: Failure | None = None
    unavailable: Text | None = None


Message = TypeVar("Message", Job, Ready, Ended, Reply)


def encode(message: Job | Ready | Ended | Reply) -> bytes:
    """Return the bytes of ``message``."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes | bytearray, kind: type[Message]) -> Message:
    """Return the message of type ``kind`` in ``data``. Raises WireError for anything else."""
    try:
        return msgspec.msgpack.decode(data, type=kind, strict=True)
    # RecursionError: a deeply nested unknown member; UnicodeDecodeError (a ValueError): a string that is not UTF-8.
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise WireError(f"not a {kind.__name__} message: {err}") from err
