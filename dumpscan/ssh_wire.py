"""SSH wire encoding of keys (RFC 4251, section 5; RFC 4253, 5656, 8709; private forms: OpenSSH's PROTOCOL.key).

A key is a row of strings, each after its 32-bit big-endian length; the first names the type. OpenSSH's private forms
are: RSA n, e, d, qinv, p, q; ECDSA curve, point, d; Ed25519 public key, seed followed by public key; DSA p, q, g, y, x.
With a certificate, one string holds the certificate in place of the public numbers (Ed25519 repeats its public key).
"""

from __future__ import annotations

from dumpscan import keys
from dumpscan.model import Candidate, PublicKey, Span
from dumpscan.public_keys import ec_public, okp_public_key, rsa_public

FIELD_LIMIT = 1 << 16
"""Longest string taken for real, in bytes."""

CURVE_NAMES = {b"nistp256": "P-256", b"nistp384": "P-384", b"nistp521": "P-521"}
"""RFC 5656, section 10.1."""

_CERTIFICATE = b"-cert-v01@openssh.com"
Data = bytes | memoryview


def fields(data: Data, start: int, count: int) -> list[Span] | None:
    """Where the next ``count`` strings lie, without their lengths; ``None`` if they do not fit."""
    spans, at = [], start
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if size > FIELD_LIMIT or at + size > len(data):
            return None
        spans.append(Span(at, at + size))
        at += size
    return spans


def _bytes(data: Data, span: Span) -> bytes:
    return bytes(data[span.start : span.end])


def _number(data: Data, span: Span) -> int:
    return int.from_bytes(data[span.start : span.end], "big")


def _point(raw: bytes) -> tuple[int, int] | None:
    """Uncompressed point of SEC 1, section 2.3.3."""
    half = len(raw) // 2
    if len(raw) < 3 or raw[0] != 4 or len(raw) % 2 == 0:
        return None
    return int.from_bytes(raw[1 : half + 1], "big"), int.from_bytes(raw[half + 1 :], "big")


def public_key(data: Data, start: int = 0, label: str = "") -> tuple[PublicKey, int] | None:
    """The public key whose type string's length stands at ``start``, and where it ends; ``None`` if there is none."""
    head = fields(data, start, 1)
    kind = _bytes(data, head[0]) if head and len(head[0]) < 64 else b""
    count = {b"ssh-rsa": 3, b"ssh-ed25519": 2}.get(kind, 3 if kind[:11] == b"ecdsa-sha2-" else 0)
    found = fields(data, start, count) if count else None
    if not found:
        return None
    key: PublicKey | None = None
    if kind == b"ssh-rsa":
        key = rsa_public(_number(data, found[2]), _number(data, found[1]), label, start)
    elif kind == b"ssh-ed25519":
        key = okp_public_key("ed25519", _bytes(data, found[1]), label, start)
    else:
        curve, point = CURVE_NAMES.get(_bytes(data, found[1]), ""), _point(_bytes(data, found[2]))
        if point and kind[11:] == _bytes(data, found[1]):
            key = ec_public(curve, *point, label, start)
    return (key, found[-1].end) if key else None


def private_key(
    data: Data, start: int = 0, *, encoding: str, signature: str | None = None
) -> tuple[Candidate, int] | None:
    """The private key whose type string's length stands at ``start``, and where it ends; ``None`` if there is none.

    Proven by arithmetic; its spans are the private strings, counted from the start of ``data``.
    """
    head = fields(data, start, 1)
    kind = _bytes(data, head[0]) if head and len(head[0]) < 64 else b""
    certified = kind.endswith(_CERTIFICATE)
    kind = kind.removesuffix(_CERTIFICATE)
    layout = _layout(kind, certified)
    found = fields(data, start, layout) if layout else None
    if not found:
        return None
    raw = [_bytes(data, span) for span in found]
    if certified:
        public = _certified(kind, raw[1])
        if public is None:
            return None
        raw[1:2], found[1:2] = public, [found[1]] * len(public)
    candidate = _build(kind, raw, found, encoding, signature)
    return (candidate, found[-1].end) if candidate else None


def _layout(kind: bytes, certified: bool) -> int:
    """How many strings a private key of ``kind`` has, the type included; 0 if unknown."""
    if kind[:11] == b"ecdsa-sha2-" and kind[11:] in CURVE_NAMES:
        return 3 if certified else 4
    plain = {b"ssh-rsa": 7, b"ssh-ed25519": 3, b"ssh-dss": 6}
    with_certificate = {b"ssh-rsa": 6, b"ssh-ed25519": 4, b"ssh-dss": 3}
    return (with_certificate if certified else plain).get(kind, 0)


def _certified(kind: bytes, certificate: bytes) -> list[bytes] | None:
    """The public strings of a certificate, in the order of a private key (OpenSSH's PROTOCOL.certkeys)."""
    count = {b"ssh-rsa": 2, b"ssh-ed25519": 1, b"ssh-dss": 4}.get(kind, 2)
    found = fields(certificate, 0, 2 + count)
    if not found:
        return None
    public = [_bytes(certificate, span) for span in found[2:]]
    if kind == b"ssh-ed25519":
        return []  # the public key is repeated after the certificate
    return public[::-1] if kind == b"ssh-rsa" else public


def _build(kind: bytes, raw: list[bytes], at: list[Span], encoding: str, signature: str | None) -> Candidate | None:
    number = [int.from_bytes(item, "big") for item in raw]
    if kind == b"ssh-rsa":
        n, e, d, _, p, q = number[1:7]
        if p.bit_length() + q.bit_length() > 16386:
            return None
        return keys.rsa_key(n, e, d=d, p=p, q=q, spans=at[3:7], encoding=encoding, signature=signature)
    if kind == b"ssh-ed25519":
        public, pair = raw[1], raw[2]
        if len(pair) != 64 or pair[32:] != public:
            return None
        seed = Span(at[2].start, at[2].start + 32)
        return keys.okp_key("ed25519", pair[:32], public=public, spans=(seed,), encoding=encoding, signature=signature)
    if kind == b"ssh-dss":
        p, q, g, y, x = number[1:6]
        if p.bit_length() > 4096 or not y:
            return None
        return keys.dsa_key(p, q, g, x, y=y, spans=at[5:6], encoding=encoding, signature=signature)
    curve, point = CURVE_NAMES.get(raw[1], ""), _point(raw[2])
    if not curve or point is None:
        return None
    return keys.ec_key(curve, number[3], point=point, spans=at[3:4], encoding=encoding, signature=signature)
