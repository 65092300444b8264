"""The checker's pure parts: trees, tile names, notes, strict JSON, strict Ed25519, spellings of a word."""

from __future__ import annotations

import base64
import hashlib

import pytest
from checker_ed25519 import GROUP_ORDER, verifies
from checker_json import MalformedError, canonical_entry_json, decode_base64
from checker_sources import spellings
from checker_tree import BUNDLE_LEVEL, Frontier, Tile, VerifierKey, parse_checkpoint, parse_tile_path, tiles_of
from hypothesis import given
from hypothesis import strategies as st
from small_log import LOG_KEY, tree_root
from vectors import vector_bytes, vector_json

VECTOR_VKEY = "ledger.example/unit-7+39c2d025+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
PUBLIC_KEY = LOG_KEY.public_key().public_bytes_raw()


@given(st.integers(0, 600))
def test_the_growing_root_is_the_defined_root(size: int) -> None:
    leaves = [hashlib.sha256(b"%d" % n).digest() for n in range(size)]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.root() == tree_root(leaves)


def test_the_published_roots_come_out() -> None:
    reference = vector_json("computed/examples.json")
    frontier = Frontier()
    for size in range(9):
        assert frontier.root().hex() == reference["roots"][str(size)]
        if size < 8:
            frontier.append(bytes.fromhex(reference["leaf_hashes"][size]))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0, 256), "tile/0/000"),
        (Tile(0, 999, 256), "tile/0/999"),
        (Tile(2, 1000, 256), "tile/2/x001/000"),
        (Tile(63, 1_234_067, 256), "tile/63/x001/x234/067"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(BUNDLE_LEVEL, 1000, 1), "tile/entries/x001/000.p/1"),
    ],
)
def test_tile_names_go_both_ways(tile: Tile, path: str) -> None:
    assert tile.path() == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/x001",
        "tile/data/000",
        "tile/0/000/",
        "tile/0/000.tmp",
        "tile/8/0/000",
    ],
)
def test_another_spelling_of_a_tile_is_refused(path: str) -> None:
    assert parse_tile_path(path) is None


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]),
        (7, ["tile/entries/000.p/7", "tile/0/000.p/7"]),
    ],
)
def test_a_size_has_its_tiles(size: int, paths: list[str]) -> None:
    assert [tile.path() for tile in tiles_of(size)] == paths


def test_a_tree_of_70000_has_the_published_tiles() -> None:
    names = [tile.path() for tile in tiles_of(70_000)]
    assert len(names) == 2 * 274 + 2 + 1
    assert {"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} < set(names)


@pytest.mark.parametrize("name", ["log7/checkpoint", "log600-at256.checkpoint", "fork600.checkpoint"])
def test_checkpoints_of_the_vectors_are_signed(name: str) -> None:
    assert parse_checkpoint(vector_bytes(f"computed/{name}")).is_signed_by(VerifierKey.parse(VECTOR_VKEY))


NOTE = vector_bytes("computed/log7/checkpoint")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n7\n", b"\n07\n"),
        (b"\n7\n", b"\n+7\n"),
        (b"\n7\n", b"\n7\r\n"),
        (b"\n7\n", b"\n7\nextension\n"),
        (b"ledger.example/unit-7\n7", b"\n7"),
        (b"IslZSnTIw=", b"IslZSnTIx="),  # the same 32 bytes, spelt another way
        (b"\n\n", b"\n"),
        (b"\xe2\x80\x94 ", b"- "),
        (b"ledger.example", b"ledger\texample"),
    ],
)
def test_another_spelling_of_a_checkpoint_is_refused(old: bytes, new: bytes) -> None:
    assert old in NOTE
    with pytest.raises(MalformedError):
        parse_checkpoint(NOTE.replace(old, new, 1))


def test_one_wrong_line_of_a_known_key_spoils_the_note() -> None:
    key = VerifierKey.parse(VECTOR_VKEY)
    lines = NOTE.decode().splitlines()
    blob = bytearray(base64.b64decode(lines[4].split()[2]))
    blob[-1] ^= 1
    wrong = " ".join([*lines[4].split()[:2], base64.b64encode(blob).decode()])
    assert not parse_checkpoint(NOTE + wrong.encode() + b"\n").is_signed_by(key)
    assert not parse_checkpoint("\n".join([*lines[:4], *lines[5:], ""]).encode()).is_signed_by(key)


@pytest.mark.parametrize(
    "vkey",
    ["", "a", "a+b", VECTOR_VKEY.replace("39c2d025", "39c2d026"), VECTOR_VKEY[:-4], "a b+00000000+AQ=="],
)
def test_a_verifier_key_that_is_none_is_refused(vkey: str) -> None:
    with pytest.raises(MalformedError):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1 }',
        b'{"a":1}\n',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":"\\u0041"}',
        b'{"a":"\xc3\xa9"}',
        b'{"a":{}}',
        b'{"a":[[]]}',
        b'{"a":9007199254740992}',
        b'{"a":-0}',
        b"",
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 50_000,
    ],
)
def test_bytes_that_the_rules_would_not_write_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        canonical_entry_json(raw)


def test_what_the_rules_write_is_read() -> None:
    assert canonical_entry_json(b'{"a":[1,null,"x y",true],"b":-9007199254740991}') == {
        "a": [1, None, "x y", True],
        "b": -9007199254740991,
    }


@given(st.binary(max_size=300))
def test_the_json_reader_raises_nothing_else(raw: bytes) -> None:
    try:
        canonical_entry_json(raw)
    except MalformedError:
        return
    assert raw


@given(st.text(max_size=30))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        raw = decode_base64(text)
    except MalformedError:
        return
    assert base64.b64encode(raw).decode() == text


def test_a_signature_is_right_only_as_it_was_made() -> None:
    signature = LOG_KEY.sign(b"message")
    assert verifies(PUBLIC_KEY, signature, b"message")
    assert not verifies(PUBLIC_KEY, signature, b"messagf")
    assert not verifies(PUBLIC_KEY, signature[:-1], b"message")


def test_a_signature_with_s_beyond_the_group_order_is_refused() -> None:
    signature = LOG_KEY.sign(b"message")
    doubled = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert not verifies(PUBLIC_KEY, signature[:32] + doubled.to_bytes(32, "little"), b"message")


# The encodings of the eight points of small order, and one that is not canonical.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_key_of_small_order_signs_nothing(key: str) -> None:
    """With R the identity and S = 0 such a key "signs" a share of all messages in a reader that does not look."""
    signature = bytes.fromhex(SMALL_ORDER[0]) + bytes(32)
    assert not any(verifies(bytes.fromhex(key), signature, b"%d" % n) for n in range(64))


@given(st.binary(min_size=11, max_size=40), st.binary(max_size=5), st.binary(max_size=5))
def test_a_word_is_found_in_base64_wherever_it_stands(word: bytes, before: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert any(way in encode(before + word + after) for way in spellings(word))
