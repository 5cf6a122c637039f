"""JSON Web Keys (RFC 7517, 7518, 8037): private ones as candidates, public ones as material for proofs.

An object is read as JSON, whatever its spelling: UTF-8 or UTF-16LE, plain or inside a JSON string (``\\"kty\\"``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dumpscan import keys
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.lanes import Lane, Lanes, widened
from dumpscan.model import Candidate, Component, Confidence, Evidence, PublicKey, Severity, Span
from dumpscan.public_keys import ec_public, okp_public_key, printable, rsa_public

_LIMIT = 32 * 1024
"""Longest key object, and greatest distance from its brace to ``kty``, in characters."""
_BRACES = 8
"""Objects tried around one ``kty``: nested ones that end before it."""
_DEPTH = 16
"""Deepest nesting inside a key object; it bounds the work on braces that are never closed."""
_ANCHORS = widened((b'"kty"', b'kty\\"', b"kty\\\\"))
_TOKEN = re.compile(rb'"(?:[^"\\\0]|\\.)*"|[{}\[\]\0-\x08\x0e-\x1f\x7f]')
_ESCAPED_QUOTE = re.compile(rb'\\+"')
_ESCAPED_SPACE = re.compile(rb"\\+[nrt](?=[\s\\\"}{,\]])")
_DECODER = json.JSONDecoder(strict=False)
_EC_NAMES = {"P-256", "P-384", "P-521", "secp256k1", "P-256K"}
_OKP_NAMES = {"Ed25519": "ed25519", "Ed448": "ed448", "X25519": "x25519", "X448": "x448"}
_PRIVATE = {"RSA": ("d", "p", "q", "dp", "dq", "qi"), "EC": ("d",), "OKP": ("d",), "oct": ("k",)}
_THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class Jwk:
    """JWK objects and the members of JWK sets."""

    name = "jwk"
    anchors: Sequence[bytes] = tuple(anchor for anchor, _ in _ANCHORS)
    reach = 4 * _LIMIT
    most_hits = 4_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Evidence]:
        lanes = Lanes(view)
        plain: dict[int, _Text] = {}
        seen: set[Span] = set()
        for hit in hits:
            lane, at = lanes.at(hit.start, _ANCHORS[hit.anchor][1])
            text = plain.get(id(lane))
            if text is None:
                text = plain[id(lane)] = _Text(lane)
            found = text.object_around(at)
            if found and (place := lane.span(found.start, found.end)) not in seen:
                seen.add(place)
                yield from found.evidence()


@dataclass(frozen=True, slots=True)
class _Object:
    """One JSON object and where it stands in its lane."""

    lane: Lane
    start: int
    end: int
    members: Mapping[str, Any]

    def text(self, name: str) -> str:
        value = self.members.get(name)
        return value.strip() if isinstance(value, str) else ""

    def octets(self, name: str) -> bytes:
        """A base64url member; empty if it is absent or wrong."""
        value = self.text(name).rstrip("=")
        if not re.fullmatch(r"[A-Za-z0-9_-]{2,8192}", value):
            return b""
        try:
            return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except binascii.Error:
            return b""

    def number(self, name: str) -> int:
        return int.from_bytes(self.octets(name), "big")

    def spans(self, names: Sequence[str]) -> list[Span]:
        """The places of the values of ``names``."""
        spans = []
        for name in names:
            value = self.text(name)
            if value:
                pattern = rb'"%s\s*\\*"\s*:\s*\\*"(%s)' % (name.encode(), re.escape(value.encode()))
                found = re.compile(pattern).finditer(self.lane.text, self.start, self.end)
                spans += [self.lane.span(*match.span(1)) for match in found]
        return spans

    def evidence(self) -> Iterator[Evidence]:
        public = self._public()
        if public:
            yield public
        kty = self.text("kty")
        spans = self.spans(_PRIVATE.get(kty, ()))
        candidate = self._private(kty, spans) if spans else None
        if candidate:
            told = dict(candidate.public)
            if kty in _THUMBPRINT:
                told["jwk_thumbprint"] = self._thumbprint(kty)
            if self._kid():
                told["kid"] = self._kid()
            yield replace(candidate, public=told)

    def _kid(self) -> str:
        return printable(self.text("kid"))

    def _public(self) -> PublicKey | None:
        label = f"JWK kid={self._kid()}" if self._kid() else "JWK"
        kty, crv, start = self.text("kty"), self.text("crv"), self.lane.span(self.start, self.end).start
        if kty == "RSA":
            return rsa_public(self.number("n"), self.number("e"), label, start)
        if kty == "EC" and crv in _EC_NAMES:
            return ec_public(_curve(crv), self.number("x"), self.number("y"), label, start)
        if kty == "OKP" and crv in _OKP_NAMES:
            return okp_public_key(_OKP_NAMES[crv], self.octets("x"), label, start)
        return None

    def _private(self, kty: str, spans: Sequence[Span]) -> Candidate | None:
        encoding, crv, number = f"jwk {self.lane.encoding}", self.text("crv"), self.number
        if kty == "RSA":
            n, e, d, p, q = (number(name) for name in ("n", "e", "d", "p", "q"))
            if n.bit_length() > 16384 or not (d or p or q):
                return None
            return keys.rsa_key(n, e, d=d, p=p, q=q, spans=spans, encoding=encoding)
        if kty == "EC" and crv in _EC_NAMES and number("d"):
            point = (number("x"), number("y")) if self.octets("y") else None
            return keys.ec_key(_curve(crv), number("d"), point=point, spans=spans, encoding=encoding)
        if kty == "OKP" and crv in _OKP_NAMES:
            public = self.octets("x") or None
            return keys.okp_key(_OKP_NAMES[crv], self.octets("d"), public=public, spans=spans, encoding=encoding)
        return self._symmetric(spans, encoding) if kty == "oct" else None

    def _symmetric(self, spans: Sequence[Span], encoding: str) -> Candidate | None:
        key = self.octets("k")
        if len(key) < 16 or len(set(key)) < 8:
            return None
        return Candidate(
            kind="symmetric-key",
            title=f"JWK symmetric key ({8 * len(key)} bits)",
            identity=b"oct:" + key,
            spans=tuple(spans),
            encoding=encoding,
            components=(Component("k", key), Component("k", self.text("k").encode(), "text")),
            evidence="parsed as a JSON Web Key",
            confidence=Confidence.VALIDATED,
            severity=Severity.HIGH,
            preview=f"JWK oct, {8 * len(key)} bits",
        )

    def _thumbprint(self, kty: str) -> str:
        """RFC 7638, SHA-256, base64url."""
        required = {name: self.text(name).rstrip("=") for name in _THUMBPRINT[kty]}
        canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


class _Text:
    """A lane in which escaped quotes and line breaks became blanks and quotes, each character in its old place."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        text = _ESCAPED_SPACE.sub(_blank, lane.text)
        self._text = _ESCAPED_QUOTE.sub(_quote, text)
        self._objects: dict[int, _Object | None] = {}

    def object_around(self, at: int) -> _Object | None:
        """The innermost object whose own member ``kty`` may be the one at ``at``."""
        brace = at
        for _ in range(_BRACES):
            brace = self._text.rfind(b"{", max(at - _LIMIT, 0), brace)
            if brace < 0:
                return None
            if brace not in self._objects:
                self._objects[brace] = self._parse(brace)
            found = self._objects[brace]
            if found and found.end > at:
                return found if "kty" in found.members else None
        return None

    def _parse(self, brace: int) -> _Object | None:
        end = self._closing(brace)
        if end is None:
            return None
        try:
            value = _DECODER.decode(self._text[brace:end].decode("latin-1"))
        except (ValueError, RecursionError):
            return None
        return _Object(self._lane, brace, end, {name.strip(): member for name, member in value.items()})

    def _closing(self, brace: int) -> int | None:
        """Where the object that opens at ``brace`` ends; ``None`` if it does not, or holds bytes that JSON cannot."""
        depth = 0
        for token in _TOKEN.finditer(self._text, brace, brace + _LIMIT):
            first = token[0][:1]
            if first in b"{[":
                depth += 1
            elif first in b"}]":
                depth -= 1
            elif first != b'"':
                return None
            if depth > _DEPTH:
                return None
            if depth == 0:
                return token.end()
        return None


def _blank(match: re.Match[bytes]) -> bytes:
    return b" " * len(match[0])


def _quote(match: re.Match[bytes]) -> bytes:
    return b'"'.rjust(len(match[0]))


def _curve(crv: str) -> str:
    return "secp256k1" if crv == "P-256K" else crv


JWK = Jwk()
