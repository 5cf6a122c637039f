"""ChaCha20 states: the constant, and the key that follows it (RFC 8439, section 2.3).

Implementations that build the sixteen words of the state in memory (Java, libgcrypt, Linux, Python's and Go's pure
code, SSH) leave constant, key, counter and nonce there. OpenSSL keeps the key without the constant: not seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Component, Confidence, Evidence, Severity, Span

_CONSTANT = b"expand 32-byte k"
_SHORT_CONSTANT = b"expand 16-byte k"
_KEY = 32
_STATE = 64


class ChaCha:
    """Finds the keys of ChaCha20 (and XChaCha20) states."""

    name = "chacha20"
    anchors: Sequence[bytes] = (_CONSTANT,)
    reach = 2 * _STATE

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        for hit in hits:
            start = hit.start + len(_CONSTANT)
            key = bytes(view.data[start : start + _KEY])
            around = bytes(view.data[max(hit.start - _STATE, 0) : hit.start + 2 * _STATE])
            aligned = view.address is None or (hit.start + view.phase) % 4 == 0
            if aligned and _looks_like_a_key(key) and _SHORT_CONSTANT not in around:
                yield _candidate(key, Span(start, start + _KEY))


CHACHA = ChaCha()


def _looks_like_a_key(key: bytes) -> bool:
    """Random octets: not text, not a table, not code's small constants. One random key in 50,000 fails."""
    high = sum(octet >= 0x80 for octet in key)
    words = {key[i : i + 4] for i in range(0, _KEY, 4)}
    plain = sum(word[2:] in (b"\0\0", b"\xff\xff") for word in words)
    return len(key) == _KEY and len(set(key)) >= 20 and 5 <= high <= 27 and len(words) == 8 and plain <= 1


def _candidate(key: bytes, span: Span) -> Candidate:
    return Candidate(
        kind="chacha20-key",
        title="ChaCha20 key",
        identity=b"chacha20:" + key,
        spans=(span,),
        encoding="chacha20-state",
        components=(Component("key", key),),
        severity=Severity.MEDIUM,
        confidence=Confidence.VALIDATED,
        evidence="random octets after the constant of a state",
        preview="ChaCha20",
    )
