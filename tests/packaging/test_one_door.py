"""One door to the disk: no call that changes a file system stands outside base/fsio.py. Read from the source itself.

A second look besides the rule that only the sandboxed child imports what decodes hostile media.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("base", "hashing", "vault", "ledger", "media", "catalog", "ingest", "exports", "commands")
DOOR = "base/fsio.py"

# Functions of these modules that change a file system, whatever their arguments.
CHANGING = {
    "os": {
        *(
            "chmod",
            "chown",
            "fchmod",
            "fchown",
            "fdatasync",
            "fsync",
            "ftruncate",
            "lchmod",
            "lchown",
            "link",
            "makedirs",
        ),
        *("mkdir", "mkfifo", "mknod", "posix_fallocate", "pwrite", "pwritev", "remove", "removedirs"),
        *("rename", "renames", "replace", "rmdir", "sendfile", "setxattr", "symlink", "sync", "truncate", "unlink"),
        *("removexattr", "utime", "write", "writev", "copy_file_range", "splice"),
    },
    "shutil": {
        *("copy", "copy2", "copyfile", "copyfileobj", "copymode", "copystat", "copytree", "move", "rmtree", "chown"),
        *("make_archive", "unpack_archive"),
    },
    "fcntl": {"flock", "lockf"},
    "tempfile": {
        *("mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "SpooledTemporaryFile"),
    },
}
# Methods that only paths have. `Path.replace` and `Path.rename` have other meanings for text; they are listed by count.
PATH_METHODS = {
    *("write_bytes", "write_text", "touch", "mkdir", "rmdir", "unlink", "symlink_to", "hardlink_to", "chmod", "lchmod"),
}
WRITE_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}

# What may do it all the same, and why.
EXCEPTIONS = {
    ("base/failpoints.py", "os.open"): "tells a test that its fault fired; must not pass a failpoint itself",
    ("base/failpoints.py", "os.write"): "as above",
    ("cli.py", "os.open"): "/dev/null in the place of an output that nobody reads any more",
    ("ingest/share_child.py", "os.write"): "into the pipe to the recorder",
    ("ingest/share_process.py", "os.write"): "into the pipe to the reader of a share",
    ("media/child/worker.py", "os.write"): "into the pipe to the recorder",
}


def product_files() -> list[Path]:
    files = [path for room in ROOMS for path in sorted((CHECKOUT / room).rglob("*.py"))]
    return [*files, CHECKOUT / "cli.py"]


def named(node: ast.expr) -> str:
    """Return a call's function as it is written, such as ``os.open``; empty for anything that has no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = named(node.value)
        return f"{owner}.{node.attr}" if owner else f"?.{node.attr}"
    return ""


def opens_for_writing(call: ast.Call, name: str) -> bool:
    if name == "os.open":
        used = {node.attr for argument in call.args for node in ast.walk(argument) if isinstance(node, ast.Attribute)}
        return bool(used & WRITE_FLAGS)
    if name in {"open", "io.open", "os.fdopen"} or name.endswith(".open"):
        position = 0 if name.endswith(".open") and name != "io.open" else 1
        modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] + call.args[
            position : position + 1
        ]
        return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)
    return False


def changes(call: ast.Call) -> bool:
    name = named(call.func)
    module, _, function = name.partition(".")
    if function in CHANGING.get(module, ()):
        return True
    return name.rpartition(".")[2] in PATH_METHODS and module != "fsio" if "." in name else False


def changing_calls(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (changes(node) or opens_for_writing(node, named(node.func))):
            yield named(node.func), node.lineno


def imported(source: str) -> set[str]:
    """Return the top-level names of everything that a source imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_door_is_the_only_one() -> None:
    found = {}
    for path in product_files():
        name = str(path.relative_to(CHECKOUT))
        if name == DOOR:
            continue
        for call, line in changing_calls(path.read_text("utf-8")):
            if (name, call) not in EXCEPTIONS:
                found[f"{name}:{line}"] = call
    assert found == {}


def test_every_exception_is_still_needed() -> None:
    used = {
        (str(path.relative_to(CHECKOUT)), call)
        for path in product_files()
        for call, _ in changing_calls(path.read_text("utf-8"))
    }
    assert set(EXCEPTIONS) <= used


@pytest.mark.parametrize(
    "source",
    [
        "os.unlink(x)",
        "os.open(p, os.O_WRONLY | os.O_CREAT)",
        "open(p, 'wb')",
        "open(p, mode='a')",
        "open(p, 'r+b')",
        "Path(p).open('w')",
        "path.write_bytes(b'')",
        "(a / b).mkdir(parents=True)",
        "shutil.rmtree(p)",
        "fcntl.flock(f, 2)",
        "tempfile.mkdtemp()",
    ],
)
def test_a_call_that_changes_the_disk_is_seen(source: str) -> None:
    assert list(changing_calls(source))


@pytest.mark.parametrize(
    "source",
    [
        "os.open(p, os.O_RDONLY | os.O_NOFOLLOW)",
        "open(p, 'rb')",
        "open(p)",
        "fsio.rename(a, b)",
        "text.replace('a', 'b')",
        "store.open(digest)",
        "os.stat(p)",
    ],
)
def test_a_call_that_changes_nothing_is_not(source: str) -> None:
    assert not list(changing_calls(source))


DECODERS = {"cv2", "numpy", "pymediainfo", "exifread", "puremagic", "pyseccomp"}


def test_only_the_sandboxed_child_imports_what_decodes_hostile_media() -> None:
    found = {}
    for path in product_files():
        name = str(path.relative_to(CHECKOUT))
        decoders = imported(path.read_text("utf-8")) & DECODERS
        if decoders and not name.startswith("media/child/"):
            found[name] = sorted(decoders)
    assert found == {}


def test_the_child_does_import_them() -> None:
    """The control: with another layout the rule above would hold of nothing."""
    child = [path for path in product_files() if str(path.relative_to(CHECKOUT)).startswith("media/child/")]
    assert {"cv2", "pymediainfo", "exifread", "puremagic"} <= {
        name for path in child for name in imported(path.read_text("utf-8"))
    }


@pytest.mark.parametrize("path", product_files(), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_relative_import_and_no_path_trick(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and named(node) == "sys.path"]
