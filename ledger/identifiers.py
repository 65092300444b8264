"""Identifiers: what things are called in the log. Random, globally unique, and telling nothing.

``item_7K3M9QZV2D8HN``: a kind, an underscore, thirteen characters of Crockford's base 32 (65 random bits), so that no
letter is mistaken for a digit when it is read out over a radio. Events have 128 bits: ``event_`` and 32 hex digits.
"""

from __future__ import annotations

import os
import re

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
IDENTIFIER = re.compile(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{13}", re.ASCII)
# 256 is a multiple of 32, so of random bytes every character is as likely as the others.
_OF_A_BYTE = (ALPHABET * 8).encode()
EVENT_ID = re.compile(r"event_[0-9a-f]{32}", re.ASCII)

FILE_KINDS = frozenset({"item", "deriv", "pkg"})  # the subject's digest is that of the file's content
REGISTERED_KINDS = frozenset({"drop", "op", "auth", "dev", "depl", "actor", "copy"})  # the digest is that of the name


def new_identifier(kind: str) -> str:
    """Return a fresh identifier such as ``item_7K3M9QZV2D8HN``."""
    return f"{kind}_{random_characters(13)}"


def random_characters(count: int) -> str:
    """Return ``count`` random characters of Crockford's base 32 (5 bits each)."""
    return os.urandom(count).translate(_OF_A_BYTE).decode("ascii")


def new_event_id() -> str:
    """Return a fresh event identifier of 128 random bits."""
    return f"event_{os.urandom(16).hex()}"


def kind_of(identifier: str) -> str:
    """Return the kind of an identifier (``item``), or ``log`` for the log itself."""
    return identifier.partition("_")[0]
