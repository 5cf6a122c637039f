"""JSON Web Tokens in compact form: signed (RFC 7515, 7519) and encrypted (RFC 7516)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from string import ascii_lowercase
from typing import Any

from dumpscan.documentation_examples import is_documentation
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.lanes import Lane, Lanes, widened
from dumpscan.model import Candidate, Component, Confidence, Severity

_LIMIT = 64 * 1024
"""Longest token, in characters."""
_HEADER_LIMIT = 16 * 1024
_OPENINGS = [b'{"' + letter.encode() for letter in ascii_lowercase] + [b'{ "', b"{\n ", b'{\n"', b"{\n\t", b"{\r\n"]
_STARTS = sorted({base64.b64encode(opening)[:4] for opening in _OPENINGS})
_ANCHORS = widened(_STARTS, (1, 2, 4))
_RUN = re.compile(rb"[A-Za-z0-9_-]*")
_SIGNATURE_SIZES = {"HS256": 43, "HS384": 64, "HS512": 86, "ES256": 86, "ES256K": 86, "ES384": 128, "ES512": 176}
"""Characters; the octets are fixed by RFC 7518."""
_RSA_SHORTEST = 171
"""Characters of an RSA-1024 signature; anything shorter was cut."""


_MANUALS = (b"secret", b"your-256-bit-secret", b"your-384-bit-secret", b"your-512-bit-secret",
            b"a-string-secret-at-least-256-bits-long")  # fmt: skip
"""What jwt.io and the manuals of libraries sign their examples with: such a token proves nothing to anybody."""
_HASHES = {43: hashlib.sha256, 64: hashlib.sha384, 86: hashlib.sha512}


class Jwt:
    """Tokens whose header says what they are.

    ``now`` is the time in seconds since 1970 against which ``exp`` is judged; without it no token counts as expired.
    """

    name = "jwt"
    anchors: Sequence[bytes] = tuple(anchor for anchor, _ in _ANCHORS)
    reach = 4 * _LIMIT
    most_hits = 4_000

    def __init__(self, now: int | None = None) -> None:
        self._now = now

    def match(self, view: View, hits: Sequence[Hit]) -> Iterator[Candidate]:
        lanes = Lanes(view)
        runs: dict[int, tuple[int, int]] = {}
        for hit in hits:
            lane, at = lanes.at(hit.start, _ANCHORS[hit.anchor][1])
            start, end = runs.get(id(lane), (0, 0))
            if not start <= at < end:  # many anchors in one run: its end is looked for once
                end = _end(lane.text, at, at + _LIMIT)
                runs[id(lane)] = at, end
            if lane.text[end : end + 1] == b"." and end - at <= _HEADER_LIMIT:
                candidate = self._token(lane, at, end)
                if candidate:
                    yield candidate

    def _token(self, lane: Lane, at: int, end: int) -> Candidate | None:
        header = _object(lane.text[at:end])
        algorithm = _printable(header.get("alg")) if header else ""
        if header is None or not algorithm:
            return None
        if "enc" in header:
            parts = _parts(lane.text, end, at + _LIMIT, 4)
            return self._encrypted(lane, at, end, header, parts) if parts else None
        parts = _parts(lane.text, end, at + _LIMIT, 2)
        return self._signed(lane, at, end, header, parts) if parts else None

    def _signed(
        self, lane: Lane, at: int, end: int, header: Mapping[str, Any], parts: Sequence[bytes]
    ) -> Candidate | None:
        payload, signature = parts
        algorithm = str(header["alg"])
        unsigned = algorithm.lower() == "none"
        claims = _object(payload)
        if claims is None and not (payload and ({"cty", "zip", "b64"} & header.keys())):
            return None
        if not signature and not unsigned:
            return None
        whole = _SIGNATURE_SIZES.get(algorithm, _RSA_SHORTEST if algorithm[:2] in ("RS", "PS") else 0)
        if algorithm in _SIGNATURE_SIZES:
            signature = signature[:whole]  # what stands right behind the token may look like more of it
        token = b".".join((lane.text[at:end], payload, signature))
        severity, evidence = self._judged(claims or {}, token)
        if unsigned and not signature:
            severity = min(severity, Severity.LOW)
        if len(signature) < whole:
            evidence += "; signature cut short"
        confidence = Confidence.VALIDATED if len(signature) >= whole else Confidence.POSSIBLE
        return _candidate(lane, at, token, header, claims or {}, severity, evidence, confidence)

    def _encrypted(
        self, lane: Lane, at: int, end: int, header: Mapping[str, Any], parts: Sequence[bytes]
    ) -> Candidate | None:
        _, vector, ciphertext, tag = parts
        if not (vector and ciphertext and tag and _printable(header["enc"])):
            return None
        token = lane.text[at : end + sum(map(len, parts)) + 4]
        evidence = "header parses as JWE"
        return _candidate(lane, at, token, header, {}, Severity.HIGH, evidence, Confidence.VALIDATED)

    def _judged(self, claims: Mapping[str, Any], token: bytes) -> tuple[Severity, str]:
        """How bad the leak is, and why."""
        if is_documentation(token) or (claims.get("sub") == "1234567890" and claims.get("name") == "John Doe"):
            return Severity.INFO, "example token of jwt.io"
        if _signed_by_a_manual(token):
            return Severity.INFO, "signed with the secret of a manual"
        expiry, stamp = _date(claims.get("exp")), claims.get("exp")
        if not expiry or not isinstance(stamp, (int, float)):
            return Severity.HIGH, "header and payload parse; does not expire"
        expired = self._now is not None and stamp < self._now
        verb = "expired" if expired else "expires"
        return Severity.MEDIUM if expired else Severity.HIGH, f"header and payload parse; {verb} {expiry}"


def _signed_by_a_manual(token: bytes) -> bool:
    """Whether the signature is an HMAC with a published secret."""
    signed, _, signature = token.rpartition(b".")
    kind = _HASHES.get(len(signature))
    if kind is None:
        return False
    made = (base64.urlsafe_b64encode(hmac.digest(secret, signed, kind)).rstrip(b"=") for secret in _MANUALS)
    return signature in made


def _candidate(
    lane: Lane,
    at: int,
    token: bytes,
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    severity: Severity,
    evidence: str,
    confidence: Confidence,
) -> Candidate:
    told = {"alg": _printable(header["alg"]), "kid": _printable(header.get("kid"))}
    told |= {"iss": _printable(claims.get("iss")), "aud": _audience(claims.get("aud")), "exp": _date(claims.get("exp"))}
    public = {name: value for name, value in told.items() if value}
    preview = " ".join(["JWT", *(f"{name}={public[name]}" for name in ("alg", "iss", "exp") if name in public)])
    return Candidate(
        kind="jwt",
        title=f"JSON Web {'Encryption' if 'enc' in header else 'Token'} ({public['alg']})",
        identity=token,
        spans=(lane.span(at, at + len(token)),),
        encoding=lane.encoding,
        components=(Component("token", token, "text"),),
        severity=severity,
        confidence=confidence,
        evidence=evidence,
        public=public,
        preview=preview,
    )


def _end(text: bytes, start: int, limit: int) -> int:
    """Where the run of base64url characters from ``start`` ends."""
    found = _RUN.match(text, start, limit)
    return found.end() if found else start


def _parts(text: bytes, dot: int, limit: int, count: int) -> list[bytes] | None:
    """The next ``count`` parts, each after a dot, the first dot at ``dot``."""
    parts = []
    for _ in range(count):
        if text[dot : dot + 1] != b".":
            return None
        end = _end(text, dot + 1, limit)
        parts.append(text[dot + 1 : end])
        dot = end
    return parts


def _object(part: bytes) -> Mapping[str, Any] | None:
    """The JSON object in a part of a token."""
    if len(part) < 3 or len(part) % 4 == 1 or part[:1] != b"e":  # what "{" becomes
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _printable(value: object) -> str:
    """A short string of printable ASCII, or nothing."""
    fits = isinstance(value, str) and len(value) <= 200 and value.isascii() and value.isprintable()
    return str(value) if fits else ""


def _audience(value: object) -> str:
    if isinstance(value, list):
        return _printable(" ".join(_printable(item) for item in value[:8]))
    return _printable(value)


def _date(value: object) -> str:
    """A NumericDate (RFC 7519, section 2) in ISO 8601, or nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    try:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


JWT = Jwt()
