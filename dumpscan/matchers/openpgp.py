"""OpenPGP secret-key packets and libgcrypt's S-expressions of private keys.

RFC 9580 (and RFC 4880): section 4.2 packet headers, 5.5.3 secret-key packets, 5.5.5 the algorithms' fields. The
canonical S-expressions are what gpg-agent keeps and stores (``agent/keyformat.txt`` of GnuPG).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from dumpscan import keys
from dumpscan.asn1 import Buffer
from dumpscan.cursor import Cursor
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.key_fields import ec_point, encrypted_key, prove_rsa
from dumpscan.model import Candidate, Span

MAX_PACKET = 16 * 1024
_NOWHERE = (Span(0, 0),)
_ED25519, _CV25519 = bytes.fromhex("2b06010401da470f01"), bytes.fromhex("2b060104019755010501")
_CURVES = {
    bytes.fromhex("2a8648ce3d030107"): "P-256",
    bytes.fromhex("2b81040022"): "P-384",
    bytes.fromhex("2b81040023"): "P-521",
    bytes.fromhex("2b8104000a"): "secp256k1",
    bytes.fromhex("2b2403030208010107"): "brainpoolP256r1",
    bytes.fromhex("2b240303020801010b"): "brainpoolP384r1",
    bytes.fromhex("2b240303020801010d"): "brainpoolP512r1",
}
_NAMED = {b"NIST P-256": "P-256", b"NIST P-384": "P-384", b"NIST P-521": "P-521", b"secp256k1": "secp256k1"}
_NATIVE = {25: ("x25519", 32), 26: ("x448", 56), 27: ("ed25519", 32), 28: ("ed448", 57)}
_PUBLIC_FIELDS = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4, 20: 3}
_SECRET_FIELDS = {1: 4, 2: 4, 3: 4}


class _Cursor(Cursor):
    """A cursor over the fields of a packet."""

    def mpi(self) -> bytes:
        bits = self.number(2)
        return self.take((bits + 7) // 8) if bits <= 16384 else b""

    def integer(self) -> int:
        return int.from_bytes(self.mpi(), "big")


def packet_header(data: Buffer, pos: int, limit: int) -> tuple[int, int, int] | None:
    """The tag, the body's start and the claimed end of the packet at ``pos``; no partial lengths."""
    limit = min(limit, len(data))
    if pos < 0 or pos + 2 > limit or not data[pos] & 0x80:
        return None
    first = data[pos + 1]
    if data[pos] & 0x40:
        tag, width = data[pos] & 0x3F, 1 if first < 192 else 2 if first < 224 else 5 if first == 255 else 0
        if not width or pos + 1 + width > limit:
            return None
        size = first
        if width == 2:
            size = ((first - 192) << 8) + data[pos + 2] + 192
        elif width == 5:
            size = int.from_bytes(data[pos + 2 : pos + 6], "big")
        return tag, pos + 1 + width, pos + 1 + width + size
    width = (1, 2, 4, 0)[data[pos] & 3]
    if not width or pos + 1 + width > limit:
        return None
    size = int.from_bytes(data[pos + 1 : pos + 1 + width], "big")
    return data[pos] >> 2 & 15, pos + 1 + width, pos + 1 + width + size


def secret_key_at(data: Buffer, pos: int, limit: int, encoding: str) -> Candidate | None:
    """The secret key or subkey packet (tag 5 or 7) at ``pos``."""
    head = packet_header(data, pos, limit)
    if head is None or head[0] not in (5, 7):
        return None
    _, body, end = head
    end = min(end, limit, len(data))
    cursor = _Cursor(data, body, end)
    version, _, algorithm = cursor.number(1), cursor.number(4), cursor.number(1)
    if version not in (4, 6):
        return None
    if version == 6:
        cursor.number(4)
    public = _public_fields(cursor, algorithm)
    usage = cursor.number(1)
    if public is None or not cursor.good:
        return None
    if usage:
        return _encrypted(bytes(data[cursor.pos : end]), usage, Span(pos, end), encoding)
    start = cursor.pos
    found = _proved(cursor, algorithm, public, encoding)
    if found is None:
        return None
    secret = bytes(data[start : cursor.pos])
    if version == 4 and sum(secret) & 0xFFFF == cursor.number(2) and cursor.good:
        found = replace(found, evidence=found.evidence + ", OpenPGP checksum")
    return replace(found, spans=(Span(pos, end),))


def _public_fields(cursor: _Cursor, algorithm: int) -> list[bytes] | None:
    if algorithm in _PUBLIC_FIELDS:
        return [cursor.mpi() for _ in range(_PUBLIC_FIELDS[algorithm])]
    if algorithm in _NATIVE:
        return [cursor.take(_NATIVE[algorithm][1])]
    if algorithm not in (18, 19, 22):
        return None
    fields = [cursor.take(cursor.number(1)), cursor.mpi()]
    if algorithm == 18:
        cursor.take(cursor.number(1))
    return fields


