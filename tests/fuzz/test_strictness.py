"""The table of the ways in which a lax reader is lax: each must be the declared error of every strict parser."""

from __future__ import annotations

import re
import tracemalloc
from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest
from parser_table import PARSERS
from parsers import Parser, judged

from hashing.strict_json import MAX_ENTRY_BYTES, StrictJsonError, canonical, parse_canonical, parse_strict
from hashing.tiles import EntryTooLargeError, TileError, decode_bundle, encode_bundle

BY_NAME = {parser.name: parser for parser in PARSERS}
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
Damage = Callable[[bytes], bytes]


def _sub(pattern: bytes, replacement: Callable[[re.Match[bytes]], bytes] | bytes) -> Damage:
    return lambda data: re.sub(pattern, replacement, data, count=1)


def _set_hidden_bit(match: re.Match[bytes]) -> bytes:
    """Set a bit that stands behind the last byte: the same bytes to a lax decoder."""
    return bytes([_ALPHABET[_ALPHABET.index(match[1]) ^ 1]]) + match[2]


NOTES = ("note", "signed checkpoint", "cosigned checkpoint", "receipt", "verified receipt", "lines of a witness")
ENVELOPES = ("envelope of an entry", "entry", "endorsement")
PAYLOADS = ("canonical JSON", "statement of an entry", "payload of an entry", "payload of an endorsement")
PROOFS = ("inclusion proof", "consistency proof", "tile of width 7", "bundle of three entries")
BASE64 = (*NOTES[1:], "checkpoint", "request to a witness", *ENVELOPES)
NUMBERS = ("checkpoint", "signed checkpoint", "receipt", "request to a witness", "tile path", *PAYLOADS)
WHOLE = (  # what is one message from the first byte to the last
    *("base64", "URL-safe base64", "digest", "time", "vkey", "tile path", "checkpoint", "signed checkpoint"),
    *("verified receipt", "request to a witness", "lines of a witness", *ENVELOPES, *PAYLOADS, "public key"),
)
JSON = ("strict JSON", "envelope of others", "statement", "JSON of an opening", "proposal", "change of keys")
SIGNATURES = ("signature ed25519", "signature ecdsa-p256-sha256", "signature rsa-pss-sha256")
_TEXT_END = rb"(?=[\n\"]|\Z)"
# What a lax reader takes, how a good message is made so, and the parsers of which no sample may then be taken.
LAXNESS: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "bits behind the last byte of base64": (
        _sub(rb"([A-Za-z0-9+/])(==?)" + _TEXT_END, _set_hidden_bit),
        (*BASE64, "base64"),
    ),
    "base64 without padding": (_sub(rb"([A-Za-z0-9+/])==?" + _TEXT_END, rb"\1"), (*BASE64, "base64")),
    "white space in base64": (_sub(rb"([A-Za-z0-9+/]{9}={0,2})" + _TEXT_END, rb" \1"), (*BASE64, "vkey")),
    "a leading zero": (_sub(rb"(?<=[ \n:/p])([1-9][0-9]*)(?=[\n,}]|\Z)", rb"0\1"), NUMBERS),
    "a sign": (_sub(rb"(?<=[ \n:])([1-9][0-9]*)(?=[\n,}])", rb"+\1"), (*NUMBERS[:4], *PAYLOADS[:3])),
    "a digit of another script": (_sub(rb"(?<=[ \n:/p])[1-9](?=[0-9]*(?:[\n,}]|\Z))", "\u0664".encode()), NUMBERS),
    "CRLF": (
        lambda data: data.replace(b"\n", b"\r\n"),
        (*NOTES, "checkpoint", "request to a witness", "policy"),
    ),
    "an empty line more": (lambda data: data.replace(b"\n", b"\n\n", 1), ("checkpoint", *NOTES[1:5])),
    "a newline more": (lambda data: data + b"\n", (*WHOLE, *PROOFS, *SIGNATURES)),
    "a space more": (lambda data: data + b" ", (*WHOLE, *PROOFS, *SIGNATURES)),
    "a NUL more": (lambda data: data + b"\0", (*WHOLE, *PROOFS, *SIGNATURES, *JSON)),
    "a space before": (lambda data: b" " + data, (*(name for name in WHOLE if name != "checkpoint"), *PROOFS)),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, (*WHOLE, *PROOFS, *JSON, "settings")),
    "the last byte less": (
        lambda data: data[:-1],
        (*NOTES[:3], *NOTES[4:], *WHOLE[2:5], *WHOLE[6:], *PROOFS, *SIGNATURES),
    ),
    "everything twice": (
        lambda data: data + data,
        (
            *(name for name in WHOLE if name not in ("base64", "URL-safe base64", "lines of a witness")),
            *PROOFS,
            *SIGNATURES,
            *JSON,
        ),
    ),
    "a repeated key": (_sub(rb"\{(\"[a-zA-Z_]+\":)", rb"{\1null,\1"), (*JSON, *PAYLOADS, *ENVELOPES)),
    "a repeated key, escaped": (
        _sub(rb"\{\"([a-zA-Z_])([a-zA-Z_]*\":)", lambda m: b'{"\\u%04x%bnull,"%b%b' % (m[1][0], m[2], m[1], m[2])),
        (*JSON, *PAYLOADS, *ENVELOPES),
    ),
    "a space after a colon": (_sub(rb"\":", b'": '), (*PAYLOADS, *ENVELOPES)),
    "upper-case hex": (
        _sub(rb"[0-9a-f]{64}", lambda match: match[0].upper()),
        ("digest", "payload of an entry", "envelope of an entry", "entry", "endorsement"),
    ),
}


