"""ChaCha20 states: the constant, the key, a counter and a nonce (RFC 8439, section 2.3).

Implementations that build the sixteen words of the state in memory (Java, libgcrypt, Linux, Python's and Go's pure
code, SSH) leave them there. OpenSSL keeps the key without the constant: not seen here.

The states of random generators are told apart by what stands behind them. SQLite's (``sqlite3Prng``) has the block
that follows from the state itself; a cipher counts on before it keeps a block. mimalloc's (``mi_random_ctx_t``) has its
own address for a nonce, and what is left of the block before, its used words zeroed. GnuTLS's (``prng_ctx``) has the
time of its last seeding for a nonce, and once more 24 bytes behind the state. Met in Chromium, in programs written in
Rust, and in wget.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from dumpscan.chacha20 import CONSTANT, STATE, block
from dumpscan.matchers.base import Hit, View
from dumpscan.model import Candidate, Clue, Component, Confidence, Evidence, Severity, Span

_SHORT_CONSTANT = b"expand 16-byte k"
_KEY = 32
_MOST_BLOCKS = 1 << 24
"""Of 64 bytes under one key and nonce: 1 GiB. What counts further is the inside of a computation, not a state."""


class ChaCha:
    """Finds the keys of ChaCha20 (and XChaCha20) states; yields those of generators also as clues, ``drbg-key``."""

    name = "chacha20"
    anchors: Sequence[bytes] = (CONSTANT,)
    reach = 4 * STATE
    most_hits = 4_000

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        for hit in hits:
            start = hit.start + len(CONSTANT)
            state = bytes(view.data[hit.start : hit.start + STATE])
            around = bytes(view.data[max(hit.start - STATE, 0) : hit.start + 2 * STATE])
            aligned = view.address is None or (hit.start + view.phase) % 4 == 0
            if aligned and _is_state(state) and _SHORT_CONSTANT not in around:
                key = state[len(CONSTANT) : len(CONSTANT) + _KEY]
                yield _candidate(key, Span(start, start + _KEY))
                behind = bytes(view.data[hit.start + STATE : hit.start + 3 * STATE])
                if owner := _generator(state, behind, view, hit.start):
                    note = f"{owner}'s random generator".encode()
                    yield Clue("drbg-key", key, start, start + _KEY, "octets", note)


CHACHA = ChaCha()


def _is_state(state: bytes) -> bool:
    if len(state) < STATE or not _looks_like_a_key(state[len(CONSTANT) : len(CONSTANT) + _KEY]):
        return False
    return int.from_bytes(state[48:52], "little") < _MOST_BLOCKS


def _looks_like_a_key(key: bytes) -> bool:
    """Random octets: not text, not a table, not code's small constants. One random key in 50,000 fails."""
    high = sum(octet >= 0x80 for octet in key)
    words = {key[i : i + 4] for i in range(0, _KEY, 4)}
    plain = sum(word[2:] in (b"\0\0", b"\xff\xff") for word in words)
    return len(key) == _KEY and len(set(key)) >= 20 and 5 <= high <= 27 and len(words) == 8 and plain <= 1


# ---------------------------------------------------------------- whose state it is


def _generator(state: bytes, behind: bytes, view: View, start: int) -> str:
    """The library whose random generator a state is of; empty if it may be a cipher's."""
    output, nonce = behind[:STATE], state[56:]
    if len(behind) < 2 * STATE:
        return ""
    if output == block(state):
        return "SQLite"
    if int.from_bytes(nonce, "little") == view.address_of(start) or _partly_used(state, behind):
        return "mimalloc"
    if any(nonce) and nonce == behind[16:24] and int.from_bytes(behind[:8], "little") <= _produced(state):
        return "GnuTLS"
    return ""


def _partly_used(state: bytes, behind: bytes) -> bool:
    """Whether ``behind`` is the block before ``state``'s, the words that were handed out zeroed, and their number."""
    (left,) = struct.unpack_from("<I", behind, STATE)
    used = STATE - 4 * left
    return 0 < left < 16 and not any(behind[:used]) and behind[used:STATE] == block(state, 1)[used:]


def _produced(state: bytes) -> int:
    """Bytes that a state whose counter began at zero has given."""
    return STATE * int.from_bytes(state[48:56], "little")


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
