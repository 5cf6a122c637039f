"""Public keys in certificates, SubjectPublicKeyInfo and PKCS#1, in DER and PEM: material for proofs, not findings.

RFC 5280 (Certificate), RFC 5480, RFC 8410 and RFC 3279 (SubjectPublicKeyInfo; Diffie-Hellman's by PKCS #3 too),
RFC 8017 (RSAPublicKey).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dumpscan import asn1, keys
from dumpscan.asn1 import Buffer
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.der import DH_OIDS, OKP_OIDS
from dumpscan.matchers.key_fields import ec_point
from dumpscan.matchers.pem import body_of, decode
from dumpscan.model import PublicKey

MAX_CERTIFICATE = 16 * 1024
_MAX_NAMES = 3072
"""Bytes between the start of a certificate and its key: serial number, algorithm, issuer, validity, subject."""
_TBS = bytes.fromhex("a00302010202")
_RSA, _EC, _DSA = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.2.840.10040.4.1"
_EC_OID = "06072a8648ce3d0201"
_GROUP_OIDS = ("06072a8648ce380401", "06092a864886f70d010301", "06072a8648ce3e0201")
"""DSA, and Diffie-Hellman by PKCS #3 and X9.42."""
_NAME_PARTS = {bytes.fromhex("550403"): "CN", bytes.fromhex("55040a"): "O", bytes.fromhex("55040b"): "OU"}
_LABELS = (b"CERTIFICATE", b"TRUSTED CERTIFICATE", b"PUBLIC KEY", b"RSA PUBLIC KEY")
_PEM_BODY = re.compile(rb"[A-Za-z0-9+/=\s\\]{0,%d}" % (MAX_CERTIFICATE * 3 // 2))
_MODULUS_BITS = (512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 7680, 8192, 15360, 16384)
_MODULUS_HEADS = tuple((bits // 8 + 1, keys.der(2, bytes(bits // 8 + 1))[: -(bits // 8 + 1)]) for bits in _MODULUS_BITS)


def public_key_at(data: Buffer, spki: asn1.Element, label: str = "") -> PublicKey | None:
    """The key of the SubjectPublicKeyInfo ``spki``; ``None`` for an algorithm that no proof takes."""
    algorithm = asn1.element(data, spki.body, spki.end, asn1.SEQUENCE)
    name = None if algorithm is None else asn1.element(data, algorithm.body, algorithm.end, asn1.OID)
    if algorithm is None or name is None:
        return None
    bits = asn1.element(data, algorithm.end, spki.end, asn1.BIT_STRING)
    oid = asn1.oid(data, name)
    if bits is None or oid is None or bits.end - bits.body < 2 or data[bits.body] != 0:
        return None
    if oid == _RSA:
        return rsa_public_key_at(data, bits.body + 1, bits.end, label, spki.start)
    raw = asn1.content(data, bits)[1:]
    if oid in OKP_OIDS:
        good = len(raw) == keys.okp_seed_size(OKP_OIDS[oid])
        return PublicKey(OKP_OIDS[oid], point=raw, label=label, start=spki.start) if good else None
    parameters = asn1.element(data, name.end, algorithm.end)
    if oid == _EC:
        curve = keys.CURVE_OIDS.get(asn1.oid(data, parameters) or "")
        point = ec_point(curve, raw) if curve else None
        return PublicKey("ec", point, curve=curve or "", label=label, start=spki.start) if point else None
    group = [] if parameters is None else asn1.numbers(data, parameters.body, parameters.end, 3)[0]
    y = asn1.number(raw, asn1.element(raw, 0, len(raw), asn1.INTEGER))
    if y is None or len(group) < 2:
        return None
    if oid == _DSA and len(group) == 3:
        return PublicKey("dsa", (*group, y), label=label, start=spki.start)
    return PublicKey("dh", (*group[:2], y), label=label, start=spki.start) if oid in DH_OIDS else None


def rsa_public_key_at(data: Buffer, pos: int, limit: int, label: str, start: int) -> PublicKey | None:
    """The PKCS#1 RSAPublicKey at ``pos``."""
    outer = asn1.element(data, pos, limit, asn1.SEQUENCE)
    found = [] if outer is None else asn1.numbers(data, outer.body, outer.end, 2)[0]
    return _rsa(found[0], found[1], label, start) if len(found) == 2 else None


def _rsa(n: int, e: int, label: str, start: int) -> PublicKey | None:
    good = n.bit_length() >= 512 and n & 1 and 2 < e < 1 << 256 and e & 1
    return PublicKey("rsa", (n, e), label=label, start=start) if good else None


def certificate_at(data: Buffer, pos: int, limit: int) -> PublicKey | None:
    """The key of the X.509 certificate at ``pos``, labelled with whose it is."""
    outer = asn1.element(data, pos, limit, asn1.SEQUENCE)
    tbs = None if outer is None else asn1.element(data, outer.body, outer.end, asn1.SEQUENCE)
    parts = None if tbs is None else asn1.children(data, tbs, limit)
    if parts is None:
        return None
    if parts and parts[0].tag == 0xA0:
        parts = parts[1:]
    if len(parts) < 6 or parts[0].tag != asn1.INTEGER or any(part.tag != asn1.SEQUENCE for part in parts[1:6]):
        return None
    return public_key_at(data, parts[5], _certificate_label(data, parts))


def _certificate_label(data: Buffer, parts: Sequence[asn1.Element]) -> str:
    issuer, validity, subject = parts[2:5]
    dates = asn1.children(data, validity, validity.end) or []
    until = _date(data, dates[1]) if len(dates) == 2 else "?"
    return f"certificate {_name(data, subject)}, issuer {_name(data, issuer)}, to {until}"


def _name(data: Buffer, name: asn1.Element) -> str:
    """The most telling attribute of a Name, made printable: CN, else O, else OU."""
    found: dict[str, str] = {}
    for group in asn1.children(data, name, name.end) or []:
        pair = asn1.element(data, group.body, group.end, asn1.SEQUENCE)
        kind = None if pair is None else asn1.element(data, pair.body, pair.end, asn1.OID)
        if pair is None or kind is None:
            continue
        part = _NAME_PARTS.get(asn1.content(data, kind))
        value = asn1.element(data, kind.end, pair.end)
        if part and value is not None:
            encoding = "utf-16-be" if value.tag == 0x1E else "utf-8"
            found.setdefault(part, printable(asn1.content(data, value)[:128].decode(encoding, "replace")))
    for part in _NAME_PARTS.values():
        if part in found:
            return f"{part}={found[part]}"
    return "(no name)"


def printable(text: str) -> str:
    """``text`` without control, formatting and undecodable characters, of 64 characters at most."""
    return "".join(c if c.isprintable() else "?" for c in text)[:64]


def _date(data: Buffer, item: asn1.Element) -> str:
    """UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5) as ``YYYY-MM-DD``."""
    text = asn1.content(data, item)[:8].decode("ascii", "replace")
    if item.tag == 0x17:
        text = ("19" if text[:2] >= "50" else "20") + text[:6]
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if text.isascii() and text.isdigit() and len(text) == 8 else "?"


def from_der(der: bytes, start: int = 0) -> PublicKey | None:
    """The key of a certificate, SubjectPublicKeyInfo or RSAPublicKey that is all of ``der``; it stands at ``start``."""
    outer = asn1.element(der, 0, len(der), asn1.SEQUENCE)
    if outer is None:
        return None
    found = certificate_at(der, 0, len(der)) or public_key_at(der, outer, "public key")
    found = found or rsa_public_key_at(der, 0, len(der), "RSA public key", 0)
    return found and replace(found, start=start)


# ---------------------------------------------------------------- the matcher


def _spki_anchors() -> tuple[bytes, ...]:
    rsa = bytes.fromhex("06092a864886f70d0101010500")
    return (
        rsa + b"\x03\x82",
        rsa + b"\x03\x81",
        rsa + b"\x03\x5c",
        *(bytes.fromhex(oid) for oid in (_EC_OID, *_GROUP_OIDS)),
        *(bytes.fromhex("06032b65" + arc + "03" + size + "00") for arc, size in
          (("6e", "21"), ("6f", "39"), ("70", "21"), ("71", "3a"))),
    )  # fmt: skip


class Certificates:
    """Harvests public keys from certificates, SubjectPublicKeyInfo and RSAPublicKey; DER and PEM."""

    name = "certificates"
    anchors: Sequence[bytes] = (
        *_spki_anchors(),
        bytes.fromhex("0203010001"),
        *(b"BEGIN " + label + b"-----" for label in _LABELS),
    )
    reach = MAX_CERTIFICATE * 3 // 2 + 64
    most_hits = 20_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[PublicKey]:
        done = 0
        exponent = len(_spki_anchors())
        for hit in sorted(hits, key=lambda hit: hit.start):
            if hit.start < done:
                continue
            if hit.anchor < exponent:
                found, done = _from_spki(view.data, hit.start, done)
            elif hit.anchor == exponent:
                found = _from_exponent(view.data, hit.start)
            else:
                head = hit.start + len(self.anchors[hit.anchor])
                found, done = _from_pem(view.data, head, done)
            if found is not None:
                yield found


def _from_spki(data: memoryview, oid: int, done: int) -> tuple[PublicKey | None, int]:
    """The key whose algorithm OID stands at ``oid``, and the position up to which hits belong to it."""
    algorithm = asn1.header_before(data, oid, len(data))
    outer = None if algorithm is None else asn1.header_before(data, algorithm.start, len(data))
    if outer is None or outer.end > len(data) or outer.end - outer.start > 4096:
        return None, done
    key = public_key_at(data, outer, "public key")
    if key is None:
        return None, done
    return _enclosing_certificate(data, outer) or key, outer.end


def _enclosing_certificate(data: memoryview, spki: asn1.Element) -> PublicKey | None:
    """The certificate around ``spki``, judged by the fields in front of the key alone.

    In memory the outer headers are often gone: OpenSSL keeps the TBSCertificate by itself, and the first bytes of a
    freed certificate belong to the allocator.
    """
    floor = max(spki.start - _MAX_NAMES, 0)
    marker = bytes(data[floor : spki.start]).rfind(_TBS)
    parts: list[asn1.Element] = []
    position = floor + marker
    while marker >= 0 and position < spki.start and len(parts) < 6:
        part = asn1.element(data, position, spki.start)
        if part is None:
            return None
        parts.append(part)
        position = part.end
    if position != spki.start or len(parts) != 6 or any(part.tag != asn1.SEQUENCE for part in parts[2:]):
        return None
    key = public_key_at(data, spki, _certificate_label(data, parts[1:]))
    return key and replace(key, start=floor + marker)


def _from_exponent(data: memoryview, pos: int) -> PublicKey | None:
    """n of usual sizes in front of e = 65537."""
    for size, head in _MODULUS_HEADS:
        start = pos - size - len(head)
        if start >= 0 and data[start : start + len(head)] == head and data[pos - size] == 0:
            return _rsa(int.from_bytes(data[pos - size : pos], "big"), 65537, "RSA public key", start)
    return None


def _from_pem(data: memoryview, pos: int, done: int) -> tuple[PublicKey | None, int]:
    found = _PEM_BODY.match(data, pos)
    text = found[0] if found else b""
    raw = bytes(text)
    try:
        der = decode(body_of(raw).chars) if b"\\" in raw else binascii.a2b_base64(raw)
    except binascii.Error:
        der = decode(body_of(raw).chars)
    outer = asn1.header(der, 0, len(der))
    if outer is None:
        return None, done
    return from_der(der[: outer.end], pos), pos + len(raw)


CERTIFICATES = Certificates()
