"""Keys of Windows: CNG key blobs, CAPI key blobs, PVK files, bcrypt's symmetric key objects, DPAPI blobs.

Layouts: bcrypt.h and the pages of BCRYPT_RSAKEY_BLOB, BCRYPT_ECCKEY_BLOB, BCRYPT_ECCFULLKEY_BLOB, BCRYPT_DSA_KEY_BLOB
and _V2, BCRYPT_DH_KEY_BLOB, BCRYPT_KEY_DATA_BLOB_HEADER; wincrypt.h and "Base Provider Key BLOBs". Numbers of CNG are
big-endian, those of CAPI little-endian. PVK, key objects and DPAPI blobs are not documented by Microsoft; what is
known of them is common knowledge of the field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

from dumpscan import keys
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.cng_symmetric import (
    CAPI_PLAIN_SIZES,
    bcrypt_object,
    capi_plain_blob,
    dpapi_blob,
    encrypted,
    key_data_blob,
)
from dumpscan.model import Candidate, Evidence, PublicKey, Span
from dumpscan.public_keys import ec_public, on_curve, rsa_public

_MAX_BYTES = 2048
"""Longest number taken for real: RSA-16384."""

_RSA_PUBLIC, _RSA_PRIVATE = b"RSA1", (b"RSA2", b"RSA3")
_NAMED_CURVES = {b"1": ("P-256", False), b"2": ("P-256", True), b"3": ("P-384", False), b"4": ("P-384", True),
                 b"5": ("P-521", False), b"6": ("P-521", True)}  # fmt: skip
_CURVES_BY_SIZE = {
    28: ("P-224",),
    32: ("P-256", "secp256k1", "brainpoolP256r1"),
    48: ("P-384", "brainpoolP384r1"),
    64: ("brainpoolP512r1",),
    66: ("P-521",),
}
_PVK = b"\x1e\xf1\xb5\xb0\0\0\0\0"


class _Fields:
    """Consecutive numbers of a blob, with their places."""

    def __init__(self, data: memoryview, at: int, sizes: Sequence[int], order: str = "big") -> None:
        self.spans: list[Span] = []
        for size in sizes:
            self.spans.append(Span(at, at + size))
            at += size
        self.whole = at <= len(data)
        little = order == "little"
        raw = [bytes(data[span.start : span.end]) for span in self.spans]
        self.numbers = [int.from_bytes(item[::-1] if little else item, "big") for item in raw]


def _words(data: memoryview, at: int, count: int) -> tuple[int, ...]:
    """``count`` little-endian u32; zeros where the window ends."""
    raw = bytes(data[at : at + 4 * count])
    return struct.unpack(f"<{count}I", raw.ljust(4 * count, b"\0"))


def _cng_rsa(data: memoryview, at: int) -> Evidence | None:
    magic = bytes(data[at : at + 4])
    bits, e_size, n_size, p_size, q_size = _words(data, at + 4, 5)
    if not (0 < e_size <= 8 and 64 <= n_size <= _MAX_BYTES and n_size == (bits + 7) // 8):
        return None
    private = magic in _RSA_PRIVATE
    if private and not (0 < p_size <= n_size and 0 < q_size <= n_size):
        return None
    sizes = [e_size, n_size]
    sizes += [p_size, q_size] if private else []
    sizes += [p_size, q_size, p_size, n_size] if magic == b"RSA3" else []
    fields = _Fields(data, at + 24, sizes)
    if not private:
        e, n = fields.numbers
        return rsa_public(n, e, "CNG public key blob", at) if fields.whole and n.bit_length() == bits else None
    e, n, p, q = fields.numbers[:4]
    d, spans = (fields.numbers[7], fields.spans[2:]) if magic == b"RSA3" and fields.whole else (0, fields.spans[2:4])
    if spans[-1].end > len(data) or not (p and q):
        return None
    return keys.rsa_key(n, e, d=d, p=p, q=q, spans=spans, encoding="cng-blob")


def _cng_ec(data: memoryview, at: int) -> Evidence | None:
    magic = bytes(data[at : at + 4])
    (size,) = _words(data, at + 4, 1)
    if magic[3:] in _NAMED_CURVES:
        curve, private = _NAMED_CURVES[magic[3:]]
        curves: tuple[str, ...] = (curve,) if size in _CURVES_BY_SIZE and curve in _CURVES_BY_SIZE[size] else ()
    else:
        curves, private = _CURVES_BY_SIZE.get(size, ()), magic[3:] == b"V"
        if size == 1:  # a dwVersion, not a size: parameters follow
            return _cng_full_ec(data, at, private)
    fields = _Fields(data, at + 8, [size] * (3 if private else 2) if curves else [])
    if not curves or not fields.whole:
        return None
    x, y = fields.numbers[:2]
    if magic == b"ECKV" and size == 32 and y == 0:
        return _cng_x25519(data, fields)
    return _ec(curves, (x, y), fields.numbers[2] if private else 0, fields.spans[-1], at)


def _ec(curves: Sequence[str], point: tuple[int, int], d: int, span: Span, at: int) -> Evidence | None:
    """The key on the one curve of that size on which its point lies; ``d`` 0 for a public key."""
    for curve in curves:
        if on_curve(curve, *point):
            if d:
                return keys.ec_key(curve, d, point=point, spans=(span,), encoding="cng-blob")
            return ec_public(curve, *point, "CNG public key blob", at)
    return None


def _cng_x25519(data: memoryview, fields: _Fields) -> Evidence | None:
    """Curve25519 has no y; x and the private key stand in the order of RFC 7748."""
    public, _, private = (bytes(data[span.start : span.end]) for span in fields.spans)
    return keys.okp_key("x25519", private, public=public, spans=fields.spans[2:], encoding="cng-blob")


def _cng_full_ec(data: memoryview, at: int, private: bool) -> Evidence | None:
    """BCRYPT_ECCFULLKEY_BLOB: p, a, b, G, order, cofactor, seed, then Q and d; judged by Q and d on a known curve."""
    _, _, _, size, order, cofactor, seed = _words(data, at + 4, 7)
    if size not in _CURVES_BY_SIZE or order > size + 1 or not order or cofactor > 16 or seed > 128:
        return None
    skip = 5 * size + order + cofactor + seed
    fields = _Fields(data, at + 32 + skip, [size, size, *([order] if private else [])])
    if not fields.whole:
        return None
    x, y = fields.numbers[:2]
    return _ec(_CURVES_BY_SIZE[size], (x, y), fields.numbers[2] if private else 0, fields.spans[-1], at)


def _cng_dsa(data: memoryview, at: int) -> Evidence | None:
    """First version: count, 20-byte seed and q in the header; the second states their sizes."""
    magic = bytes(data[at : at + 4])
    size, _, _, seed_size, q_size = _words(data, at + 4, 5)
    if not 64 <= size <= 512:
        return None
    if magic == b"DSPV":
        fields = _Fields(data, at + 32, [20, size, size, size, 20])
    elif seed_size <= 64 and 20 <= q_size <= 64:
        fields = _Fields(data, at + 28 + seed_size, [q_size, size, size, size, q_size])
    else:
        return None
    q, p, g, y, x = fields.numbers
    if not fields.whole or not y or p.bit_length() <= 8 * (size - 1):
        return None
    return keys.dsa_key(p, q, g, x, y=y, spans=fields.spans[4:], encoding="cng-blob")


def _cng_dh(data: memoryview, at: int) -> Evidence | None:
    (size,) = _words(data, at + 4, 1)
    private = bytes(data[at : at + 4]) == b"DHPV"
    fields = _Fields(data, at + 8, [size] * (4 if private else 3) if 64 <= size <= 1024 else [])
    if not fields.spans or not fields.whole:
        return None
    p, g, y = fields.numbers[:3]
    if p.bit_length() <= 8 * (size - 1) or not (1 < g < p and 1 < y < p and p & 1):
        return None
    if not private:
        return PublicKey("dh", (p, g, y), label="CNG public key blob", start=at)
    return keys.dh_key(p, g, fields.numbers[3], y, spans=fields.spans[3:], encoding="cng-blob")


def _capi_rsa(data: memoryview, at: int) -> Evidence | None:
    private = data[at] == 7
    bits, e = _words(data, at + 12, 2)
    if bits % 16 or not 512 <= bits <= 8 * _MAX_BYTES:
        return None
    size, half = bits // 8, bits // 16
    fields = _Fields(data, at + 20, [size, *([half] * 5 + [size] if private else [])], "little")
    n = fields.numbers[0]
    if not private:
        return rsa_public(n, e, "CAPI public key blob", at) if fields.whole and n.bit_length() == bits else None
    p, q, d = fields.numbers[1], fields.numbers[2], fields.numbers[6]
    if not fields.whole or not (p and q):
        return None
    return keys.rsa_key(n, e, d=d, p=p, q=q, spans=fields.spans[1:], encoding="capi-blob")


def _capi_dsa(data: memoryview, at: int) -> Evidence | None:
    """DSSPUBKEY, p, q, g, x, DSSSEED: there is no y, so the order of g is the proof."""
    (bits,) = _words(data, at + 12, 1)
    if bits % 64 or not 512 <= bits <= 4096:
        return None
    fields = _Fields(data, at + 16, [bits // 8, 20, bits // 8, 20], "little")
    p, q, g, x = fields.numbers
    if not fields.whole or p.bit_length() != bits or q.bit_length() != 160:
        return None
    return keys.dsa_key(p, q, g, x, spans=fields.spans[3:], encoding="capi-blob")


def _pvk(data: memoryview, at: int) -> Evidence | None:
    """An encrypted PVK file. In a plain one the CAPI blob is found by itself."""
    usage, is_encrypted, salt, size = _words(data, at + 8, 4)
    start = at + 24 + salt
    head = bytes(data[start : start + 8])
    if usage not in (1, 2) or is_encrypted != 1 or not 8 <= salt <= 64 or not 128 <= size <= 16384:
        return None
    if head[:4] != b"\x07\x02\0\0" or start + size > len(data):
        return None
    body = bytes(data[start + 8 : start + size])
    return encrypted("pvk-private-key", "Encrypted private key (PVK file)", body, Span(start + 8, start + size), "pvk")


Parse = Callable[[memoryview, int], Evidence | None]


def _table() -> tuple[tuple[bytes, int, Parse], ...]:
    """(anchor, where in its structure it stands, parser)."""
    rows: list[tuple[bytes, int, Parse]] = [(magic, 0, _cng_rsa) for magic in (_RSA_PUBLIC, *_RSA_PRIVATE)]
    rows += [(family + letter, 0, _cng_ec) for family in (b"ECS", b"ECK") for letter in _NAMED_CURVES]
    rows += [(magic, 0, _cng_ec) for magic in (b"ECKV", b"ECDV", b"ECKP", b"ECDP")]
    rows += [(b"DSPV", 0, _cng_dsa), (b"DPV2", 0, _cng_dsa), (b"DHPV", 0, _cng_dh), (b"DHPB", 0, _cng_dh)]
    rows += [(b"KDBM\x01\0\0\0", 0, key_data_blob), (_PVK, 0, _pvk), (b"KSSM", -4, bcrypt_object)]
    rows += [(b"%c\x02\0\0\0%c\0\0RSA%c" % (kind, algorithm, digit), 0, _capi_rsa)
             for kind, digit in ((7, 0x32), (6, 0x31)) for algorithm in (0xA4, 0x24)]  # fmt: skip
    rows.append((b"\x07\x02\0\0\0\x22\0\0DSS2", 0, _capi_dsa))
    rows += [(struct.pack("<4B2I", 8, 2, 0, 0, *plain), 0, capi_plain_blob) for plain in CAPI_PLAIN_SIZES.items()]
    guid = bytes.fromhex("d08c9ddf0115d1118c7a00c04fc297eb")  # df9d8cd0-1501-11d1-8c7a-00c04fc297eb
    rows.append((b"\x01\0\0\0" + guid, 0, dpapi_blob))
    return tuple(rows)


_TABLE = _table()


class Cng:
    """Windows key blobs as candidates and public keys."""

    name = "cng"
    anchors: Sequence[bytes] = tuple(row[0] for row in _TABLE)
    reach = 1 << 17

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        for hit in hits:
            _, shift, parse = _TABLE[hit.anchor]
            if hit.start + shift >= 0:
                found = parse(view.data, hit.start + shift)
                if isinstance(found, (Candidate, PublicKey)):
                    yield found


CNG = Cng()
