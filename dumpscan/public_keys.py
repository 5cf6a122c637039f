"""Public keys that hold together: what harvesting matchers return as material for proofs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from dumpscan.keys import CURVES, okp_seed_size
from dumpscan.model import PublicKey

RSA_BITS = range(512, 16385)
"""Modulus sizes taken for real."""


def rsa_public(n: int, e: int, label: str, start: int) -> PublicKey | None:
    """An RSA public key, ``None`` if the numbers cannot be one."""
    if n.bit_length() not in RSA_BITS or n & 1 == 0 or e < 3 or e & 1 == 0 or e.bit_length() > 64:
        return None
    return PublicKey("rsa", (n, e), label=label, start=start)


def ec_public(curve: str, x: int, y: int, label: str, start: int) -> PublicKey | None:
    """An EC public key, ``None`` if (x, y) is not a point of ``curve``."""
    if curve not in CURVES or not on_curve(curve, x, y):
        return None
    return PublicKey("ec", (x, y), curve=curve, label=label, start=start)


def okp_public_key(algorithm: str, point: bytes, label: str, start: int) -> PublicKey | None:
    """An Ed25519, Ed448, X25519 or X448 public key, ``None`` if ``point`` has the wrong size or is filler."""
    if len(point) != okp_seed_size(algorithm) or len(set(point)) < 8:
        return None
    return PublicKey(algorithm, point=point, label=label, start=start)


def on_curve(curve: str, x: int, y: int) -> bool:
    """Whether (x, y) is a point of the named curve."""
    try:
        ec.EllipticCurvePublicNumbers(x, y, CURVES[curve]).public_key()
    except (ValueError, OverflowError):
        return False
    return True


def printable(text: object, limit: int = 120) -> str:
    """``text`` if it is a string of printable ASCII, cut to ``limit`` characters; else the empty string."""
    if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
        return ""
    return text if len(text) <= limit else text[: limit - 1] + "…"
