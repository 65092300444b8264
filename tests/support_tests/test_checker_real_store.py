"""Two programs, one store: what the product writes, the checker finds valid, and it looks into all of it (I14)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from checker import Checker, codes
from store_of_footage import JPEG, FootageStore, footage_store

SHARE, CARD = b"/srv/share", b"card of the quay"
HOSTILE = b"DCIM/\x1b[2J harbour \xff\n.mp4"


def fill(store: FootageStore) -> None:
    """Two drops, one content at three places, a version that changes and changes back, analysed and refused things."""
    first = store.drop(CARD, share=SHARE)
    seen = store.item(first, HOSTILE, content=b"the same bytes")
    unseen = store.item(first, b"a twin of it.mp4", content=b"the same bytes")
    for content in (b"one", b"two", b"one"):
        store.item(first, b"changing.mp4", content=content)
    store.refuse(first, b"a link in the folder")
    store.seal()
    store.analyse(
        seen, first, metadata=[{"source": "mediainfo", "key": "k", "value": "v"}, {"source": "x", "key": "y"}]
    )
    store.fail(unseen, first)
    store.complete(first, [seen, unseen], refused=1)
    store.item(store.drop(CARD, share=SHARE), HOSTILE, content=b"the same bytes")
    store.seal()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with footage_store(tmp_path / "store") as store:
        fill(store)
    return tmp_path / "store"


def test_the_checker_finds_nothing_in_what_the_product_wrote(filled: Path) -> None:
    checker = Checker(filled)
    assert checker.check() == []
    assert checker.notes == []
    assert len(checker.entries) == checker.sealed_size > 10


def test_the_sources_are_accounted_for_under_their_raw_names(filled: Path) -> None:
    drop = SHARE + b"/" + CARD + b"/"
    sources = {
        drop + HOSTILE: hashlib.sha256(b"the same bytes").hexdigest(),
        drop + b"a twin of it.mp4": hashlib.sha256(b"the same bytes").hexdigest(),
        drop + b"changing.mp4": hashlib.sha256(b"one").hexdigest(),
    }
    checker = Checker(filled)
    assert checker.account_for(sources) == []
    assert codes(checker.account_for(sources, nothing_else=True)) == {"source.extra"}  # the version in between
    changed = {drop + HOSTILE: hashlib.sha256(b"two").hexdigest()}
    assert codes(checker.account_for(changed)) == {"source.missing"}


def test_no_name_stands_in_the_log(filled: Path) -> None:
    names = [CARD, HOSTILE, b"a twin of it.mp4", b"changing.mp4", b"a link in the folder"]
    assert Checker(filled).canaries(names) == []


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [("vault", b"the same bytes", "vault.bytes"), ("derived", JPEG, "derived.bytes")],
)
def test_the_checker_reads_the_bytes_of_every_object(filled: Path, kind: str, content: bytes, code: str) -> None:
    name = hashlib.sha256(content).hexdigest()
    path = filled / kind / "sha256" / name[:2] / name[2:4] / name
    path.chmod(0o600)
    path.write_bytes(content[:-1] + b"?")
    path.chmod(0o444)
    assert [(problem.code, problem.object) for problem in Checker(filled).check()] == [(code, name)]
