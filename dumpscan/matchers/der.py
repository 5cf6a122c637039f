"""Private keys in DER: PKCS#1, PKCS#8, SEC 1, the traditional DSA form, and encrypted PKCS#8.

RFC 8017 (RSAPrivateKey), RFC 5958 (OneAsymmetricKey), RFC 5915 (ECPrivateKey), RFC 8410 (Ed25519 and friends),
RFC 5208 and RFC 8018 (EncryptedPrivateKeyInfo). Memory is not a file: a buffer that was freed lost its first sixteen
bytes to the allocator, a page that is missing cut the tail off. So whatever fields are left are proved together, and
the key counts if they suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dumpscan import asn1, keys
from dumpscan.asn1 import Buffer
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.key_fields import ec_point, encrypted_key, looks_random, prove_rsa
from dumpscan.model import Candidate, Component, Confidence, Severity, Span

MAX_KEY = 12 * 1024
"""Bytes of DER of the largest key: RSA with 16384 bits takes 9.3 KiB."""

OKP_OIDS = {"1.3.101.110": "x25519", "1.3.101.111": "x448", "1.3.101.112": "ed25519", "1.3.101.113": "ed448"}
_RSA_OIDS = {"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.7", "1.2.840.113549.1.1.10"}
_EC_OIDS = {"1.2.840.10045.2.1", "1.3.132.1.12", "1.3.132.1.13"}
_DSA_OID = "1.2.840.10040.4.1"
DH_OIDS = {"1.2.840.113549.1.3.1", "1.2.840.10046.2.1"}
_ENCRYPTION_OIDS = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")

_CURVES_BY_WIDTH = {
    28: ("P-224",),
    32: ("P-256", "secp256k1", "brainpoolP256r1"),
    48: ("P-384", "brainpoolP384r1"),
    64: ("brainpoolP512r1",),
    66: ("P-521",),
}
_NOWHERE = (Span(0, 0),)


def parse_private_key(der: bytes, spans: Sequence[Span], encoding: str) -> Candidate | None:
    """The private key that ``der`` holds, whole, cut short or with its head overwritten; proved where it can be."""
    found = private_key_at(der, 0, len(der), encoding)
    if found is None and not der.startswith(b"\x30"):
        found = _tail_in(der, encoding)
    return None if found is None else replace(found, spans=tuple(spans))


def private_key_at(data: Buffer, pos: int, limit: int, encoding: str) -> Candidate | None:
    """The private key whose outer SEQUENCE stands at ``pos``; its one span reaches to the key's last byte."""
    outer = asn1.header(data, pos, limit)
    if outer is None or outer.tag != asn1.SEQUENCE:
        return None
    limit = min(limit, outer.end, len(data))
    first = asn1.header(data, outer.body, limit)
    if first is None:
        return None
    if first.tag == asn1.SEQUENCE:
        return _encrypted(data, outer, limit, encoding)
    version = asn1.number(data, first)
    follower = asn1.header(data, first.end, limit)
    if version not in (0, 1) or follower is None:
        return None
    if follower.tag == asn1.INTEGER and version == 0:
        return numbers_at(data, first.start, limit, encoding, outer)
    if follower.tag == asn1.OCTET_STRING and version == 1:
        return _placed(_sec1(data, first.end, limit, "", encoding), pos, limit)
    if follower.tag == asn1.SEQUENCE:
        return _placed(_pkcs8(data, first.end, limit, encoding), pos, limit)
    return None


def _placed(found: Candidate | None, start: int, end: int) -> Candidate | None:
    return None if found is None else replace(found, spans=(Span(start, end),))


def numbers_at(
    data: Buffer, pos: int, limit: int, encoding: str, outer: asn1.Element | None = None
) -> Candidate | None:
    """An RSA (PKCS#1) or DSA (OpenSSL's own) key whose version INTEGER stands at ``pos``."""
    found, end = asn1.numbers(data, pos, limit, 9)
    fields = found[1:] + [0] * (9 - len(found))
    start = pos if outer is None else outer.start
    if outer is not None and len(found) in (6, 9) and outer.end <= limit:
        end = outer.end
    if len(found) >= 6 and fields[1].bit_length() in (160, 224, 256):
        p, q, g, y, x = fields[:5]
        key = None if p.bit_length() > 8192 else keys.dsa_key(p, q, g, x, y=y, spans=_NOWHERE, encoding=encoding)
        if key is not None:
            return _placed(key, start, asn1.numbers(data, pos, limit, 6)[1])
    n, e, d, p, q = fields[:5]
    return _placed(prove_rsa(n, e, d=d, p=p, q=q, encoding=encoding), start, end)


