"""The block function of ChaCha20 (RFC 8439, section 2.3)."""

from __future__ import annotations

import struct

CONSTANT = b"expand 32-byte k"
STATE = 64
"""Bytes of a state, and of the block that follows from it."""

_MASK = 0xFFFFFFFF
_COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def block(state: bytes, back: int = 0) -> bytes:
    """The 64 bytes that follow from ``state``, or from what it was ``back`` blocks earlier (its counter is word 12)."""
    words = list(struct.unpack("<16I", state))
    words[12] = (words[12] - back) & _MASK
    mixed = words.copy()
    for _ in range(10):
        for a, b, c, d in _COLUMNS + _DIAGONALS:
            _quarter(mixed, a, b, c, d)
    return struct.pack("<16I", *((x + y) & _MASK for x, y in zip(words, mixed, strict=True)))


def _quarter(words: list[int], a: int, b: int, c: int, d: int) -> None:
    for first, second, third, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        words[first] = (words[first] + words[second]) & _MASK
        turned = words[third] ^ words[first]
        words[third] = (turned << by | turned >> 32 - by) & _MASK
