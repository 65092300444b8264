"""The recognisers: which family the first bytes show. Pure, and total: no bytes make them raise."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.formats import RECOGNISERS, recognise
from media.formats.iso import EditedTrack, counts_its_frames, edited_track

EBML = b"\x1a\x45\xdf\xa3"
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
VP8X = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")
VP8L = b"RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + (639 | 479 << 14).to_bytes(4, "little") + bytes(5)
VP8 = b"RIFF\0\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", 640, 480)
TIFF_TAGS = struct.pack("<HHIHH", 256, 3, 1, 640, 0) + struct.pack("<HHII", 257, 4, 1, 480)
TIFF = b"II*\0\x08\0\0\0\x02\0" + TIFF_TAGS
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x11\x08" + struct.pack(">HH", 480, 640) + bytes(10)


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (b"\0\0\0\x20ftypisom", "mp4", "video/mp4"),
        (b"\0\0\0\x20ftypqt  ", "mov", "video/quicktime"),
        (b"\0\0\0\x20ftyp3gp5", "3gp", "video/3gpp"),
        (b"\0\0\0\x20ftyp3g2a", "3gp", "video/3gpp2"),
        (b"\0\0\0\x20ftypM4A ", "mp4", "audio/mp4"),
        (b"\0\0\0\x20ftypheic", "heif", "image/heic"),
        (b"\0\0\0\x20ftypavif", "heif", "image/avif"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov", "video/quicktime"),
        (EBML + b"\x9f\x42\x86\x81\x01\x42\x82\x84webm", "webm", "video/webm"),
        (EBML + b"\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "matroska", "video/matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "avi", "video/vnd.avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav", "audio/vnd.wave"),
        (ASF, "asf", "video/x-ms-asf"),
        (b"FLV\x01\x05\0\0\0\x09", "flv", "video/x-flv"),
        (b"DHAV\xfd\0\0\0", "dhav", "video/x-dhav"),
        (b"DAHUA" + bytes(500) + b"DHAV", "dhav", "video/x-dhav"),
        ((b"\x47" + bytes(187)) * 6, "mpeg-ts", "video/mp2t"),
        ((bytes(4) + b"\x47" + bytes(187)) * 6, "mpeg-ts", "video/mp2t"),
        ((b"\x47" + bytes(203)) * 6, "mpeg-ts", "video/mp2t"),
        (b"\0\0\x01\xba\x44", "mpeg-ps", "video/mpeg"),
        (b"\0\0\0\x01\x67\x64\0\x1f\xac", "h264", "video/h264"),
        (b"\0\0\x01\x09\xf0\0\0\0\x01", "h264", "video/h264"),
        (b"\0\0\0\x01\x40\x01\x0c\x01\xff", "h265", "video/h265"),
        (PNG, "png", "image/png"),
        (JPEG, "jpeg", "image/jpeg"),
        (TIFF, "tiff", "image/tiff"),
        (VP8X, "webp", "image/webp"),
        (b"fLaC\0\0\0\x22", "flac", "audio/flac"),
        (b"OggS\0\x02", "ogg", "audio/ogg"),
        (b"ID3\x04\0\0", "mp3", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "mp3", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "aac", "audio/aac"),
        (b"#!AMR\n", "amr", "audio/amr"),
    ],
)
def test_the_first_bytes_show_the_family(head: bytes, name: str, media_type: str) -> None:
    family = recognise(head)
    assert family is not None and (family.name, family.media_type) == (name, media_type)


@pytest.mark.parametrize(
    "head",
    [b"", b"hello world", b"ffconcat version 1.0\n", b"#EXTM3U\n", b"<?xml version='1.0'?><MPD>", b"%PDF-1.7",
     b"PK\x03\x04", b"MZ\x90", b"\x7fELF", b"v=0\r\no=- 0", b"\0\0\0\x04moov", b"G" * 100, bytes(5000)],
)  # fmt: skip
def test_what_no_recogniser_knows_is_not_guessed(head: bytes) -> None:
    assert recognise(head) is None


@pytest.mark.parametrize("head", [PNG, JPEG, TIFF, VP8X, VP8L, VP8])
def test_the_size_of_a_still_is_read_from_its_header(head: bytes) -> None:
    family = recognise(head)
    assert family is not None and family.size == (640, 480)


@pytest.mark.parametrize("head", [PNG, JPEG, TIFF, VP8X, VP8L, VP8])
def test_a_header_that_is_cut_short_states_no_size(head: bytes) -> None:
    for length in range(len(head)):
        family = recognise(head[:length])
        assert family is None or family.size in (None, (640, 480))


@given(st.binary(max_size=600))
def test_no_bytes_make_a_recogniser_raise(data: bytes) -> None:
    for recogniser in RECOGNISERS:
        recogniser(data)


@given(
    head=st.sampled_from([PNG, JPEG, TIFF, VP8X, b"\0\0\0\x20ftypisom", EBML, b"\xff\xd8\xff"]),
    tail=st.binary(max_size=300),
    cut=st.integers(0, 40),
)
def test_no_tail_behind_a_signature_makes_one_raise(head: bytes, tail: bytes, cut: int) -> None:
    recognise(head[:cut] + tail)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def movie(*, edits: list[tuple[int, int]], handler: bytes = b"vide", scale: int = 1000) -> bytes:
    """Return a movie box whose one track stores 10 s in a scale of 90,000."""
    entries = b"".join(struct.pack(">IiI", duration, start, 1 << 16) for duration, start in edits)
    edit_list = box(b"elst", struct.pack(">II", 0, len(edits)) + entries)
    media = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 90_000, 900_000)) + box(b"hdlr", bytes(8) + handler + bytes(12))
    track = box(b"trak", box(b"edts", edit_list) + box(b"mdia", media))
    return box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, scale, 10_000)) + track


@pytest.mark.parametrize(
    ("edits", "shown_s"),
    [
        ([(10_000, 0)], 10),
        ([(6_000, 360_000)], 6),
        ([(2_000, -1), (10_000, 0)], 10),  # a gap before the start hides nothing
        ([(1_000, 0), (2_000, 450_000)], 3),
        ([], 0),
    ],
)
def test_an_edit_list_says_how_much_is_shown(edits: list[tuple[int, int]], shown_s: int) -> None:
    assert edited_track(movie(edits=edits)) == EditedTrack(stored_s=Fraction(10), shown_s=Fraction(shown_s))


def test_an_edit_list_of_sound_is_not_asked() -> None:
    assert edited_track(movie(edits=[(1, 0)], handler=b"soun")) is None


@pytest.mark.parametrize("cut", range(0, 220, 7))
def test_a_damaged_movie_box_gives_no_error(cut: int) -> None:
    whole = movie(edits=[(10_000, 0)])
    edited_track(whole[:cut])
    edited_track(whole[:cut] + bytes(8) + whole[cut + 8 :])


def test_a_scale_of_nought_gives_no_error() -> None:
    assert edited_track(movie(edits=[(10_000, 0)], scale=0)) is None


def test_a_movie_with_fragments_does_not_count_its_frames() -> None:
    assert counts_its_frames(movie(edits=[]))
    assert not counts_its_frames(movie(edits=[]) + box(b"mvex", b""))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_edit_list_raise(data: bytes) -> None:
    edited_track(data)
    edited_track(movie(edits=[(1, 0)])[:60] + data)