def tail_at(data: Buffer, pos: int, limit: int, encoding: str) -> Candidate | None:
    """The rest of a PKCS#1 key from its public exponent on: e, d, p, q, where the modulus was overwritten."""
    found, end = asn1.numbers(data, pos, limit, 7)
    if len(found) < 4:
        return None
    e, d, p, q = found[:4]
    return _placed(prove_rsa(0, e, d=d, p=p, q=q, encoding=encoding), pos, end)


def _tail_in(der: bytes, encoding: str) -> Candidate | None:
    pos = der.find(_EXPONENT)
    return None if pos < 0 else tail_at(der, pos, len(der), encoding)


def _pkcs8(data: Buffer, pos: int, limit: int, encoding: str) -> Candidate | None:
    algorithm = asn1.element(data, pos, limit, asn1.SEQUENCE)
    if algorithm is None:
        return None
    name = asn1.element(data, algorithm.body, algorithm.end, asn1.OID)
    oid = asn1.oid(data, name)
    inner = asn1.header(data, algorithm.end, limit)
    if name is None or oid is None or inner is None or inner.tag != asn1.OCTET_STRING:
        return None
    end = min(inner.end, limit)
    if oid in _RSA_OIDS:
        return private_key_at(data, inner.body, end, encoding)
    if oid in _EC_OIDS:
        curve = asn1.oid(data, asn1.element(data, name.end, algorithm.end)) or ""
        nested = asn1.header(data, inner.body, end)
        version = None if nested is None else asn1.element(data, nested.body, end, asn1.INTEGER)
        return version and _sec1(data, version.end, end, keys.CURVE_OIDS.get(curve, "?" if curve else ""), encoding)
    if oid in OKP_OIDS:
        return _okp(data, OKP_OIDS[oid], inner, limit, encoding)
    return _discrete_log(data, oid, asn1.element(data, name.end, algorithm.end), inner.body, end, encoding)


def _okp(data: Buffer, algorithm: str, inner: asn1.Element, limit: int, encoding: str) -> Candidate | None:
    seed_item = asn1.element(data, inner.body, min(inner.end, limit), asn1.OCTET_STRING)
    if seed_item is None:
        return None
    seed = asn1.content(data, seed_item)
    public = None
    for item in _siblings(data, inner.end, limit):
        if item.tag in (0x81, 0xA1):  # [1] publicKey, RFC 5958; the unused-bits byte comes first
            public = asn1.content(data, item)[-keys.okp_seed_size(algorithm) :]
    if public is not None and len(set(public)) < len(public) // 4:
        public = None  # it was overwritten
    if public is None and not looks_random(seed):
        return None
    return keys.okp_key(algorithm, seed, public=public, spans=_NOWHERE, encoding=encoding)


def _discrete_log(
    data: Buffer, oid: str, parameters: asn1.Element | None, pos: int, limit: int, encoding: str
) -> Candidate | None:
    """DSA and Diffie-Hellman in PKCS#8: the group in the algorithm's parameters, the exponent alone in the key."""
    x = asn1.number(data, asn1.element(data, pos, limit, asn1.INTEGER))
    if x is None or parameters is None or parameters.tag != asn1.SEQUENCE:
        return None
    group, _ = asn1.numbers(data, parameters.body, parameters.end, 3)
    if len(group) < 2 or group[0].bit_length() > 8192:
        return None
    if oid == _DSA_OID and len(group) == 3:
        p, q, g = group
        return keys.dsa_key(p, q, g, x, spans=_NOWHERE, encoding=encoding)
    p, g = group[:2]
    if oid not in DH_OIDS or p.bit_length() < 512 or not 1 < x < p or not 1 < g < p:
        return None
    key = keys.dh_key(p, g, x, pow(g, x, p), spans=_NOWHERE, encoding=encoding)
    return key and replace(key, confidence=Confidence.VALIDATED, evidence="exponent in range of its group")


def _siblings(data: Buffer, pos: int, limit: int) -> Iterable[asn1.Element]:
    """The optional fields from ``pos`` on; no key has more than a few."""
    for _ in range(4):
        item = asn1.element(data, pos, limit)
        if item is None:
            return
        yield item
        pos = item.end


