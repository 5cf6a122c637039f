"""What the fields of key files prove, whatever the file: RSA from any of them, points, and octets that may be a key."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from dumpscan import keys
from dumpscan.model import Candidate, Component, Confidence, Severity, Span

_NOWHERE = (Span(0, 0),)
_PUBLIC_FIELD = re.compile(rb"\xa1\x81?[\x24-\xff]\x03\x81?[\x22-\xff]\x00|\x81[\x21\x3a]\x00", re.S)
"""[1] publicKey: a BIT STRING (RFC 5915), or implicitly one of Ed25519 or Ed448 (RFC 5958)."""


def prove_rsa(
    n: int, e: int, *, d: int = 0, p: int = 0, q: int = 0, spans: Sequence[Span] = _NOWHERE, encoding: str
) -> Candidate | None:
    """The RSA key that these fields prove together, whichever of them are missing (0) or damaged.

    One factor that divides n is enough; so is d; so are p, q and a d that belongs to them.
    """
    for factor in (p, q):
        if factor.bit_length() >= 128 and n > factor and n % factor == 0:
            whole = keys.rsa_key(n, e, d=d, p=factor, spans=spans, encoding=encoding)
            return whole or keys.rsa_key(n, e, p=factor, spans=spans, encoding=encoding)
    if n and d and _may_be_exponent(n, e, d):
        return keys.rsa_key(n, e, d=d, spans=spans, encoding=encoding)
    if d and min(p.bit_length(), q.bit_length()) >= 128:
        return keys.rsa_key(p * q, e, d=d, p=p, q=q, spans=spans, encoding=encoding)
    return None


def _may_be_exponent(n: int, e: int, d: int) -> bool:
    """A cheap test before the costly proof: e*d*g = g - k*(p+q-1) (mod n) is about half as long as n.

    g = gcd(p-1, q-1) if d was reduced by the lcm, else 1; it is small and even for real keys.
    """
    bits = n.bit_length()
    if not 1 < d < n or e < 3 or n & 1 == 0:
        return False
    if e.bit_length() * 4 > bits:
        return True
    short = bits - (bits // 2 + e.bit_length() + 16)
    step = -e * d % n
    if step >> (bits - short) == 0:
        return True
    step = 2 * step % n
    value = 0
    for _ in range(1024):
        value += step
        if value >= n:
            value -= n
        if value >> (bits - short) == 0:
            return True
    return False


def ec_point(curve: str, raw: bytes) -> tuple[int, int] | None:
    """The affine point of an encoded one (SEC 1, 2.3.4); ``None`` if it is malformed."""
    width = (keys.CURVES[curve].key_size + 7) // 8
    if len(raw) == 2 * width + 1 and raw[0] == 4:
        return int.from_bytes(raw[1 : 1 + width], "big"), int.from_bytes(raw[1 + width :], "big")
    if len(raw) == width + 1 and raw[0] in (2, 3):
        try:
            numbers = ec.EllipticCurvePublicKey.from_encoded_point(keys.CURVES[curve], raw).public_numbers()
        except ValueError:
            return None
        return numbers.x, numbers.y
    return None


def looks_random(value: bytes) -> bool:
    """Whether unproven key bytes could be a key, and not library data behind a template or a zeroed buffer.

    Templates of ring and BoringSSL leave the key out: what follows is the head of the public one, then other data.
    """
    if len(set(value)) < len(value) // 4 or value.count(0) > len(value) // 4:
        return False
    if b"\x30\x05\x06\x03\x2b\x65" in value or b"\x06\x07\x2a\x86\x48\xce" in value:
        return False
    if _PUBLIC_FIELD.match(value):
        return False
    text = sum(0x20 <= octet < 0x7F or octet in b"\0\t\r\n" for octet in value)
    return text * 8 < len(value) * 7


def encrypted_key(
    payload: bytes, *, kind: str, title: str, spans: Sequence[Span], encoding: str, preview: str = ""
) -> Candidate:
    """A key that needs a passphrase: one component, the encrypted octets."""
    return Candidate(
        kind=kind,
        title=title,
        identity=b"encrypted:" + payload,
        spans=tuple(spans),
        encoding=encoding,
        components=(Component("encrypted", payload),),
        severity=Severity.MEDIUM,
        confidence=Confidence.VALIDATED,
        evidence="well-formed container; contents encrypted",
        preview=preview or title,
    )
