"""Places where a test may make the program die or a call fail. Nothing here does anything in normal use.

`STRONGROOM_FAILPOINTS` names them: ``name@count=action``, separated by commas; at the ``count``-th passage of ``name``
the action happens: ``kill`` (SIGKILL to ourselves) or the name of an errno such as ``EIO``. Count ``0`` means every
passage. So that a test can assert that its fault fired, a line with the name is appended to the file
`STRONGROOM_FAILPOINTS_FIRED` before the action.

Only `base/fsio.py` and the recorder's steps call `reach`.
"""

from __future__ import annotations

import errno
import os

_counts: dict[str, int] = {}


def _parse(text: str) -> dict[str, tuple[int, str]]:
    planned = {}
    for part in filter(None, text.split(",")):
        name, _, action = part.partition("=")
        name, _, count = name.partition("@")
        planned[name] = (int(count or 1), action)
    return planned


_planned = _parse(os.environ.get("STRONGROOM_FAILPOINTS", ""))


def reach(name: str) -> None:
    """Pass the failpoint ``name``: nothing happens unless a test planned a fault here. Raises the planned OSError."""
    if not _planned:
        return
    for key in (name, "any"):
        if key in _planned:
            _pass(key, *_planned[key])


def _pass(name: str, count: int, action: str) -> None:
    _counts[name] = _counts.get(name, 0) + 1
    if count not in (0, _counts[name]):
        return
    _tell(name)
    if action == "kill":
        import signal  # here, so that a start does not pay for it

        os.kill(os.getpid(), signal.SIGKILL)
    code = getattr(errno, action)
    raise OSError(code, f"{os.strerror(code)} (failpoint {name})")


def _tell(name: str) -> None:
    path = os.environ.get("STRONGROOM_FAILPOINTS_FIRED")
    if path:
        # The one write outside base/fsio.py: it must not itself pass a failpoint.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{name}\n".encode())
        os.close(descriptor)