def _sec1(data: Buffer, pos: int, limit: int, curve: str, encoding: str) -> Candidate | None:
    """ECPrivateKey from its privateKey field on. ``curve`` is known from outside, "" (find out) or "?" (unknown)."""
    secret = asn1.element(data, pos, limit, asn1.OCTET_STRING)
    if secret is None or not 16 <= secret.end - secret.body <= 72:
        return None
    scalar, width, raw = asn1.content(data, secret), secret.end - secret.body, b""
    for item in _siblings(data, secret.end, limit):
        child = asn1.element(data, item.body, item.end)
        if item.tag == 0xA0:
            oid = asn1.oid(data, child)
            curve = curve or keys.CURVE_OIDS.get(oid or "", "?" if oid else "")
        elif item.tag == 0xA1 and child is not None and child.tag == asn1.BIT_STRING:
            raw = asn1.content(data, child)[1:]
    if curve == "?":
        return None
    number = int.from_bytes(scalar, "big")
    named = (curve,) if curve else _CURVES_BY_WIDTH.get(width, ())
    points = {name: point for name in named if raw and (point := ec_point(name, raw)) and keys.on_curve(name, point)}
    if not points and not looks_random(scalar):
        return None
    for name in points or named:  # a public key that is a point of no such curve is damaged, and refutes nothing
        key = keys.ec_key(name, number, point=points.get(name), spans=_NOWHERE, encoding=encoding)
        if key is not None:
            guess = "" if curve or name in points else "; curve taken from the length"
            return replace(key, evidence=key.evidence + guess)
    return None


def _encrypted(data: Buffer, outer: asn1.Element, limit: int, encoding: str) -> Candidate | None:
    parts = asn1.children(data, outer, limit)
    if parts is None or [part.tag for part in parts] != [asn1.SEQUENCE, asn1.OCTET_STRING]:
        return None
    oid = asn1.oid(data, asn1.element(data, parts[0].body, parts[0].end)) or ""
    payload = asn1.content(data, parts[1])
    if not oid.startswith(_ENCRYPTION_OIDS) or len(payload) < 32 or not looks_random(payload[:64]):
        return None
    scheme = "PBES2" if oid.endswith(".5.13") else "PBES1" if ".5." in oid else "PKCS#12 PBE"
    return encrypted_key(
        payload,
        kind="encrypted-private-key",
        title=f"Encrypted private key (PKCS#8, {scheme})",
        spans=(Span(outer.start, outer.end),),
        encoding=encoding,
    )


def opaque_private_key(der: bytes, spans: Sequence[Span], encoding: str) -> Candidate | None:
    """A complete key, in PKCS#8 or as an ECPrivateKey, of an algorithm or curve that is not known here, where a label
    vouches for it (PEM)."""
    outer = asn1.element(der, 0, len(der), asn1.SEQUENCE)
    parts = None if outer is None else asn1.children(der, outer, len(der))
    tags = [part.tag for part in (parts or ())[:3]]
    if parts and tags == [asn1.INTEGER, asn1.OCTET_STRING, 0xA0]:
        group = _group(der, asn1.element(der, parts[2].body, parts[2].end))
        secret = Component("d", asn1.content(der, parts[1]).lstrip(b"\0"), "integer")
        if not group or len(secret.value) < 12:
            return None
        return _opaque(group, secret, spans, encoding, "ECPrivateKey")
    if not parts or tags != [asn1.INTEGER, asn1.SEQUENCE, asn1.OCTET_STRING]:
        return None
    name = asn1.element(der, parts[1].body, parts[1].end, asn1.OID)
    oid = asn1.oid(der, name)
    if oid is None or name is None:
        return None
    group = _group(der, asn1.element(der, name.end, parts[1].end))
    known = oid in _RSA_OIDS | DH_OIDS | {_DSA_OID, *OKP_OIDS}
    if known or (oid in _EC_OIDS and (not group or group in keys.CURVE_OIDS)):
        return None
    payload = Component("key", asn1.content(der, parts[2]))
    return _opaque(group or oid, payload, spans, encoding, "PKCS#8") if len(payload.value) >= 16 else None


def _group(der: bytes, parameters: asn1.Element | None) -> str:
    """The curve that ECParameters name, or that they spell it out; nothing for other parameters."""
    is_explicit = parameters is not None and parameters.tag == asn1.SEQUENCE
    return asn1.oid(der, parameters) or ("EC with explicit parameters" if is_explicit else "")


