from __future__ import annotations

import os
import subprocess
from hashlib import md5, sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import UsageError
from hashing.manifest import MAX_MANIFEST_BYTES, Algorithm, ManifestError, parse_manifest

A = "a" * 64
B = "b" * 64

# What a hostile camera may call its files; all of these exist on a Linux disk.
HOSTILE_NAMES = [
    b"plain.mp4",
    b" leading and trailing ",
    b"new\nline.mp4",
    b"carriage\rreturn.mp4",
    b"ends with carriage\r",
    b"back\\slash.mp4",
    b"back\\nslash-n.mp4",
    b"\\",
    b"*star.mp4",
    b"#hash.mp4",
    b"SHA256 (x) = y",
    b"(brackets) = .mp4",
    b"\xff\xfe not UTF-8",
    "caméra 1 \u202e4pm.exe".encode(),
    b"\x1b[31mred",
    b"-rf",
]


@pytest.mark.needs("sha256sum", "md5sum")
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]], ids=["text", "binary", "bsd"])
def test_what_coreutils_writes_about_hostile_names_is_read(
    tmp_path: Path, algorithm: Algorithm, options: list[str]
) -> None:
    folder = os.fsencode(tmp_path)
    for name in HOSTILE_NAMES:
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(name)
    arguments: list[str | bytes] = [f"{algorithm}sum", *options, "--", *HOSTILE_NAMES]
    output = subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True).stdout
    digest = {"sha256": sha256, "md5": md5}[algorithm]
    assert parse_manifest(output, algorithm=algorithm).digests == {
        name: digest(name).hexdigest() for name in HOSTILE_NAMES
    }


@pytest.mark.parametrize(
    ("text", "digests"),
    [
        (f"{A}  x.mp4\n", {b"x.mp4": A}),
        (f"{A} *x.mp4", {b"x.mp4": A}),
        (f"{A}  ./d/x.mp4\n{B} *d/./y\n", {b"d/x.mp4": A, b"d/./y": B}),
        (f"# by hand\n\n{A}  x\n\n", {b"x": A}),
        (f"{A}  x y  z\n", {b"x y  z": A}),
        (f"{A}   x\n", {b" x": A}),
        (f"{A.upper()}  x\n", {b"x": A}),
        (f"SHA256 (x (1).mp4) = {A}\n", {b"x (1).mp4": A}),
        (f"\\SHA256 (x\\ny) = {A}\n", {b"x\ny": A}),
        (f"\\{A}  x\\\\y\\nz\\r\n", {b"x\\y\nz\r": A}),
        (f"{A}  x\\ny\n", {b"x\\ny": A}),  # no backslash in front: nothing is escaped
        (f"{A}  x\r\n{B}  y\r\n", {b"x": A, b"y": B}),  # written on Windows
        (f"{A}  x\r\n{B}  y\n", {b"x\r": A, b"y": B}),  # a name that ends so
        (f"{A}  x\n{A}  x\n", {b"x": A}),
    ],
)
def test_a_manifest_is_read(text: str, digests: dict[bytes, str]) -> None:
    manifest = parse_manifest(text.encode(), algorithm="sha256")
    assert manifest.digests == digests
    assert manifest.algorithm == "sha256"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"# only a comment\n",
        f"{A} x\n".encode(),
        f"{A}\tx\n".encode(),
        f"{A}\n".encode(),
        f"{A}  \n".encode(),
        f"{A}  ./\n".encode(),
        f" {A}  x\n".encode(),
        f"{A[:-1]}  x\n".encode(),
        f"{A}a  x\n".encode(),
        f"{A[:-1]}g  x\n".encode(),
        f"{A[:32]}  x\n".encode(),
        f"MD5 (x) = {A[:32]}\n".encode(),
        f"SHA512 (x) = {A}\n".encode(),
        f"sha256 (x) = {A}\n".encode(),
        f"SHA256 () = {A}\n".encode(),
        f"SHA256 (x) = {A} \n".encode(),
        f"\\{A}  x\\ty\n".encode(),
        f"\\{A}  x\\\n".encode(),
        f"{A}  x\0y\n".encode(),
        f"{A}  x\0{B}  y\0".encode(),  # sha256sum --zero
        f"{A}  {'n' * 4097}\n".encode(),
        f"\ufeff{A}  x\n".encode(),
        f"{A}  x\n{B}  x\n".encode(),
        f"{A}  x\n{B}  ./x\n".encode(),
        f"{A}  x\nrubbish\n".encode(),
        f"{A}  x\n".encode("utf-16"),
    ],
    ids=range(28),
)
def test_a_manifest_that_is_not_understood_to_the_last_line_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(data, algorithm="sha256")


def test_the_error_names_the_line_and_not_the_file() -> None:
    with pytest.raises(ManifestError, match="line 3 of the manifest") as refused:
        parse_manifest(f"{A}  x\n# note\nsecret-place.mp4\n".encode(), algorithm="sha256")
    assert "secret-place" not in str(refused.value)
    assert isinstance(refused.value, UsageError)


def test_a_manifest_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ManifestError, match="at most"):
        parse_manifest(bytes(MAX_MANIFEST_BYTES + 1), algorithm="sha256")


def test_a_line_for_md5_is_none_for_sha256() -> None:
    assert parse_manifest(b"c" * 32 + b"  x", algorithm="md5").digests == {b"x": "c" * 32}
    with pytest.raises(ManifestError):
        parse_manifest(b"c" * 64 + b"  x", algorithm="md5")


path_bytes = st.binary(min_size=1, max_size=12).filter(lambda path: b"\0" not in path and not path.startswith(b"./"))


@given(st.dictionaries(path_bytes, st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=5))
def test_any_names_are_read_back_from_the_escaped_form(digests: dict[bytes, str]) -> None:
    lines = []
    for path, digest in digests.items():
        escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        lines.append(b"\\" * (escaped != path) + digest.encode() + b"  " + escaped + b"\n")
    assert parse_manifest(b"".join(lines), algorithm="sha256").digests == digests


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused_by_the_declared_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(data, algorithm="sha256")
