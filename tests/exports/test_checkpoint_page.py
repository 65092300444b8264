"""A checkpoint on paper: the note letter for letter, with nothing that loads or runs, and as a code for a camera."""

from __future__ import annotations

import html
import re
import struct
import zlib

import pytest
from vectors import vector_bytes, vector_json

from exports import checkpoint_page as page
from exports.checkpoint_page import NoQrCodeError, checkpoint_page, qr_png, qr_svg, qr_terminal
from hashing.checkpoint import open_checkpoint
from hashing.note import parse_vkey
from hashing.words import spoken_form

NOTE = vector_bytes("computed/log7/checkpoint")
CHECKPOINT = open_checkpoint(NOTE, parse_vkey(vector_json("computed/examples.json")["log_vkey"]))
WORDS = spoken_form(CHECKPOINT.text())


def made() -> str:
    return checkpoint_page(CHECKPOINT, NOTE, WORDS)


def test_the_note_stands_on_the_page_letter_for_letter() -> None:
    found = re.search(r"<pre[^>]*>(.*?)</pre>", made(), re.DOTALL)
    assert found is not None
    assert html.unescape(found[1]).encode("utf-8") == NOTE
    assert " ".join(WORDS) in made()
    assert str(CHECKPOINT.root) in made()


def test_nothing_on_the_page_loads_or_runs() -> None:
    text = made().lower()
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<iframe|<object|javascript:|\bon\w+=|src=|href=|url\(", text)


def test_a_hostile_name_in_a_note_is_only_text() -> None:
    hostile = NOTE.replace(b"ledger.example/unit-7", b"<script>alert(1)</script>")
    assert "<script>alert" not in checkpoint_page(CHECKPOINT, hostile, WORDS)


def test_the_code_is_on_the_page_where_it_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "<svg" in made()
    monkeypatch.setattr(page, "has_qr", lambda: False)
    assert "<svg" not in made()
    with pytest.raises(NoQrCodeError) as raised:
        qr_svg(NOTE)
    assert "strongroom[print]" in raised.value.next_step
    assert raised.value.exit_code == 6


def test_a_note_too_long_to_read_has_no_code() -> None:
    long = NOTE + 40 * NOTE.splitlines(keepends=True)[-1]
    assert "<svg" not in checkpoint_page(CHECKPOINT, long, WORDS)
    with pytest.raises(NoQrCodeError, match="too fine"):
        qr_png(long)


def test_all_forms_of_the_code_are_the_same_picture() -> None:
    """The PNG, decoded with zlib alone, has the modules that the matrix of segno has for these very bytes."""
    import segno

    matrix = [list(row) for row in segno.make_qr(NOTE, mode="byte", error="l", boost_error=False).matrix]
    assert modules_of(qr_png(NOTE), count=len(matrix)) == [[bool(module) for module in row] for row in matrix]
    assert qr_svg(NOTE).startswith("<svg")
    assert len(qr_terminal(NOTE).splitlines()) >= len(matrix) // 2


def modules_of(png: bytes, *, count: int, scale: int = 4, border: int = 4) -> list[list[bool]]:
    """Return the dark modules of a grey or palette PNG of one bit a pixel, read without any library."""
    width, height, depth = struct.unpack(">IIB", png[16:25])
    assert (width, height, depth) == ((count + 2 * border) * scale,) * 2 + (1,)
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    stride = (width + 7) // 8 + 1
    filtered, rows, above = zlib.decompress(data), [], bytes(stride - 1)
    for y in range(height):
        kind, row = filtered[stride * y], filtered[stride * y + 1 : stride * (y + 1)]
        assert kind in (0, 2)  # none, or the difference to the row above
        above = bytes((one + two) & 0xFF for one, two in zip(row, above, strict=True)) if kind else row
        rows.append(above)
    return [
        [not rows[y][x // 8] >> (7 - x % 8) & 1 for x in range(border * scale, (border + count) * scale, scale)]
        for y in range(border * scale, (border + count) * scale, scale)
    ]