def _opaque(
    algorithm: str, secret: Component, spans: Sequence[Span], encoding: str, structure: str
) -> Candidate | None:
    if not looks_random(secret.value[-32:]):
        return None
    return Candidate(
        kind="private-key",
        title=f"Private key (algorithm {algorithm})",
        identity=structure.replace("#", "").lower().encode() + b":" + secret.value,
        spans=tuple(spans),
        encoding=encoding,
        components=(secret,),
        severity=Severity.CRITICAL,
        evidence=f"complete {structure} structure",
        preview=f"{structure} {algorithm}",
    )


# ---------------------------------------------------------------- the matcher

_EXPONENT = bytes.fromhex("0203010001")
_Try = Callable[[memoryview, int, int], Candidate | None]


def _try_numbers(data: memoryview, pos: int, limit: int) -> Candidate | None:
    return numbers_at(data, pos, limit, "der", asn1.header_before(data, pos, limit))


def _try_version(data: memoryview, pos: int, limit: int) -> Candidate | None:
    outer = asn1.header_before(data, pos, limit)
    return None if outer is None else private_key_at(data, outer.start, limit, "der")


def _try_tail(data: memoryview, pos: int, limit: int) -> Candidate | None:
    return tail_at(data, pos, limit, "der")


def _try_oid(data: memoryview, pos: int, limit: int) -> Candidate | None:
    """From an algorithm's OID out to its SEQUENCE, then to the version in front of it, then to the key."""
    algorithm = asn1.header_before(data, pos, limit)
    if algorithm is None:
        return None
    if algorithm.start >= 3 and bytes(data[algorithm.start - 3 : algorithm.start - 1]) == b"\x02\x01":
        found = _try_version(data, algorithm.start - 3, limit)
        if found is not None:
            return found
    return _placed(_pkcs8(data, algorithm.start, limit, "der"), algorithm.start, _end_of_key(data, algorithm, limit))


def _end_of_key(data: memoryview, algorithm: asn1.Element, limit: int) -> int:
    inner = asn1.header(data, algorithm.end, limit)
    return limit if inner is None else min(inner.end, limit)


def _try_encrypted(data: memoryview, pos: int, limit: int) -> Candidate | None:
    algorithm = asn1.header_before(data, pos, limit)
    outer = None if algorithm is None else asn1.header_before(data, algorithm.start, limit)
    return None if outer is None else private_key_at(data, outer.start, limit, "der")


_RULES: tuple[tuple[str, _Try], ...] = (
    ("0201000282", _try_numbers),
    ("0201000281", _try_numbers),
    ("0201000241", _try_numbers),
    ("0201000261", _try_numbers),
    ("020100300d06092a864886f70d0101", _try_version),
    ("020100301306072a8648ce3d0201", _try_version),
    ("020100301006072a8648ce3d0201", _try_version),
    ("020100301406072a8648ce3d0201", _try_version),
    ("020101041c", _try_version),
    ("0201010420", _try_version),
    ("0201010430", _try_version),
    ("0201010440", _try_version),
    ("0201010442", _try_version),
    ("06032b656e04220420", _try_oid),
    ("06032b656f043a0438", _try_oid),
    ("06032b657004220420", _try_oid),
    ("06032b6571043b0439", _try_oid),
    ("06092a864886f70d01010a", _try_oid),
    ("06092a864886f70d010301", _try_oid),
    ("06072a8648ce380401", _try_oid),
    ("06072a8648ce3e0201", _try_oid),
    ("06092a864886f70d0105", _try_encrypted),
    ("060a2a864886f70d010c01", _try_encrypted),
    ("02030100010282", _try_tail),
    ("02030100010281", _try_tail),
    ("02030100010240", _try_tail),
    ("02030100010241", _try_tail),
)


class Der:
    """Private keys in binary DER."""

    name = "der"
    anchors: Sequence[bytes] = tuple(bytes.fromhex(rule[0]) for rule in _RULES)
    reach = MAX_KEY
    most_hits = 4_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Candidate]:
        done = 0
        for hit in sorted(hits, key=lambda hit: hit.start):
            if hit.start < done:
                continue
            found = _RULES[hit.anchor][1](view.data, hit.start, min(len(view.data), hit.start + MAX_KEY - 64))
            if found is not None:
                done = found.spans[0].end
                yield found


DER = Der()
