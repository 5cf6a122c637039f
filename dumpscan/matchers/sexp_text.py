"""Private keys as S-expressions in text: ``(private-key (rsa (n #00C1…#)(e #010001#)(d #…#)…))``.

GnuPG 2.3 and later write their key files so (agent/keyformat.txt, "Extended Private Key Format"), and libgcrypt holds
its self-test keys in this spelling. Lines are folded inside the hexadecimal numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dumpscan.keys import dh_key, dsa_key, ec_key, okp_key, okp_seed_size, rsa_key
from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Span

_LONGEST = 16 << 10
"""RSA-8192 with all of its parts takes 10 KB."""

_HEAD = re.compile(rb"\(private-key\s*\(\s*([a-z]{2,8})\s*")
_FIELD = re.compile(rb"\s*\(\s*([a-z]{1,8})\s*(?:#([0-9A-Fa-f\s]{1,8192})#|\"?([A-Za-z0-9. -]{1,40})\"?)\s*\)")

_CURVES = {
    **dict.fromkeys(("secp224r1", "nist p-224", "nistp224"), "P-224"),
    **dict.fromkeys(("secp256r1", "nist p-256", "nistp256", "prime256v1"), "P-256"),
    **dict.fromkeys(("secp384r1", "nist p-384", "nistp384"), "P-384"),
    **dict.fromkeys(("secp521r1", "nist p-521", "nistp521"), "P-521"),
    "secp256k1": "secp256k1",
    "brainpoolp256r1": "brainpoolP256r1",
    "brainpoolp384r1": "brainpoolP384r1",
    "brainpoolp512r1": "brainpoolP512r1",
}
_OKP = {"ed25519": "ed25519", "curve25519": "x25519", "cv25519": "x25519", "ed448": "ed448", "x448": "x448"}


class SexpText:
    """Window matcher for whole private keys."""

    name = "sexp-text"
    anchors: Sequence[bytes] = (b"(private-key",)
    reach = _LONGEST

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Candidate]:
        for hit in hits:
            text = bytes(view.data[hit.start : hit.start + _LONGEST])
            head = _HEAD.match(text)
            make = _MAKERS.get(head[1]) if head else None
            if head is None or make is None:
                continue
            fields: dict[bytes, bytes] = {}
            end = head.end()
            while field := _FIELD.match(text, end):
                fields[field[1]] = field[2] if field[2] is not None else field[3]
                end = field.end()
            key = make(_Fields(fields, Span(hit.start, hit.start + end)))
            if key:
                yield key


@dataclass(frozen=True, slots=True)
class _Fields:
    by_name: Mapping[bytes, bytes]
    span: Span

    def octets(self, name: bytes) -> bytes:
        digits = b"".join(self.by_name.get(name, b"").split())
        try:
            return bytes.fromhex((b"0" * (len(digits) % 2) + digits).decode("ascii"))
        except ValueError:
            return b""

    def number(self, name: bytes) -> int:
        return int.from_bytes(self.octets(name), "big")


def _rsa(fields: _Fields) -> Candidate | None:
    n, e, d, p, q = map(fields.number, (b"n", b"e", b"d", b"p", b"q"))
    return rsa_key(n, e, d=d, p=p, q=q, spans=(fields.span,), encoding="sexp-text")


def _dsa(fields: _Fields) -> Candidate | None:
    p, q, g, y, x = map(fields.number, (b"p", b"q", b"g", b"y", b"x"))
    return dsa_key(p, q, g, x, y=y, spans=(fields.span,), encoding="sexp-text")


def _elgamal(fields: _Fields) -> Candidate | None:
    p, g, y, x = map(fields.number, (b"p", b"g", b"y", b"x"))
    return dh_key(p, g, x, y, spans=(fields.span,), encoding="sexp-text")


def _ecc(fields: _Fields) -> Candidate | None:
    curve = fields.by_name.get(b"curve", b"").decode("ascii").lower()
    public, private = fields.octets(b"q"), fields.octets(b"d")
    if curve in _OKP:
        algorithm = _OKP[curve]
        size = okp_seed_size(algorithm)
        seed = private[-size:].rjust(size, b"\0")
        turned = seed[::-1] if algorithm == "x25519" else seed  # libgcrypt has Curve25519's scalar in big-endian order
        return okp_key(algorithm, turned, public=public[-size:] or None, spans=(fields.span,), encoding="sexp-text")
    half = len(public) // 2
    point = (int.from_bytes(public[1 : half + 1], "big"), int.from_bytes(public[half + 1 :], "big"))
    if curve not in _CURVES or public[:1] != b"\4":
        return None
    return ec_key(
        _CURVES[curve], int.from_bytes(private, "big"), point=point, spans=(fields.span,), encoding="sexp-text"
    )


_MAKERS: dict[bytes, Callable[[_Fields], Candidate | None]] = {
    b"rsa": _rsa,
    b"dsa": _dsa,
    b"elg": _elgamal,
    b"ecc": _ecc,
    b"ecdsa": _ecc,
    b"eddsa": _ecc,
}

SEXP_TEXT = SexpText()