@pytest.mark.parametrize(
    ("laxness", "name"), [(laxness, name) for laxness, (_, names) in LAXNESS.items() for name in dict.fromkeys(names)]
)
def test_a_strict_parser_takes_no_lax_spelling(laxness: str, name: str) -> None:
    parser, damage = BY_NAME[name], LAXNESS[laxness][0]
    damaged = [(sample, damage(sample)) for sample in parser.samples]
    assert any(bad != sample for sample, bad in damaged), "nothing was damaged: nothing is tested"
    assert [bad[:300] for sample, bad in damaged if bad != sample and judged(parser, bad)] == []


# ------------------------------------------------------------------------------------------------- counts and sizes


@pytest.mark.parametrize(("count", "stated"), [(3, 2), (3, 4), (256, 255), (1, 0), (1, 256)])
def test_a_bundle_with_another_number_of_entries_is_refused(count: int, stated: int) -> None:
    with pytest.raises(TileError):
        decode_bundle(encode_bundle([b"entry"] * count), count=stated)


def test_an_entry_of_65536_bytes_is_refused_by_all_that_write_and_read_entries() -> None:
    with pytest.raises(EntryTooLargeError):
        encode_bundle([bytes(MAX_ENTRY_BYTES + 1)])
    value = ["x" * (MAX_ENTRY_BYTES + 1 - 4)]
    data = canonical([*value])
    assert len(data) == MAX_ENTRY_BYTES + 1
    with pytest.raises(StrictJsonError):
        parse_canonical(data)
    assert parse_canonical(canonical(["x" * (MAX_ENTRY_BYTES - 4)]))
    for name in (*ENVELOPES, "payload of an entry"):
        parser = BY_NAME[name]
        long = parser.samples[0].replace(b'"', b'"' + b"x" * (MAX_ENTRY_BYTES + 1), 1)
        assert not judged(parser, long)


