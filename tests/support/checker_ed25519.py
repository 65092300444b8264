"""Ed25519 for the checker, with the refusals of custody-log section 4: S >= L, non-canonical A or R, small-order A."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIELD_PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
EDWARDS_D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether ``signature`` is a strict Ed25519 signature of ``message``."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        return False
    if not _is_canonical(public_key) or not _is_canonical(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    # Only now: the arithmetic below is for points of the curve, and the library has just decoded the key as one.
    return not _has_small_order(public_key)


def _height(point: bytes) -> int:
    return int.from_bytes(point, "little") & (2**255 - 1)


def _is_canonical(point: bytes) -> bool:
    height = _height(point)
    # x = 0 has no negative: the sign bit of such a point must be clear.
    return height < FIELD_PRIME and not (height in (1, FIELD_PRIME - 1) and point[31] & 0x80)


def _has_small_order(point: bytes) -> bool:
    """Return whether eight times the point is the identity, from its y alone.

    y of 2P is (y^2 + x^2) / (1 - d x^2 y^2) for the curve -x^2 + y^2 = 1 + d x^2 y^2; after three doublings of a point
    of order 1, 2, 4 or 8 it is 1, and only the identity has y = 1.
    """
    height = _height(point)
    for _ in range(3):
        square = height * height % FIELD_PRIME
        across = (square - 1) * pow(EDWARDS_D * square + 1, -1, FIELD_PRIME) % FIELD_PRIME
        below = (1 - EDWARDS_D * across * square) % FIELD_PRIME
        height = (square + across) * pow(below, -1, FIELD_PRIME) % FIELD_PRIME
    return height == 1
