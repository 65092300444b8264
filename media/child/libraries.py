"""The libraries that read hostile files: loaded, quietened, limited to one thread, and used once before any fork.

What a library does at its first use (open a file, look at the processor, start a thread) would kill a locked worker.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import logging
import os
import re

import cv2
import exifread
import numpy as np
import puremagic
import pymediainfo
from pymediainfo import MediaInfo

from media.report import Tool, storable

# Named in full: the search for it would look at the disk again in each worker, and be killed.
MEDIAINFO_LIBRARY = os.path.join(os.path.dirname(pymediainfo.__file__), "libmediainfo.so.0")
_FFMPEG_PARTS = ("avcodec", "avformat", "swscale")


def warm_up() -> None:
    """Use every library once, on nothing but our own bytes. Raises OSError when one cannot be used."""
    cv2.setNumThreads(1)
    logging.getLogger("exifread").disabled = True
    if not MediaInfo.can_parse(MEDIAINFO_LIBRARY):
        raise OSError(f"libmediainfo cannot be loaded from {MEDIAINFO_LIBRARY}")
    grey = np.zeros((32, 32, 3), np.uint8)
    for extension in (".jpg", ".png", ".tiff", ".webp", ".bmp"):
        done, encoded = cv2.imencode(extension, grey)
        if not done or cv2.imdecode(encoded, cv2.IMREAD_COLOR) is None:
            raise OSError(f"OpenCV has no codec for {extension}")
    cv2.cvtColor(cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    cv2.videoio_registry.getBackends()
    puremagic.magic_string(b"%PDF-1.4 ")


def tools() -> tuple[Tool, ...]:
    """Return the libraries with the versions they give of themselves, in a fixed order."""
    build = cv2.getBuildInformation()
    return (
        Tool(name="opencv", version=cv2.__version__),
        *(Tool(name=f"lib{part}", version=_build_version(build, part)) for part in _FFMPEG_PARTS),
        Tool(name="libmediainfo", version=_mediainfo_version()),
        Tool(name="pymediainfo", version=importlib.metadata.version("pymediainfo")),
        Tool(name="exifread", version=exifread.__version__),
        Tool(name="puremagic", version=importlib.metadata.version("puremagic")),
        Tool(name="numpy", version=np.__version__),
    )


def _build_version(build: str, part: str) -> str:
    found = re.search(rf"{part}:\s+YES \(([0-9.]+)\)", build)
    return found.group(1) if found else "unknown"


def _mediainfo_version() -> str:
    library = ctypes.CDLL(MEDIAINFO_LIBRARY)
    library.MediaInfo_Option.restype = ctypes.c_wchar_p
    library.MediaInfo_Option.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_wchar_p]
    version: str = library.MediaInfo_Option(None, "Info_Version", "")  # "MediaInfoLib - v24.12"
    return storable(version).rpartition("v")[2][:200]