# Headers that claim far more than there is, or than anything may have: (parser, bytes).
CLAIMS = (
    ("reply of a share reader", b"\x40\0\0\0"),
    ("reply of a share reader", b"\0\0\0\x12\x82\xa4type\xaaFoundChunk"[:-10] + b"\xa5found\xdd\x40\0\0\0"),
    ("reply of a share reader", b"\0\0\0\x05\xdf\x40\0\0\0"),
    ("request to a share reader", b"\xff\xff\xff\xff"),
    ("request to a share reader", b"\0\0\0\x05\xc6\x40\0\0\0"),
    ("answer of the porter", b"\x83\xa4type\xa4Done\xaamismatches\xdd\x40\0\0\0"),
    ("answer of the porter", b"\xdb\x40\0\0\0"),
    ("Reply of the sandbox", b"\x81\xa6report\xdf\x40\0\0\0"),
    ("Ready of the sandbox", b"\x82\xa5tools\xdd\x40\0\0\0"),
    ("Job of the sandbox", b"\xc9\x40\0\0\0\1"),
    ("time-stamp reply", b"\x30\x84\x40\0\0\0\x30\x84\x40\0\0\0"),
    ("time-stamp query", b"\x30\x88\0\0\0\0\x40\0\0\0"),
    ("public key", b"\x30\x84\x40\0\0\0\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\0\x03\x84\x40\0\0\0"),
    ("bundle of three entries", b"\xff\xff" * 3),
    ("request to a witness", b"old 9223372036854775807\n\n"),
    ("receipt", b"c2sp.org/tlog-proof@v1\nindex 9223372036854775807\n\nx"),
    ("checkpoint", b"x\n9223372036854775807\n" + b"A" * 43 + b"=\n"),
    ("tile path", b"tile/63/x999/x999/x999/x999/x999/x999/999.p/255"),
    ("size of a JPEG", b"\xff\xd8\xff\xc0\xff\xff\x08\xff\xff\xff\xff\xff"),
    ("edit list", b"\x40\0\0\0trak\x40\0\0\0mdia"),
    ("head of a recording", b"\x40\0\0\0ftyp"),
)
CLAIMED_BYTES, ALLOWED_BYTES = 1 << 30, 1 << 20


@pytest.mark.parametrize(("name", "data"), CLAIMS)
def test_a_header_that_claims_a_gigabyte_costs_nothing(name: str, data: bytes) -> None:
    assert len(data) < 200
    judged(BY_NAME[name], data)  # whatever is imported or cached at the first call
    tracemalloc.start()
    try:
        judged(BY_NAME[name], data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ALLOWED_BYTES < CLAIMED_BYTES


def _taken(parser: Parser, data: bytes) -> bool:
    tracemalloc.start()
    try:
        taken = judged(parser, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data)
    return taken


LIMITED = ("note", "signed checkpoint", "receipt", "request to a witness", "policy", "time-stamp reply", "settings",
           "strict JSON", "canonical JSON", "envelope of an entry", "statement of an entry", "entry", "endorsement",
           "proposal", "public key", "tile path", "lines of a witness")  # fmt: skip


@pytest.mark.parametrize("name", LIMITED)
def test_what_is_too_long_is_refused_before_it_is_copied(name: str) -> None:
    """Four copies of what came would be less than what any work on it takes."""
    parser = BY_NAME[name]
    sample = parser.samples[0]
    judged(parser, sample)
    assert not _taken(parser, sample + sample[-1:] * (8 << 20))


def test_strict_json_of_a_million_keys_is_refused_by_its_size() -> None:
    data = b"{" + b",".join(b'"%d":1' % number for number in range(20_000)) + b"}"
    with pytest.raises(StrictJsonError, match="at most"):
        parse_strict(data, max_bytes=MAX_ENTRY_BYTES)


# ----------------------------------------------------------------------------------------- what the fuzzers have found


def test_a_certificate_whose_name_is_no_text_is_refused_though_the_library_panics() -> None:
    """Found by atheris: `rfc3161_client` 1.0.9 panics, which is no Exception and would end the program."""
    parser = BY_NAME["certificates of an authority"]
    lines = parser.samples[0].split(b"\n")
    der = b64decode(b"".join(lines[1:-2]))
    damaged = der.replace(b"Root", b"\xffoot")
    assert damaged != der
    pem = lines[0] + b"\n" + b64encode(damaged) + b"\n" + lines[-2] + b"\n"
    assert not judged(parser, pem)
