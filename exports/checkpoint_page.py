"""One page to print: a checkpoint, its seven words, and what somebody who keeps it can do with it later.

No script, nothing loaded from elsewhere. The note stands on it letter for letter, so that it can be typed in again;
with the extra `print` (segno) the page has it as a QR code too.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from base.errors import UncheckedError
from exports.page import page_template
from hashing.checkpoint import Checkpoint

if TYPE_CHECKING:
    from segno import QRCode

_MAX_QR_BYTES = 2000  # more would be too fine to print and read


class NoQrCodeError(UncheckedError):
    """A QR code was asked for, and can't be made here."""

    next_step = "Install the extra: `pip install 'strongroom[print]'`; or print the page without it."


def checkpoint_page(checkpoint: Checkpoint, note: bytes, words: Sequence[str]) -> str:
    """Return the page for ``note``, which is signed, of ``checkpoint``."""
    code = qr_svg(note) if has_qr() and len(note) <= _MAX_QR_BYTES else None
    return page_template("checkpoint_page.html.jinja").render(
        checkpoint=checkpoint, note=note.decode("utf-8"), words=words, code=code
    )


def has_qr() -> bool:
    """Return whether the extra `print` is installed."""
    return find_spec("segno") is not None


def refuse_without_qr() -> None:
    """Raise NoQrCodeError unless the extra `print` is installed."""
    if not has_qr():
        raise NoQrCodeError("a QR code can't be made: segno is not installed.")


def qr_svg(note: bytes) -> str:
    """Return ``note`` as a QR code, one SVG element. Raises NoQrCodeError."""
    return str(_code(note).svg_inline(scale=3, border=4, light="#fff"))


def qr_png(note: bytes) -> bytes:
    """Return ``note`` as a QR code, a PNG image. Raises NoQrCodeError."""
    out = io.BytesIO()
    _code(note).save(out, kind="png", scale=4, border=4)
    return out.getvalue()


def qr_terminal(note: bytes) -> str:
    """Return ``note`` as a QR code of block characters. Raises NoQrCodeError."""
    out = io.StringIO()
    _code(note).terminal(out, compact=True)
    return out.getvalue()


def _code(note: bytes) -> QRCode:
    refuse_without_qr()
    import segno

    if len(note) > _MAX_QR_BYTES:
        raise NoQrCodeError(f"a QR code of {len(note)} bytes would be too fine to read.", next_step="Print the page.")
    # As bytes, so that what is read is what was signed; the least redundancy, because paper is clean and the note long.
    return segno.make_qr(note, mode="byte", error="l", boost_error=False)
