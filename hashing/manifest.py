"""Manifests that came with a drop: the digests that a camera, a colleague or a tool wrote down at the source.

Read are the formats of GNU coreutils (``sha256sum``, with ``*`` and with escaped names) and BSD (``SHA256 (name) =``).
A manifest is a claim by whoever wrote it. One line that is not understood makes the whole file unread: a manifest that
was read in part would look like one that covers less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from base.errors import UsageError

Algorithm: TypeAlias = Literal["sha256", "md5"]

MAX_MANIFEST_BYTES = 64 * 1024 * 1024  # about 500,000 lines
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux

_DIGITS: Mapping[Algorithm, int] = {"sha256": 64, "md5": 32}
_ESCAPED = re.compile(rb"\\(.?)", re.DOTALL)
_UNESCAPED = {b"n": b"\n", b"r": b"\r", b"\\": b"\\"}


class ManifestError(UsageError):
    """Not a manifest of the expected format, or one that contradicts itself."""

    next_step = "Have the depositor write the manifest again with `sha256sum`, or take the drop in without it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest says. ``digests``: raw path, without a leading ``./`` -> digest in lower-case hex."""

    algorithm: Algorithm
    digests: Mapping[bytes, str]


def parse_manifest(data: bytes, *, algorithm: Algorithm) -> Manifest:
    """Return what the manifest ``data`` says. Empty lines and lines that begin with ``#`` are comments.

    Raises: ManifestError, naming the line, for one that is not understood, for a path with two digests, for no line.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"a manifest of {len(data)} bytes, at most {MAX_MANIFEST_BYTES} are read")
    pattern = _line_pattern(algorithm)
    digests: dict[bytes, str] = {}
    for number, line in _lines(data):
        path, digest = _parse_line(line, pattern, number)
        if digests.setdefault(path, digest) != digest:
            raise ManifestError(f"line {number} of the manifest gives another digest for a file already listed")
    if not digests:
        raise ManifestError("a manifest without a single line that names a file")
    return Manifest(algorithm=algorithm, digests=digests)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    # Written on Windows: then every line ends so, and no name is cut that really ends with a carriage return.
    newline = b"\r\n" if data.count(b"\n") == data.count(b"\r\n") else b"\n"
    for number, line in enumerate(data.split(newline), start=1):
        if line and not line.startswith(b"#"):
            yield number, line


def _line_pattern(algorithm: Algorithm) -> re.Pattern[bytes]:
    tag, digits = algorithm.upper().encode(), b"[0-9a-fA-F]{%d}" % _DIGITS[algorithm]
    gnu = rb"(?P<gnu_digest>%b) [ *](?P<gnu_path>.+)" % digits
    bsd = rb"%b \((?P<bsd_path>.+)\) = (?P<bsd_digest>%b)" % (tag, digits)
    return re.compile(rb"(?P<escaped>\\)?(?:%b|%b)" % (gnu, bsd), re.DOTALL)


def _parse_line(line: bytes, pattern: re.Pattern[bytes], number: int) -> tuple[bytes, str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise ManifestError(f"line {number} of the manifest is in no format that is read here")
    path = match["gnu_path"] or match["bsd_path"]
    if match["escaped"]:
        path = _unescape(path, number)
    path = path.removeprefix(b"./")
    if not path or len(path) > MAX_PATH_BYTES or b"\0" in path:
        raise ManifestError(f"line {number} of the manifest names no file that can exist")
    return path, (match["gnu_digest"] or match["bsd_digest"]).decode("ascii").lower()


def _unescape(path: bytes, number: int) -> bytes:
    def replacement(match: re.Match[bytes]) -> bytes:
        if match[1] not in _UNESCAPED:
            raise ManifestError(f"line {number} of the manifest holds an escape that sha256sum does not write")
        return _UNESCAPED[match[1]]

    return _ESCAPED.sub(replacement, path)
