"""The report file of an error that nobody declared: exit code 1."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from base import fsio
from base.version import VERSION


def report_bug(error: BaseException) -> int:
    """Write a report file readable by its owner only, say where it is, and return exit code 1.

    It holds the traceback and versions: no settings, no keys; messages of the system in it may name files.
    """
    text = "".join(traceback.format_exception(error))
    report = f"strongroom {VERSION}\nPython {sys.version}\n\n{text}"
    path = Path(tempfile.gettempdir()) / f"strongroom-bug-{os.getpid()}-{os.urandom(4).hex()}.txt"
    try:
        descriptor = fsio.create(str(path))
        fsio.write_all(descriptor, report.encode("utf-8", "backslashreplace"))
        os.close(descriptor)
    except OSError:
        sys.stderr.write(report)
        return 1
    sys.stderr.write(
        f"Error: an unexpected {type(error).__name__}. This is a bug in strongroom; nothing sealed is lost.\n"
        f"Next: send {path} to the maintainers, after reading it: it may name files of yours.\n"
    )
    return 1