def _proved(cursor: _Cursor, algorithm: int, public: list[bytes], encoding: str) -> Candidate | None:
    """The key of the secret fields at ``cursor``, which is left behind the last of them."""
    numbers = [int.from_bytes(field, "big") for field in public]
    if algorithm in _SECRET_FIELDS:
        n, e = numbers
        d, p, q, _ = (cursor.integer() for _ in range(4))
        return prove_rsa(n, e, d=d, p=p, q=q, encoding=encoding)
    if algorithm in _NATIVE:
        name, size = _NATIVE[algorithm]
        return _octet_key(name, cursor.take(size), public[0], encoding)
    secret = cursor.mpi()
    if not cursor.good or not secret:
        return None
    if algorithm in (18, 19, 22):
        return _curve_key(public[0], public[1], secret, encoding)
    return _discrete_log(algorithm, numbers, int.from_bytes(secret, "big"), encoding)


def _discrete_log(algorithm: int, numbers: list[int], x: int, encoding: str) -> Candidate | None:
    if numbers[0].bit_length() > 8192:
        return None
    if algorithm == 17:
        p, q, g, y = numbers
        return keys.dsa_key(p, q, g, x, y=y, spans=_NOWHERE, encoding=encoding)
    p, g, y = numbers
    found = keys.dh_key(p, g, x, y, spans=_NOWHERE, encoding=encoding)
    title = f"ElGamal private key ({p.bit_length()} bits)"
    return found and replace(found, kind="elgamal-private-key", title=title, preview=f"ElGamal-{p.bit_length()}")


def _curve_key(oid: bytes, point: bytes, secret: bytes, encoding: str) -> Candidate | None:
    if oid == _ED25519:
        return _octet_key("ed25519", secret.rjust(32, b"\0"), point[1:], encoding)
    if oid == _CV25519:  # the scalar is an MPI: the little-endian string reversed
        return _octet_key("x25519", secret.rjust(32, b"\0")[::-1], point[1:], encoding)
    curve = _CURVES.get(oid)
    return _named_key(curve, point, secret, encoding) if curve else None


def _named_key(curve: str, point: bytes, secret: bytes, encoding: str) -> Candidate | None:
    affine = ec_point(curve, point)
    scalar = int.from_bytes(secret, "big")
    return affine and keys.ec_key(curve, scalar, point=affine, spans=_NOWHERE, encoding=encoding)


def _octet_key(name: str, seed: bytes, public: bytes, encoding: str) -> Candidate | None:
    return keys.okp_key(name, seed, public=public, spans=_NOWHERE, encoding=encoding)


def _encrypted(payload: bytes, usage: int, span: Span, encoding: str) -> Candidate | None:
    gnu_dummy = payload[:8].find(b"GNU") >= 0  # gpg's stub: the key is elsewhere (a card, or taken offline)
    if usage not in (253, 254, 255) or gnu_dummy or len(payload) < 32 or len(set(payload)) < 16:
        return None
    return encrypted_key(
        payload, kind="pgp-private-key", title="Encrypted OpenPGP private key", spans=(span,), encoding=encoding
    )


def secret_keys(data: bytes, encoding: str) -> Iterator[Candidate]:
    """The secret keys of a sequence of packets; what is not a packet ends it."""
    pos = 0
    while (head := packet_header(data, pos, len(data))) is not None:
        found = secret_key_at(data, pos, len(data), encoding)
        if found is not None:
            yield found
        pos = head[2]


# ---------------------------------------------------------------- S-expressions

Node = bytes | list["Node"]


def s_expression(data: Buffer, pos: int, limit: int) -> tuple[list[Node], int] | None:
    """The canonical S-expression at ``pos`` and where it ends; what a cut took off is missing (end = ``limit``)."""
    limit = min(limit, len(data), pos + MAX_PACKET)
    stack: list[list[Node]] = []
    for _ in range(512):
        if pos >= limit:
            break
        octet = data[pos]
        if octet == 0x28 and len(stack) < 8:
            stack.append([])
            pos += 1
        elif octet == 0x29 and stack:
            done = stack.pop()
            pos += 1
            if not stack:
                return done, pos
            stack[-1].append(done)
        else:
            colon = next((i for i in range(pos, min(pos + 6, limit)) if data[i] == 0x3A), -1)
            digits = bytes(data[pos:colon]) if colon > pos else b""
            if not digits.isdigit() or not stack or colon + 1 + int(digits) > limit:
                break
            stack[-1].append(bytes(data[colon + 1 : colon + 1 + int(digits)]))
            pos = colon + 1 + int(digits)
    while len(stack) > 1:
        inner = stack.pop()
        stack[-1].append(inner)
    return (stack[0], pos) if stack else None


