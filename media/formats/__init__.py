"""The registry of recognisers: which family of formats do the first bytes of a file show? PURE; runs in the worker.

A new format is one file here and one line in the table. Names of files play no part. What no recogniser knows is kept
and listed as it is: sealing is blind to formats.
"""

from __future__ import annotations

from media.formats import annexb, asf, audio, dhav, flv, iso, jpeg, matroska, mpeg, png, riff, tiff
from media.formats.family import HEAD_BYTES, Family, Recogniser

__all__ = ["HEAD_BYTES", "RECOGNISERS", "Family", "recognise"]

# In order: those with a long, certain signature first; start codes and sync bytes, which occur by chance, last.
RECOGNISERS: tuple[Recogniser, ...] = (
    png.recognise,
    riff.recognise,
    matroska.recognise,
    asf.recognise,
    iso.recognise,
    flv.recognise,
    dhav.recognise,
    tiff.recognise,
    jpeg.recognise,
    mpeg.recognise_programme_stream,
    mpeg.recognise_transport_stream,
    annexb.recognise,
    audio.recognise,
)


def recognise(head: bytes) -> Family | None:
    """Return the family that ``head``, the first `HEAD_BYTES` of a file, shows; None when no recogniser knows it."""
    for recogniser in RECOGNISERS:
        family = recogniser(head)
        if family is not None:
            return family
    return None