def _named_values(items: Sequence[Node]) -> dict[bytes, bytes]:
    pairs = (item for item in items if isinstance(item, list) and len(item) >= 2)
    return {p[0]: p[1] for p in pairs if isinstance(p[0], bytes) and isinstance(p[1], bytes)}


def _from_s_expression(tree: list[Node], span: Span) -> Candidate | None:
    if len(tree) < 2 or not isinstance(tree[1], list) or not tree[1]:
        return None
    name, items = tree[1][0], tree[1][1:]
    if tree[0] == b"protected-private-key":
        return _protected(items, span)
    if not isinstance(name, bytes) or tree[0] != b"private-key":
        return None
    values = _named_values(items)
    found = _by_name(name, values, {key: int.from_bytes(value, "big") for key, value in values.items()})
    return found and replace(found, spans=(span,))


def _by_name(name: bytes, values: dict[bytes, bytes], numbers: dict[bytes, int]) -> Candidate | None:
    def get(letters: bytes) -> list[int]:
        return [numbers.get(bytes([letter]), 0) if numbers.get(bytes([letter]), 0) >> 16392 == 0 else 0
                for letter in letters]  # fmt: skip

    if name in (b"rsa", b"openpgp-rsa"):
        n, e, d, p, q = get(b"nedpq")
        return prove_rsa(n, e, d=d, p=p, q=q, encoding="s-expression")
    if name in (b"dsa", b"openpgp-dsa"):
        return _discrete_log(17, get(b"pqgy"), get(b"x")[0], "s-expression")
    if name in (b"elg", b"openpgp-elg"):
        return _discrete_log(16, get(b"pgy"), get(b"x")[0], "s-expression")
    curve, point, secret = values.get(b"curve", b""), values.get(b"q", b""), values.get(b"d", b"")
    if curve in (b"Ed25519", b"Curve25519"):
        oid = _ED25519 if curve == b"Ed25519" else _CV25519
        return _curve_key(oid, point if len(point) == 33 else b"@" + point, secret[-32:], "s-expression")
    return _named_key(_NAMED[curve], point, secret, "s-expression") if curve in _NAMED else None


def _protected(items: Sequence[Node], span: Span) -> Candidate | None:
    for item in items:
        if isinstance(item, list) and item and item[0] == b"protected":
            payload = item[-1]
            if isinstance(payload, bytes) and len(payload) >= 32 and len(set(payload)) >= 16:
                return _encrypted(payload, 254, span, "s-expression")
    return None


# ---------------------------------------------------------------- the matcher

_EXPRESSIONS = (b"(11:private-key(", b"(21:protected-private-key(")
_PACKETS = tuple(
    bytes([algorithm, len(oid)]) + oid + start
    for algorithm, oid, start in (
        (22, _ED25519, b"\x01\x07\x40"),
        (18, _CV25519, b"\x01\x07\x40"),
        *((a, oid, b"") for a in (18, 19) for oid in _CURVES),
    )
)
"""Algorithm, curve and the start of the point: these stand six bytes into the body of a version 4 packet. RSA keys have
nothing so distinct; they are found in armor and as numbers."""


class OpenPgp:
    """OpenPGP secret keys on curves as packets, and private keys as S-expressions. Armor belongs to the PEM matcher."""

    name = "openpgp"
    anchors: Sequence[bytes] = (*_EXPRESSIONS, *_PACKETS)
    reach = MAX_PACKET
    most_hits = 4_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Candidate]:
        done = 0
        for hit in sorted(hits, key=lambda hit: hit.start):
            if hit.start < done:
                continue
            found = _expression(view.data, hit) if hit.anchor < len(_EXPRESSIONS) else _packet(view.data, hit)
            if found is not None:
                done = found.spans[0].end
                yield found


def _expression(data: memoryview, hit: Hit) -> Candidate | None:
    parsed = s_expression(data, hit.start, hit.start + MAX_PACKET - 64)
    return _from_s_expression(parsed[0], Span(hit.start, parsed[1])) if parsed else None


def _packet(data: memoryview, hit: Hit) -> Candidate | None:
    body = hit.start - 5
    for width in (2, 3, 5, 6):
        head = packet_header(data, body - width, len(data))
        if head is not None and head[1] == body and head[2] - body <= 1024:
            found = secret_key_at(data, body - width, len(data), "openpgp")
            if found is not None:
                return found
    return None


OPENPGP = OpenPgp()
